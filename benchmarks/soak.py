"""Thousands of streams against a server that breaks in every way, for a minute: what is left?

    python -m benchmarks.soak --seconds 60 --streams 2000

Measures endurance, not speed. Exit code 0 where every call ended in a right answer or a typed
error, nothing was left behind and memory stayed flat; 1 otherwise. Needs Linux's /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.apart import ServerApart
from rawllm import APIError, Client, Limits, Timeout
from rawllm.testing import Answer, Raw, Reply, Request, Stream

__all__ = ["Faults", "Report", "soak", "words"]

MIB = 1024 * 1024

#: Memory counts as flat where a line through its samples rises by less than this over the last
#: two thirds of the run, in MiB, or by less than this part of what it was at the first third.
#: Ten thousand forgotten calls of 2 kB each would show.
FLAT_MIB, FLAT_PART = 8.0, 0.05


def words(prompt: str) -> list[str]:
    """The one right answer to a prompt "number:count": a lost, doubled or swapped piece shows."""
    number, count = prompt.split(":")
    return [f"{number}.{place} " for place in range(int(count))]


class Faults:
    """The server's side: request → answer, good or broken.

    seconds: float; after so long the server behaves, so that the run comes to an end.
    length: float, seconds that a usual stream takes.
    """

    def __init__(self, seed: int, seconds: float, length: float) -> None:
        self.tried: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._seconds = seconds
        self._length = length
        self._began: float | None = None

    def __call__(self, request: Request) -> Answer:
        now = time.monotonic()
        if self._began is None:
            self._began = now
        since = now - self._began
        tokens = words(request.prompts[0])
        delay = self._length / len(tokens) * self._random.uniform(0.5, 1.5)
        streamed = (request.arguments or {}).get("stream")
        fault = self._fault(since) if since < self._seconds else "none"
        if not streamed:
            fault = _WHOLE_AS.get(fault, fault)
        self.tried[fault] += 1
        if fault in ("none", "slow tokens"):
            slow = 3 if fault == "slow tokens" else 1
            # A whole answer has but one wait, and that within the client's patience.
            return Reply(tokens=tokens, delay=slow * delay if streamed else 0.0, first_delay=delay)
        if fault == "429 storm":
            wait = str(self._random.randrange(100, 400))
            return Reply(status=429, headers={"Retry-After-ms": wait} if wait[-1] > "4" else {})
        return _broken(fault, tokens[: self._random.randrange(len(tokens))], delay)

    def _fault(self, since: float) -> str:
        period = max(1.0, self._seconds / 10)
        if 0.2 < since / period % 1.0 < 0.3:
            return "429 storm"
        if 0.6 < since / period % 1.0 < 0.7:
            return "500 burst"
        return self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]


#: Fault → how often, in percent. Storms come by the clock and on top.
_WEIGHTS: Mapping[str, float] = {
    "none": 68,
    "slow tokens": 5,
    "reset before the answer": 2,
    "reset in the stream": 4,
    "closed in the stream": 3,
    "proper end too early": 3,
    "stall before the head": 1,
    "stall before the first token": 1,
    "stall in the stream": 3,
    "garbage in the stream": 3,
    "error in the stream": 2,
    "not HTTP": 1,
    "HTML": 1,
    "empty 200": 1,
    "500": 2,
}

#: What becomes of a stream's fault where the request asked for a whole answer.
_WHOLE_AS: Mapping[str, str] = {
    "reset in the stream": "reset in the body",
    "closed in the stream": "closed in the body",
    "proper end too early": "half a JSON",
    "slow tokens": "none",
    "stall before the first token": "stall in the body",
    "stall in the stream": "stall in the body",
    "garbage in the stream": "half a JSON",
    "error in the stream": "error in a 200",
}

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
_ERROR = {"error": {"message": "the engine died", "type": "server_error", "code": 500}}


def _broken(fault: str, begun: list[str], delay: float) -> Answer:
    pieces: list[str | float] = []
    for token in begun:
        pieces += [token, delay]
    match fault:
        case "500" | "500 burst":
            return Reply(status=500)
        case "reset before the answer":
            return Raw(end="reset")
        case "stall before the head":
            return Raw(end="hang")
        case "not HTTP":
            return Raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        case "HTML":
            return Reply(body="<html><body>502 Bad Gateway</body></html>")
        case "empty 200":
            return Reply(body=b"")
        case "reset in the stream":
            return Stream(pieces, end="reset")
        case "closed in the stream":
            return Stream(pieces, end="close")
        case "proper end too early":
            return Stream(pieces, end="eof")
        case "stall before the first token":
            return Stream([b": still thinking\n\n"], end="hang")
        case "stall in the stream":
            return Stream(pieces, end="hang")
        case "garbage in the stream":
            return Stream([*pieces, b'data: {"id": \xff\xfe\n\n', delay])
        case "error in the stream":
            return Stream([*pieces, _ERROR])
        case "reset in the body":
            return Raw([_HEAD + b'{"id": ', delay], end="reset")
        case "closed in the body":
            return Raw([_HEAD + b'{"id": ', delay], end="close")
        case "stall in the body":
            return Raw(_HEAD + b'{"id": ', end="hang")
        case "half a JSON":
            return Reply(body='{"id": "half", "choices": [')
        case "error in a 200":
            return Reply(body=_ERROR)
    raise AssertionError(fault)


@dataclass
class Report:
    """What came of it. ends: Counter of how calls ended; an error under its class's name.
    memory: (seconds since the start, RSS in bytes). left: what was found after the end."""

    seconds: float
    ends: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def rss(self, at: float) -> float:
        """MiB at about `at` seconds."""
        return min(self.memory, key=lambda sample: abs(sample[0] - at))[1] / MIB

    @property
    def growth(self) -> float:
        """MiB that a line through the samples of the last two thirds rises there."""
        window = [(t, rss) for t, rss in self.memory if self.seconds / 3 <= t <= self.seconds]
        middle = sum(t for t, _ in window) / len(window)
        above = sum((t - middle) * rss for t, rss in window)
        below = sum((t - middle) ** 2 for t, _ in window)
        return above / below * (window[-1][0] - window[0][0]) / MIB

    def problems(self) -> list[str]:
        """What went wrong, one line each; none: all is well."""
        found = [f"{count} × {what}" for what, count in self.strange.items()]
        found += [f"{count:g} {what} left" for what, count in self.left.items() if count]
        if not self.ends["answer"]:
            found.append("not one right answer")
        allowed = max(FLAT_MIB, FLAT_PART * self.rss(self.seconds / 3))
        if self.growth > allowed:
            found.append(f"memory grew by {self.growth:.1f} MiB, more than {allowed:.1f}")
        return found

    def table(self) -> str:
        calls = sum(self.ends.values())
        thirds = [self.seconds / 3, self.seconds * 2 / 3, self.seconds]
        rows: list[tuple[str, str]] = [("calls", f"{calls:,}")]
        rows += [(f"  {end}", f"{count:,}") for end, count in self.ends.most_common()]
        rows += [("requests at the server", f"{self.attempts:,}")]
        rows += [(f"  {fault}", f"{count:,}") for fault, count in self.faults.most_common()]
        rows += [(f"RSS at {at:.0f} s", f"{self.rss(at):.1f} MiB") for at in thirds]
        slope = self.growth / (self.seconds * 2 / 3) * 60
        rows += [("RSS slope, last two thirds", f"{slope:+.2f} MiB/min")]
        rows += [(f"{what} left", f"{count:g}") for what, count in self.left.items()]
        return "\n".join(f"{name:<34} {value:>12}" for name, value in rows)


#: Up to here of all calls ask for the whole answer, leave the stream half-read, are cancelled;
#: the others read a stream to its end.
_WHOLE, _LEFT, _CANCELLED = 0.10, 0.15, 0.20


class _Run:
    """The client's side: so many workers, each with one call at a time."""

    def __init__(self, llm: Client, report: Report, seed: int) -> None:
        self._llm = llm
        self._report = report
        self._random = random.Random(seed)
        self._calls = 0

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            end = await self.one(self._random.random())
            self._report.ends[end] += 1

    async def one(self, how: float) -> str:
        """One call and its end. how: 0 to 1, the kind of call."""
        self._calls += 1
        prompt = f"{self._calls}:{self._random.randrange(5, 30)}"
        try:
            if how < _WHOLE:
                return self._judge(prompt, (await self._llm.complete(prompt)).text)
            if how < _LEFT:
                return await self._leave(prompt)
            if how < _CANCELLED:
                async with asyncio.timeout(self._random.uniform(0.0, 1.0)):
                    return self._judge(prompt, await self._read(prompt))
            return self._judge(prompt, await self._read(prompt))
        except APIError as error:
            return type(error).__name__
        except TimeoutError:
            return "(cancelled by us)"
        except Exception as error:
            self._report.strange[f"no typed error: {error!r}"] += 1
            return "no typed error"

    async def _read(self, prompt: str) -> str:
        async with self._llm.stream(prompt) as stream:
            completion = await stream.result()
        return str(completion.text)

    async def _leave(self, prompt: str) -> str:
        async with self._llm.stream(prompt) as stream:
            async for chunk in stream:
                if chunk.text:
                    break
        return "(left by us)"

    def _judge(self, prompt: str, text: str) -> str:
        if text == "".join(words(prompt)):
            return "answer"
        self._report.strange["a wrong or cut answer handed over as a right one"] += 1
        return "wrong answer"


