"""`concurrency="auto"` beside every fixed number, against servers of all kinds.

    python -m benchmarks.auto             # simulated servers, on a virtual clock: the whole client
    python -m benchmarks.auto --local     # the embedded model behind four slots, in real time

Prints a Markdown table. Exit code 0 where auto brought at least 90 % of the best fixed number's
throughput with no more failed calls and at most 2 % more requests; 1 otherwise. Short runs are
shown and not judged: they are over before anything could be found out.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import logging
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rawllm import APIError, Client, Limits
from rawllm.sansio.failures import fault
from tests.net.virtual import run as run_virtually

__all__ = ["FIXED", "SERVERS", "Outcome", "Server", "simulate"]

CAP = 128
FIXED = (1, 3, 8, 10, 16, 24, 32, 40, 64, 128)

#: Tokens of an answer: log-normal, about 110 on average, one in a hundred above 500.
MEDIAN, SIGMA = 80.0, 0.8
#: Tokens a second of one stream on an idle server, and seconds before its first one.
SPEED, PREFILL = 50.0, 0.05
#: Seconds until a refusal is here.
REFUSAL = 0.02


@dataclass(frozen=True)
class Server:
    """What a simulated server does. Where a pair stands, the second holds from the half of the
    prompts on.

    slots: requests worked on at once, the others queue. refuses: in flight above which it answers
    `status`. speed: tokens a second of one stream, of how many are worked on. minute: requests it
    takes in each minute, and then 429 with the seconds to the next.
    """

    name: str
    slots: tuple[int, int] = (10_000, 10_000)
    refuses: tuple[int, int] = (10_000, 10_000)
    status: str = "429"
    retry_after: float | None = None
    speed: Callable[[int], float] = lambda running: SPEED
    minute: int | None = None


def _knee(running: int) -> float:
    return SPEED / (1 + running / 16)


def _thrashing(running: int) -> float:
    return SPEED * min(1.0, (24 / max(1, running)) ** 1.7)


SERVERS = (
    Server("8 slots, then a queue", slots=(8, 8)),
    Server("3 slots, then a queue", slots=(3, 3)),
    Server("429 above 10", refuses=(10, 10)),
    Server("503 above 40", refuses=(40, 40), status="503"),
    Server("429 above 8, Retry-After 1", refuses=(8, 8), retry_after=1.0),
    Server("batching, saturates", speed=_knee),
    Server("batching, thrashes above 24", speed=_thrashing),
    Server("300 a minute, then 429", minute=300),
    Server("slots 8, then 24", slots=(8, 24)),
    Server("slots 24, then 8", slots=(24, 8)),
    Server("429 above 8, then 24", refuses=(8, 24)),
    Server("429 above 24, then 8", refuses=(24, 8)),
)


class Answered:
    """A response as `net.response.Response` is one."""

    status = 200
    connection = None

    def __init__(self, tokens: int) -> None:
        self.headers: dict[str, str] = {}
        self._tokens = tokens

    async def read(self, clock: Any, **_: Any) -> bytes:
        return (
            b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
            b'"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":'
            b'{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}'
            % (self._tokens, self._tokens + 9)
        )

    def close(self) -> None:
        pass


class Simulated:
    """Stands in for `net.transport.Transport`: shares its speed between all that run."""

    def __init__(self, server: Server, prompts: int, seed: int) -> None:
        self.server = server
        self.half = prompts // 2
        self.random = random.Random(seed)
        self.attempts = self.answered = self.in_flight = 0
        self._running: list[tuple[float, int, asyncio.Future[None]]] = []
        self._queue: list[tuple[float, asyncio.Future[None]]] = []
        self._done = self._at = 0.0  # tokens that each stream has got since the beginning, and when
        self._timer: asyncio.TimerHandle | None = None
        self._taken: dict[int, int] = {}
        self._numbers = itertools.count()

    async def open(self, *request: Any, **options: Any) -> Answered:
        now = asyncio.get_running_loop().time()
        self.attempts += 1
        server = self.server
        second = self.answered >= self.half
        if server.minute is not None:
            minute = int(now // 60)
            if self._taken.get(minute, 0) >= server.minute:
                await self._refuse("429", 60.0 * (minute + 1) - now)
            self._taken[minute] = self._taken.get(minute, 0) + 1
        if self.in_flight >= server.refuses[second]:
            await self._refuse(server.status, server.retry_after)
        tokens = max(1, round(MEDIAN * self.random.lognormvariate(0.0, SIGMA)))
        self.in_flight += 1
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.sleep(PREFILL)
            self._queue.append((float(tokens), done))
            self._go_on()
            await asyncio.shield(done)  # a call that is cancelled must not cancel it
        finally:
            self.in_flight -= 1
        self.answered += 1
        return Answered(tokens)

    async def _refuse(self, status: str, retry_after: float | None) -> None:
        await asyncio.sleep(REFUSAL)
        raise fault(status, "too much", status_code=int(status), retry_after=retry_after)

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        running = self._running
        if running:
            self._done += (now - self._at) * self.server.speed(len(running))
        self._at = now
        while running and running[0][0] <= self._done + 1e-9:
            heapq.heappop(running)[2].set_result(None)
        slots = self.server.slots[self.answered >= self.half]
        while self._queue and len(running) < slots:
            tokens, done = self._queue.pop(0)
            heapq.heappush(running, (self._done + tokens, next(self._numbers), done))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if running:
            left = (running[0][0] - self._done) / self.server.speed(len(running))
            self._timer = loop.call_later(max(0.0, left), self._go_on)


@dataclass(frozen=True)
class Outcome:
    """Of one run. seconds: until the last answer."""

    answered: int
    failed: int
    attempts: int
    seconds: float
    level: int

    @property
    def rate(self) -> float:
        return self.answered / self.seconds


async def _work(llm: Client, prompts: int, workers: int, **params: Any) -> tuple[int, int]:
    """(answers, errors) of so many prompts."""
    numbers: Iterator[int] = iter(range(prompts))
    answered = failed = 0

    async def work() -> None:
        nonlocal answered, failed
        for number in numbers:
            try:
                await llm.complete(f"Number {number}: name a colour.", **params)
                answered += 1
            except APIError:
                failed += 1

    await asyncio.gather(*(work() for _ in range(workers)))
    return answered, failed


def simulate(server: Server, concurrency: Any, *, prompts: int, seed: int) -> Outcome:
    async def main() -> Outcome:
        loop = asyncio.get_running_loop()
        simulated = Simulated(server, prompts, seed)
        limits = Limits(concurrency=CAP if concurrency == "auto" else concurrency)
        async with Client("http://server.test/v1", model="m", proxy=None, limits=limits) as llm:
            endpoint = llm._endpoint
            endpoint.transport = simulated  # type: ignore[assignment]
            if concurrency == "auto":
                endpoint.adapt()
            answered, failed = await _work(llm, prompts, CAP)
            level = endpoint.limiter().concurrency
            return Outcome(answered, failed, simulated.attempts, loop.time(), level)

    random.seed(seed)
    return run_virtually(main())


def best(outcomes: dict[int, Outcome]) -> int:
    """The fixed number with the fewest failed calls, and of those the fastest."""
    return max(outcomes, key=lambda number: (-outcomes[number].failed, outcomes[number].rate))


def good(auto: Outcome, fixed: Outcome) -> bool:
    return (
        auto.rate >= 0.9 * fixed.rate
        and auto.failed <= fixed.failed
        and auto.attempts <= 1.02 * fixed.attempts
    )


HEAD = """\
| server | best fixed | a second | auto | of the best | last level | more requests | failed |
|---|---|---|---|---|---|---|---|"""


def row(name: str, number: int, fixed: Outcome, auto: Outcome) -> str:
    return (
        f"| {name} | {number} | {fixed.rate:.2f} | {auto.rate:.2f} | {auto.rate / fixed.rate:.0%} "
        f"| {auto.level} | {auto.attempts / fixed.attempts - 1:+.1%} | {auto.failed} |"
    )


def simulated(prompts: int, seed: int) -> bool:
    print(f"{prompts} prompts each:\n\n{HEAD}")
    verdict = True
    for server in SERVERS:
        fixed = {number: simulate(server, number, prompts=prompts, seed=seed) for number in FIXED}
        number = best(fixed)
        auto = simulate(server, "auto", prompts=prompts, seed=seed)
        verdict &= good(auto, fixed[number])
        print(row(server.name, number, fixed[number], auto), flush=True)
    return verdict


async def _local(server: Any, concurrency: Any, prompts: int) -> Outcome:
    attempts = 0

    def count(event: Any) -> None:
        nonlocal attempts
        attempts += type(event).__name__ in ("AttemptFailed", "CallFinished")

    limits = Limits(concurrency=concurrency)
    async with Client(server.base_url, api_key=server.api_key, limits=limits, hooks=count) as llm:
        started = time.perf_counter()
        answered, failed = await _work(llm, prompts, 64, max_tokens=24)
        seconds = time.perf_counter() - started
        level = llm._endpoint.limiter().concurrency
        return Outcome(answered, failed, attempts, seconds, level)


def embedded(prompts: int, rounds: int) -> bool:
    """Four slots of the embedded model, fixed numbers and auto in turns, medians of the rounds."""
    from rawllm.local import LocalServer

    found: dict[Any, list[Outcome]] = {}
    with LocalServer(slots=4) as server:
        asyncio.run(_local(server, 4, 16))
        for _ in range(rounds):
            for concurrency in (1, "auto", 2, 4, 8):
                outcome = asyncio.run(_local(server, concurrency, prompts))
                found.setdefault(concurrency, []).append(outcome)
    middle = {
        concurrency: sorted(outcomes, key=lambda outcome: outcome.rate)[len(outcomes) // 2]
        for concurrency, outcomes in found.items()
    }
    auto = middle.pop("auto")
    number = best(middle)
    each = ", ".join(f"{name}: {outcome.rate:.2f}" for name, outcome in sorted(middle.items()))
    print(f"{prompts} prompts each, medians of {rounds}; a second with {each}\n\n{HEAD}")
    print(row("the embedded model, 4 slots", number, middle[number], auto))
    return good(auto, middle[number])


def main() -> int:
    parser = argparse.ArgumentParser(description="auto beside every fixed concurrency")
    parser.add_argument("--local", action="store_true", help="the embedded model, in real time")
    parser.add_argument("--prompts", type=int, help="6000, or 64 with --local")
    parser.add_argument("--rounds", type=int, default=3, help="with --local")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.getLogger("rawllm").setLevel(logging.ERROR)
    if args.local:
        return not embedded(args.prompts or 64, args.rounds)
    return not simulated(args.prompts or 6000, args.seed)


if __name__ == "__main__":
    sys.exit(main())
