"""What a run does to files: checks of where it writes, whole writes, replacing a file in one step.

Knows nothing of what stands in them. Every change goes through `os`, so that a test can let
each one fail, or let the process die before, during or after it.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from ..errors import ConfigurationError, RawLLMError

__all__ = [
    "FLAGS",
    "JournalError",
    "check_output",
    "replacing",
    "sync_directory",
    "trouble",
    "write_all",
    "writing",
]

#: Of a run's own, beside its output: no input may have such a name.
SIDE_FILES = (".manifest", ".part", ".tmp", ".part.tmp")

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
#: Of every file opened here: not inherited by processes that are started.
FLAGS: int = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_BLOCK = 1024 * 1024


class JournalError(RawLLMError):
    """The output cannot be written: a full disk, a quota, a dying one. What was recorded before is
    whole, and the same run can go on when there is room.

    Attributes:
        errno: int as in OSError, or None.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


def trouble(path: str, error: OSError) -> RawLLMError:
    """For a file that cannot be opened or made: JournalError where the disk is to blame, else
    ConfigurationError."""
    message = f"{path} cannot be written: {error.strerror}"
    if error.errno in _FULL:
        return JournalError(message, error.errno)
    return ConfigurationError(message)


@contextmanager
def writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror}", error.errno) from None


def check_output(
    path: str | os.PathLike[str], *, apart_from: Iterable[str | os.PathLike[str]] = ()
) -> str:
    """The real path (str; links followed) of a file that will be written, made or not yet.

    apart_from: paths that it must not be, by whatever name. Raises ConfigurationError where it
    cannot be written to, or must not; touches nothing.
    """
    shown, real = os.fspath(path), os.path.realpath(path)
    with suppress(FileNotFoundError):
        try:
            mode = os.stat(real).st_mode
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise
            raise trouble(shown, error) from None
        if stat.S_ISDIR(mode):
            raise ConfigurationError(f"{shown} is a directory; name a file in it")
        if not stat.S_ISREG(mode):
            raise ConfigurationError(
                f"{shown} is no regular file; to write into a pipe or a device, give '-' and "
                "redirect standard output"
            )
    folder = os.path.dirname(real)
    if not os.path.isdir(folder):
        raise ConfigurationError(f"{shown} cannot be written: there is no folder {folder}")
    # Now, and not when the first failure is written after hours of work.
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{shown} cannot be written: the folder {folder} is read-only")
    for other in apart_from:
        for name in (real, *(real + ending for ending in SIDE_FILES)):
            if _same(name, os.path.realpath(other)):
                raise ConfigurationError(
                    f"{shown} would overwrite {os.fspath(other)}: name another file"
                )
    return real


def _same(one: str, other: str) -> bool:
    with suppress(OSError):
        return one == other or os.path.samefile(one, other)
    return False


def write_all(fd: int, data: bytes | bytearray) -> None:
    """All of it, or OSError. A write comes back short where the disk is full, and the one for the
    rest then says so."""
    written = os.write(fd, data)
    while written < len(data):
        more = os.write(fd, memoryview(data)[written:])
        if not more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += more


def sync_directory(path: str) -> None:
    """A new or renamed file survives a power loss only when its directory was written out too."""
    if os.name == "nt":
        return  # no directory can be opened there
    fd = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def replacing(path: str) -> Iterator[Callable[[bytes], None]]:
    """What is written goes into `path`.tmp, packed where `path` ends in .gz, and takes the place of
    `path` in one step when the block ends: it is either the old file or the new one, whole. After
    an exception it is the old one. Raises JournalError."""
    tmp = path + ".tmp"
    with writing(path):
        with suppress(FileNotFoundError):
            os.unlink(tmp)
        mode = 0o666
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(os.stat(path).st_mode)  # answers that only their owner may read
        fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FLAGS, mode)
        try:
            try:
                writer = _Writer(fd, packed=path.endswith(".gz"))
                yield writer.write
                writer.end()
                os.fsync(fd)
            finally:
                os.close(fd)
            os.replace(tmp, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(tmp)
            raise
        sync_directory(path)


class _Writer:
    """Blocks of a megabyte. Not io.BufferedWriter, which tries again when it is collected."""

    def __init__(self, fd: int, *, packed: bool) -> None:
        self._fd = fd
        self._held = bytearray()
        self._packer = zlib.compressobj(wbits=31) if packed else None  # 31: as gzip

    def write(self, data: bytes) -> None:
        self._held += data if self._packer is None else self._packer.compress(data)
        if len(self._held) >= _BLOCK:
            self._out()

    def end(self) -> None:
        if self._packer is not None:
            self._held += self._packer.flush()
        self._out()

    def _out(self) -> None:
        if self._held:
            write_all(self._fd, self._held)
            self._held = bytearray()
