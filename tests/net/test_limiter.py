"""The limiter on a virtual clock: order, exactness, cancellation, pauses, and no polling."""

import asyncio
import math

import pytest
from net.virtual import VirtualLoop, run, settle

from rawllm.errors import RateLimitError
from rawllm.net.limiter import Limiter
from rawllm.options import Retry
from rawllm.sansio.bucket import TokenBucket
from rawllm.sansio.failures import fault
from rawllm.sansio.level import START, Level
from rawllm.sansio.pace import PATIENCE, Pace


def bucket(per_second, burst=1.0):
    return TokenBucket(per_second, burst)


def refusal(retry_after=None):
    return fault("429", "slow down", retry_after=retry_after, status_code=429)


def acquire(limiter, *, tokens=0.0, number=None, deadline=None, patient=True):
    number = limiter.number() if number is None else number
    policy = Retry() if patient else Retry(attempts=1)
    return limiter.acquire(tokens, number=number, deadline=deadline, policy=policy)


def waiters(limiter, count, **options):
    return [asyncio.create_task(acquire(limiter, **options)) for _ in range(count)]


def pause(limiter, seconds=None):
    """What a refused request does to the endpoint."""
    permit = limiter.try_acquire(0.0)
    assert limiter.refused(permit, refusal(seconds), random=lambda: 0.0)
    limiter.release()


# ── order ─────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_waiters_behind_three_limits_go_in_the_order_of_arrival():
    async def main():
        loop = asyncio.get_running_loop()
        limiter = Limiter(
            concurrency=7, requests=bucket(50.0, 5.0), tokens=bucket(2000.0, 300.0), loop=loop
        )
        order = []

        async def call(name):
            # Costs and durations of all sizes: none may let a later caller slip past.
            tokens = 10.0 + 37 * name % 200
            permit = limiter.try_acquire(tokens)
            if permit is None:
                permit = await acquire(limiter, tokens=tokens)
            order.append(name)
            await asyncio.sleep(0.01 * (name * 13 % 17))
            limiter.release()

        await asyncio.gather(*[call(name) for name in range(1000)])
        assert order == list(range(1000))
        assert limiter.in_flight == limiter.waiting == 0

    run(main())


def test_a_newcomer_does_not_pass_the_waiting_although_it_would_fit():
    async def main():
        limiter = Limiter(concurrency=9, tokens=bucket(1.0, 100.0))
        assert limiter.try_acquire(60.0) is not None
        (large,) = waiters(limiter, 1, tokens=90.0)
        await settle()
        assert limiter.try_acquire(1.0) is None
        await large
        assert limiter.now() == pytest.approx(50.0)

    run(main())


def test_a_retry_keeps_its_number_and_stands_before_all_that_came_later():
    async def main():
        limiter = Limiter(concurrency=1)
        first = limiter.number()
        await acquire(limiter, number=first)
        order = []

        async def call(name, number=None):
            await acquire(limiter, number=number)
            order.append(name)
            limiter.release()

        later = [asyncio.create_task(call(name)) for name in "abc"]
        await settle()
        retry = asyncio.create_task(call("retry", first))
        await settle()
        limiter.release()
        await asyncio.gather(retry, *later)
        assert order == ["retry", "a", "b", "c"]

    run(main())


def test_a_retry_that_becomes_the_head_takes_over_the_timer():
    async def main():
        limiter = Limiter(concurrency=9, tokens=bucket(1.0, 100.0))
        number = limiter.number()
        limiter.try_acquire(100.0)
        (large,) = waiters(limiter, 1, tokens=80.0)
        await settle()
        await acquire(limiter, tokens=10.0, number=number)
        assert limiter.now() == pytest.approx(10.0)
        await large
        assert limiter.now() == pytest.approx(90.0)

    run(main())


# ── exactness ─────────────────────────────────────────────────────────────────────────────────


def test_ten_thousand_grants_a_second_within_one_percent():
    async def main():
        loop = asyncio.get_running_loop()
        limiter = Limiter(concurrency=10**6, requests=bucket(10_000.0))
        times = []

        async def call():
            await acquire(limiter)
            times.append(loop.time())

        await asyncio.gather(*[call() for _ in range(5_000)])
        rate = (len(times) - 1) / (times[-1] - times[0])
        assert rate == pytest.approx(10_000.0, rel=0.01)
        # In no stretch more than burst + rate allows.
        for start in range(0, 4_000, 500):
            stretch = times[start + 999] - times[start]
            assert stretch * 10_000.0 * (1 + 1e-9) + 1.0 >= 999

    run(main())


