"""The input of a run: counted, hashed and checked first, then read line by line, each time anew.

Writes nothing, and holds one line at a time. It reads the file three times, so a pipe will not do;
`numbered` reads one, with the same rules and without the checks.

Lines end with `\\n`: `str.splitlines` would cut a prompt that holds U+2028 in two.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from ..errors import ConfigurationError
from . import lines
from .index import Index

__all__ = ["Source", "Survey", "numbered"]

#: Bytes of a line of input. A longer one is a file of another kind, read into memory as a whole.
MAX_LINE = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_BLOCK = 1024 * 1024


class Survey(msgspec.Struct):
    """What is known of an input before the first request.

    name: str, the file's. bytes: int, unpacked. lines: int, its requests. sha256: str, of the
    unpacked bytes. index: Index that holds the custom_id of every request.
    """

    name: str
    bytes: int
    lines: int
    sha256: str
    index: Index


class Source:
    """A file of requests; `.gz` is unpacked as it is read.

    Iterating gives (number, line): the line's number from 1, and its bytes without the newline;
    blank lines are left out.
    Raises ConfigurationError where the path is no file that can be read, and, when a reading comes
    to its end, where the file has changed since.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with self._problems():
            found = os.stat(self.path)
            if not stat.S_ISREG(found.st_mode):
                kind = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
                raise ConfigurationError(
                    f"{self.path} is {kind}; name a file of JSON lines, or '-' to read a pipe"
                )
            self._identity = _identity(found)

    def survey(self, *, model: str | None = None) -> Survey:
        """Read it all, twice: count and hash, then check every line.

        model: as in `lines.request`. Raises ConfigurationError for the first line that is no
        request, or whose custom_id an earlier line has.
        """
        digest, size, most = hashlib.sha256(), 0, 1
        with self._problems(), self._open() as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
                most += block.count(b"\n")
        index = Index(most)
        for number, line in self:
            try:
                custom_id = lines.request(line, number, model=model).custom_id
            except ConfigurationError as error:
                raise ConfigurationError(f"{self.path}, {error}") from None
            try:
                fresh = index.add(custom_id)
            except IndexError:  # more lines than were counted a moment ago
                raise self._changed() from None
            if not fresh:
                raise self._twice(custom_id, number)
        if not len(index):
            raise ConfigurationError(f"{self.path} holds no request: it is empty")
        name = os.path.basename(self.path)
        return Survey(name, size, len(index), digest.hexdigest(), index)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        with self._problems(), self._open() as file:
            yield from numbered(file)
            if _identity(os.stat(self.path)) != self._identity:
                raise self._changed()

    def _changed(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.path} was changed while it was read; start again when nothing writes to it"
        )

    def _open(self) -> BinaryIO:
        if self.path.endswith(".gz"):
            return gzip.open(self.path, "rb")  # type: ignore[return-value]
        return open(self.path, "rb")

    @contextmanager
    def _problems(self) -> Iterator[None]:
        """What reading runs into, as ConfigurationError with the file's name."""
        try:
            yield
        except EOFError:
            raise ConfigurationError(f"{self.path} is cut: its gzip data ends too early") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ConfigurationError(
                f"{self.path} cannot be unpacked, it is no sound gzip file: {error}"
            ) from None
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error.strerror}") from None
        except _TooLong as error:
            raise ConfigurationError(f"{self.path}, {error}") from None

    def _twice(self, custom_id: str, number: int) -> ConfigurationError:
        """The index knows digests only: the first of the two lines has to be looked for."""
        for earlier, line in self:
            if earlier == number:
                break
            if lines.request(line, earlier).custom_id == custom_id:
                return ConfigurationError(
                    f"{self.path}, line {number}: line {earlier} has the same custom_id, "
                    f"{custom_id!r:.100}; every request needs its own"
                )
        return ConfigurationError(
            f"{self.path}, line {number}: the digest of its custom_id, {custom_id!r:.100}, is by "
            "chance that of another one; change this custom_id"
        )


class _TooLong(ConfigurationError):
    pass


def numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(number, line) of every line that is not blank, read as it is asked for. A BOM, CRLF and a
    last line without a newline are taken as they come. Raises ConfigurationError for a line of more
    than 64 MiB."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise _TooLong(
                f"line {number}: it is longer than {MAX_LINE >> 20} MiB; is this a file of JSON "
                "lines, one request each?"
            )
        if number == 1:
            line = line.removeprefix(_BOM)
        if line := line.strip():
            yield number, line


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
