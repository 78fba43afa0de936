"""The figures as Markdown and SVG: docs/benchmarks.md is this module's output.

Measures nothing and changes no figure but by taking medians and ratios.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.peers import targets
from benchmarks.peers.chart import bars
from benchmarks.peers.environments import PEERS
from benchmarks.peers.limiter import RATE, TASKS, TIMES
from benchmarks.peers.measure import REFERENCE, median_ratio
from benchmarks.peers.scenarios import COUNTED, EVENTS, LOADS, PACED, TEXT
from benchmarks.peers.server import event

__all__ = ["charts", "page"]

Results = Mapping[str, Any]

INTRODUCTION = """\
# Benchmarks

What a call and a streamed event cost: rawllm, the loop over aiohttp that one writes by hand, and
other clients, in one run against one canned server on one machine.
`{command}` measured it and `--write` wrote this page; the code
is in the repository's `benchmarks/`. Take ratios, not microseconds, to another machine.

{date}; {machine}; Python {python}. Rounds: {rounds}.
"""

METHOD = """\
## How it is measured

**×** is the client's figure by that of `aiohttp`, the plain loop, in the same round; the median
over the rounds. The plain loop posts `json.dumps(…)` over one session and takes the answer apart
with `json.loads`; it has no limits, retries, clocks or typed answers. rawllm runs through
`chat.completions.create` with request and token limits, a concurrency limit and all four clocks on.
`asyncio` is a bare protocol with a head and a chunk parser of a few lines: the floor for pure
Python with `json`. The others are called as their documentation has it, their defaults kept;
{once} take part in the first round only, to save time.

The server is one process on another core that writes prepared bytes{busy}.
Everything is loopback without TLS, which would add about the same to all. An answer has {text}
characters and 18 headers, a stream {events} events of {size} bytes (paced: {paced}).
"""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _cell(figures: Mapping[str, list[float]], client: str) -> str:
    """The median, and against the plain loop's."""
    if client not in figures:
        return ""
    ratio = median_ratio(figures, client)
    shown = _number(statistics.median(figures[client]))
    return shown + (f" ({ratio:.2f}×)" if ratio is not None else "")


def _loads(results: Results, kind: str) -> str:
    """One table: clients by concurrency."""
    figures = results["loads"]["figures"]
    names = [name for name in figures if LOADS[name].name.startswith(kind)]
    rows = []
    for client in results["clients"]:
        cells = [_cell(figures[name], client) for name in names]
        if any(cells):
            rows.append([client, *cells])
    head = ["µs of CPU", *(f"{LOADS[name].concurrency:,} at once" for name in names)]
    return _table(head, rows)


def _counts(results: Results) -> str:
    figures = results["counts"]
    rows = []
    for client, found in figures.items():
        cells = []
        for what in (task["name"] for task in COUNTED):
            if what not in found:
                cells.append("")
                continue
            base = figures.get(REFERENCE, {}).get(what)
            ratio = f" ({found[what] / base:.2f}×)" if base else ""
            cells.append(_number(found[what]) + ratio)
        rows.append([client, *cells])
    return _table(["thousand instructions", "a call", "event, 16 a write", "one a write"], rows)


def _memory(results: Results) -> str:
    figures = results["holds"]
    rows = []
    for client in results["clients"]:
        cells = [
            f"{found[client]['each']:.1f} ({found[client]['all']:.0f})" if client in found else ""
            for found in figures.values()
        ]
        if any(cells):
            rows.append([client, *cells])
    return _table(["KB each (MB in all)", *figures], rows)


def _imports(results: Results) -> str:
    rows = [
        [
            what,
            _number(statistics.median(found["ms"])),
            f"{statistics.median(found['modules']):.0f}",
            _number(statistics.median(found["MB"])),
        ]
        for what, found in results["imports"].items()
    ]
    return _table(["import", "CPU ms", "new modules", "MB"], rows)


def _sizes(results: Results) -> str:
    found = sorted(results["sizes"].items(), key=lambda item: item[1]["MB"])
    rows = [[name, f"{size['MB']:.1f}", f"{size['packages']:.0f}"] for name, size in found]
    return _table(["installed", "MB", "packages"], rows)