def test_nothing_polls_one_timer_for_a_grant_and_none_for_the_waiting():
    async def main():
        loop = asyncio.get_running_loop()
        limiter = Limiter(concurrency=10**6, requests=bucket(1 / 60.0))
        limiter.try_acquire(0.0)
        before = loop.timers
        tasks = waiters(limiter, 1000)
        await settle()
        assert loop.timers - before == 1  # for the head of the queue
        await asyncio.gather(*tasks[:10])
        assert limiter.now() == pytest.approx(600.0)
        assert loop.timers - before == 11
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_waiting_for_a_slot_sets_no_timer_at_all():
    async def main():
        loop = asyncio.get_running_loop()
        limiter = Limiter(concurrency=1, requests=bucket(1e9))
        limiter.try_acquire(0.0)
        tasks = waiters(limiter, 100)
        await settle()
        for task in tasks:
            limiter.release()
            await task
        assert loop.timers == 0

    run(main())


@pytest.mark.parametrize("free", [0, 1, 3, 5])
def test_what_is_freed_at_once_lets_in_exactly_as_many_as_fit(free):
    async def main():
        limiter = Limiter(concurrency=5)
        for _ in range(5):
            limiter.try_acquire(0.0)
        tasks = waiters(limiter, 20)
        await settle()
        for _ in range(free):
            limiter.release()
        await settle()
        assert [task.done() for task in tasks] == [True] * free + [False] * (20 - free)
        assert limiter.in_flight == 5
        assert limiter.waiting == 20 - free
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limiter.waiting == 0

    run(main())


# ── tokens ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("used", "waited"),
    [(100.0, 10.0), (20.0, 2.0), (0.0, 0.0), (250.0, 25.0)],
    ids=["as estimated", "less", "nothing", "more: into debt"],
)
def test_the_estimate_is_settled_with_what_was_used(used, waited):
    async def main():
        limiter = Limiter(concurrency=9, tokens=bucket(10.0, 100.0))
        limiter.try_acquire(100.0)
        limiter.settle(100.0, used)
        await acquire(limiter, tokens=100.0)
        assert limiter.now() == pytest.approx(waited)

    run(main())


def test_a_cost_above_the_burst_waits_for_a_full_bucket_and_goes_into_debt():
    async def main():
        limiter = Limiter(concurrency=9, tokens=bucket(10.0, 100.0))
        limiter.try_acquire(50.0)
        await acquire(limiter, tokens=500.0)
        assert limiter.now() == pytest.approx(5.0)
        await acquire(limiter, tokens=100.0)
        assert limiter.now() == pytest.approx(55.0)

    run(main())


def test_what_is_given_back_lets_the_waiting_in_at_once():
    async def main():
        limiter = Limiter(concurrency=1, requests=bucket(1.0), tokens=bucket(1.0, 50.0))
        permit = limiter.try_acquire(50.0)
        (waiting,) = waiters(limiter, 1, tokens=50.0)
        await settle()
        limiter.give_back(permit, 50.0)
        await waiting
        assert limiter.now() == 0.0

    run(main())


@pytest.mark.parametrize(
    ("said", "waited"), [({"requests": 0.0, "tokens": None}, 1.0), ({"requests": 50.0}, 0.0)]
)
def test_the_server_is_believed_where_it_says_that_less_is_left(said, waited):
    async def main():
        limiter = Limiter(concurrency=9, requests=bucket(1.0, 5.0))
        limiter.believe(**{"requests": None, "tokens": None, **said})
        await acquire(limiter)
        assert limiter.now() == pytest.approx(waited)

    run(main())


# ── cancellation ──────────────────────────────────────────────────────────────────────────────


def full(loop=None):
    """A limiter whose buckets tell what was taken: their refill is too slow to matter."""
    limiter = Limiter(
        concurrency=1, requests=bucket(1e-9, 100.0), tokens=bucket(1e-9, 1000.0), loop=loop
    )
    limiter.try_acquire(0.0)
    return limiter


def left(limiter):
    now = limiter.now()
    return round(limiter._requests.level(now)), round(limiter._tokens.level(now))


@pytest.mark.parametrize("which", [0, 2, 4], ids=["the head", "a middle one", "the last"])
def test_a_waiter_that_is_cancelled_leaves_nothing_behind(which):
    async def main():
        limiter = full()
        tasks = waiters(limiter, 5, tokens=10.0)
        await settle()
        tasks[which].cancel()
        await settle()
        assert limiter.waiting == 4
        for task in tasks:
            if task is not tasks[which]:
                limiter.release()
                await task
        limiter.release()
        assert tasks[which].cancelled()
        assert (limiter.in_flight, limiter.waiting) == (0, 0)
        assert left(limiter) == (95, 960)

    run(main())


