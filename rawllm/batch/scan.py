"""An output file → its records in the index, and what is wrong with its end.

Changes no file: what it finds, the journal repairs. What is not ours it refuses, with the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ..errors import ConfigurationError
from ..sansio.loose import loads
from . import lines
from .files import trouble
from .index import Index

__all__ = ["Found", "newest", "scan"]

#: Bytes of a line of output. A longer one is a file of another kind, read into memory as a whole.
MAX_LINE = 1024 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Found(NamedTuple):
    """records: int. end: int, the offset behind the last record. torn: int, bytes after it that are
    none. newline: bool, the last record lacks its own. untidy: bool, the file holds more than one
    line for each request: superseded records, blank lines, a BOM."""

    records: int
    end: int
    torn: int = 0
    newline: bool = False
    untidy: bool = False


def scan(path: str, index: Index, *, begun: bool) -> Found:
    """Every record of the file into the index, the newest of each request.

    begun: bool, a manifest says that the file is a run's. Raises ConfigurationError for a line that
    is no record of a request in the index.
    """
    try:
        with open(path, "rb") as file:
            return _scan(path, file, index, begun)
    except FileNotFoundError:
        return Found(0, 0)
    except OSError as error:
        raise trouble(path, error) from None


def _scan(path: str, file: BinaryIO, index: Index, begun: bool) -> Found:
    records = end = number = 0
    untidy = False

    def put(record: bytes) -> None:
        nonlocal untidy
        custom_id, failed = lines.outcome(record)
        try:
            untidy |= index.put(custom_id, start, failed=failed)
        except KeyError:
            raise _Unknown(f"the input has no request {custom_id!r:.100}") from None

    while line := file.readline(MAX_LINE):
        number += 1
        start = end
        if number == 1 and line.startswith(_BOM):
            start += len(_BOM)
            untidy = True
        record = line[start - end :]
        try:
            if not line.endswith(b"\n"):
                # Behind the record, where the power went, there may be NULs.
                put(whole := record.rstrip(b"\0"))
                end = start + len(whole)
                return Found(records + 1, end, len(record) - len(whole), True, untidy)
            if record.strip():
                put(record)
                records += 1
            else:
                untidy = True
        except ValueError as error:
            # A foreign file may be one line without a newline: nothing of it is ever removed.
            if not line.endswith(b"\n") and (begun or records) and _is_piece(record, error):
                return Found(records, end, torn=len(line), untidy=untidy)
            raise ConfigurationError(
                f"{path}, line {number}: no record of this run ({error}). Nothing was changed: "
                "remove the line, or write to another file"
            ) from None
        end += len(line)
    return Found(records, end, untidy=untidy)


class _Unknown(ValueError):
    """A record of no request of the input."""


def _is_piece(line: bytes, error: ValueError) -> bool:
    """Whether a death in mid-write can have left it: the beginning of an object, or NULs."""
    if isinstance(error, _Unknown) or not line.startswith((b"{", b"\0")):
        return False
    try:
        loads(line)
    except ValueError:
        return True
    return False


def newest(path: str, index: Index) -> Iterator[tuple[bytes, bool]]:
    """(line, failed) of the records that stand, in the order of the file, which must be sound."""
    offset = 0
    with open(path, "rb") as file:
        for line in file:
            bom = len(_BOM) if offset == 0 and line.startswith(_BOM) else 0
            record = line[bom:]
            if record.strip():
                custom_id, failed = lines.outcome(record)
                if index.find(custom_id) == (offset + bom, failed):
                    yield record, failed
            offset += len(line)
