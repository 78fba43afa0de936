"""The environment of each client: made on demand, kept in a cache folder, its versions recorded.

Installs what the package index has today; nothing is pinned, since the newest is what users get.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "ROOT", "Environment", "Peer", "child", "environment"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Peer:
    """name: as in `clients.CLIENTS`. what: for the page. package: what pip installs; two peers with
    the same one share an environment. first: the lines after which the first call can be made.
    heavy: too dear for the largest loads, which would take minutes a round. rounds: in how many it
    takes part at most.
    """

    name: str
    what: str
    package: str
    first: str
    heavy: bool = False
    rounds: int = 1000


PEERS = {
    peer.name: peer
    for peer in (
        Peer("rawllm", "limits and all four clocks on", ".", "from rawllm import Client"),
        Peer("rawllm+hooks", "the same, a counting hook", ".", "from rawllm import Client"),
        Peer("aiohttp", "the plain loop: post, json", "aiohttp", "import aiohttp"),
        Peer("asyncio", "bare protocol, the floor", "", "import asyncio, json"),
        Peer("httpx", "the plain loop on httpx", "httpx", "import httpx", True),
        Peer("openai", "AsyncOpenAI", "openai", "from openai import AsyncOpenAI", True),
        Peer(
            "openai[aiohttp]",
            "AsyncOpenAI over aiohttp",
            "openai[aiohttp]",
            "from openai import AsyncOpenAI, DefaultAioHttpClient; DefaultAioHttpClient",
            True,
        ),
        Peer("litellm", "acompletion", "litellm", "from litellm import acompletion", True, 1),
        Peer(
            "langchain-openai",
            "ChatOpenAI",
            "langchain-openai",
            "from langchain_openai import ChatOpenAI",
            True,
            1,
        ),
        Peer("lm-deluge", "process_prompts_async", "lm-deluge", "from lm_deluge import LLMClient"),
        Peer("pyreqwest", "Rust", "pyreqwest", "from pyreqwest.client import ClientBuilder"),
        Peer("ry", "Rust", "ry", "from ry import Client"),
    )
}


@dataclass(frozen=True)
class Environment:
    """python: its interpreter. versions: of everything in it. size: bytes of it, without .pyc."""

    python: str
    versions: dict[str, str]
    size: int


def child(**more: str) -> dict[str, str]:
    """A child's environment variables: this checkout first on the path, .pyc files kept."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONWARNINGS"):
        kept.pop(name, None)
    return {**kept, "PYTHONPATH": str(ROOT), "LITELLM_LOCAL_MODEL_COST_MAP": "True", **more}


def environment(peer: Peer, cache: Path, *, fresh: bool = False) -> Environment:
    """The peer's environment, made if it is not there. fresh: made anew in any case.

    Raises subprocess.CalledProcessError where pip fails, with pip's own words on stderr.
    """
    label = {"": "empty", ".": "rawllm"}.get(peer.package, peer.package)
    folder = cache / f"{label}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    done = folder / "complete"  # or an interrupted pip would be taken for an environment
    if fresh or peer.package == "." or not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=False)
        if peer.package == ".":
            with tempfile.TemporaryDirectory() as copy:  # pip leaves a build folder behind
                _install(python, [_source(Path(copy))])
        elif peer.package:
            _install(python, [peer.package])
        done.touch()
    return Environment(str(python), *_inventory(str(python)))


def _install(python: Path, what: Sequence[str]) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--quiet", *what], check=True, cwd=ROOT)


def _source(folder: Path) -> str:
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "rawllm", folder / "rawllm", ignore=ignore)
    return str(folder)


_INVENTORY = """
import importlib.metadata as m, json, os, sysconfig
found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in m.distributions()}
size = 0
for top, _, files in os.walk(sysconfig.get_path("purelib")):
    size += sum(os.path.getsize(os.path.join(top, f)) for f in files if not f.endswith(".pyc"))
print(json.dumps([found, size]))
"""


def _inventory(python: str) -> tuple[dict[str, str], int]:
    done = subprocess.run(
        [python, "-I", "-c", _INVENTORY], check=True, capture_output=True, text=True
    )
    versions, size = json.loads(done.stdout)
    return versions, size