@pytest.mark.parametrize("order", ["release, cancel", "cancel, release"])
def test_cancelled_in_the_tick_of_the_grant_the_place_goes_to_the_next(order):
    async def main():
        limiter = full()
        first, second = waiters(limiter, 2, tokens=10.0)
        await settle()
        for step in order.split(", "):
            if step == "release":
                limiter.release()
            else:
                first.cancel()
        await settle()
        assert first.cancelled()
        assert second.done()
        assert limiter.in_flight == 1
        limiter.release()
        assert left(limiter) == (98, 990)
        assert limiter.in_flight == 0

    run(main())


def test_the_head_that_leaves_hands_its_timer_on():
    async def main():
        limiter = Limiter(concurrency=9, tokens=bucket(1.0, 100.0))
        limiter.try_acquire(100.0)
        large, small = waiters(limiter, 1, tokens=90.0) + waiters(limiter, 1, tokens=5.0)
        await settle()
        large.cancel()
        await small
        assert limiter.now() == pytest.approx(5.0)

    run(main())


def test_a_probe_that_is_cancelled_makes_room_for_the_next():
    async def main():
        limiter = Limiter(concurrency=9)
        pause(limiter, 1.0)
        probe, next_one = waiters(limiter, 2)
        await probe
        limiter.give_back(probe.result(), 0.0)
        await next_one
        assert limiter.now() == pytest.approx(1.0)
        assert next_one.result().trial

    run(main())


# ── pauses ────────────────────────────────────────────────────────────────────────────────────


def test_a_pause_stops_everybody_once_and_then_one_probes():
    async def main():
        limiter = Limiter(concurrency=64)
        pause(limiter, 5.0)
        tasks = waiters(limiter, 20)
        await asyncio.sleep(4.99)
        assert not any(task.done() for task in tasks)
        await asyncio.sleep(0.02)
        assert [task.done() for task in tasks] == [True] + [False] * 19
        limiter.accepted(tasks[0].result())
        await settle()
        assert [task.done() for task in tasks] == [True] * 3 + [False] * 17  # the way opens
        limiter.release()
        for task in tasks[1:]:
            limiter.accepted(await task)
            limiter.release()
        assert limiter.pace.open
        assert limiter.now() == pytest.approx(5.01)

    run(main())


def test_a_probe_that_is_neither_refused_nor_answered_counts_as_accepted_after_a_second():
    async def main():
        limiter = Limiter(concurrency=64)
        pause(limiter, 1.0)
        tasks = waiters(limiter, 3)
        await tasks[1]
        assert limiter.now() == pytest.approx(1.0 + PATIENCE)
        await tasks[2]

    run(main())


@pytest.mark.parametrize(
    ("deadline", "patient"),
    [(None, False), (10.0, True), (10.0, False), (29.9, True)],
)
@pytest.mark.parametrize("queued", [True, False])
def test_who_cannot_wait_for_the_end_of_a_pause_gets_its_error_at_once(deadline, patient, queued):
    async def main():
        limiter = Limiter(concurrency=1)
        permit = limiter.try_acquire(0.0)
        error = refusal(30.0)
        options = {"deadline": deadline, "patient": patient}
        if queued:
            calls = waiters(limiter, 3, **options)
            await settle()
            limiter.refused(permit, error, random=lambda: 0.0)
        else:
            limiter.refused(permit, error, random=lambda: 0.0)
            await asyncio.sleep(5.0)
            calls = waiters(limiter, 3, **options)
        await settle()
        raised = [call.exception() for call in calls]
        assert all(type(one) is RateLimitError for one in raised)
        assert len({id(one) for one in [*raised, error]}) == 4  # one object is not raised twice
        for one in raised:
            assert one.retry_after == pytest.approx(30.0 if queued else 25.0)
            assert (one.status_code, one.attempts) == (429, 0)
        assert limiter.waiting == 0
        assert limiter.in_flight == 1

    run(main())


def test_who_can_wait_for_the_end_of_a_pause_does():
    async def main():
        limiter = Limiter(concurrency=2)
        pause(limiter, 30.0)
        (call,) = waiters(limiter, 1, deadline=30.1)
        await call
        assert limiter.now() == pytest.approx(30.0)

    run(main())


