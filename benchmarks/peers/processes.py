"""The two sides as child processes: the canned server, and a worker for each client.

Measures nothing itself.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.peers.environments import ROOT, child
from benchmarks.peers.worker import MARK

__all__ = ["Failure", "Server", "Worker", "counted", "instructions", "said"]


class Failure(Exception):
    """A client that died or brought wrong answers: its figures would mean nothing."""


class _Child:
    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in __exit__
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._errors.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise Failure(self._errors.read()[-2000:].strip() or "died without a word")
        return line.strip()


class Server(_Child):
    """`with Server() as server:` then `server.url("text=600")`."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "benchmarks.peers.server"], child())
        self._address = self._line()

    def url(self, behaviour: str) -> str:
        return f"{self._address}/{behaviour}/v1"

    def cpu(self) -> float:
        """CPU seconds that the server has used."""
        with urllib.request.urlopen(f"{self._address}/stats") as answer:
            return float(json.load(answer)["cpu"])


class Worker(_Child):
    """One client. python: an interpreter that has its library. before: words before it, such as
    valgrind's."""

    def __init__(self, name: str, python: str, before: Sequence[str] = (), **more: str) -> None:
        self._name = name
        super().__init__([*before, python, "-m", "benchmarks.peers.worker", name], child(**more))

    def do(self, **task: Any) -> dict[str, Any]:
        """The result of one task (see worker.py). Raises Failure unless every answer was right."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the next line says why
        try:
            result: dict[str, Any] = json.loads(self._line())
        except Failure as failure:
            raise Failure(f"{self._name}, {task['url']}: {failure}") from None
        if result["right"] != result["calls"]:
            right = f"{result['right']} of {result['calls']} answers were right"
            raise Failure(f"{self._name}, {task['url']}: {right}")
        return result


def instructions(
    server: Server, name: str, python: str, tasks: Sequence[dict[str, Any]]
) -> list[float]:
    """User-space instructions of one call, or of one event, for each task, counted by callgrind.

    tasks: behaviour, stream, calls, wanted, and `each`, what a call's count is divided by.
    Raises Failure without valgrind.
    """
    with _Callgrind() as callgrind:
        with Worker(name, python, callgrind.before, PYTHONHASHSEED="0") as worker:
            for task in tasks:
                rest = {key: task[key] for key in ("stream", "calls", "wanted")}
                worker.do(do="count", url=server.url(task["behaviour"]), **rest)
        counts = [callgrind.count(number) for number in range(len(tasks))]
    return [count / task["calls"] / task["each"] for count, task in zip(counts, tasks, strict=True)]


def counted(command: Sequence[str]) -> int:
    """User-space instructions of a Python command between its two marks. Raises Failure without
    valgrind."""
    with _Callgrind() as callgrind:
        said([*callgrind.before, *command], PYTHONHASHSEED="0")
        return callgrind.count(0)


def said(command: Sequence[str], **more: str) -> str:
    """What a command prints. Raises Failure with its last words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=child(**more))
    if done.returncode:
        raise Failure(done.stderr[-2000:].strip() or f"exit code {done.returncode}")
    return done.stdout


class _Callgrind:
    """before: the words before a command. count: what came between a pair of its marks."""

    def __enter__(self) -> Self:
        if shutil.which("valgrind") is None:
            raise Failure("valgrind is not installed: apt-get install valgrind")
        self._folder = tempfile.TemporaryDirectory()
        self._out = f"{self._folder.name}/counts"
        self.before = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}"]
        self.before.append(f"--callgrind-out-file={self._out}")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._folder.cleanup()

    def count(self, number: int) -> int:
        # Numbered from 1: what was before a mark, so that the even ones lie between two.
        text = Path(f"{self._out}.{2 * number + 2}").read_text()
        found = re.search(r"^totals: (\d+)", text, re.M)
        assert found is not None
        return int(found[1])
