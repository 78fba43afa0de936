"""Failure + attempt → give up, or seconds to wait; and the budget that all retries share.

Neither sleeps nor reads a clock nor rolls dice: deadline, time and randomness come in.
"""

from __future__ import annotations

from collections.abc import Callable

from ..options import Retry
from .failures import Failure

__all__ = ["Budget", "decide"]


class Budget:
    """Tokens for retries, shared by all calls of a client.

    Without it a server in trouble gets `attempts` times its load just when it can bear it least.
    500 tokens, 5 or 10 a retry, 1 back a success: botocore's standard mode.
    """

    __slots__ = ("capacity", "tokens")

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.tokens = capacity

    def take(self, cost: float) -> bool:
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def widen(self, capacity: float) -> None:
        """Make it at least so large."""
        more = max(0.0, capacity - self.capacity)
        self.capacity += more
        self.tokens += more

    def success(self) -> None:
        if self.tokens < self.capacity:
            self.tokens = min(self.capacity, self.tokens + 1)

    def __repr__(self) -> str:
        return f"<Budget {self.tokens:g}/{self.capacity:g}>"


def backoff(policy: Retry, spent: int, random: Callable[[], float]) -> float:
    """Seconds before the next try after `spent` tries (1 or more): full jitter, a random time up
    to min(cap, base · 2ⁿ), n = spent - 1."""
    # The exponent is bounded: 2.0**1024 overflows, and no cap is that large.
    return random() * min(policy.cap, policy.base * 2.0 ** min(spent - 1, 60))


def decide(
    row: Failure,
    asked: float | None,
    *,
    policy: Retry,
    spent: int,
    budget: Budget,
    remaining: float | None,
    outage: float | None,
    random: Callable[[], float],
) -> float | None:
    """Seconds to wait before the next try, or None to give up and raise the error now.

    row, asked: the error's, and the seconds it asks for. spent: int, tries that count so far.
    remaining: float seconds to the call's deadline, or None. outage: float seconds that the
    endpoint, or this call, has been refused for where the failure paused the endpoint, else None.
    random: gives floats in [0, 1).

    A failure that pauses the endpoint waits no time of its own: the pause is the wait. A server's
    own number is never undercut; jitter goes on top of it. Under `max_outage` the time is the
    bound, and not the attempts.
    """
    if not row.retried:
        return None
    too_long = asked is not None and asked > policy.max_retry_after
    if outage is not None and policy.max_outage and row.outage:
        left = policy.max_outage - outage
        return None if left <= 0.0 or (too_long and (asked or 0.0) >= left) else 0.0
    if spent >= policy.attempts or too_long:
        return None
    if outage is not None:
        return 0.0
    wait = backoff(policy, spent, random)
    if asked is not None:
        wait = asked + min(wait, policy.base)
    if remaining is not None and wait >= remaining:
        return None  # it would only turn this error into a timeout, later
    if not budget.take(row.cost):
        return None
    return wait
