"""rawllm's limiter alone: what a call pays at the gate, and what a thousand that wait there get.

    python -m benchmarks.peers.limiter                # CPU nanoseconds, rate and order, as JSON
    python -m benchmarks.peers.limiter WAY NUMBER     # one way so often, between two marks

No socket, no exchange: net/limiter.py and sansio/bucket.py on a real loop.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.peers.worker import mark

__all__ = ["WAYS", "main", "uncontended", "waiters"]

NUMBER, REPEATS = 20_000, 7

#: What a call of usual size is estimated at.
TOKENS = 60.0

#: Calls that wait, permits a second, and how many permits a call takes one after the other.
TASKS, RATE, TIMES = 1000, 10_000.0, 20

WAYS = ("two buckets", "try_acquire", "in and out")


def _way(name: str) -> Callable[[int], None]:
    """A function that does it so often. Needs a running loop."""
    from rawllm.net.limiter import Limiter
    from rawllm.sansio.bucket import TokenBucket

    now = asyncio.get_running_loop().time
    requests, tokens = (TokenBucket(rate, rate, now=now()) for rate in (1e9, 1e12))
    limiter = Limiter(concurrency=2, requests=requests, tokens=tokens)

    def buckets(number: int) -> None:
        for _ in range(number):
            at = now()
            if requests.wait(1.0, at) <= 0.0 and tokens.wait(TOKENS, at) <= 0.0:
                requests.take(1.0, at)
                tokens.take(TOKENS, at)

    def enter(number: int) -> None:
        for _ in range(number):
            limiter.try_acquire(TOKENS)
            limiter.in_flight = 0  # without release(), which is not to be measured here

    def both(number: int) -> None:
        for _ in range(number):
            limiter.try_acquire(TOKENS)
            limiter.release()

    return dict(zip(WAYS, (buckets, enter, both), strict=True))[name]


async def uncontended() -> dict[str, float]:
    """Way → CPU nanoseconds, the median; the ways take turns."""
    ways = {name: _way(name) for name in WAYS}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            began = time.process_time_ns()
            way(NUMBER)
            taken[name].append((time.process_time_ns() - began) / NUMBER)
    return {name: statistics.median(times) for name, times in taken.items()}


async def waiters(tasks: int = TASKS, times: int = TIMES) -> dict[str, float]:
    """So many tasks that always wait for their next permit behind two empty buckets.

    "rate": permits a second. "displaced": those who waited and were served after somebody who had
    come later. "ns": CPU for a permit, the loop's own work included.
    """
    from rawllm import Retry
    from rawllm.net.limiter import Limiter
    from rawllm.sansio.bucket import TokenBucket

    now = asyncio.get_running_loop().time
    requests, tokens = (TokenBucket(rate, rate, now=now()) for rate in (RATE, RATE * TOKENS))
    requests.settle(0.0, RATE, now())  # or the burst would go first, at any rate
    limiter = Limiter(concurrency=tasks, requests=requests, tokens=tokens)
    policy = Retry()
    latest = -1
    displaced = 0

    async def work() -> None:
        nonlocal latest, displaced
        for _ in range(times):
            number = limiter.number()
            # After a stall of the machine nobody may be waiting; who then gets in at once has
            # passed nobody.
            if limiter.try_acquire(TOKENS) is None:
                await limiter.acquire(TOKENS, number=number, deadline=None, policy=policy)
                displaced += number < latest
                latest = max(latest, number)
            limiter.release()
            await asyncio.sleep(0)  # any call takes a turn of the loop

    cpu, began = time.process_time_ns(), now()
    await asyncio.gather(*(work() for _ in range(tasks)))
    cpu, took = time.process_time_ns() - cpu, now() - began
    permits = tasks * times
    return {"rate": permits / took, "displaced": displaced, "ns": cpu / permits}


async def _count(name: str, number: int) -> None:
    way = _way(name)
    way(100)
    mark()
    way(number)
    mark()


async def _measure() -> dict[str, Any]:
    return {"uncontended": await uncontended(), "waiters": await waiters()}


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(_count(sys.argv[1], int(sys.argv[2])))
    else:
        print(json.dumps(asyncio.run(_measure())))


if __name__ == "__main__":
    main()