def _flights(results: Results) -> str:
    figures = results["flights"]
    clients = [client for client in results["clients"] if client in next(iter(figures.values()))]
    rows = []
    for number, found in figures.items():
        row = [number]
        for client in clients:
            us = {name: taken["us"] for name, taken in found.items()}
            row += [_cell(us, client), f"{statistics.median(found[client]['MB']):.0f}"]
        rows.append(row)
    columns = (f"{client}, {what}" for client in clients for what in ("µs of CPU a call", "MB"))
    return _table(["in flight", *columns], rows)


def _lasts(results: Results) -> str:
    figures = results["lasts"]
    rows = []
    for tenth in (0, 4, 9):
        row = [f"{found['calls'] * (tenth + 1) // 10:,}" for found in figures.values()][:1]
        for found in figures.values():
            row += [_number(found["us"][tenth]), f"{found['MB'][tenth]:.1f}"]
        rows.append(row)
    columns = (f"{client}, {what}" for client in figures for what in ("µs of CPU a call", "MB"))
    return _table(["calls made", *columns], rows)


def _limiter(results: Results) -> str:
    found = results["limiter"]
    rows = [
        [way, _number(ns), _number(found["instructions"][way]) if "instructions" in found else ""]
        for way, ns in found["uncontended"].items()
    ]
    waiters = found["waiters"]
    text = (
        f"{TASKS:,} calls that always wait for their next permit, {TASKS * TIMES:,} in all at "
        f"{RATE:,.0f}/s: {waiters['rate']:,.1f}/s, {waiters['displaced']:.0f} of them out of turn, "
        f"{_number(waiters['ns'])} ns of CPU each, the event loop's work included.\n"
    )
    return _table(["enough in both buckets", "ns of CPU", "instructions"], rows) + "\n" + text


def _parses(results: Results) -> str:
    rows = [
        [library, what, *(map(_number, (times[library], times["plain"]))), f"{ratio:.2f}×"]
        for library, found in results["parses"].items()
        for what, times in found.items()
        for ratio in [times[library] / times["plain"]]
    ]
    return _table(["", "what", "ns", "plain", "×"], rows)


class _Section:
    """part: of the results. kind: of the loads."""

    def __init__(
        self, part: str, title: str, how: str, table: Callable[..., str], kind: str | None = None
    ) -> None:
        self.part, self.title, self.how, self.table, self.kind = part, title, how, table, kind

    def show(self, results: Results, folder: str) -> str:
        if self.part not in results:
            return ""
        if self.kind is None:
            table = self.table(results)
        elif any(name.startswith(self.kind) for name in results["loads"]["figures"]):
            table = self.table(results, self.kind)
        else:
            return ""
        chart = next((c for c, (_, _, at) in _CHARTS.items() if at == self.title), None)
        drawn = chart is not None and chart in charts(results)
        image = f"![{self.title}]({folder}/{chart}.svg)\n" if drawn else ""
        return "\n".join(filter(None, [f"## {self.title}\n", image, table, self.how + "\n"]))


