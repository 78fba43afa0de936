"""The token bucket on a virtual clock."""

from __future__ import annotations

import random

import pytest

from rawllm.sansio.bucket import TokenBucket

#: Where the clock starts: a float is precise to 1e-16 at 1 and to 1e-7 at 1e9.
EPOCHS = [0.0, 0.1, 12_345.678, 1e6 + 0.1, 1e9 + 0.7]


def run(bucket: TokenBucket, costs: list[float], now: float) -> tuple[float, int]:
    """Take the costs one after the other, waiting for each. The end, and how often it waited."""
    wakes = 0
    for cost in costs:
        while (wait := bucket.wait(cost, now)) > 0.0:
            now += wait
            wakes += 1
            assert wakes <= 3 * len(costs), "it spins"
        bucket.take(cost, now)
    return now, wakes


@pytest.mark.parametrize("start", EPOCHS)
@pytest.mark.parametrize("rate", [0.01, 1 / 3, 10.0, 12_345.6])
@pytest.mark.parametrize("burst", [1.0, 10.0, 333.3])
def test_ten_thousand_grants_keep_the_rate_and_do_not_spin(
    start: float, rate: float, burst: float
) -> None:
    bucket = TokenBucket(rate, burst, now=start)
    end, wakes = run(bucket, [1.0] * 10_000, start)
    assert end - start == pytest.approx((10_000 - burst) / rate, rel=0.01)
    assert wakes <= 20_000


@pytest.mark.parametrize("start", EPOCHS)
def test_uneven_costs_keep_the_rate(start: float) -> None:
    dice = random.Random(7)
    costs = [dice.uniform(0.0, 30.0) for _ in range(10_000)]
    end, _ = run(TokenBucket(7.0, 20.0, now=start), costs, start)
    # The last may be in debt, by as much as it is larger than the burst.
    assert end - start == pytest.approx((sum(costs) - 20.0) / 7.0, rel=0.01)


def test_never_more_than_burst_and_rate_in_any_window() -> None:
    dice = random.Random(3)
    bucket = TokenBucket(10.0, 5.0)
    now, grants = 0.0, []
    while now < 60.0:
        if bucket.wait(1.0, now) == 0.0:
            bucket.take(1.0, now)
            grants.append(now)
        else:
            now += dice.uniform(0.0, 0.3)
    for i, first in enumerate(grants):
        for j in range(i, len(grants)):
            assert j - i + 1 <= 5.0 + 10.0 * (grants[j] - first) + 1e-4


def test_the_burst_goes_at_once_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(2.0, 3.0)
    for _ in range(3):
        assert bucket.wait(1.0, 0.0) == 0.0
        bucket.take(1.0, 0.0)
    assert bucket.wait(1.0, 0.0) == 0.5
    assert bucket.wait(1.0, 0.25) == 0.25
    assert bucket.wait(1.0, 0.5) == 0.0


