"""The output of a run: an append-only file of Batch lines, with a manifest and lock beside it.

Sends nothing and decides nothing about requests. Changes no file that it refuses: every check comes
before the first change. Nothing is acknowledged that could be lost: when `append` returns, the
record stands in the file, whole, and outlives the process; with durability="power" it outlives the
machine's power when `durable` returns.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self

from ..errors import ConfigurationError
from .files import (
    FLAGS,
    JournalError,
    check_output,
    replacing,
    sync_directory,
    trouble,
    write_all,
    writing,
)
from .manifest import Manifest, describe
from .scan import Found, newest, scan
from .source import Survey

__all__ = ["Journal", "JournalError", "check_output"]

_BLOCK = 1024 * 1024


class Journal:
    """Opens or makes the output of a run over `survey`'s input, and holds its lock until closed.

    path: the output. One that ends in .gz is made by `finish`; till then records go to `path`.part.
    configuration: dict of plain JSON values ({"model": "…"}), the same in every run on this file.
    base_url: str without credentials, or None; information only.
    durability: "process" or "power".
    retry_failed: bool, failed records of earlier runs do not count as done.
    apart_from: paths that the output must not be, the input's first of all.

    A file without a manifest is adopted where every line of it is a record of a request of this
    input. The newest record of a request counts. An unfinished last line is repaired: completed
    where only its newline is missing, else removed.

    Raises ConfigurationError (nothing was changed) for a second run on the same file, another input
    or configuration, and a file that holds something else; JournalError where the disk is at fault.

    Attributes:
        notes: list of str, sentences for people about what was found and repaired.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        survey: Survey,
        *,
        configuration: dict[str, Any],
        base_url: str | None = None,
        durability: Literal["process", "power"] = "process",
        retry_failed: bool = False,
        apart_from: Iterable[str | os.PathLike[str]] = (),
    ) -> None:
        self.path = check_output(path, apart_from=apart_from)
        self._packed = self.path.endswith(".gz")
        self._file = self.path + ".part" if self._packed else self.path
        self._index = survey.index
        self._power = durability == "power"
        self._fd = -1
        self._broken: JournalError | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._manifest = Manifest(self.path + ".manifest", out=os.fspath(path))
        try:
            self._open(describe(survey, configuration, base_url))
        except BaseException:
            self._manifest.discard()
            self.close()
            raise
        self.notes = self._manifest.notes
        self._before = self._end
        self._again = self._index.failed if retry_failed else 0
        self._retry_failed = retry_failed

    # Opening

    def _open(self, wanted: dict[str, Any]) -> None:
        manifest = self._manifest
        begun = any(_size(path) for path in {self.path, self._file})
        if begun:
            manifest.check(wanted)
        unpacked = begun and not _size(self._file)
        try:
            if unpacked:
                self._unpack()
            found = scan(self._file, self._index, begun=manifest.stored is not None)
        except BaseException:
            if unpacked:
                with suppress(OSError):
                    os.unlink(self._file)
            raise
        if begun and manifest.stored is None:
            manifest.notes.append(f"{self.path} was here before: it has {found.records} records")
        if not begun or manifest.stored is None:
            manifest.write(wanted, power=self._power)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | FLAGS
            self._fd = os.open(self._file, flags, 0o666)
        except OSError as error:
            raise trouble(self._file, error) from None
        with writing(self._file):
            self._repair(found)
            if self._power:
                os.fsync(self._fd)
                sync_directory(self._file)
        self._synced = self._end

    def _unpack(self) -> None:
        with replacing(self._file) as write:
            for block in self._packed_blocks():
                write(block)

    def _packed_blocks(self) -> Iterator[bytes]:
        try:
            with gzip.open(self.path) as packed:
                while block := packed.read(_BLOCK):
                    yield block
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ConfigurationError(
                f"{self.path} cannot be unpacked, it is no sound gzip file: {error}"
            ) from None

    def _repair(self, found: Found) -> None:
        self._end, self._untidy = found.end, found.untidy
        if found.torn:
            os.ftruncate(self._fd, found.end)
            self._manifest.notes.append(
                f"{self._file}: an unfinished last record ({found.torn} bytes) is removed"
            )
        if found.newline:
            write_all(self._fd, b"\n")
            self._end += 1

    # What it knows

    def done(self, custom_id: str) -> bool:
        """Whether it has a record that counts."""
        found = self._index.find(custom_id)
        if found is None:
            return False
        offset, failed = found
        return not (failed and self._retry_failed and offset < self._before)

    @property
    def recorded(self) -> int:
        """Requests that have a record."""
        return self._index.recorded

    @property
    def failed(self) -> int:
        """Requests whose newest record is a failure."""
        return self._index.failed

    @property
    def remaining(self) -> int:
        """Requests that are not done."""
        return len(self._index) - self._index.recorded + self._again

    # Writing

    def append(self, custom_id: str, line: bytes, *, failed: bool) -> None:
        """A record: `line` with its newline, of a request that is not done. Raises JournalError
        where it could not be written; the file then ends with the record before it, and takes no
        other."""
        self._check()
        try:
            with writing(self._file):
                write_all(self._fd, line)
            superseded = self._index.put(custom_id, self._end, failed=failed)
        except BaseException as error:
            self._broken = error if isinstance(error, JournalError) else JournalError(str(error))
            # Else the next record would be glued to the piece. Where even this fails, the next run
            # does it.
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)
            raise
        if superseded:
            self._untidy = True
            self._again -= 1
        self._end += len(line)

    async def durable(self) -> None:
        """Returns when all that was appended so far survives what `durability` names. Those who
        wait at the same time share one fsync. Raises JournalError."""
        end = self._end
        while self._power and self._synced < end:
            self._check()
            if self._syncing is None:
                self._syncing = asyncio.ensure_future(self._sync())
            await asyncio.shield(self._syncing)  # others wait for it too

    async def _sync(self) -> None:
        end = self._end
        try:
            await asyncio.to_thread(os.fsync, self._fd)
            self._synced = end
        except OSError as error:
            # Never tried again: the system may have dropped what it could not write.
            self._broken = JournalError(
                f"{self._file} cannot be written: {error.strerror}", error.errno
            )
        finally:
            self._syncing = None

    def _check(self) -> None:
        if self._broken is not None:
            raise JournalError(str(self._broken), self._broken.errno)
        if self._fd < 0:
            raise JournalError(f"{self._file} is closed")

    # Ending

    def copy_failed(self, path: str | os.PathLike[str]) -> int:
        """Every failure that stands, as it is recorded, into a file of its own (packed where it
        ends in .gz), which is replaced in one step. The number of them. Before `finish`."""
        self._check()
        real = check_output(path, apart_from=(self.path, self._file, self._manifest.path))
        count = 0
        with replacing(real) as write:
            for line, failed in newest(self._file, self._index):
                if failed:
                    write(line)
                    count += 1
        return count

    def finish(self, ids: Iterable[str] | None = None) -> None:
        """The output as others read it: one line for each request, in the order of `ids` (every
        custom_id of the input) where they are given. Replaced in one step where that takes a
        change. Nothing can be appended any more.

        Raises ConfigurationError where `ids` leave records out, JournalError where the disk is at
        fault; the records are then as they were.
        """
        self._check()
        if self._packed or self._untidy or ids is not None:
            written = 0
            with replacing(self.path) as write:
                for line in self._in_order(ids):
                    write(line)
                    written += 1
                if written != self._index.recorded:
                    raise ConfigurationError(
                        f"{self.path}: {self._index.recorded} records, {written} of them asked for"
                    )
        if self._packed:
            with writing(self._file):
                os.unlink(self._file)
                sync_directory(self._file)
        os.close(self._fd)
        self._fd = -1

    def _in_order(self, ids: Iterable[str] | None) -> Iterator[bytes]:
        if ids is None:
            yield from (line for line, _ in newest(self._file, self._index))
            return
        with open(self._file, "rb") as file:
            for custom_id in ids:
                if (found := self._index.find(custom_id)) is not None:
                    file.seek(found[0])
                    yield file.readline()

    def close(self) -> None:
        """Gives the lock back. What was acknowledged stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._manifest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _size(path: str) -> int:
    with suppress(FileNotFoundError):
        return os.path.getsize(path)
    return 0
