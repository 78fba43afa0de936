"""What rawllm promises, beside what was measured: the table at the top of docs/benchmarks.md.

Measures nothing. A target whose figures are not there is shown as such, never as met.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.peers.causes import CAUSES
from benchmarks.peers.measure import median_ratio

__all__ = ["TARGETS", "Target", "misses", "section", "unexplained"]

Results = Mapping[str, Any]


class Target(NamedTuple):
    """what: its name. must, stretch: bounds, None for no such one. take: its figure; raises
    KeyError where that was not measured. unit: behind each of the three. places: how many are
    shown. least: the bounds are lower ones."""

    what: str
    must: float | None
    stretch: float | None
    take: Callable[[Results], float]
    unit: str = "×"
    places: int = 2
    least: bool = False

    def figure(self, results: Results) -> float | None:
        """None: not measured. Rounded as it is shown, or one that looks like its bound could miss
        it."""
        try:
            return round(self.take(results), self.places)
        except KeyError:
            return None

    def met(self, figure: float, bound: float | None) -> bool | None:
        """None: there is no such bound."""
        if bound is None:
            return None
        return figure >= bound if self.least else figure <= bound

    def verdict(self, results: Results) -> str:
        figure = self.figure(results)
        if figure is None:
            return "not measured"
        must, stretch = self.met(figure, self.must), self.met(figure, self.stretch)
        if must is None:
            return "stretch met" if stretch else "stretch missed"
        return "met, and the stretch" if must and stretch else "met" if must else "**missed**"

    def shown(self, value: float | None) -> str:
        return "" if value is None else f"{value:,.{self.places}f}{self.unit}"

    def bound(self, value: float | None) -> str:
        sign = "≥" if self.least else "≤"
        return "" if value is None else f"{sign} {self.shown(value)}"


def _ratio(figures: Mapping[str, list[float]], client: str, other: str) -> float:
    ratio = median_ratio(figures, client, other)
    if ratio is None:
        raise KeyError(client)
    return ratio


def _cpu(load: str, client: str, other: str) -> Callable[[Results], float]:
    return lambda results: _ratio(results["loads"]["figures"][load], client, other)


def _plain(what: str, load: str, must: float, stretch: float) -> Target:
    return Target(f"{what}, against the plain loop", must, stretch, _cpu(load, "rawllm", "aiohttp"))


def _hooks(what: str, load: str) -> Target:
    name = f"{what}: with a counting hook, against without"
    return Target(name, 1.10, None, _cpu(load, "rawllm+hooks", "rawllm"))


def _less(what: str, load: str, client: str, must: float, stretch: float) -> Target:
    name = f"{what}: less CPU than {client}"
    return Target(name, must, stretch, _cpu(load, client, "rawllm"), places=1, least=True)


def _parse(what: str, must: float, stretch: float) -> Target:
    def take(results: Results) -> float:
        times = results["parses"]["rawllm"][f"parse, {what}"]
        return float(times["rawllm"] / times["plain"])

    return Target(f"parse, {what}, against a bare split", must, stretch, take)


def _linear(results: Results) -> float:
    times = results["parses"]["rawllm"]
    return float(times["one event, 16 MiB"]["rawllm"] / times["one event, 1 MiB"]["rawllm"])


def _held(what: str) -> Callable[[Results], float]:
    return lambda results: results["holds"][what]["rawllm"]["each"]


def _flown(results: Results) -> float:
    found = results["flights"]["10,000"]
    return _ratio({name: taken["us"] for name, taken in found.items()}, "rawllm", "aiohttp")


def _grown(key: str) -> Callable[[Results], float]:
    """From the first tenth of the calls to the last."""

    def take(results: Results) -> float:
        tenths = results["lasts"]["rawllm"][key]
        return float(tenths[-1] / tenths[0])

    return take


def _imported(
    what: str, less: str, change: Callable[[float, float], float]
) -> Callable[[Results], float]:
    def take(results: Results) -> float:
        ours, others = (results["imports"][name]["ms"] for name in (what, less))
        return statistics.median(map(change, ours, others))

    return take


TARGETS: Sequence[Target] = (
    _plain("call, 1 at once", "call, 1", 1.00, 0.95),
    _plain("call, 32 at once", "call, 32", 1.00, 0.87),
    _plain("call, 256 at once", "call, 256", 1.00, 0.92),
    Target("instructions of a call", None, 500, lambda r: r["counts"]["rawllm"]["call"], "k", 1),
    _plain("event, 16 a write", "16 a write, 32", 0.48, 0.40),
    _plain("event, one a write", "one a write, 32", 0.66, 0.60),
    _plain("event, one every 5 ms", "paced, 32", 1.00, 0.86),
    Target(
        "instructions of an event, 16 a write",
        None,
        16.6,
        lambda r: r["counts"]["rawllm"]["16 a write"],
        "k",
        1,
    ),
    _hooks("call", "call, 32"),
    _hooks("event, 16 a write", "16 a write, 32"),
    _hooks("event, one a write", "one a write, 32"),
    _hooks("event, one every 5 ms", "paced, 32"),
    _less("call", "call, 32", "openai", 15, 18),
    _less("call", "call, 32", "openai[aiohttp]", 10, 12),
    _less("call", "call, 32", "lm-deluge", 2.5, 2.8),
    _less("event, 16 a write", "16 a write, 32", "openai[aiohttp]", 30, 42),
    _less("event, one a write", "one a write, 32", "openai[aiohttp]", 18, 24),
    _parse("64 KB a piece", 1.6, 1.3),
    _parse("one event a piece", 2.2, 1.6),
    Target("parse, one event: a byte of 16 MiB, against one of 1 MiB", 1.25, None, _linear),
    Target(
        "limiter, two buckets that have enough",
        0.5,
        None,
        lambda r: r["limiter"]["uncontended"]["two buckets"] / 1000,
        " µs",
    ),
    Target(
        "limiter, 1,000 waiting at 10,000/s: the rate is off by",
        1.0,
        None,
        lambda r: abs(r["limiter"]["waiters"]["rate"] / 10_000 - 1) * 100,
        " %",
    ),
    Target(
        "limiter, 1,000 waiting: served out of turn",
        0,
        None,
        lambda r: r["limiter"]["waiters"]["displaced"],
        "",
        0,
    ),
    Target("memory of a call, 1,000 in flight", 20, 18, _held("1,000 calls"), " KB", 1),
    Target("memory of a stream, 1,000 in flight", 23, 20, _held("1,000 streams"), " KB", 1),
    Target(
        "memory of 10,000 calls in flight, the process in all",
        260,
        None,
        lambda r: r["holds"]["10,000 calls"]["rawllm"]["all"],
        " MB",
        0,
    ),
    Target("call, 10,000 in flight, against the plain loop", 1.0, None, _flown),
    Target("call, the last tenth of very many, against the first", 1.05, None, _grown("us")),
    Target("memory after very many calls, against a tenth of them", 1.05, None, _grown("MB")),
    Target(
        "`import rawllm` beyond asyncio",
        10,
        None,
        _imported("rawllm, and asyncio", "asyncio", lambda mine, other: mine - other),
        " ms",
        1,
    ),
    Target(
        "`import rawllm`: modules of aiohttp",
        0,
        None,
        lambda r: sum(r["imports"]["rawllm"]["aiohttp"]),
        "",
        0,
    ),
    Target(
        "import and a client, against aiohttp + backoff + msgspec",
        1.15,
        None,
        _imported(
            "rawllm, and a client", "aiohttp, backoff, msgspec", lambda mine, other: mine / other
        ),
    ),
    Target("installed", 13, None, lambda r: r["sizes"]["rawllm"]["MB"], " MB", 1),
    Target("installed packages", 13, None, lambda r: r["sizes"]["rawllm"]["packages"], "", 0),
)


def misses(results: Results) -> list[str]:
    """The targets whose "must" is missed."""
    return [target.what for target in TARGETS if target.verdict(results) == "**missed**"]


def unexplained(results: Results) -> list[str]:
    """Misses that causes.py has no word on."""
    return [what for what in misses(results) if what not in CAUSES]


def section(results: Results) -> str:
    """The table in Markdown, and a paragraph for each miss."""
    rows = [
        f"| {target.what} | {target.bound(target.must)} | {target.bound(target.stretch)} "
        f"| {target.shown(target.figure(results))} | {target.verdict(results)} |"
        for target in TARGETS
    ]
    missed = misses(results)
    words = [f"- **{what}**: {CAUSES.get(what, 'no cause is recorded.')}" for what in missed]
    return "\n".join(
        [
            "## Targets\n",
            "| rawllm | must | stretch | is | |",
            "|---|---:|---:|---:|---|",
            *rows,
            "",
            "CPU is with 32 at once where nothing else is said. A stretch is what would be good "
            "to have.\n",
            *(["What is missed, why, and what was tried:\n", *words, ""] if missed else []),
        ]
    )
