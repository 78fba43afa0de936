"""One start of the command in a process of its own, to be killed: what it said, and how it ended.

Judges nothing. Forks, since most of what is tried here is over sooner than Python has started; the
caller must have no threads.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.kill.doom import Doom, obey

__all__ = ["Attempt", "End"]

ROOT = Path(__file__).parents[2]


class End(NamedTuple):
    """code: int as a shell has it, or minus the signal that killed it. told: what it reported, in
    order: custom_ids of records that count, and "#write" and the like where Doom was to list them.
    stderr: text."""

    code: int
    told: list[str]
    stderr: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def acknowledged(self) -> list[str]:
        return [line for line in self.told if not line.startswith("#")]


class Attempt:
    """argv: the words after `rawllm`.

    fresh: a new interpreter, as a user's; else a copy of this process, which has all imported.
    telling: the command with a report of each record that counts; else the very command.
    doom: where to die. room: bytes that a file may have (RLIMIT_FSIZE), None: any number.
    """

    def __init__(
        self,
        argv: list[str],
        *,
        fresh: bool = False,
        telling: bool = True,
        doom: Doom | None = None,
        room: int | None = None,
    ) -> None:
        self.began = time.monotonic()
        self._code: int | None = None
        self._streams: dict[int, bytearray] = {}
        told, its_told = os.pipe()
        stderr, its_stderr = os.pipe()
        self._told, self._stderr = told, stderr
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                # A shell starts what it puts in the background without Ctrl-C, and that is kept.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                os.dup2(its_stderr, 2)
                os.dup2(os.open(os.devnull, os.O_RDWR), 1)
                if room is not None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
                if fresh:
                    _replace(argv, its_told if telling else None)
                code = obey(argv, its_told if telling else None, doom)
                sys.stderr.flush()
            finally:
                os._exit(code)
        for fd, its in ((told, its_told), (stderr, its_stderr)):
            os.close(its)
            self._streams[fd] = bytearray()

    def signal(self, number: int = signal.SIGKILL) -> None:
        if self.running():
            os.kill(self.pid, number)

    def running(self) -> bool:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is None

    def end(self, patience: float = 120.0) -> End:
        """Wait for it. AssertionError where it takes longer than `patience` seconds."""
        deadline = time.monotonic() + patience
        open_ones = set(self._streams)
        while open_ones:
            ready, _, _ = select.select(list(open_ones), [], [], deadline - time.monotonic())
            if not ready:
                self.signal()
                raise AssertionError(f"it hangs: {bytes(self._streams[self._stderr])!r}")
            for fd in ready:
                data = os.read(fd, 1 << 16)
                self._streams[fd] += data
                if not data:
                    open_ones.remove(fd)
                    os.close(fd)
        while self.running():
            time.sleep(0.001)
        told, stderr = self._streams[self._told], self._streams[self._stderr]
        assert self._code is not None
        return End(self._code, told.decode().split(), stderr.decode(errors="replace"))


def _replace(argv: list[str], told: int | None) -> None:
    """Become a new interpreter."""
    os.chdir(ROOT)
    if told is None:
        os.execv(sys.executable, [sys.executable, "-m", "rawllm", *argv])
    os.set_inheritable(told, True)
    words = [sys.executable, "-m", "benchmarks.kill.doom", str(told), *argv]
    os.execv(sys.executable, words)
