"""A library in a process of its own: tasks in, outcomes out. And a Python that has openai.

Knows neither quirks nor snippets; what the other process does with a task is its script's.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

__all__ = ["Library", "openai_python"]

ROOT = Path(__file__).parents[2]


class Library:
    """A Python process that runs `command`, one JSON task a line in, one JSON outcome a line out.

    greeting: the first line that it printed, decoded.
    """

    def __init__(self, python: str, command: Sequence[str]) -> None:
        self._command = [python, *command]
        # Of another Python, its packages are not ours: only what stands in this repository.
        path = [str(ROOT), *sys.path] if python == sys.executable else [str(ROOT)]
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONUTF8": "1",
        }
        self.greeting: Any = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            text=True,
        )
        try:
            self.greeting = self._answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # it has gone already
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def ask(self, task: Any) -> Any:
        """The outcome of a task. Raises RuntimeError where the process ended instead."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has gone: the next line says so
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command)} ended without an answer")
        return json.loads(line)


@contextlib.contextmanager
def openai_python(given: str | None) -> Iterator[str]:
    """A Python that has openai: the one given, this one, or an environment that is thrown away."""
    if given is not None:
        yield given
        return
    if find_spec("openai") is not None:
        yield sys.executable
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        scripts = "Scripts" if os.name == "nt" else "bin"
        python = str(Path(folder, scripts, "python"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", "openai"], check=True)
        yield python
