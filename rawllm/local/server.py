"""A server on loopback that runs the embedded model, in a process of its own.

Never opens a port beyond loopback and never prints.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import IO, Any, Final, Self

from ..errors import ConfigurationError, RawLLMError
from ..options import Secret
from .model import SMOLLM2, Progress, check_gguf, model_path

__all__ = ["LocalServer", "installed"]

#: Tokens a slot can hold, prompt and answer together. The model was trained for 8,192; with a
#: quarter of it a slot takes 46 MiB, and the server with four of them 330 MiB.
CONTEXT: Final = 2048

#: What the server's numbers may be. 64 slots take 3 GiB; from 160 on llama.cpp aborts.
RANGES: Final = {"port": (0, 65535), "slots": (1, 64), "threads": (1, 256)}

#: Seconds until a server that has not come up is given up. It takes 0.3 to 2; a larger file named
#: by RAWLLM_GGUF on a slow disk takes its time.
START_LIMIT: Final = 300.0


def installed() -> bool:
    """Is `rawllm[local]` there? Looks for xllamacpp without importing it."""
    return importlib.util.find_spec("xllamacpp") is not None


class LocalServer:
    """llama.cpp's server with the embedded model, on 127.0.0.1, with a key of its own.

    Making one starts it and blocks until it answers (0.3 to 2 s, and the download the first time);
    `await LocalServer.start(…)` does so without blocking an event loop. It ends with `stop()`, at
    the end of a `with`, when it is dropped, and when this process ends, however it ends.

    Args:
        model: a gguf file; by default `model_path()`.
        port: 0 for a free one.
        slots: answers written at the same time; each holds 2,048 tokens.
        threads: 1 is the fast choice unless the machine is otherwise idle: llama.cpp's threads
            spin while they wait for each other (measured on 2 busy cores: 60 tokens/s with 1
            thread, 15 with 2).
        progress: see `model_path`.

    Attributes:
        base_url: str, "http://127.0.0.1:PORT/v1".
        api_key: str, made for this server; never in a repr.

    Raises:
        ConfigurationError: the file is no gguf, or a number is out of range.
        RawLLMError: xllamacpp or a library of the system is missing, the port is in use, the model
            could not be fetched or loaded; and what to do.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        port: int = 0,
        slots: int = 4,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        for name, value in (("port", port), ("slots", slots), ("threads", threads)):
            least, most = RANGES[name]
            if not least <= value <= most:
                raise ConfigurationError(f"{name} {value}: must be {least} to {most}")
        if not installed():
            raise RawLLMError("the embedded model needs xllamacpp: pip install 'rawllm[local]'")
        if model is None:
            path = model_path(progress)
        else:
            path = Path(model)
            check_gguf(path, "the model")
        self.api_key: str = Secret(secrets.token_urlsafe(24))
        self._process = _spawn()
        self._end = weakref.finalize(self, _end, self._process)
        asked = {
            "model": str(path),
            "alias": SMOLLM2.id,
            "port": port,
            "slots": slots,
            "context": CONTEXT,
            "threads": threads,
            # Over the pipe: arguments and environment are there for other programs to read.
            "api_key": self.api_key,
        }
        try:
            answer = self._ask(asked)
            if "url" not in answer:
                raise _explain(answer, path, port)
        except BaseException:
            self.stop()
            raise
        self.base_url: str = answer["url"] + "/v1"

    @classmethod
    async def start(cls, model: str | os.PathLike[str] | None = None, **options: Any) -> Self:
        """The same in a thread. Cancelled, the server that comes up is dropped, and so ends."""
        return await asyncio.to_thread(cls, model, **options)

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = _pipes(self._process)
        limit = threading.Timer(START_LIMIT, self._process.kill)
        limit.daemon = True
        limit.start()
        try:
            stdin.write(json.dumps(asked).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            limit.cancel()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        return {"error": "died", "detail": _ending(self._process.wait())}

    def wait(self, timeout: float | None = None) -> str | None:
        """Block until the server has died by itself: how it ended; None if it runs after
        `timeout` seconds."""
        try:
            return _ending(self._process.wait(timeout))
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End it now, open answers included. May be called twice."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<LocalServer {getattr(self, 'base_url', 'not started')}>"


def _spawn() -> subprocess.Popen[bytes]:
    script = Path(__file__).with_name("process.py")
    # -P: the folder of that script, which is rawllm's, must not shadow the child's imports.
    command = [sys.executable, "-P", str(script)]
    # A group of its own: Ctrl-C is for us to handle, not for both at once.
    group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows only
    return subprocess.Popen(  # noqa: S603 - our own interpreter and file
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=group,
        start_new_session=os.name == "posix",
    )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in _pipes(process):
        with contextlib.suppress(OSError):
            pipe.close()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _explain(answer: dict[str, Any], model: Path, port: int) -> RawLLMError:
    """xllamacpp says "Failed to init server" for everything; find out which it was."""
    kind, detail = answer["error"], answer["detail"]
    if kind == "import":
        for library, package in (("libgomp", "libgomp1"), ("libstdc++", "libstdc++6")):
            if library in detail:
                return RawLLMError(
                    f"the embedded model needs the system's {library}: apt-get install -y "
                    f"{package} (or your system's package of it)"
                )
        return RawLLMError(f"xllamacpp cannot be imported: {detail}; pip install 'rawllm[local]'")
    if kind == "died":
        why = ": this processor lacks AVX2, which xllamacpp is built for"
        return RawLLMError(
            f"the embedded model's server died at start ({detail})"
            f"{why if detail == 'SIGILL' else ''}"
        )
    if port and (trouble := _port_trouble(port)):
        return RawLLMError(f"port {port} {trouble}; choose another, or 0 for a free one")
    return RawLLMError(
        f"llama.cpp cannot load {model}: a damaged or unknown kind of gguf file, or too little "
        "memory; name another with RAWLLM_GGUF, or unset it to have the model fetched"
    )


def _port_trouble(port: int) -> str | None:
    with socket.socket() as probe:
        if sys.platform != "win32":
            # As the server does: a port with old connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return "is in use"
            return f"cannot be used ({exc.strerror})"
    return None
