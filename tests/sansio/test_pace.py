"""Pauses and the way back, on a virtual clock."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable

import pytest

from rawllm.errors import APIError
from rawllm.options import Retry
from rawllm.sansio.failures import fault
from rawllm.sansio.pace import PATIENCE, Pace, Permit


def refusal(retry_after: float | None = None) -> APIError:
    return fault("429", "slow down", retry_after=retry_after)


def refuse(
    pace: Pace,
    now: float,
    *,
    asked: float | None = None,
    permit: Permit | None = None,
    dice: float = 1.0,
) -> bool:
    if permit is None:
        permit = pace.grant(now)
    return pace.refused(permit, refusal(asked), now, random=lambda: dice)


def paused(*, now: float = 0.0, asked: float | None = None, **options: float) -> Pace:
    pace = Pace(**options)
    assert refuse(pace, now, asked=asked)
    return pace


def free(pace: Pace, now: float, most: int = 1_000) -> list[Permit]:
    """All that may go at `now`."""
    permits = []
    while pace.wait(now) == 0.0 and len(permits) < most:
        permits.append(pace.grant(now))
    return permits


# ---------------------------------------------------------------- open


def test_an_open_endpoint_lets_everybody_go() -> None:
    pace = Pace()
    permits = free(pace, 0.0)
    assert len(permits) == 1_000
    assert not any(permit.trial for permit in permits)
    assert pace.open
    assert pace.remaining(0.0) == pace.wait(0.0) == 0.0
    for permit in permits[:500]:
        pace.accepted(permit, enough=1)
    for permit in permits[500:]:
        pace.abandoned(permit)
    assert pace.open
    assert repr(pace) == "<Pace open>"


# ---------------------------------------------------------------- paused


def test_a_refusal_pauses_and_is_remembered() -> None:
    pace = Pace()
    error = refusal()
    assert pace.refused(pace.grant(10.0), error, 10.0, random=lambda: 1.0)
    assert not pace.open
    assert pace.error is error
    assert pace.wait(10.0) == pace.remaining(10.0) == 0.5
    assert pace.wait(10.4) == pytest.approx(0.1)
    assert pace.remaining(11.0) == 0.0
    assert "10.5" in repr(pace)


@pytest.mark.parametrize(("dice", "pause"), [(0.0, 0.25), (0.5, 0.375), (1.0, 0.5)])
def test_a_pause_lasts_between_half_and_whole(dice: float, pause: float) -> None:
    pace = Pace()
    refuse(pace, 0.0, dice=dice)
    assert pace.remaining(0.0) == pause


@pytest.mark.parametrize("asked", [0.001, 0.5, 2.0, 7.0, 119.0, 120.0])
@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999])
def test_a_servers_number_is_never_undercut(asked: float, dice: float) -> None:
    pace = Pace()
    refuse(pace, 0.0, asked=asked, dice=dice)
    assert asked <= pace.remaining(0.0) <= min(120.0, asked + 0.5)


@pytest.mark.parametrize("asked", [121.0, 1e20, math.inf])
def test_no_pause_is_longer_than_the_longest(asked: float) -> None:
    assert paused(asked=asked).remaining(0.0) == 120.0
    assert paused(asked=asked, longest=3.0).remaining(0.0) == 3.0
    assert paused(base=50.0, cap=50.0, longest=3.0).remaining(0.0) == 3.0


def test_pauses_in_a_row_grow_up_to_the_cap() -> None:
    pace, now, pauses = Pace(), 0.0, []
    for _ in range(8):
        assert refuse(pace, now)
        pauses.append(pace.remaining(now))
        now += pauses[-1]
    assert pauses == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0])


def test_ten_thousand_pauses_in_a_row_are_still_numbers() -> None:
    pace, now = Pace(), 0.0
    for _ in range(10_000):
        refuse(pace, now)
        now += pace.remaining(now)
    refuse(pace, now)
    assert pace.remaining(now) == pytest.approx(8.0)


def test_the_refusals_of_all_that_was_in_flight_are_one_event() -> None:
    pace = Pace()
    permits = [pace.grant(0.0) for _ in range(64)]
    began = [refuse(pace, 1.0 + i / 1_000, permit=permit) for i, permit in enumerate(permits)]
    assert began == [True] + [False] * 63
    assert pace.paused_until == 1.5
    assert len(free(pace, 1.5)) == 1


def test_a_late_refusal_that_asks_for_longer_still_counts() -> None:
    pace = Pace()
    permits = [pace.grant(0.0) for _ in range(4)]
    refuse(pace, 1.0, permit=permits[0], asked=2.0, dice=0.0)
    assert not refuse(pace, 1.1, permit=permits[1], asked=1.0)
    assert pace.paused_until == 3.0
    assert not refuse(pace, 1.1, permit=permits[2], asked=5.0)
    assert pace.paused_until == pytest.approx(6.1)
    assert not refuse(pace, 1.1, permit=permits[3], asked=math.inf)
    assert pace.paused_until == pytest.approx(121.1)


def test_a_late_refusal_does_not_close_what_has_opened_again() -> None:
    pace = Pace()
    early, late = pace.grant(0.0), pace.grant(0.0)
    refuse(pace, 0.0, permit=early)
    pace.accepted(pace.grant(0.5), enough=1)
    assert pace.open
    assert not refuse(pace, 0.6, permit=late)
    assert pace.open
    assert pace.wait(0.6) == 0.0


def test_a_late_refusal_that_names_a_time_pauses_what_has_opened_again() -> None:
    pace = Pace()
    early, late = pace.grant(0.0), pace.grant(0.0)
    refuse(pace, 0.0, asked=0.1, permit=early)
    pace.accepted(pace.grant(0.5), enough=1)
    assert pace.open
    assert refuse(pace, 0.6, asked=3.0, permit=late, dice=0.0)
    assert pace.wait(0.6) == 3.0


def test_a_success_from_before_the_pause_opens_nothing() -> None:
    pace = Pace()
    early, refused = pace.grant(0.0), pace.grant(0.0)
    refuse(pace, 0.1, permit=refused)
    pace.accepted(early, enough=1)
    assert not pace.open
    assert pace.wait(0.1) == 0.5


def test_a_success_from_before_the_pause_does_not_break_the_row() -> None:
    pace = Pace()
    early = pace.grant(0.0)
    refuse(pace, 0.0)
    pace.accepted(early, enough=1)
    refuse(pace, 0.5)
    assert pace.remaining(0.5) == 1.0


# ---------------------------------------------------------------- recovering


def test_after_the_pause_one_probe_goes() -> None:
    pace = paused()
    assert free(pace, 0.49) == []
    probes = free(pace, 0.5)
    assert len(probes) == 1
    assert probes[0].trial
    assert pace.wait(0.5) == PATIENCE
    assert pace.remaining(0.5) == 0.0  # no pause, but a queue
    assert not pace.open


def test_the_way_opens_by_doubling() -> None:
    pace, now, steps = paused(), 0.5, []
    while not pace.open:
        trials = free(pace, now)
        steps.append(len(trials))
        now += 0.1
        for trial in trials:
            pace.accepted(trial, enough=64)
    assert steps == [1, 2, 4, 8, 16, 32, 64]
    assert len(free(pace, now)) == 1_000


@pytest.mark.parametrize(("enough", "successes"), [(1, 1), (2, 2), (5, 5), (64, 64)])
def test_it_is_open_once_enough_were_accepted(enough: int, successes: int) -> None:
    pace, count = paused(), 0
    while not pace.open:
        pace.accepted(pace.grant(0.5), enough=enough)
        count += 1
    assert count == successes
    assert pace.error is None


def test_a_failed_probe_pauses_again_and_longer() -> None:
    pace = paused()
    (probe,) = free(pace, 0.5)
    assert refuse(pace, 0.6, permit=probe)
    assert pace.remaining(0.6) == 1.0
    assert len(free(pace, 1.6)) == 1


def test_a_refusal_among_many_trials_starts_over_with_one() -> None:
    pace = paused()
    pace.accepted(free(pace, 0.5)[0], enough=64)
    trials = free(pace, 0.6)
    assert len(trials) == 2
    assert refuse(pace, 0.7, permit=trials[0])
    assert not refuse(pace, 0.7, permit=trials[1])  # the same event
    assert pace.remaining(0.7) == 0.5  # a trial was accepted in between: no longer in a row
    assert len(free(pace, 1.2)) == 1


def test_trials_of_an_earlier_recovery_open_nothing() -> None:
    pace = paused()
    pace.accepted(free(pace, 0.5)[0], enough=64)
    accepted, silent = free(pace, 0.6)
    pace.accepted(accepted, enough=64)
    (refused, *_) = free(pace, 0.6)
    refuse(pace, 0.7, permit=refused)
    pace.accepted(silent, enough=1)
    assert not pace.open
    (probe,) = free(pace, 60.0)  # and what is silent for a minute was of another time
    pace.abandoned(probe)
    assert len(free(pace, 60.0)) == 1


def test_a_probe_that_is_not_refused_counts_after_a_while() -> None:
    pace = paused()
    assert len(free(pace, 0.5)) == 1
    assert free(pace, 0.5 + PATIENCE - 0.01) == []
    assert len(free(pace, 0.5 + PATIENCE)) == 2
    assert free(pace, 0.5 + PATIENCE) == []
    assert len(free(pace, 0.5 + 2 * PATIENCE)) == 4
    assert not pace.open  # silence alone opens nothing


def test_an_answer_after_patience_is_not_counted_twice() -> None:
    pace = paused()
    (probe,) = free(pace, 0.5)
    assert len(free(pace, 2.0)) == 2
    pace.accepted(probe, enough=64)
    assert free(pace, 2.0) == []


def test_a_refusal_after_patience_still_pauses() -> None:
    pace = paused()
    (probe,) = free(pace, 0.5)
    free(pace, 2.0)
    assert refuse(pace, 2.1, permit=probe)
    assert pace.remaining(2.1) == 1.0


@pytest.mark.parametrize("answer_after", [0.1, PATIENCE + 5.0])
def test_a_new_outage_begins_with_a_short_pause_again(answer_after: float) -> None:
    # Answers of a model take longer than PATIENCE, nearly always.
    pace, now = Pace(), 0.0
    for _ in range(6):
        refuse(pace, now)
        now = pace.paused_until
    assert pace.wait(now) == 0.0
    probe = pace.grant(now)
    now += answer_after
    pace.wait(now)
    pace.accepted(probe, enough=1)
    assert pace.open
    refuse(pace, now + 3_600.0)
    assert pace.remaining(now + 3_600.0) == 0.5


def test_an_abandoned_probe_makes_room_for_the_next() -> None:
    pace = paused()
    for _ in range(5):
        (probe,) = free(pace, 0.5)
        pace.abandoned(probe)
        pace.abandoned(probe)
    assert len(free(pace, 0.5)) == 1


def test_an_abandoned_permit_of_another_time_changes_nothing() -> None:
    pace = Pace()
    early = pace.grant(0.0)
    refuse(pace, 0.0)
    pace.abandoned(early)
    assert free(pace, 0.4) == []
    assert len(free(pace, 0.5)) == 1


@pytest.mark.parametrize("start", [0.0, 0.1, 0.7, 1e6 + 0.1, 1e9 + 0.7])
def test_waiting_as_long_as_told_is_long_enough_at_any_time(start: float) -> None:
    for tick in range(200):
        now = start + tick * 0.017
        pace = paused(now=now)
        granted, waits = 0, 0
        for most in (1, 3, 7):
            while (wait := pace.wait(now)) > 0.0:
                now += wait
                waits += 1
                assert waits < 20, "it spins"
            granted += len(free(pace, now))
            assert granted <= most  # and no herd at the very instant


# ---------------------------------------------------------------- all of it together


# ---------------------------------------------------------------- outages


def test_an_outage_is_measured_from_the_first_refusal_over_all_pauses() -> None:
    pace = Pace()
    assert pace.outage(5.0) == 0.0
    refuse(pace, 10.0)
    refuse(pace, 20.0)
    assert pace.outage(25.0) == 15.0


def test_only_a_request_sent_after_the_first_refusal_ends_an_outage() -> None:
    pace = Pace()
    early = pace.grant(9.0)
    refuse(pace, 10.0)
    pace.accepted(early, enough=64)
    assert pace.outage(12.0) == 2.0
    first, _ = pace.grant(13.0), refuse(pace, 14.0)  # another trial of that time was refused
    pace.accepted(first, enough=64)
    assert not pace.open
    assert pace.outage(15.0) == 0.0
    refuse(pace, 20.0)
    assert pace.outage(21.0) == 1.0


def test_patience_ends_no_outage() -> None:
    pace = paused()
    assert len(free(pace, 10.0)) == 1
    assert len(free(pace, 10.0 + PATIENCE)) == 2
    assert pace.outage(100.0) == 100.0


def test_silent_is_an_endpoint_that_accepted_nothing_sent_since() -> None:
    pace = Pace()
    assert pace.silent(-1e9)
    early, late = pace.grant(1.0), pace.grant(5.0)
    refuse(pace, 5.5)
    pace.accepted(late, enough=9)
    pace.accepted(early, enough=9)
    assert not pace.silent(4.9)
    assert pace.silent(5.0)


@pytest.mark.parametrize(
    ("policy", "deadline", "too_long"),
    [
        (Retry(), None, False),
        (Retry(), 130.0, True),
        (Retry(), 130.1, False),
        (Retry(attempts=1), None, True),
        (Retry(max_retry_after=29.0), None, True),
        (Retry(max_retry_after=30.0), None, False),
        (Retry(attempts=1, max_outage=60.0), None, False),
        (Retry(attempts=1, max_outage=60.0), 130.0, True),
        (Retry(max_outage=20.0), None, True),  # as old as it is
        (Retry(max_outage=20.1), None, False),
        (Retry(max_outage=40.0, max_retry_after=29.0), None, True),
        (Retry(max_outage=60.0, max_retry_after=29.0), None, False),
    ],
)
def test_who_had_better_not_wait(policy: Retry, deadline: float | None, too_long: bool) -> None:
    pace = Pace(base=0.0)
    refuse(pace, 80.0)
    refuse(pace, 100.0, asked=30.0, dice=0.0)
    assert pace.too_long(100.0, deadline=deadline, policy=policy) is too_long
    assert not pace.too_long(130.0, deadline=deadline, policy=policy)  # no pause any more


def test_who_does_not_try_again_waits_for_what_may_be_no_more_than_a_hiccup() -> None:
    pace = Pace(base=8.0)
    refuse(pace, 100.0, dice=0.0)  # until 104
    assert pace.too_long(102.9, deadline=None, policy=Retry(attempts=1))
    assert not pace.too_long(103.0, deadline=None, policy=Retry(attempts=1))


def test_a_pause_that_no_server_asked_for_is_not_measured_by_max_retry_after() -> None:
    pace = Pace(base=8.0)
    refuse(pace, 100.0, dice=1.0)
    assert not pace.too_long(100.0, deadline=None, policy=Retry(max_retry_after=1.0))


def test_jitter_ends_nobodys_patience_and_what_is_left_counts() -> None:
    pace = Pace()
    refuse(pace, 100.0, asked=30.0, dice=1.0)
    assert pace.remaining(100.0) > 30.0
    assert not pace.too_long(100.0, deadline=None, policy=Retry(max_retry_after=30.0))
    assert pace.too_long(119.0, deadline=None, policy=Retry(max_retry_after=10.0))
    assert not pace.too_long(121.0, deadline=None, policy=Retry(max_retry_after=10.0))


def test_who_does_not_wait_for_so_long_does_not_wait_for_a_bounded_pause_either() -> None:
    pace = Pace(longest=10.0)
    refuse(pace, 100.0, asked=60.0)
    assert pace.remaining(100.0) == 10.0
    assert pace.too_long(109.0, deadline=None, policy=Retry(max_retry_after=10.0))
    assert not pace.too_long(110.0, deadline=None, policy=Retry(max_retry_after=10.0))  # a probe
    refuse(pace, 110.0, asked=5.0)  # which is told less, and does not unsay it
    assert pace.too_long(110.0, deadline=None, policy=Retry(max_retry_after=10.0))


class Simulation:
    """Workers with one call after the other, on a virtual clock, against `server`: called with the
    time and how many are in flight, it says (seconds, refused?, retry_after)."""

    def __init__(
        self,
        workers: int,
        calls: int,
        server: Callable[[float, int], tuple[float, bool, float | None]],
    ):
        self.pace = Pace()
        self.dice = random.Random(1)
        self.server = server
        self.workers = workers
        self.todo = calls
        self.done = 0
        self.sent: list[float] = []
        self.refused: list[float] = []
        self.ended_at = 0.0

    def run(self) -> None:
        now, flying = 0.0, 0
        events: list[tuple[float, int, Permit, bool, float | None]] = []
        for _ in range(1_000_000):
            while self.todo and flying < self.workers and self.pace.wait(now) == 0.0:
                permit = self.pace.grant(now)
                self.todo -= 1
                flying += 1
                seconds, refused, asked = self.server(now, flying)
                heapq.heappush(events, (now + seconds, len(self.sent), permit, refused, asked))
                self.sent.append(now)
            if not events and not self.todo:
                self.ended_at = now
                return
            wake = now + self.pace.wait(now) if self.todo and flying < self.workers else math.inf
            if events and events[0][0] <= wake:
                now, _, permit, refused, asked = heapq.heappop(events)
                flying -= 1
                if refused:
                    self.todo += 1
                    self.refused.append(now)
                    error = refusal(asked)
                    self.pace.refused(permit, error, now, random=self.dice.random)
                else:
                    self.done += 1
                    enough = min(self.workers, flying + 1 + self.todo)
                    self.pace.accepted(permit, enough=enough)
            else:
                assert wake > now, "it spins"
                now = wake
        raise AssertionError("it does not end")


def test_64_workers_get_through_an_outage_of_five_seconds() -> None:
    def server(now: float, flying: int) -> tuple[float, bool, float | None]:
        return (0.001, True, None) if now < 5.0 else (0.2, False, None)

    simulation = Simulation(64, 1_000, server)
    simulation.run()
    assert simulation.done == 1_000
    probes = [when for when in simulation.sent if 0.0 < when < 5.0]
    assert len(probes) <= 10  # not 25,924
    first = min(when for when in simulation.sent if when >= 5.0)
    assert first < 5.0 + 8.0
    # 1, 2, 4 … 64: in no 0.2 s more than twice as many as in the 0.2 s before.
    steps = [0] * 8
    for when in simulation.sent:
        step = int((when - first) / 0.2 + 1e-6)
        if when >= first and step < len(steps):
            steps[step] += 1
    assert steps[0] == 1
    assert all(after <= 2 * before for before, after in itertools.pairwise(steps))
    assert max(steps) <= 64
    assert simulation.ended_at < first + 1.4 + 1_000 / 64 * 0.2 + 1.0


def test_an_outage_with_slow_answers_after_it_does_not_stop_everybody() -> None:
    def server(now: float, flying: int) -> tuple[float, bool, float | None]:
        return (0.001, True, None) if now < 5.0 else (60.0, False, None)

    simulation = Simulation(64, 64, server)
    simulation.run()
    # 63 in flight after six times PATIENCE, and not after 60 s.
    assert simulation.sent[-1] < 5.0 + 8.0 + 7 * PATIENCE
    assert simulation.done == 64


def test_a_retry_after_holds_for_all_of_them() -> None:
    def server(now: float, flying: int) -> tuple[float, bool, float | None]:
        return (0.01, True, 7.0) if now < 1.0 else (0.2, False, None)

    simulation = Simulation(64, 200, server)
    simulation.run()
    assert simulation.done == 200
    assert sum(when == 0.0 for when in simulation.sent) == 64
    assert not [when for when in simulation.sent if 0.0 < when < 7.0]
    assert len(simulation.refused) == 64


def test_a_server_that_bears_few_at_once_is_not_hammered() -> None:
    def server(now: float, flying: int) -> tuple[float, bool, float | None]:
        return (0.001, True, None) if flying > 8 else (0.5, False, None)

    simulation = Simulation(64, 500, server)
    simulation.run()
    assert simulation.done == 500
    # 64 workers on their own would have been refused thousands of times; alone with the eight
    # places, 500 calls take 31 s.
    assert len(simulation.refused) < 2 * 500
    assert simulation.ended_at < 3 * 31


def test_an_outage_is_never_shorter_than_nothing() -> None:
    pace = Pace()
    pace.refused(pace.grant(5.0), refusal(), 5.0, random=lambda: 0.5)
    assert pace.outage(4.999) == 0.0
