"""Takes every figure: rounds over clients that take turns, each in a process of its own.

Returns plain data and prints only its progress, on stderr. What is measured is in scenarios.py.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.peers.clients import CLIENTS
from benchmarks.peers.environments import PEERS, Environment, child
from benchmarks.peers.processes import Failure, Server, Worker, instructions
from benchmarks.peers.scenarios import CALL, COUNTED, HELD, HELD_EVENTS, LOADS, TEXT

__all__ = [
    "REFERENCE",
    "counts",
    "holds",
    "imports",
    "loads",
    "machine",
    "median_ratio",
    "parses",
    "progress",
    "sizes",
]

REFERENCE = "aiohttp"

Environments = dict[str, Environment]
Say = Callable[[str], None]


def machine() -> dict[str, str]:
    """What the figures depend on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            model = next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {model}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _right(streams: bool, name: str) -> bool:
    return CLIENTS[name].streams or not streams


def loads(
    environments: Environments, names: Sequence[str], rounds: int, seconds: float, say: Say
) -> dict[str, Any]:
    """CPU seconds per call or event: load → client → one figure a round, in microseconds.

    names: of LOADS. seconds: how long one measurement takes at least, where it can be chosen.
    Also under "server" the largest part of its core that the server had in use, and under
    "failures" what has no figure and why.
    """
    found: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    busiest = 0.0
    failures: dict[str, str] = {}
    with Server() as server:
        for number in range(rounds):
            with ExitStack() as stack:
                workers = {
                    name: stack.enter_context(Worker(name, made.python))
                    for name, made in environments.items()
                }
                for load in (LOADS[name] for name in names):
                    say(f"round {number + 1} of {rounds}: {load.name}")
                    for name, worker in [*workers.items()]:
                        if (
                            f"{name}: {load.name}" in failures
                            or not _right(load.stream, name)
                            or (PEERS[name].heavy and number >= load.heavy)
                        ):
                            continue
                        cpu, began = server.cpu(), time.monotonic()
                        try:
                            result = worker.do(
                                do="load",
                                url=server.url(load.behaviour),
                                first=server.url(load.behaviour.replace(",pace=5", "")),
                                stream=load.stream,
                                concurrency=load.concurrency,
                                seconds=0 if load.paced else seconds,
                                wanted=load.wanted,
                            )
                        except Failure as failure:  # the others' minutes are not to be lost
                            say(f"FAILED: {failure}")
                            failures[f"{name}: {load.name}"] = str(failure).splitlines()[-1]
                            found[load.name].pop(name, None)
                            made = environments[name]
                            workers[name] = stack.enter_context(Worker(name, made.python))
                            continue
                        part = (server.cpu() - cpu) / (time.monotonic() - began)
                        busiest = max(busiest, part)
                        each = result["cpu"] / result["calls"] / load.each * 1e6
                        found[load.name].setdefault(name, []).append(each)
    return {"figures": found, "server": busiest, "failures": failures}


def counts(environments: Environments, say: Say) -> dict[str, dict[str, float]]:
    """Instructions per call and event: client → what → thousands. Not of the heavy ones, whose
    import alone takes minutes under callgrind."""
    found = {}
    with Server() as server:
        for name, made in environments.items():
            tasks = [task for task in COUNTED if _right(task["stream"], name)]
            if PEERS[name].heavy:
                continue
            say(f"instructions: {name}")
            figures = instructions(server, name, made.python, tasks)
            found[name] = {
                task["name"]: count / 1000 for task, count in zip(tasks, figures, strict=True)
            }
    return found


