"""The four clocks on a virtual one: who fires as what, how many timers that takes, and whose
cancellation is whose."""

import asyncio
import math
from types import SimpleNamespace

import pytest
from net.virtual import run

from rawllm.errors import (
    ConfigurationError,
    FirstTokenTimeout,
    IdleTimeout,
    TotalTimeout,
)
from rawllm.net.clocks import Clock, resolve
from rawllm.options import Timeout


def clock(total=None):
    loop = asyncio.get_running_loop()
    return Clock(loop, total, loop.time())


async def wait(clock, kind, seconds, work, **options):
    """One guarded wait of `work` seconds, as all users of a clock write it."""
    with clock.run(kind, seconds, **options):
        await asyncio.sleep(work)
    if clock.expired:
        raise clock.error()


# ── firing ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "seconds", "total", "error", "at", "says"),
    [
        ("first_token", 600.0, None, FirstTokenTimeout, 600.0, "within 600 s of sending"),
        ("idle", 60.0, None, IdleTimeout, 60.0, "no data for 60 s (Timeout.idle)"),
        ("idle", 60.0, 1.5, TotalTimeout, 1.5, "within 1.5 s (Timeout.total, or timeout=)"),
        ("idle", None, 2.0, TotalTimeout, 2.0, "within 2 s"),
        ("first_token", 3.0, 3.0, TotalTimeout, 3.0, "within 3 s"),
        ("idle", 0.25, 99.0, IdleTimeout, 0.25, "for 0.25 s"),
    ],
)
def test_each_clock_fires_as_its_class_and_says_its_seconds(kind, seconds, total, error, at, says):
    async def main():
        with pytest.raises(error) as caught:
            await wait(clock(total), kind, seconds, 1000.0)
        assert asyncio.get_running_loop().time() == pytest.approx(at)
        assert says in str(caught.value)
        assert caught.value.__context__ is None
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)  # and no cancellation is left over

    run(main())


def test_what_ends_in_time_is_left_alone():
    async def main():
        ours = clock(10.0)
        await wait(ours, "idle", 2.0, 1.9)
        await asyncio.sleep(5.0)  # the user's time between two waits: no clock runs
        await wait(ours, "idle", 2.0, 1.9)
        assert not ours.expired

    run(main())


def test_without_any_bound_no_timer_is_set():
    async def main():
        await wait(clock(), "idle", None, 5.0)
        assert asyncio.get_running_loop().timers == 1  # the sleep's own

    run(main())


def test_since_counts_from_the_sending_and_not_from_now():
    async def main():
        await asyncio.sleep(4.0)
        with pytest.raises(FirstTokenTimeout, match="within 5 s"):
            await wait(clock(), "first_token", 5.0, 1000.0, since=0.0)
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)

    run(main())


def test_a_deadline_that_has_passed_fires_at_the_next_wait():
    async def main():
        ours = clock(1.0)
        await asyncio.sleep(3.0)
        assert ours.remaining() == pytest.approx(-2.0)
        with pytest.raises(TotalTimeout):
            await wait(ours, "idle", 60.0, 1000.0)
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)

    run(main())


def test_bound_moves_the_deadline_from_opening_to_total():
    async def main():
        ours = clock(5.0)
        await wait(ours, "first_token", None, 4.0)
        ours.bound(None, 0.0)
        assert ours.deadline is None
        await wait(ours, "idle", 60.0, 50.0)
        ours.bound(60.0, 0.0)
        with pytest.raises(TotalTimeout, match="within 60 s"):
            await wait(ours, "idle", 60.0, 1000.0)
        assert asyncio.get_running_loop().time() == pytest.approx(60.0)

    run(main())


def test_after_its_error_a_clock_can_be_used_again():
    async def main():
        ours = clock()
        for _ in range(3):
            with pytest.raises(IdleTimeout):
                await wait(ours, "idle", 1.0, 1000.0)
            await wait(ours, "idle", 1.0, 0.5)
        assert asyncio.get_running_loop().time() == pytest.approx(4.5)

    run(main())


# ── timers ────────────────────────────────────────────────────────────────────────────────────


def test_one_timer_serves_many_waits():
    async def main():
        loop = asyncio.get_running_loop()
        ours = clock()
        event = asyncio.Event()
        loop.call_soon(event.set)
        before = loop.timers
        for _ in range(10_000):
            with ours.run("idle", 60.0):
                await event.wait()
        assert loop.timers - before == 1

    run(main())


def test_a_timer_that_fires_too_early_is_set_anew_and_the_limit_stays_exact():
    async def main():
        loop = asyncio.get_running_loop()
        ours = clock()
        for _ in range(100):
            await wait(ours, "idle", 60.0, 7.0)
        with pytest.raises(IdleTimeout):
            await wait(ours, "idle", 60.0, 1000.0)
        assert loop.time() == pytest.approx(760.0)
        # 101 sleeps, and a timer a minute and not one an event.
        assert loop.timers - 101 <= 700 / 45

    run(main())


def test_a_sooner_limit_brings_the_timer_forward():
    async def main():
        ours = clock(600.0)
        await wait(ours, "first_token", 300.0, 1.0)
        with pytest.raises(IdleTimeout):
            await wait(ours, "idle", 2.0, 1000.0)
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)

    run(main())