def test_asking_takes_nothing() -> None:
    bucket = TokenBucket(1.0, 1.0)
    assert [bucket.wait(1.0, 0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.level(0.0) == 1.0


def test_idle_time_fills_it_no_higher_than_the_burst() -> None:
    bucket = TokenBucket(1.0, 3.0)
    bucket.take(3.0, 0.0)
    assert bucket.level(1.0) == 1.0
    assert bucket.level(1e9) == 3.0


def test_a_cost_above_the_burst_waits_for_a_full_bucket_and_is_paid_off() -> None:
    bucket = TokenBucket(10.0, 10.0)
    bucket.take(5.0, 0.0)
    assert bucket.wait(100.0, 0.0) == 0.5  # full again; not for ever
    bucket.take(100.0, 0.5)
    assert bucket.level(0.5) == -90.0
    assert bucket.wait(1.0, 0.5) == pytest.approx(9.1)
    assert bucket.wait(100.0, 0.5) == pytest.approx(10.0)


def test_costs_above_the_burst_keep_the_rate_too() -> None:
    end, _ = run(TokenBucket(10.0, 1.0), [25.0] * 1_000, 0.0)
    assert end == pytest.approx(2.5 * 1_000, rel=0.01)


def test_a_cost_of_nothing_waits_only_for_debts() -> None:
    bucket = TokenBucket(1.0, 1.0)
    bucket.take(1.0, 0.0)
    assert bucket.wait(0.0, 0.0) == 0.0
    bucket.take(5.0, 1.0)
    assert bucket.wait(0.0, 1.0) == 4.0


@pytest.mark.parametrize(
    ("estimate", "actual", "level"),
    [
        (40.0, 40.0, 60.0),
        (40.0, 10.0, 90.0),
        (40.0, 90.0, 10.0),
        (40.0, 0.0, 100.0),
        (40.0, 300.0, -200.0),
    ],
)
def test_settling_gives_back_or_takes_the_difference(
    estimate: float, actual: float, level: float
) -> None:
    bucket = TokenBucket(1.0, 100.0)
    bucket.take(estimate, 0.0)
    bucket.settle(estimate, actual, 0.0)
    assert bucket.level(0.0) == level


def test_a_refund_into_a_full_bucket_is_no_credit() -> None:
    bucket = TokenBucket(1.0, 10.0)
    bucket.take(5.0, 0.0)
    bucket.settle(5.0, 0.0, 100.0)
    assert bucket.level(100.0) == 10.0
    bucket.take(10.0, 100.0)
    assert bucket.level(100.0) == 0.0


@pytest.mark.parametrize(
    ("remaining", "level"), [(0.0, 0.0), (3.0, 3.0), (9.9, 9.9), (10.0, 10.0), (5_000.0, 10.0)]
)
def test_the_server_is_believed_where_it_says_less(remaining: float, level: float) -> None:
    bucket = TokenBucket(1.0, 10.0)
    bucket.believe(remaining, 50.0)
    assert bucket.level(50.0) == pytest.approx(level)
    assert bucket.level(51.0) == pytest.approx(min(10.0, level + 1.0))


def test_the_server_is_not_believed_to_have_paid_a_debt() -> None:
    bucket = TokenBucket(1.0, 10.0)
    bucket.take(30.0, 0.0)
    bucket.believe(5.0, 0.0)
    assert bucket.level(0.0) == -20.0


def test_a_clock_that_steps_back_a_little_makes_nobody_wait() -> None:
    bucket = TokenBucket(1.0, 10.0)
    bucket.take(10.0, 100.0)
    assert bucket.wait(10.0, 110.0 - 5e-7) == 0.0
    assert bucket.wait(10.0, 110.0 - 5e-6) > 0.0


def test_it_is_a_level_that_rises_with_time_whatever_happens_in_between() -> None:
    """Against the plain reading of a token bucket: a level, brought up to date at every step."""
    for seed in range(200):
        dice = random.Random(seed)
        rate, burst = dice.uniform(0.1, 50.0), dice.uniform(1.0, 100.0)
        bucket, level, now = TokenBucket(rate, burst), burst, 0.0
        for _ in range(50):
            elapsed = dice.choice([0.0, dice.uniform(0.0, burst / rate)])
            now, level = now + elapsed, min(burst, level + elapsed * rate)
            amount = dice.uniform(0.0, 2.0 * burst)
            step = dice.randrange(3)
            if step == 0:
                wait = max(0.0, (min(amount, burst) - level) / rate)
                assert bucket.wait(amount, now) == pytest.approx(wait, abs=2e-6)
                now, level = now + wait, level + wait * rate - amount
                bucket.take(amount, now)
            elif step == 1:
                actual = dice.uniform(0.0, 2.0 * burst)
                bucket.settle(amount, actual, now)
                level = min(burst, level + amount - actual)
            else:
                bucket.believe(amount, now)
                level = min(level, amount)
            assert bucket.level(now) == pytest.approx(level, abs=1e-6)


def test_its_repr_is_short() -> None:
    assert repr(TokenBucket(0.5, 2.0)) == "<TokenBucket of 2 at 0.5/s>"
