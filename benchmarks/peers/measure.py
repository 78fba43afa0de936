"""Takes the figures: rounds over clients that take turns, each in a process of its own.

Prints only its progress, on stderr. What is measured is in scenarios.py; what has many calls in
flight or makes very many, in scale.py. What takes minutes yields what it has so far, again and
again, so that an interrupted run loses nothing.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.peers.clients import CLIENTS
from benchmarks.peers.environments import PEERS, Environment
from benchmarks.peers.limiter import WAYS
from benchmarks.peers.processes import Failure, Server, Worker, counted, instructions, said
from benchmarks.peers.scenarios import COUNTED, LOADS

__all__ = [
    "REFERENCE",
    "counts",
    "imports",
    "limiter",
    "loads",
    "machine",
    "median_ratio",
    "parses",
    "progress",
    "sizes",
    "suits",
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


def suits(name: str, *, stream: bool) -> bool:
    """Whether the client has an interface for it."""
    return CLIENTS[name].streams or not stream


def loads(
    environments: Environments, names: Sequence[str], rounds: int, seconds: float, say: Say
) -> Iterator[dict[str, Any]]:
    """CPU seconds per call or event: "figures", load → client → one figure a round, in
    microseconds; after each load of each round.

    names: of LOADS. seconds: how long one measurement takes at least, where it can be chosen.
    Also under "server" the largest part of its core that the server had in use at each load, and
    under "failures" what has no figure and why.
    """
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    busiest = dict.fromkeys(names, 0.0)
    failures: dict[str, str] = {}
    with Server() as server:
        for number in range(rounds):
            with ExitStack() as stack:
                workers = {
                    name: stack.enter_context(Worker(name, made.python))
                    for name, made in environments.items()
                    if number < PEERS[name].rounds
                }
                for load in (LOADS[name] for name in names):
                    say(f"round {number + 1} of {rounds}: {load.name}")
                    for name, worker in [*workers.items()]:
                        if (
                            f"{name}: {load.name}" in failures
                            or not suits(name, stream=load.stream)
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
                            figures[load.name].pop(name, None)
                            made = environments[name]
                            workers[name] = stack.enter_context(Worker(name, made.python))
                            continue
                        part = (server.cpu() - cpu) / (time.monotonic() - began)
                        busiest[load.name] = max(busiest[load.name], part)
                        each = result["cpu"] / result["calls"] / load.each * 1e6
                        figures[load.name].setdefault(name, []).append(each)
                    yield {"figures": figures, "server": busiest, "failures": failures}


def counts(environments: Environments, say: Say) -> Iterator[dict[str, dict[str, float]]]:
    """Instructions per call and event: client → what → thousands. Not of the heavy ones, whose
    import alone takes minutes under callgrind."""
    found = {}
    with Server() as server:
        for name, made in environments.items():
            tasks = [task for task in COUNTED if suits(name, stream=task["stream"])]
            if PEERS[name].heavy:
                continue
            say(f"instructions: {name}")
            figures = instructions(server, name, made.python, tasks)
            found[name] = {
                task["name"]: count / 1000 for task, count in zip(tasks, figures, strict=True)
            }
            yield found


_IMPORT = """
import resource, sys, time
def rss():
    with open("/proc/self/statm") as f: return int(f.read().split()[1]) * resource.getpagesize()
before, began, modules = rss(), time.process_time(), len(sys.modules)
{code}
taken = time.process_time() - began
aiohttp = sum(name.split(".")[0] == "aiohttp" for name in sys.modules)
print(taken * 1000, len(sys.modules) - modules, (rss() - before) / 1e6, aiohttp)
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


def imports(
    environments: Environments, rounds: int, say: Say
) -> Iterator[dict[str, dict[str, list[float]]]]:
    """What → "ms", "modules", "MB", "aiohttp" (how many modules of it) → one figure a round."""
    say("imports")
    lines = {what: pair for what, pair in _IMPORTS.items() if pair[0] in environments}
    for name in environments:
        if not name.startswith("rawllm") and name != "asyncio":
            lines[name] = (name, PEERS[name].first)
    found: dict[str, dict[str, list[float]]] = {
        what: {"ms": [], "modules": [], "MB": [], "aiohttp": []} for what in lines
    }
    for number in range(rounds + 1):
        for what, (name, code) in lines.items():
            printed = said([environments[name].python, "-c", _IMPORT.format(code=code)])
            if number:  # the first one may have had to compile
                for key, value in zip(found[what], printed.split(), strict=True):
                    found[what][key].append(float(value))
        if number:
            yield found


def sizes(environments: Environments) -> Iterator[dict[str, dict[str, float]]]:
    """Client → "MB" and "packages", itself among them."""
    yield {
        name: {"MB": made.size / 1e6, "packages": len(made.versions)}
        for name, made in environments.items()
        if name not in ("rawllm+hooks", "asyncio")
    }


def parses(
    environments: Environments, say: Say
) -> Iterator[dict[str, dict[str, dict[str, float]]]]:
    """Library → what → "plain" and the library's nanoseconds for an event."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in ("rawllm", "openai"):
        if name in environments:
            say(f"parse and decode: {name}")
            command = [environments[name].python, "-m", "benchmarks.peers.parse", name]
            found[name] = json.loads(said(command))
            yield found


def limiter(environments: Environments, say: Say, *, count: bool) -> Iterator[dict[str, Any]]:
    """rawllm's limiter alone, as limiter.py has it. count: also "instructions" of each way."""
    if "rawllm" not in environments:
        return
    say("limiter")
    command = [environments["rawllm"].python, "-m", "benchmarks.peers.limiter"]
    found: dict[str, Any] = json.loads(said(command))
    if count:
        number = 2000
        found["instructions"] = {
            way: counted([*command, way, str(number)]) / number for way in WAYS
        }
    yield found


def median_ratio(
    figures: Mapping[str, list[float]], name: str, other: str = REFERENCE
) -> float | None:
    """The median over rounds of the client's figure by the other's in the same round; None where
    one has none. A client may have taken part in the first rounds only."""
    if name not in figures or other not in figures:
        return None
    pairs = zip(figures[name], figures[other], strict=False)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def progress(began: float) -> Say:
    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr, flush=True)

    return say
