"""Fifty workers, and a server that refuses every connection for ten seconds in the middle.

    python -m benchmarks.outage

Shows how many requests the outage costs and how the load comes back. Exit code 0 where no call
failed, attempts ≤ 1.2 × calls + probes, and no 100 ms after the outage brought more than twice the
requests of a usual 100 ms before it; 1 otherwise. The same stands as a test, on a virtual clock,
in tests/net/test_outage.py.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.apart import ServerApart
from rawllm import APIError, Client, Timeout
from rawllm.hooks import AttemptFailed, CallFinished, EndpointPaused, Event
from rawllm.testing import Answer, Reply, Request

__all__ = ["Arrivals", "Report", "outage"]

#: Seconds: the grain in which arrivals are counted.
BIN = 0.1


class Arrivals:
    """The server's side: answers in 50 to 150 ms, and notes when each request came."""

    def __init__(self, seed: int) -> None:
        self.times: list[float] = []
        self._random = random.Random(seed)

    def __call__(self, request: Request) -> Answer:
        self.times.append(time.monotonic())
        return Reply("yes", first_delay=self._random.uniform(0.05, 0.15))


@dataclass
class Report:
    """began, refused, accepted, ended: seconds of time.monotonic."""

    began: float = 0.0
    refused: float = 0.0
    accepted: float = 0.0
    ended: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    probes: int = 0
    arrivals: list[float] = field(default_factory=list)

    def watch(self, event: Event) -> None:
        """A hook. What the outage refuses never reaches the server, so the client counts."""
        match event:
            case AttemptFailed() | CallFinished():
                self.attempts += 1
            case EndpointPaused():
                self.probes += 1  # each pause but the first was a probe that failed

    def bins(self, start: float, end: float) -> list[int]:
        """Arrivals in each whole BIN from `start` to `end`."""
        counts = [0] * int((end - start) / BIN)
        for at in self.arrivals:
            place = int((at - start) / BIN)
            if at >= start and place < len(counts):
                counts[place] += 1
        return counts

    @property
    def steady(self) -> float:
        """Requests in a usual BIN before the outage; its first second is the start's own crowd."""
        counts = self.bins(self.began + 1.0, self.refused)
        return sum(counts) / len(counts)

    def problems(self) -> list[str]:
        calls = sum(self.ends.values())
        found = [f"{count} calls ended in {end}" for end, count in self.ends.items() if end != "ok"]
        if calls < 1000:
            found.append(f"{calls} calls are too few to tell")
        if self.attempts > 1.2 * calls + self.probes:
            found.append(f"{self.attempts} attempts for {calls} calls and {self.probes} probes")
        worst = max(self.bins(self.accepted, self.ended))
        if worst > 2 * self.steady:
            found.append(f"{worst} requests within 100 ms after the outage: a herd")
        return found

    def table(self) -> str:
        calls = sum(self.ends.values())
        before = self.bins(self.began + 1.0, self.refused)
        after = self.bins(self.accepted, self.ended)
        back = min((at for at in self.arrivals if at > self.accepted), default=self.ended)
        regained = next(
            (place * BIN for place, count in enumerate(after) if count >= 0.8 * self.steady), 0.0
        )
        rows = [
            ("calls", f"{calls:,}"),
            *((f"  {end}", f"{count:,}") for end, count in self.ends.most_common()),
            ("attempts", f"{self.attempts:,}"),
            ("attempts per call", f"{self.attempts / calls:.3f}"),
            ("pauses (the first and failed probes)", f"{self.probes}"),
            ("refused for", f"{self.accepted - self.refused:.2f} s"),
            ("first request after it was back", f"{back - self.accepted:.2f} s"),
            ("80 % of the steady rate again after", f"{regained:.2f} s"),
            ("requests in 100 ms before: mean", f"{self.steady:.1f}"),
            ("requests in 100 ms before: most", f"{max(before)}"),
            ("requests in 100 ms after: most", f"{max(after)}"),
        ]
        return "\n".join(f"{name:<38} {value:>10}" for name, value in rows)


async def outage(
    server: ServerApart, report: Report, *, workers: int, steady: float, down: float
) -> None:
    """`steady` seconds of load, `down` seconds of refusal, and load until `steady` seconds have
    gone well again. Fills the report."""
    over = asyncio.Event()
    answered = asyncio.Event()

    async def work(llm: Client) -> None:
        while not over.is_set():
            try:
                await llm.complete("Are you there?")
            except APIError as error:
                report.ends[type(error).__name__] += 1
            else:
                report.ends["ok"] += 1
                answered.set()

    async with Client(
        server.url, model="m", timeout=Timeout(total=60.0), hooks=report.watch
    ) as llm:
        report.began = time.monotonic()
        workers_at_work = [asyncio.create_task(work(llm)) for _ in range(workers)]
        await asyncio.sleep(steady)
        report.refused = time.monotonic()
        server.ask("refuse")
        await asyncio.sleep(down)
        report.accepted = time.monotonic()
        server.ask("accept")
        answered.clear()
        await asyncio.wait_for(answered.wait(), 60.0)
        await asyncio.sleep(steady)
        report.ended = time.monotonic()
        over.set()
        await asyncio.gather(*workers_at_work)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--steady", type=float, default=6.0, help="seconds before and after")
    parser.add_argument("--down", type=float, default=10.0, help="seconds of refusal")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(argv)
    report = Report()
    with ServerApart(Arrivals(asked.seed)) as server:
        asyncio.run(
            outage(server, report, workers=asked.workers, steady=asked.steady, down=asked.down)
        )
        report.arrivals = server.ask("handler").times
    print(report.table())
    problems = report.problems()
    print("\n" + ("\n".join(f"WRONG: {problem}" for problem in problems) or "ok"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
