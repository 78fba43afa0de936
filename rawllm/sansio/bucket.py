"""Token bucket: amount + now → seconds to wait.

Knows no waiting tasks (net/limiter.py has them) and no clock: `now` comes in, in seconds of any
monotonic clock.
"""

from __future__ import annotations

__all__ = ["TokenBucket"]

#: Seconds that are no time: a rounding error must not cost a timer that fires too early, over and
#: over. In seconds and not in tokens, since it is the clock that rounds: to 0.1 µs after 30 years.
#: What is granted early is paid off later, so that the rate holds.
PROMPT = 1e-6


class TokenBucket:
    """rate: tokens a second. burst: tokens that may go at once, and that it starts with.

    All that it keeps is when it will be full again, and not a level: a level would have to be
    brought up to date before every look at it. (ATM's generic cell rate algorithm, ITU-T I.371.)
    """

    __slots__ = ("_full_at", "burst", "rate")

    def __init__(self, rate: float, burst: float, *, now: float = 0.0) -> None:
        self.rate = rate
        self.burst = burst
        self._full_at = now

    def level(self, now: float) -> float:
        """What is in it now; below zero while a cost above the burst is being paid off."""
        return self.burst - max(0.0, self._full_at - now) * self.rate

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` could be taken; 0.0: now. Takes nothing.

        A cost above the burst waits for a full bucket and then goes into debt. Waiting for more
        than the bucket can hold would be waiting for ever.
        """
        seconds = self._full_at - now
        if amount < self.burst:
            seconds -= (self.burst - amount) / self.rate
        return seconds if seconds > PROMPT else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take `amount`; wait() must have said 0.0. A negative one is given back."""
        full_at = self._full_at
        self._full_at = (full_at if full_at > now else now) + amount / self.rate

    def settle(self, estimate: float, actual: float, now: float) -> None:
        """A request that took `estimate` used `actual`: give back or take the difference. With
        actual 0.0 it is a refund."""
        self.take(actual - estimate, now)

    def believe(self, remaining: float, now: float) -> None:
        """The server says that `remaining` are left. Where that is less than we believe, the
        server is right: others may share the limit. Where it is more, its bucket is larger."""
        self._full_at = max(self._full_at, now + (self.burst - remaining) / self.rate)

    def __repr__(self) -> str:
        return f"<TokenBucket of {self.burst:g} at {self.rate:g}/s>"
