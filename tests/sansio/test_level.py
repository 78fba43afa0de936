"""How many may be in flight: against simulated servers, the whole client on a virtual clock
(`benchmarks/auto.py`, which prints all of it), and step by step."""

from __future__ import annotations

import pytest

from benchmarks.auto import SERVERS, Server, good, simulate
from rawllm.sansio.level import START, Level

#: A fixed number for each that is as good as the best that `python -m benchmarks.auto` finds.
BEST = {
    "8 slots, then a queue": 16,
    "3 slots, then a queue": 16,
    "429 above 10": 10,
    "503 above 40": 40,
    "429 above 8, Retry-After 1": 8,
    "batching, saturates": 128,
    "batching, thrashes above 24": 24,
    "300 a minute, then 429": 64,
    "slots 8, then 24": 32,
    "slots 24, then 8": 32,
    "429 above 8, then 24": 8,
    "429 above 24, then 8": 8,
}


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_auto_is_nearly_as_good_as_the_best_fixed_number(server: Server) -> None:
    fixed = simulate(server, BEST[server.name], prompts=3000, seed=1)
    auto = simulate(server, "auto", prompts=3000, seed=1)
    assert auto.answered == 3000
    assert good(auto, fixed), (fixed, auto)


@pytest.mark.parametrize("server", SERVERS[:7], ids=lambda server: server.name)
def test_a_short_run_is_not_slow_to_start(server: Server) -> None:
    fixed = simulate(server, BEST[server.name], prompts=200, seed=1)
    auto = simulate(server, "auto", prompts=200, seed=1)
    assert auto.failed == 0
    assert auto.attempts <= 1.02 * fixed.attempts
    assert auto.rate >= 0.6 * fixed.rate


def test_a_server_that_bears_eight_costs_next_to_no_refusals() -> None:
    server = Server("429 above 8", refuses=(8, 8))
    all_at_once = simulate(server, 64, prompts=1000, seed=1)
    auto = simulate(server, "auto", prompts=1000, seed=1)
    assert all_at_once.attempts > 1200
    assert auto.attempts <= 1010
    assert auto.failed == 0 < all_at_once.failed
    assert auto.rate >= 1.2 * all_at_once.rate


# ---------------------------------------------------------------- step by step


class Flow:
    """Answers one after the other, each a second after it was sent, with every slot in use."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.now = 0.0

    def answer(self, count: int = 1, *, speed: float = 1.0, busy: int | None = None) -> None:
        """speed: answers a second of each slot."""
        for _ in range(count):
            limit = self.level.limit
            self.now += 1.0 / (speed * limit)
            sent = self.now - 1.0 / speed
            self.level.finished(
                sent, limit, self.now, work=1.0, busy=limit if busy is None else busy
            )

    def refuse(self, load: int, *, sent: float | None = None, busy: int = 9) -> bool:
        sent = self.now if sent is None else sent
        return self.level.refused(sent, load, self.now, busy=busy)


def flow(cap: int = 256, limit: int | None = None) -> Flow:
    made = Flow(Level(cap))
    while limit is not None and made.level.limit < limit:
        made.answer()
    return made


def test_it_starts_small_and_doubles_with_each_round() -> None:
    started = flow()
    assert started.level.limit == START
    for expected in (8, 16, 32, 64):
        started.answer(expected // 2)
        assert started.level.limit == expected


@pytest.mark.parametrize("cap", [1, 2, 3, 4, 5, 40])
def test_it_is_never_above_the_cap_nor_below_one(cap: int) -> None:
    bounded = flow(cap)
    for step in range(3000):
        bounded.answer()
        assert 1 <= bounded.level.limit <= cap
        if step % 50 == 0:
            bounded.level.strained(bounded.now, bounded.now)
            assert 1 <= bounded.level.limit <= cap


def test_it_does_not_grow_where_not_all_slots_are_in_use() -> None:
    idle = flow()
    idle.answer(1000, busy=1)
    assert idle.level.limit == START


def test_a_refusal_of_what_was_just_added_takes_that_back_and_is_remembered() -> None:
    flowing = flow(limit=11)
    proven = flowing.level._proven
    assert flowing.refuse(proven + 1)
    assert flowing.level.limit == proven
    assert flowing.refuse(proven + 2)  # sent before that was known
    assert flowing.level.limit == proven
    flowing.answer(100)
    assert flowing.level.limit <= proven
    highest = 0
    for _ in range(1000):
        flowing.answer()
        highest = max(highest, flowing.level.limit)
    assert highest > proven  # in time it is tried again


def test_a_refusal_with_nothing_else_in_flight_is_no_matter_of_how_many() -> None:
    assert not flow(limit=8).refuse(9, busy=1)


def test_refusals_of_what_was_borne_cut_once_for_all_that_was_in_flight() -> None:
    flowing = flow(limit=20)
    sent = flowing.now - 0.5
    assert not flowing.refuse(10, sent=sent)
    assert flowing.level.limit == 14
    for load in range(2, 10):
        assert not flowing.refuse(load, sent=sent)
    assert flowing.level.limit == 14
    flowing.now += 1.0
    assert not flowing.refuse(10)
    assert flowing.level.limit == 9


def test_timeouts_cut_too() -> None:
    flowing = flow(limit=20)
    for _ in range(5):
        flowing.level.strained(flowing.now - 0.1, flowing.now)
    assert flowing.level.limit == 14


def test_what_a_pause_interrupted_is_measured_anew() -> None:
    held = flow(cap=16, limit=16)
    held.answer(16 + 40)
    assert held.level._answers > 0
    held.level.interrupted(held.now)
    assert held.level._answers == 0


def test_what_not_all_slots_brought_about_is_no_measure() -> None:
    held = flow(cap=16, limit=16)
    held.answer(16 + 40)
    held.answer(busy=1)
    assert held.level._answers == 0


def test_without_usage_quick_answers_among_stuck_ones_do_not_deceive() -> None:
    """Only the short ones have come yet: each looks quick, and few come at all."""
    stuck = flow(limit=32)
    for _ in range(32):
        stuck.now += 4.0 / stuck.level.limit
        load = stuck.level.limit
        stuck.level.finished(stuck.now - 1.0, load, stuck.now, work=1.0, busy=load)
    assert stuck.level.limit == 32
