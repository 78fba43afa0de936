"""The command `rawllm`, made to tell which records count, and to die at a chosen file operation.

    python -m benchmarks.kill.doom FD batch IN -o OUT …      # tells file descriptor FD

Changes nothing of what is written: it stands where rawllm.batch's modules have `os`.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from rawllm import batch
from rawllm.batch import files, journal, manifest
from rawllm.cli import main

__all__ = ["MOMENTS", "Doom", "obey"]

#: What changes a file, a directory or a lock.
OPERATIONS = (
    "open", "write", "ftruncate", "replace", "unlink", "fsync", "fdatasync", "lseek", "close",
)  # fmt: skip

#: When to die: before an operation, after it; a write also after its first byte, after half of it
#: and before its last byte.
MOMENTS = ("before", "first byte", "half", "all but a byte", "after")


class Doom(NamedTuple):
    """number: of the operation, from 0. moment: one of MOMENTS. `Doom()` kills nothing, and tells
    each operation when it is done, as "#write"."""

    number: int = -1
    moment: str = ""


class _Os:
    """`os` for a module, counted together with the others."""

    def __init__(self, doom: Doom, tell: Callable[[str], None]) -> None:
        self._doom = doom
        self._tell = tell
        self._count = -1

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return functools.partial(self._do, name, real) if name in OPERATIONS else real

    def _do(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._count += 1
        here = self._count == self._doom.number
        moment = self._doom.moment if here else ""
        if moment == "before":
            _die()
        if moment and moment != "after":
            if name == "write":
                fd, data = args
                os.write(fd, bytes(data)[: _part(moment, len(data))])
                _die()
            sys.exit(98)  # asked for the middle of something that has none
        try:
            return real(*args, **kwargs)
        finally:  # an operation that fails is one too
            if moment == "after":
                _die()
            if self._doom.number < 0:
                self._tell(f"#{name}")


def _part(moment: str, length: int) -> int:
    return {"first byte": 1, "half": length // 2, "all but a byte": length - 1}[moment]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def obey(argv: list[str], told: int | None, doom: Doom | None) -> int:
    """The command's exit code. told: file descriptor for its reports, None: none."""

    def tell(word: str) -> None:
        if told is not None:
            os.write(told, word.encode() + b"\n")

    if doom is not None:
        doomed: Any = _Os(doom, tell)
        files.os = journal.os = manifest.os = doomed  # type: ignore[attr-defined]
    if told is not None:
        batch.run = functools.partial(batch.run, on_record=tell)
    return main(argv)


if __name__ == "__main__":
    sys.exit(obey(sys.argv[2:], int(sys.argv[1]), None))