def test_the_impatient_do_not_take_the_patient_with_them():
    async def main():
        limiter = Limiter(concurrency=1)
        permit = limiter.try_acquire(0.0)
        patient, impatient, last = (
            *waiters(limiter, 1),
            *waiters(limiter, 1, patient=False),
            *waiters(limiter, 1),
        )
        await settle()
        limiter.refused(permit, refusal(3.0), random=lambda: 0.0)
        limiter.release()
        with pytest.raises(RateLimitError):
            await impatient
        await patient
        limiter.accepted(patient.result())
        limiter.release()
        await last

    run(main())


def test_cancelled_in_the_tick_of_a_pause_nothing_is_left_unretrieved():
    async def main():
        limiter = Limiter(concurrency=1)
        permit = limiter.try_acquire(0.0)
        (call,) = waiters(limiter, 1, patient=False)
        await settle()
        limiter.refused(permit, refusal(3.0), random=lambda: 0.0)
        call.cancel()
        await settle()
        assert call.cancelled()
        assert limiter.in_flight == 1  # the refused one's own

    run(main())


def test_a_failed_probe_that_goes_to_the_tail_lets_the_others_probe():
    async def main():
        limiter = Limiter(concurrency=64)
        pause(limiter, 1.0)
        probes = []

        async def call(name):
            number = limiter.number()
            for _ in range(2):
                permit = await acquire(limiter, number=number)
                probes.append(name)
                limiter.refused(permit, refusal(1.0), random=lambda: 0.0)
                limiter.release()
                number = limiter.number()

        await asyncio.gather(*[call(name) for name in "abc"])
        assert probes == ["a", "b", "c", "a", "b", "c"]

    run(main())


# ── a number of slots that is found ───────────────────────────────────────────────────────────


def test_the_slots_follow_the_level_and_the_waiting_go_at_once():
    async def main():
        limiter = Limiter(concurrency=64, pace=Pace())
        limiter.pace.level = Level(64)
        limiter.adapt()
        assert limiter.concurrency == START
        tasks = waiters(limiter, 20)
        await settle()
        assert limiter.in_flight == START
        await asyncio.sleep(1.0)
        limiter.release()
        limiter.finished(await tasks[0], 1.0)
        await settle()
        assert (limiter.concurrency, limiter.in_flight, limiter.waiting) == (5, 5, 14)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_a_refusal_of_one_too_many_takes_its_slot_and_is_no_pause():
    async def main():
        limiter = Limiter(concurrency=64, pace=Pace())
        limiter.pace.level = Level(64)
        limiter.adapt()
        permits = [limiter.try_acquire(0.0) for _ in range(START)]
        assert not limiter.refused(permits[-1], refusal(), random=lambda: 0.0)
        assert limiter.pace.open
        assert limiter.concurrency == START - 1
        # With a time that the server names it is both.
        assert limiter.refused(permits[-2], refusal(2.0), random=lambda: 0.0)
        assert limiter.pace.remaining(0.0) == 2.0
        assert limiter.concurrency == START - 2

    run(main())


def test_a_refused_connection_pauses_and_says_nothing_of_how_many():
    async def main():
        limiter = Limiter(concurrency=64, pace=Pace())
        limiter.pace.level = Level(64)
        limiter.adapt()
        permits = [limiter.try_acquire(0.0) for _ in range(START)]
        error = fault("refused", "nobody listens", sent=False)
        assert limiter.refused(permits[-1], error, random=lambda: 0.0)
        assert limiter.concurrency == START

    run(main())


# ── two loops, one endpoint ───────────────────────────────────────────────────────────────────


def test_buckets_and_pace_are_shared_by_loops_and_slots_are_not():
    requests, pace = bucket(1.0, 1.0), Pace()

    async def main(expected):
        limiter = Limiter(concurrency=1, requests=requests, pace=pace)
        assert (limiter.try_acquire(0.0) is not None) is expected
        assert limiter.in_flight == int(expected)

    run(main(True))
    run(main(False))


def test_the_limiter_says_how_it_stands():
    loop = VirtualLoop()
    limiter = Limiter(concurrency=3, loop=loop)
    limiter.try_acquire(0.0)
    assert repr(limiter) == "<Limiter 1/3 in flight, 0 waiting, <Pace open>>"
    assert limiter._delay(0.0, 0.0) == 0.0
    limiter.concurrency = 1
    assert limiter._delay(0.0, 0.0) == math.inf
    loop.close()
