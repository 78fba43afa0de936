"""OUT.manifest: what a run was begun with, and the lock that keeps a second run away.

Never renamed and never removed while a run goes on: who holds the file holds the lock, and the
system gives that back when its process dies, in whatever way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ..errors import ConfigurationError
from .files import FLAGS, sync_directory, trouble, write_all, writing
from .source import Survey

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Manifest", "describe"]

_FORMAT = "rawllm batch 1"
#: How ours begins. A shorter piece of it, or nothing but NULs, is what a crash leaves.
_START = b'{\n  "format": "rawllm batch '
_MOST = 1024 * 1024  # bytes; ours has a few hundred


def describe(survey: Survey, configuration: dict[str, Any], base_url: str | None) -> dict[str, Any]:
    """What a manifest holds of a run."""
    return {
        "format": _FORMAT,
        "input": {
            "name": survey.name,
            "bytes": survey.bytes,
            "lines": survey.lines,
            "sha256": survey.sha256,
        },
        "configuration": configuration,
        "base_url": base_url,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class Manifest:
    """The lock is taken when it is made. Raises ConfigurationError where another run has it.

    Attributes:
        stored: dict, what an earlier run wrote; None where there was none, or only a piece.
        notes: list of str, sentences for people.
    """

    def __init__(self, path: str, *, out: str) -> None:
        self.path = path
        self._out = out
        self.notes: list[str] = []
        self._fd = self._lock()
        try:
            self.stored = self._read()
        except BaseException:
            self.close()
            raise

    def _lock(self) -> int:
        while True:
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | FLAGS, 0o666)
            except OSError as error:
                raise trouble(self.path, error) from None
            try:
                if self._is_ours(fd):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _is_ours(self, fd: int) -> bool:
        try:
            if fcntl is None:
                raise OSError
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"another run is writing {self._out}: wait for its end, or write to another file"
            ) from None
        except OSError:
            self.notes.append(
                f"there are no locks where {self._out} lies: see to it that no second run writes it"
            )
            return True
        # Who had the lock before may have removed the file after it was opened here.
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        return False

    def _read(self) -> dict[str, Any] | None:
        with open(self._fd, "rb", closefd=False) as file:
            content = file.read(_MOST)
        try:
            stored = json.loads(content)
        except ValueError:  # UnicodeDecodeError too
            stored = None
        if isinstance(stored, dict) and stored.get("format") == _FORMAT:
            return stored
        if isinstance(stored, dict) and str(stored.get("format")).startswith("rawllm batch "):
            raise ConfigurationError(
                f"{self.path} was written by another version of rawllm; finish with that one, "
                "or write to another file"
            )
        piece = content.rstrip(b"\0")
        if not (piece.startswith(_START) or _START.startswith(piece)):
            raise ConfigurationError(
                f"{self.path} is no manifest of a run, and would be overwritten; write to another "
                "file, or move it away"
            )
        return None

    def check(self, wanted: dict[str, Any]) -> None:
        """Raises ConfigurationError where the output was begun with something else."""
        if self.stored is None:
            return
        if changes := list(_changes(self.stored, wanted)):
            raise ConfigurationError(
                f"{self._out} was begun with {' and '.join(changes)}. Write to another file; or, "
                f"to keep its answers where each belongs to a request of this input, delete "
                f"{self.path}"
            )
        before, now = self.stored.get("base_url"), wanted["base_url"]
        if before != now:
            self.notes.append(f"earlier answers came from {before}, this run asks {now}")

    def write(self, wanted: dict[str, Any], *, power: bool) -> None:
        """In place: a file put here by renaming would be another file, with another lock."""
        with writing(self.path):
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.ftruncate(self._fd, 0)
            write_all(self._fd, json.dumps(wanted, indent=2).encode() + b"\n")
            if power:
                os.fsync(self._fd)
                sync_directory(self.path)
        self.stored = wanted

    def discard(self) -> None:
        """Nothing came of the run: what it left here, an empty lock, goes."""
        if self.stored is None and self._fd >= 0:
            with suppress(OSError):
                os.unlink(self.path)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _changes(stored: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    before, now = stored.get("input") or {}, wanted["input"]
    if before.get("sha256") != now["sha256"]:
        yield (
            f"another input ({before.get('name')} with {before.get('lines')} requests, now "
            f"{now['name']} with {now['lines']})"
        )
    before, now = stored.get("configuration") or {}, wanted["configuration"]
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"{name} {before.get(name)!r}, which is now {now.get(name)!r}"