def holds(
    environments: Environments, numbers: Iterable[int], most: int, say: Say
) -> dict[str, dict[str, dict[str, float]]]:
    """Memory in flight: "1,000 calls" → client → KB for each, and MB in all. Beyond `most` without
    the heavy ones."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for calls in numbers:
        for stream, behaviour in ((False, CALL), (True, HELD)):
            what = f"{calls:,} {'streams' if stream else 'calls'}"
            say(f"memory: {what}")
            found[what] = {}
            for name, made in environments.items():
                if not _right(stream, name) or (PEERS[name].heavy and calls > most):
                    continue
                # A server for each: connections of the one before may still be closing.
                with Server() as server, Worker(name, made.python) as worker:
                    try:
                        result = worker.do(
                            do="hold",
                            url=server.url(f"{behaviour},park={calls}"),
                            first=server.url(behaviour),
                            stream=stream,
                            calls=calls,
                            wanted=HELD_EVENTS if stream else TEXT,
                        )
                    except Failure as failure:
                        say(f"  {failure}")
                        continue
                    grown = (result["peak"] - result["before"]) / calls / 1024
                    found[what][name] = {"each": grown, "all": result["peak"] / 1e6}
    return found


_IMPORT = """
import resource, sys, time
def rss():
    with open("/proc/self/statm") as f: return int(f.read().split()[1]) * resource.getpagesize()
before, began, modules = rss(), time.process_time(), len(sys.modules)
{code}
print((time.process_time() - began) * 1000, len(sys.modules) - modules, (rss() - before) / 1e6)
"""

#: What → the environment, and the lines.
_FIRST_USE = 'from rawllm import Client; Client("http://127.0.0.1/v1", model="m")'
_IMPORTS = {
    "asyncio": ("asyncio", "import asyncio"),
    "rawllm": ("rawllm", "import rawllm"),
    "rawllm, and asyncio": ("rawllm", "import asyncio, rawllm"),
    "rawllm, and a client": ("rawllm", f"import asyncio; {_FIRST_USE}"),
    "aiohttp, backoff, msgspec": ("rawllm", "import aiohttp, backoff, msgspec"),
}


def imports(environments: Environments, rounds: int, say: Say) -> dict[str, dict[str, list[float]]]:
    """What → "ms", "modules", "MB" → one figure a round."""
    say("imports")
    lines = {what: pair for what, pair in _IMPORTS.items() if pair[0] in environments}
    for name in environments:
        if not name.startswith("rawllm") and name != "asyncio":
            lines[name] = (name, PEERS[name].first)
    found: dict[str, dict[str, list[float]]] = {
        what: {"ms": [], "modules": [], "MB": []} for what in lines
    }
    for number in range(rounds + 1):
        for what, (name, code) in lines.items():
            done = subprocess.run(
                [environments[name].python, "-c", _IMPORT.format(code=code)],
                check=True,
                capture_output=True,
                text=True,
                env=child(),
            )
            if number:  # the first one may have had to compile
                for key, value in zip(found[what], done.stdout.split(), strict=True):
                    found[what][key].append(float(value))
    return found


def sizes(environments: Environments) -> dict[str, dict[str, float]]:
    """Client → "MB" and "packages", itself among them."""
    return {
        name: {"MB": made.size / 1e6, "packages": len(made.versions)}
        for name, made in environments.items()
        if name not in ("rawllm+hooks", "asyncio")
    }


def parses(environments: Environments, say: Say) -> dict[str, dict[str, dict[str, float]]]:
    """Library → what → "plain" and the library's nanoseconds for an event."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in ("rawllm", "openai"):
        if name in environments:
            say(f"parse and decode: {name}")
            done = subprocess.run(
                [environments[name].python, "-m", "benchmarks.peers.parse", name],
                check=True,
                capture_output=True,
                text=True,
                env=child(),
            )
            found[name] = json.loads(done.stdout)
    return found


def median_ratio(figures: dict[str, list[float]], name: str) -> float | None:
    """The median over rounds of the client's figure by the reference's in the same round. A client
    may have taken part in the first ones only."""
    if name not in figures or REFERENCE not in figures:
        return None
    pairs = zip(figures[name], figures[REFERENCE], strict=False)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def progress(began: float) -> Say:
    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr, flush=True)

    return say