def test_stop_leaves_no_timer_behind():
    async def main():
        loop = asyncio.get_running_loop()
        ours = clock(600.0)
        await wait(ours, "idle", 60.0, 0.0)
        ours.stop()
        ours.stop()
        assert all(timer.cancelled() for timer in loop._scheduled)
        await wait(ours, "idle", 60.0, 1.0)  # and it can go on

    run(main())


# ── cancellation ──────────────────────────────────────────────────────────────────────────────


def test_an_outer_cancellation_is_not_swallowed():
    async def main():
        task = asyncio.create_task(wait(clock(5.0), "idle", 5.0, 1000.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main())


@pytest.mark.parametrize("first", ["outer", "clock"])
def test_an_outer_cancellation_in_the_tick_of_the_expiry_wins(first):
    async def main():
        loop = asyncio.get_running_loop()
        if first == "outer":
            loop.call_at(5.0, lambda: task.cancel())
        ours = clock()
        task = asyncio.create_task(wait(ours, "idle", 5.0, 1000.0))
        await asyncio.sleep(0)
        if first == "clock":
            loop.call_at(5.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert not ours.expired

    run(main())


@pytest.mark.parametrize(
    ("outer", "error", "at"), [(3.0, TimeoutError, 3.0), (9.0, IdleTimeout, 5.0)]
)
def test_a_timeout_of_the_users_around_it_and_ours_stay_apart(outer, error, at):
    async def main():
        with pytest.raises(error):
            async with asyncio.timeout(outer):
                await wait(clock(), "idle", 5.0, 1000.0)
        assert asyncio.get_running_loop().time() == pytest.approx(at)
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_the_users_timeout_in_the_same_tick_is_the_users():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await wait(clock(), "idle", 5.0, 1000.0)
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_a_timeout_of_the_users_within_it_stays_the_users():
    async def main():
        ours = clock()
        with ours.run("idle", 5.0), pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1000.0), 1.0)
        assert not ours.expired

    run(main())


def test_a_task_that_is_being_cancelled_can_still_use_clocks():
    """`cancelling()` stays above 0 in a cleanup that goes on after a cancellation."""

    ended = []

    async def cleanup():
        try:
            await asyncio.sleep(1000.0)
        except asyncio.CancelledError:
            with pytest.raises(IdleTimeout):
                await wait(clock(), "idle", 2.0, 1000.0)
            ended.append(asyncio.current_task().cancelling())
            raise

    async def main():
        task = asyncio.create_task(cleanup())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [1]
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)

    run(main())


def test_an_error_that_replaces_the_cancellation_comes_through():
    async def main():
        ours = clock()

        async def stubborn():
            try:
                await asyncio.sleep(1000.0)
            except asyncio.CancelledError:
                raise OSError("instead") from None

        with pytest.raises(OSError, match="instead"), ours.run("idle", 1.0):
            await stubborn()
        assert not ours.expired
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1.0)

    run(main())


def test_it_works_in_a_task_group():
    async def main():
        tasks = []

        async def both():
            async with asyncio.TaskGroup() as group:
                tasks.append(group.create_task(wait(clock(), "idle", 1.0, 50.0)))
                tasks.append(group.create_task(wait(clock(), "idle", 60.0, 50.0)))

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert caught.group_contains(IdleTimeout)
        assert tasks[1].cancelled()

    run(main())


# ── what a timeout means ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("timeout", "stream", "expected"),
    [
        (Timeout(), False, (10.0, 600.0, 60.0, None, None)),
        (Timeout(), True, (10.0, 600.0, 60.0, None, None)),
        (Timeout(total=30), True, (10.0, 600.0, 60.0, 30, 30)),
        (Timeout(connect=None, first_token=1, idle=2, total=3), False, (None, 1, 2, 3, 3)),
        (30.0, False, (10.0, None, None, 30.0, 30.0)),
        (30, True, (10.0, None, 30, None, 30)),
        (0.5, False, (0.5, None, None, 0.5, 0.5)),
        (SimpleNamespace(connect=1, read=2, write=3, pool=4), True, (1, 2, 2, None, None)),
        (
            SimpleNamespace(connect=None, read=2, write=None, pool=4),
            False,
            (None, 2, 2, None, None),
        ),
        (None, False, (None, None, None, None, None)),
        (None, True, (None, None, None, None, None)),
    ],
)
def test_what_a_timeout_means(timeout, stream, expected):
    """connect, first_token, idle, total, opening."""
    assert tuple(resolve(timeout, stream=stream)) == expected


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (0, "must be a positive number of seconds"),
        (-1.5, "-1.5"),
        (math.nan, "must be a positive number"),
        ("10", "takes seconds as a number, or None for no bound; got str"),
        (True, "got bool"),
        ({"connect": 5}, "got dict"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_time_is_refused_readably(bad, says, stream):
    with pytest.raises(ConfigurationError) as caught:
        resolve(bad, stream=stream)
    message = str(caught.value)
    assert says in message
    assert message.startswith("timeout=")
    assert "Timeout(total" not in message
    assert "(" not in message
    assert ")" not in message
    assert caught.value.__suppress_context__
