"""Fails where rawllm has become dearer, as compared with the plain aiohttp loop in the same run.

    python -m benchmarks.gate              # 40 s; needs valgrind
    python -m benchmarks.gate --record     # accepts what is found: writes gate.json

Compares instructions, modules, packages and bytes, never a time: they are the same on a busy
machine. Exit code 0, or 1 where anything is more than 5 % above what is recorded for this Python.
For a Python without a record it prints what it finds, says that nothing was compared, and exits
with 0: another one's record would not do, since each interpreter has its own ratios.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers.environments import ROOT, child
from benchmarks.peers.processes import Failure, Server, instructions
from benchmarks.peers.scenarios import COUNTED

__all__ = ["TOLERANCE", "compare", "main"]

RECORD = Path(__file__).with_name("gate.json")

#: Callgrind repeats within 1 %; the rest is for another aiohttp or another build of Python.
TOLERANCE = 0.05


def compare(recorded: Mapping[str, float], found: Mapping[str, float]) -> list[str]:
    """What is dearer than recorded, or not measured any more, one line each."""
    problems = []
    for what, before in recorded.items():
        if what not in found:
            problems.append(f"{what}: was {before:g}, is not measured any more")
        elif found[what] > before * (1 + TOLERANCE):
            more = found[what] / before - 1
            problems.append(f"{what}: was {before:g}, is {found[what]:g}, {more:.0%} more")
    return problems


def _ratios() -> dict[str, float]:
    """Instructions, rawllm's by the plain loop's."""
    with Server() as server:
        ours, plain = (
            instructions(server, name, sys.executable, COUNTED) for name in ("rawllm", "aiohttp")
        )
    return {
        f"instructions, {task['name']}": round(mine / theirs, 3)
        for task, mine, theirs in zip(COUNTED, ours, plain, strict=True)
    }


def _modules(code: str) -> int:
    """How many modules the code loads, beyond those of a bare interpreter."""
    # Without site: what an environment's .pth files import would not be counted again.
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; n = len(sys.modules); {code}; print(len(sys.modules) - n)",
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**child(), "PYTHONPATH": path},
    )
    return int(done.stdout)


def _installed() -> dict[str, float]:
    """The packages that `pip install rawllm` brings, itself included, and their megabytes without
    bytecode."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        raise Failure('packaging is not installed: pip install -e ".[test]"') from None
    wanted, found = ["rawllm"], set[str]()
    size = sum(path.stat().st_size for path in (ROOT / "rawllm").rglob("*.py"))
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise Failure(f"{name} is not installed: pip install -e .") from None
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
        if name != "rawllm":  # which may be installed for editing, and so elsewhere
            files = (file.locate() for file in distribution.files or () if file.suffix != ".pyc")
            size += sum(Path(str(file)).stat().st_size for file in files)
    return {"packages": len(found), "megabytes": round(size / 1e6, 2)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--record", action="store_true", help="write what is found to gate.json")
    asked = parser.parse_args(argv)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    records = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    try:
        found: dict[str, float] = {
            **_installed(),
            "modules, import rawllm": _modules("import rawllm"),
            "modules, with a client": _modules("from rawllm import Client; Client('http://a/v1')"),
            **_ratios(),
        }
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    recorded = records.get(python, {})
    for what, value in found.items():
        was = f"recorded {recorded[what]:g}" if what in recorded else "not recorded"
        print(f"{what:<28} {value:>8g}   {was}")
    if asked.record:
        records[python] = found
        RECORD.write_text(json.dumps(dict(sorted(records.items())), indent=2) + "\n")
        return 0
    if not recorded:
        print(f"nothing is recorded for Python {python}: nothing was compared; --record does it")
        return 0
    problems = compare(recorded, found)
    print("\n".join(f"FAILED: {problem}" for problem in problems) or "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