_CPU = (
    "User and system time of the client's process (`getrusage`), its warm-up left out, divided by "
    "the calls. Each task makes its calls one after the other; every answer is checked. What takes "
    "too long at 1,000 took part in one round of it, and has no figure for hundreds of streams."
)
_SECTIONS = (
    _Section("loads", "Calls", _CPU, _loads, "call"),
    _Section(
        "loads",
        "Streams, 16 events a write",
        "As above, for each event; a stream's request is part of it.",
        _loads,
        "16",
    ),
    _Section(
        "loads",
        "Streams, one event a write",
        "An HTTP chunk and a write for each event, as fast as the server can.",
        _loads,
        "one",
    ),
    _Section(
        "loads",
        "Streams, an event every 5 ms",
        "Each event wakes the client up, and most of the cost is that. With 1,000 at once they are "
        "200,000 a second, more than a core can wake up for: several come at a time.",
        _loads,
        "paced",
    ),
    _Section(
        "counts",
        "Instructions",
        "User space, counted by callgrind between two marks, one call at a time, garbage "
        "collection off; two runs differ by less than 1 %. The heavy ones are left out: their "
        "imports alone take minutes there. `python -m benchmarks.gate` holds rawllm's ratios.",
        _counts,
    ),
    _Section(
        "holds",
        "Memory in flight",
        "The most memory of a fresh process with so many calls held back by the server (a stream: "
        "half-way), less what it had after a few calls. A client that keeps calls back for want of "
        "connections (openai: 1,000) has fewer in flight.",
        _memory,
    ),
    _Section(
        "flights",
        "Many calls at once",
        "The server answers when as many calls as the first column says have come, over "
        "connections that are open already; MB is the most that the process ever had. With 10,000 "
        "most of either's CPU is Python's garbage collector, which looks at all that is in flight. "
        "rawllm opens connections anew that were idle for 4 s, as many servers close them after 5.",
        _flights,
    ),
    _Section(
        "lasts",
        "Many calls one after the other",
        "One process, 32 at once: CPU a call within the tenth of the calls that ends there, and "
        "the process's memory (RSS) at that moment.",
        _lasts,
    ),
    _Section(
        "limiter",
        "Limiter alone",
        "No socket. *Two buckets* looks at and takes from one for requests and one for tokens; "
        "*try_acquire* is all that a call pays to get in, slot, queue and pause included; *in and "
        "out* gives the slot back as well.",
        _limiter,
    ),
    _Section(
        "imports",
        "Import",
        "CPU time of a fresh process, bytecode cached; the median.",
        _imports,
    ),
    _Section(
        "sizes",
        "Installed size",
        "What `pip install` puts into an empty environment, without bytecode.",
        _sizes,
    ),
    _Section(
        "parses",
        "Parsing and decoding alone",
        'No socket. Parsing against a bare `split(b"\\n\\n")`, decoding against `json.loads`; '
        "for an event of usual size. One large event comes in pieces of 64 KB, and its figure is "
        "for each KB: rawllm's does not grow with the size, as the bare split's does.",
        _parses,
    ),
)

#: File → what it shows, its unit, and the section that it heads.
_CHARTS = {
    "calls": (
        "CPU for a call, 32 at once, against the plain aiohttp loop (log scale)",
        "",
        "Calls",
    ),
    "streams": (
        "CPU for a streamed event, 32 at once, 16 a write, against the plain loop (log scale)",
        "",
        "Streams, 16 events a write",
    ),
    "memory": ("Memory for a call in flight, 1,000 at once", " KB", "Memory in flight"),
    "installed": ("Installed size", " MB", "Installed size"),
}


def charts(results: Results) -> dict[str, str]:
    """File name without suffix → SVG. What was not measured has none."""
    found: dict[str, Mapping[str, float]] = {}
    figures = results.get("loads", {}).get("figures", {})
    for chart, load in (("calls", "call, 32"), ("streams", "16 a write, 32")):
        ratios = {name: median_ratio(figures[load], name) for name in figures.get(load, ())}
        found[chart] = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    held = results.get("holds", {}).get("1,000 calls", {})
    found["memory"] = {name: value["each"] for name, value in held.items()}
    found["installed"] = {name: size["MB"] for name, size in results.get("sizes", {}).items()}
    return {
        chart: bars(
            _CHARTS[chart][0],
            values,
            unit=_CHARTS[chart][1],
            reference=REFERENCE if chart in ("calls", "streams") else None,
        )
        for chart, values in found.items()
        if values
    }


def page(results: Results, folder: str) -> str:
    """The Markdown page. folder: where its charts are, as seen from it."""
    busy = ""
    server = results.get("loads", {}).get("server")
    if server:
        load = max(server, key=server.__getitem__)
        busy = f"; it was busy\nfor at most {server[load]:.0%} of its core, at `{load}`"
    once = " and ".join(peer.name for peer in PEERS.values() if peer.rounds == 1)
    method = METHOD.format(
        busy=busy,
        once=once,
        text=TEXT,
        events=EVENTS,
        paced=PACED,
        size=len(event({"content": " token"})),
    )
    parts = [INTRODUCTION.format(**results["run"]), targets.section(results), method]
    parts += [section.show(results, folder) for section in _SECTIONS]
    rows = [[name, PEERS[name].what, results["versions"][name]] for name in results["clients"]]
    lines = ["| client | what | version |", "|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    parts.append("## Versions\n\n" + "\n".join(lines) + "\n")
    return "\n".join(part for part in parts if part)
