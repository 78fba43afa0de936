"""Give up, or how many seconds: every branch, with the dice in the test's hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from rawllm.errors import APIError
from rawllm.options import Retry
from rawllm.sansio import failures
from rawllm.sansio.retry import Budget, backoff, decide

SAMPLES = Path(__file__).parent.parent / "samples"
CASES = [
    json.loads(line) for line in (SAMPLES / "retry_after_cases.jsonl").read_bytes().splitlines()
]
KINDS = list(failures.TABLE)
RETRIED = [kind for kind in KINDS if failures.TABLE[kind].retried]
PAUSING = [kind for kind in KINDS if failures.TABLE[kind].pauses]
WAITING = [kind for kind in RETRIED if kind not in PAUSING]


def judge(error: APIError, **changes: Any) -> float | None:
    settings: dict[str, Any] = {
        "policy": Retry(),
        "spent": 1,
        "budget": Budget(500),
        "remaining": None,
        "outage": 0.0 if error.kind in PAUSING else None,
        "random": lambda: 0.5,
        **changes,
    }
    return decide(failures.of(error), error.retry_after, **settings)


def fault(kind: str, retry_after: float | None = None) -> APIError:
    return failures.fault(kind, "why", retry_after=retry_after)


# ---------------------------------------------------------------- backoff


@pytest.mark.parametrize(
    ("spent", "most"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (5_000, 8.0)]
)
def test_the_wait_is_anything_up_to_a_doubling_bound(spent: int, most: float) -> None:
    policy = Retry()
    assert backoff(policy, spent, lambda: 0.0) == 0.0
    assert backoff(policy, spent, lambda: 0.5) == most / 2
    assert backoff(policy, spent, lambda: 0.999) == pytest.approx(0.999 * most)


def test_extreme_bases_and_caps_stay_numbers() -> None:
    assert backoff(Retry(base=1e308, cap=3.0), 60, lambda: 0.5) == 1.5
    assert backoff(Retry(base=0.0), 9, lambda: 0.5) == 0.0
    assert backoff(Retry(cap=0.0), 9, lambda: 0.5) == 0.0


# ---------------------------------------------------------------- decide


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_table_does_not_retry_is_given_up(kind: str) -> None:
    assert (judge(fault(kind)) is not None) == (kind in RETRIED)


@pytest.mark.parametrize("kind", RETRIED)
@pytest.mark.parametrize(("spent", "goes_on"), [(1, True), (2, True), (3, False), (4, False)])
def test_the_attempts_are_counted(kind: str, spent: int, goes_on: bool) -> None:
    assert (judge(fault(kind), policy=Retry(attempts=3), spent=spent) is not None) == goes_on


@pytest.mark.parametrize("kind", RETRIED)
def test_one_attempt_is_no_retry(kind: str) -> None:
    assert judge(fault(kind), policy=Retry(attempts=1)) is None


@pytest.mark.parametrize("kind", PAUSING)
def test_a_pause_is_the_wait_and_costs_nothing(kind: str) -> None:
    budget = Budget(0)
    for asked in (None, 0.0, 7.0, 120.0):
        for remaining in (None, 0.0, 1e-9):
            error = fault(kind, asked)
            assert judge(error, budget=budget, remaining=remaining) == 0.0
    assert judge(fault(kind, 120.001), budget=budget) is None
    assert budget.tokens == 0


@pytest.mark.parametrize("kind", WAITING)
def test_a_retry_takes_its_cost_from_the_budget(kind: str) -> None:
    cost = failures.TABLE[kind].cost
    assert cost in (5, 10)
    budget = Budget(cost)
    assert judge(fault(kind), budget=budget) == 0.25
    assert budget.tokens == 0
    assert judge(fault(kind), budget=budget) is None
    assert judge(fault(kind), budget=Budget(cost - 1)) is None


@pytest.mark.parametrize("kind", WAITING)
def test_giving_up_costs_nothing(kind: str) -> None:
    budget = Budget(500)
    judge(fault(kind), budget=budget, spent=3)
    judge(fault(kind, 121.0), budget=budget)
    judge(fault(kind), budget=budget, remaining=0.1)
    assert budget.tokens == 500


@pytest.mark.parametrize(
    ("remaining", "wait"), [(None, 0.25), (10.0, 0.25), (0.2501, 0.25), (0.25, None), (0.0, None)]
)
def test_a_wait_past_the_deadline_gives_up_now(remaining: float | None, wait: float | None) -> None:
    assert judge(fault("500"), remaining=remaining) == wait


def test_the_servers_own_number_may_pass_the_deadline_too() -> None:
    assert judge(fault("500", 5.0), remaining=5.1) is None
    assert judge(fault("500", 5.0), remaining=5.3) == 5.25


@pytest.mark.parametrize("asked", [0.0, 0.25, 1.0, 7.0, 119.9, 120.0])
@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("spent", [1, 2, 9])
def test_a_servers_number_is_never_undercut(asked: float, dice: float, spent: int) -> None:
    policy = Retry(attempts=10)
    wait = judge(fault("500", asked), policy=policy, spent=spent, random=lambda: dice)
    assert wait is not None
    assert asked <= wait <= asked + policy.base
    assert wait == asked or dice > 0  # some jitter goes on top


@pytest.mark.parametrize(
    ("asked", "most", "goes_on"),
    [
        (120.0, 120.0, True),
        (120.1, 120.0, False),
        (math.inf, 120.0, False),
        (0.1, 0.0, False),
        (0.0, 0.0, True),
    ],
)
@pytest.mark.parametrize("kind", ["429", "500"])
def test_more_than_the_user_would_wait_ends_the_call(
    kind: str, asked: float, most: float, goes_on: bool
) -> None:
    policy = Retry(max_retry_after=most)
    assert (judge(fault(kind, asked), policy=policy) is not None) == goes_on


@pytest.mark.parametrize("code", [429, 500])
@pytest.mark.parametrize("row", CASES, ids=lambda row: row["name"])
def test_the_retry_after_cases(row: dict[str, Any], code: int) -> None:
    headers = {name.lower(): value for name, value in row["headers"].items()}
    error = failures.from_status(code, headers, None, now_epoch=row["now_epoch"])
    wait = judge(error)
    if row["action"] in ("give_up", "give_up_or_failover"):
        assert wait is None
    elif code == 429:
        assert wait == 0.0  # the pause is the wait, and knows the server's number:
        assert error.retry_after == row["delay_s"]
    elif row["action"] == "own_backoff":
        assert wait == 0.25
    else:
        assert wait == row["delay_s"] + 0.25


def test_should_retry_false_beats_every_row() -> None:
    for kind in RETRIED:
        error = fault(kind)
        error.headers = {"x-should-retry": "false"}
        assert judge(error) is None


def test_should_retry_true_still_has_attempts_and_a_budget() -> None:
    error = failures.from_status(400, {"x-should-retry": "true"}, None, now_epoch=0.0)
    budget = Budget(5)
    assert judge(error, budget=budget) == 0.25
    assert judge(error, budget=budget) is None
    assert judge(error, spent=3) is None


# ---------------------------------------------------------------- outages

OUTAGE = [kind for kind in KINDS if failures.TABLE[kind].outage]


@pytest.mark.parametrize("kind", OUTAGE)
@pytest.mark.parametrize(
    ("outage", "goes_on"), [(0.0, True), (599.9, True), (600.0, False), (1e9, False)]
)
def test_in_an_outage_its_length_is_the_bound_and_not_attempts_or_budget(
    kind: str, outage: float, goes_on: bool
) -> None:
    for attempts, spent in ((1, 0), (3, 3), (3, 99)):
        policy = Retry(attempts=attempts, max_outage=600.0)
        wait = judge(fault(kind), policy=policy, spent=spent, budget=Budget(0), outage=outage)
        assert wait == (0.0 if goes_on else None)


@pytest.mark.parametrize(
    ("asked", "outage", "goes_on"),
    [
        (120.0, 590.0, True),  # no longer than is waited for anyway
        (121.0, 0.0, True),
        (599.9, 0.0, True),
        (600.0, 0.0, False),
        (121.0, 478.0, True),
        (121.0, 479.0, False),
        (math.inf, 0.0, False),
    ],
)
def test_a_long_retry_after_must_fit_into_the_rest_of_the_outage(
    asked: float, outage: float, goes_on: bool
) -> None:
    wait = judge(fault("429", asked), policy=Retry(max_outage=600.0), outage=outage)
    assert wait == (0.0 if goes_on else None)


@pytest.mark.parametrize("kind", ["dns", "connect", "502"])
def test_what_may_be_about_one_request_costs_as_always_where_others_get_through(kind: str) -> None:
    policy = Retry(max_outage=600.0)
    budget = Budget(5)
    assert judge(fault(kind), policy=policy, budget=budget) == 0.25
    assert budget.tokens == 0
    assert judge(fault(kind), policy=policy, spent=3) is None


def test_no_outage_makes_a_failure_passing_that_is_none() -> None:
    error = fault("429")
    error.headers = {"x-should-retry": "false"}
    assert judge(error, policy=Retry(max_outage=600.0)) is None


# ---------------------------------------------------------------- the budget


def test_the_budgets_arithmetic() -> None:
    budget = Budget(12)
    assert budget.take(10)
    assert not budget.take(5)
    assert budget.tokens == 2  # a refusal takes nothing
    for _ in range(3):
        budget.success()
    assert budget.tokens == 5
    assert budget.take(5)
    assert budget.tokens == 0
    assert budget.take(0)


def test_the_budget_never_overflows() -> None:
    budget = Budget(3.5)
    for _ in range(10):
        budget.success()
    assert budget.tokens == 3.5
    budget.take(0.25)
    budget.success()
    assert budget.tokens == 3.5
    assert repr(budget) == "<Budget 3.5/3.5>"


def test_a_server_in_trouble_gets_a_bounded_number_of_retries() -> None:
    budget = Budget(500)
    granted = sum(judge(fault("500"), budget=budget) is not None for _ in range(10_000))
    assert granted == 100


def test_a_budget_can_be_widened_and_not_narrowed() -> None:
    budget = Budget(10)
    budget.take(5)
    budget.widen(100)
    assert (budget.capacity, budget.tokens) == (100, 95)
    budget.widen(50)
    assert (budget.capacity, budget.tokens) == (100, 95)