async def soak(url: str, *, seconds: float, streams: int, seed: int, report: Report) -> None:
    """Fills the report. The clocks' patience grows with `seconds`, up to 3 s."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: report.strange.update([f"the loop complained: {context['message']}"])
    )
    patience = min(3.0, seconds / 5)
    files = _open_files()
    client = Client(
        url,
        model="m",
        timeout=Timeout(connect=10.0, first_token=patience, idle=patience, total=60.0),
        limits=Limits(
            concurrency=streams,
            # Never the bottleneck, but taken, given back and settled by every call.
            requests_per_minute=60.0 * 2 * streams,
            tokens_per_minute=60.0 * 500 * streams,
        ),
    )
    async with client:
        run = _Run(client, report, seed)
        began = time.monotonic()
        watch = asyncio.create_task(_watch(report, began))
        await asyncio.gather(*(run.work(began + seconds) for _ in range(streams)))
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        if (end := await run.one(0.0)) != "answer":
            report.strange[f"the call after all of it ended in {end}"] += 1
        # The buckets fill again within their second's worth of burst, if nothing was lost.
        await asyncio.sleep(1.1)
        _look(client, report)
    await asyncio.sleep(0.1)
    gc.collect()
    report.left["tasks"] = len(asyncio.all_tasks() - {asyncio.current_task()})
    report.left["sockets and files"] = _open_files() - files


def _look(client: Client, report: Report) -> None:
    endpoint: Any = client._endpoint
    limiter = endpoint.limiter()
    now = limiter.now()
    report.left["slots"] = limiter.in_flight
    report.left["waiting calls"] = len(limiter._queue)
    report.left["undecided trials"] = len(endpoint.pace._trials)
    for name, bucket in (("request", endpoint.requests), ("token", endpoint.tokens)):
        report.left[f"unreturned {name}s"] = round(bucket.burst - bucket.level(now), 6)
    sessions = [endpoint.sessions.get(fresh=fresh) for fresh in (False, True)]
    report.left["connections in use"] = sum(len(one.connector._acquired) for one in sessions)


async def _watch(report: Report, began: float) -> None:
    while True:
        report.memory.append((time.monotonic() - began, _rss()))
        await asyncio.sleep(0.25)


def _rss() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(argv)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # before the server inherits it
    report = Report(asked.seconds)
    length = min(4.0, asked.seconds / 4)
    with ServerApart(Faults(asked.seed, asked.seconds, length)) as server:
        asyncio.run(
            soak(
                server.url,
                seconds=asked.seconds,
                streams=asked.streams,
                seed=asked.seed,
                report=report,
            )
        )
        report.attempts = server.ask("attempts")
        report.faults = server.ask("handler").tried
        report.left["requests open at the server"] = server.ask("in_flight")
        report.left["connections open at the server"] = server.ask("open_connections")
    print(report.table())
    problems = report.problems()
    print(
        "\n".join(["", *(f"WRONG: {problem}" for problem in problems)] if problems else ["", "ok"])
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
