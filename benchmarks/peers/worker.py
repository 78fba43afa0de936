"""One client in a process of its own: a task a line on stdin, its result a line on stdout.

    python -m benchmarks.peers.worker aiohttp

Times nothing by the wall but to choose how often to repeat: CPU seconds are this process's own.
Imports nothing beyond the standard library but the client.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from typing import Any

from benchmarks.peers.clients import CLIENTS, Client

__all__ = ["MARK", "main", "mark"]

#: A function of the C library that nobody else calls: callgrind writes its counts where it is
#: called, so that what happens between two calls is counted and nothing else. (Through ctypes any
#: would do, but callgrind does not see such a call as one.)
MARK = "getsid"


def mark() -> None:
    os.getsid(0)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory(field: str) -> int:
    """Bytes. field: VmRSS, or VmHWM for the most so far."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


async def _load(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds of so many calls that they take about `seconds`, after a warm-up; and the most
    memory so far."""
    stream, concurrency, wanted = task["stream"], task["concurrency"], task["wanted"]
    times = 1
    while True:
        began = time.monotonic()
        await client.many(stream, times, concurrency, wanted)
        took = time.monotonic() - began
        if took >= task["seconds"] / 4:
            break
        times *= 4
    times = max(1, round(task["seconds"] * times / took))
    gc.collect()
    cpu, began = _cpu(), time.monotonic()
    right = await client.many(stream, times, concurrency, wanted)
    cpu, wall = _cpu() - cpu, time.monotonic() - began
    return {
        "cpu": cpu,
        "wall": wall,
        "calls": times * concurrency,
        "right": right,
        "peak": _memory("VmHWM"),
    }


async def _count(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    """The work that callgrind counts, between two marks."""
    await client.many(task["stream"], 5, 1, task["wanted"])
    gc.collect()
    gc.disable()  # when a collection comes depends on what ran before
    mark()
    right = await client.many(task["stream"], task["calls"], 1, task["wanted"])
    mark()
    gc.enable()
    return {"calls": task["calls"], "right": right}


async def _hold(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    """The most memory while so many calls are in flight, beyond what the process had before."""
    gc.collect()
    before = _memory("VmRSS")
    right = await client.many(task["stream"], 1, task["calls"], task["wanted"])
    return {"before": before, "peak": _memory("VmHWM"), "calls": task["calls"], "right": right}


async def _last(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    """CPU and memory of each tenth of so many calls, at least one a tenth and task."""
    stream, concurrency, wanted = task["stream"], task["concurrency"], task["wanted"]
    times = max(1, task["calls"] // (10 * concurrency))
    await client.many(stream, 20, concurrency, wanted)
    gc.collect()
    right, tenths = 0, []
    for _ in range(10):
        cpu = _cpu()
        right += await client.many(stream, times, concurrency, wanted)
        tenths.append({"cpu": _cpu() - cpu, "memory": _memory("VmRSS")})
    return {"tenths": tenths, "calls": 10 * times * concurrency, "right": right}


_TASKS = {"load": _load, "count": _count, "hold": _hold, "last": _last}


async def _one(kind: type[Client], task: dict[str, Any]) -> dict[str, Any]:
    concurrency = task.get("concurrency") or (task["calls"] if task["do"] == "hold" else 1)
    if "first" in task:  # what the first calls of all load says nothing of the others
        first = kind(task["first"], 1)
        await first.many(task["stream"], 3, 1, task["wanted"])
        await first.close()
    client = kind(task["url"], concurrency)
    try:
        return await _TASKS[task["do"]](client, task)
    finally:
        await client.close()


def main() -> None:
    kind = CLIENTS[sys.argv[1]]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])  # the server has the last
    out = sys.stdout
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  some print statistics
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(json.dumps(runner.run(_one(kind, json.loads(line)))), file=out, flush=True)
        out.flush()
        os._exit(0)  # some leave tasks and threads behind


if __name__ == "__main__":
    main()
