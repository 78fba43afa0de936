"""What `rawllm batch` shows on stderr: a bar while it runs, a table at its end.

The texts are pure functions of a snapshot; `Drawer` puts them on a terminal or into a log. Uses
neither colours nor escape sequences: the carriage return works everywhere, and leaves nothing to
be restored, however the run ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from ..batch import Progress, Summary

#: Seconds between two redraws of a terminal, and between two lines elsewhere.
REDRAW: Final = 0.25
LINE: Final = 5.0

#: Columns of the "^C" that a terminal shows behind the cursor.
CTRL_C: Final = 2

#: Columns of the bar; below the smaller number there is none.
BAR: Final = (8, 30)


def number(value: float) -> str:
    """1,234 as it is, above ten thousand in k and M: 12.3k, 4.56M."""
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e6 if unit == 'M' else 1e3):.3g}{unit}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def duration(seconds: float) -> str:
    """4.2 s, 1:05, 2:03:04, 3 d 4 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    if hours >= 72:
        return f"{hours // 24} d {hours % 24} h"
    clock = f"{rest // 60:02}:{rest % 60:02}"
    return f"{hours}:{clock}" if hours else clock.removeprefix("0")


def errors(found: Mapping[str, int], most: int = 3) -> str:
    """BadRequestError 3, IdleTimeout 1, …"""
    shown = [f"{name} {number(count)}" for name, count in list(found.items())[:most]]
    return ", ".join(shown + ["…"] * (len(found) > most))


def _percent(counts: Summary) -> float | None:
    return None if not counts.lines else 100.0 * counts.recorded / counts.lines


def _pieces(progress: Progress) -> list[tuple[int, str]]:
    """(importance, text) in the order in which they stand. 0 is never left out."""
    counts = progress.counts
    percent = _percent(counts)
    pieces = [] if percent is None else [(0, f"{int(percent)}%")]
    total = "" if counts.lines is None else f" of {counts.lines:,}"
    pieces.append((0, f"{counts.recorded:,}{total}"))
    if progress.stopping:
        pieces.append((0, f"stopping: {progress.in_flight} in flight"))
    elif progress.refusing is not None:
        pieces.append(
            (
                1,
                f"server refuses ({progress.refusing}): waiting, "
                # It ends with a probe, a little after that.
                f"{min(progress.refused_for, progress.max_outage):.0f} s "
                f"of {progress.max_outage:.0f} s",
            )
        )
    pieces.append((3, f"{number(progress.requests_per_second)}/s"))
    if progress.tokens_per_second:
        pieces.append((5, f"{number(progress.tokens_per_second)} tokens/s"))
    if not progress.stopping:
        pieces.append((6, f"{progress.in_flight} in flight"))
    if progress.waiting:
        pieces.append((8, f"{progress.waiting} waiting"))
    if counts.retries:
        pieces.append((7, f"{number(counts.retries)} retries"))
    if counts.failures:
        pieces.append((4, f"{number(counts.failures)} failed"))
    if counts.errors:
        pieces.append((9, f"({errors(counts.errors)})"))
    if progress.eta is not None and progress.refusing is None:
        pieces.append((2, f"ETA {duration(progress.eta)}"))
    return pieces


def line(progress: Progress) -> str:
    """All of it, for a log."""
    return ", ".join(text for _, text in _pieces(progress)).replace(", (", " (")


def bar(progress: Progress, width: int, *, unicode: bool = True) -> str:
    """One line of at most `width` columns: what matters least is left out, and the bar takes what
    is free."""
    pieces = _pieces(progress)
    while len(pieces) > 1 and len(_joined(pieces)) > width:
        least = max(importance for importance, _ in pieces)
        if not least:
            break
        pieces = [piece for piece in pieces if piece[0] != least]
    text = _joined(pieces)
    percent = _percent(progress.counts)
    room = min(BAR[1], width - len(text) - 2)
    if percent is None or room < BAR[0]:
        return text[:width]
    full, empty = "█░" if unicode else "#-"
    filled = int(room * percent / 100)
    return f"{full * filled}{empty * (room - filled)}  {text}"


def _joined(pieces: list[tuple[int, str]]) -> str:
    return "  ".join(text for _, text in pieces).replace("  (", " (")


def table(counts: Summary) -> list[str]:
    """What a run came to, one fact a line."""
    facts = [("answered", _with_rate(counts.answered, counts.seconds))]
    if counts.failed:
        facts.append(("failed", f"{counts.failed:,}: {errors(counts.errors, most=8)}"))
    if counts.resumed:
        before = f"{counts.resumed:,}"
        if counts.resumed_failed:
            before += f", {counts.resumed_failed:,} of them failed"
        facts.append(("there before", before))
    if counts.left:
        facts.append(("left", f"{counts.left:,}"))
    facts.append(("retries", f"{counts.retries:,}"))
    if counts.prompt_tokens or counts.completion_tokens:
        facts.append(
            ("tokens", f"{counts.prompt_tokens:,} in, {counts.completion_tokens:,} out"),
        )
    if counts.latency is not None:
        latency = counts.latency
        facts.append(
            ("latency", f"p50 {latency.p50:g} s, p90 {latency.p90:g} s, p99 {latency.p99:g} s")
        )
    return [f"  {name:<13} {value}" for name, value in facts]


def _with_rate(answered: int, seconds: float) -> str:
    rate = f" ({number(answered / seconds)}/s)" if seconds else ""
    return f"{answered:,} in {duration(seconds)}{rate}"


class Drawer:
    """Draws snapshots: one line that is drawn over on a terminal, one line every LINE seconds
    elsewhere. clock: () → seconds."""

    def __init__(
        self,
        stream: TextIO,
        *,
        clock: Callable[[], float],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._redraws = stream.isatty() and environ.get("TERM") != "dumb"
        self._unicode = _can_write(stream, "█░")
        self._next = clock() + (0.0 if self._redraws else LINE)
        self._drawn = 0  # columns that the line on the terminal takes

    def draw(self, progress: Progress) -> None:
        """Show it, if it is time."""
        now = self._clock()
        if now < self._next:
            return
        if not self._redraws:
            self._next = now + LINE
            self._write(f"rawllm: {line(progress)}\n")
            return
        self._next = now + REDRAW
        width = self._width()
        text = bar(progress, width, unicode=self._unicode)
        # Written over and not erased first, which would flicker.
        self._write("\r" + text.ljust(min(self._drawn, width)))
        self._drawn = len(text)

    def say(self, text: str) -> None:
        """A line that stays, above the one that is drawn over."""
        self.clear()
        self._write(f"{text}\n")

    def clear(self) -> None:
        """The line away: what follows begins at the first column."""
        if self._drawn:
            self._write("\r" + " " * (min(self._drawn, self._width()) + CTRL_C) + "\r")
            self._drawn = 0

    def _width(self) -> int:
        """Columns to draw on. The last one stays free, since terminals wrap there, and so does
        what ^C takes."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            columns = 80
        return max(1, columns - 1 - CTRL_C)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
