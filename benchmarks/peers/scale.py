"""Memory of calls in flight; and whether a call costs more where many are in flight, or were made.

Each figure is of a fresh process: the most memory that it ever had is what is looked at.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.environments import PEERS
from benchmarks.peers.measure import Environments, Say, suits
from benchmarks.peers.processes import Failure, Server, Worker
from benchmarks.peers.scenarios import CALL, HELD, HELD_EVENTS, TEXT

__all__ = ["flights", "holds", "lasts", "room"]

#: The clients whose scale is measured, ours and the plain loop's.
BOTH = ("rawllm", "aiohttp")


def room() -> int:
    """How many calls can be in flight here: each takes a file of each side's, and a local port."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open("/proc/sys/net/ipv4/ip_local_port_range") as ports:
        low, high = map(int, ports.read().split())
    return min(high - low - 1000, most - 200 if most != resource.RLIM_INFINITY else high)


def holds(
    environments: Environments, numbers: Sequence[int], most: int, say: Say
) -> Iterator[dict[str, dict[str, dict[str, float]]]]:
    """Memory in flight: "1,000 calls" → client → KB for "each", and MB in "all". Beyond `most`
    without the heavy ones."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for calls in numbers:
        for stream, behaviour in ((False, CALL), (True, HELD)):
            what = f"{calls:,} {'streams' if stream else 'calls'}"
            say(f"memory: {what}")
            found[what] = {}
            for name, made in environments.items():
                if not suits(name, stream=stream) or (PEERS[name].heavy and calls > most):
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
                yield found


def flights(
    environments: Environments, numbers: Sequence[int], rounds: int, seconds: float, say: Say
) -> Iterator[dict[str, dict[str, dict[str, list[float]]]]]:
    """Calls that the server answers once so many are in flight: number → client → one figure a
    round, "us" of CPU a call and "MB" of the process. Connections are open before."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for number in range(rounds):
        for calls in numbers:
            say(f"round {number + 1} of {rounds}: {calls:,} in flight")
            each = found.setdefault(f"{calls:,}", {})
            for name in (name for name in BOTH if name in environments):
                with Server() as server, Worker(name, environments[name].python) as worker:
                    result = worker.do(
                        do="load",
                        url=server.url(f"{CALL},park={calls}"),
                        stream=False,
                        concurrency=calls,
                        seconds=seconds,
                        wanted=TEXT,
                    )
                figures = each.setdefault(name, {"us": [], "MB": []})
                figures["us"].append(result["cpu"] / result["calls"] * 1e6)
                figures["MB"].append(result["peak"] / 1e6)
            yield found


def lasts(environments: Environments, calls: int, say: Say) -> Iterator[dict[str, Any]]:
    """So many calls of one client, 32 at once: client → "calls", and for each tenth of them "us" of
    CPU a call and "MB" of the process at its end."""
    found: dict[str, Any] = {}
    for name in (name for name in BOTH if name in environments):
        say(f"{calls:,} calls: {name}")
        with Server() as server, Worker(name, environments[name].python) as worker:
            result = worker.do(
                do="last",
                url=server.url(CALL),
                stream=False,
                concurrency=32,
                calls=calls,
                wanted=TEXT,
            )
        made = result["calls"]
        found[name] = {
            "calls": made,
            "us": [tenth["cpu"] / made * 10 * 1e6 for tenth in result["tenths"]],
            "MB": [tenth["memory"] / 1e6 for tenth in result["tenths"]],
        }
        yield found
