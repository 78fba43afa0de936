"""What `rawllm batch` shows: texts of snapshots, and what of them reaches a terminal or a log."""

from __future__ import annotations

import io
import os
import re
from typing import Any

import pytest

from rawllm.batch import Latency, Progress, Summary
from rawllm.cli import progress as shown
from rawllm.cli.progress import Drawer, bar, duration, line, number, table

BUSY = Progress(
    counts=Summary(
        lines=10_000,
        resumed=1_000,
        resumed_failed=2,
        answered=3_195,
        failed=5,
        retries=12,
        errors={"BadRequestError": 4, "IdleTimeout": 1},
        latency=Latency(0.4, 0.8, 1.2),
        prompt_tokens=40_000,
        completion_tokens=90_000,
        seconds=65.0,
    ),
    requests_per_second=51.3,
    tokens_per_second=2130.0,
    in_flight=64,
    waiting=3,
    eta=112.0,
    max_outage=600.0,
)


def changed(progress: Progress = BUSY, **changes: Any) -> Progress:
    values = {name: getattr(progress, name) for name in progress.__struct_fields__}
    return Progress(**values | changes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (3.25, "3.2"),
        (5.0, "5"),
        (51.3, "51"),
        (9_999, "9,999"),
        (12_345, "12.3k"),
        (4_560_000, "4.56M"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (4.2, "4.2 s"),
        (9.96, "10 s"),
        (59.6, "1:00"),
        (65, "1:05"),
        (3600, "1:00:00"),
        (7384, "2:03:04"),
        (4 * 86400 + 7200, "4 d 2 h"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_log_gets_all_of_it() -> None:
    assert line(BUSY) == (
        "42%, 4,200 of 10,000, 51/s, 2,130 tokens/s, 64 in flight, 3 waiting, 12 retries, "
        "7 failed (BadRequestError 4, IdleTimeout 1), ETA 1:52"
    )


def test_an_input_that_nobody_counted_has_no_percent_and_no_bar() -> None:
    progress = changed(counts=Summary(answered=5), eta=None)
    assert line(progress).startswith("5, ")
    assert "%" not in bar(progress, 100)
    assert "█" not in bar(progress, 100)


def test_an_outage_is_shown_instead_of_an_eta() -> None:
    text = line(changed(refusing="HTTP 503", refused_for=35.4))
    assert "server refuses (HTTP 503): waiting, 35 s of 600 s" in text
    assert "ETA" not in text


def test_the_end_is_announced() -> None:
    assert "stopping: 64 in flight" in line(changed(stopping=True))


@pytest.mark.parametrize("width", range(1, 200))
def test_a_bar_is_never_wider_than_the_terminal(width: int) -> None:
    assert len(bar(BUSY, width)) <= width


def test_what_matters_least_is_left_out_first() -> None:
    assert bar(BUSY, 200)[:30] == "█" * 12 + "░" * 18
    assert bar(BUSY, 75) == (
        "████░░░░░░░  42%  4,200 of 10,000  51/s  2,130 tokens/s  7 failed  ETA 1:52"
    )
    assert bar(BUSY, 30) == "42%  4,200 of 10,000  ETA 1:52"
    assert bar(BUSY, 20) == "42%  4,200 of 10,000"
    assert bar(changed(refusing="HTTP 503"), 75).count("server refuses") == 1


@pytest.mark.parametrize(("done", "full"), [(0, 0), (99_999, 29), (100_000, 30)])
def test_a_bar_is_full_when_all_is_done_and_not_before(done: int, full: int) -> None:
    progress = changed(counts=Summary(lines=100_000, answered=done), eta=None)
    assert bar(progress, 150).count("█") == full
    assert ("100%" in bar(progress, 150)) == (done == 100_000)


def test_a_terminal_without_blocks_gets_plain_characters() -> None:
    assert bar(BUSY, 120, unicode=False).isascii()


def test_the_table_has_what_there_is() -> None:
    text = "\n".join(table(BUSY.counts))
    for part in (
        "answered      3,195 in 1:05 (49/s)",
        "failed        5: BadRequestError 4, IdleTimeout 1",
        "there before  1,000, 2 of them failed",
        "left          5,800",
        "retries       12",
        "tokens        40,000 in, 90,000 out",
        "latency       p50 0.4 s, p90 0.8 s, p99 1.2 s",
    ):
        assert part in text
    assert [row.split()[0] for row in table(Summary(lines=0))] == ["answered", "retries"]


# ── the drawer ────────────────────────────────────────────────────────────────────────────────


class Screen(io.StringIO):
    """A terminal of some columns, and what a reader would see on it."""

    encoding = "utf-8"

    def __init__(self, columns: int | None = 80) -> None:
        super().__init__()
        self.columns = columns

    def isatty(self) -> bool:
        return self.columns is not None

    def fileno(self) -> int:
        return 99

    def seen(self) -> list[str]:
        rows = []
        for row in self.getvalue().split("\n"):
            cells: list[str] = []
            for part in row.split("\r"):
                cells[: len(part)] = part
            rows.append("".join(cells).rstrip())
        return rows


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def size(fd: int) -> os.terminal_size:
        return os.terminal_size((screen_columns[0], 24))

    monkeypatch.setattr(shown.os, "get_terminal_size", size)


screen_columns = [80]


def drawn(screen: Screen, environ: dict[str, str] | None = None, seconds: float = 60.0) -> Screen:
    """A minute of snapshots, twenty a second."""
    screen_columns[0] = screen.columns or 0
    clock = Clock()
    drawer = Drawer(screen, clock=clock, environ=environ or {"TERM": "xterm"})
    for step in range(int(seconds * 20)):
        clock.now = step / 20
        drawer.draw(BUSY)
    return screen


def test_a_terminal_is_drawn_over_at_most_four_times_a_second() -> None:
    text = drawn(Screen()).getvalue()
    assert 200 <= text.count("\r") <= 240
    assert "\n" not in text


@pytest.mark.parametrize(
    ("columns", "environ"), [(None, {"TERM": "xterm"}), (80, {"TERM": "dumb"})]
)
def test_anything_else_gets_a_line_every_five_seconds(
    columns: int | None, environ: dict[str, str]
) -> None:
    text = drawn(Screen(columns), environ).getvalue()
    assert text == f"rawllm: {line(BUSY)}\n" * 11
    assert "\r" not in text


def test_there_are_no_colours_and_no_escape_sequences() -> None:
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f]", drawn(Screen()).getvalue())


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    screen, clock = Screen(), Clock()
    screen_columns[0] = 80
    drawer = Drawer(screen, clock=clock, environ={})
    drawer.draw(BUSY)
    clock.now = 1.0
    screen_columns[0] = 40
    drawer.draw(changed(counts=Summary(answered=1), eta=None, waiting=0))
    assert screen.seen()[0].startswith("1  51/s")
    assert "ETA" not in screen.seen()[0][:37]


def test_a_line_that_stays_stands_alone() -> None:
    screen = Screen()
    screen_columns[0] = 80
    drawer = Drawer(screen, clock=Clock(), environ={})
    drawer.draw(BUSY)
    drawer.say("rawllm: a note")
    assert screen.seen() == ["rawllm: a note", ""]


def test_ctrl_c_behind_the_cursor_neither_wraps_nor_stays() -> None:
    screen = Screen()
    screen_columns[0] = 80
    drawer = Drawer(screen, clock=Clock(), environ={})
    drawer.draw(BUSY)
    screen.write("^C")
    assert len(screen.seen()[0]) < 80
    drawer.clear()
    assert screen.seen() == [""]
    drawer.clear()  # nothing there: nothing written
    assert screen.getvalue().endswith("\r")


def test_a_terminal_whose_size_nobody_knows_has_eighty_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(fd: int) -> os.terminal_size:
        raise OSError

    monkeypatch.setattr(shown.os, "get_terminal_size", unknown)
    screen = Screen()
    Drawer(screen, clock=Clock(), environ={}).draw(BUSY)
    assert 60 < len(screen.seen()[0]) < 80


def test_an_older_encoding_gets_an_ascii_bar() -> None:
    screen = Screen(120)
    screen.encoding = "latin-1"
    assert drawn(screen, seconds=1.0).getvalue().isascii()
