"""One controller an endpoint: outcome + now → may the next request go, and if not, when.

Nothing else decides pace. It knows no tasks, slots or clocks; net/limiter.py asks and obeys.

Three modes, each one following from two numbers:

    open        nothing stands in the way
    paused      until `paused_until`: the endpoint refused (the failure's row `pauses`; under
                `max_outage` also `outage`, while it is silent)
    recovering  the pause is over: one request at a time may try (the half-open probe), and each
                that is accepted lets one more try beside it, so that the way opens by doubling and
                no herd arrives at a server that just came back

A request is accepted when it succeeds, or when it has gone unrefused for PATIENCE seconds: a
refusal is quick and an answer slow, so waiting for the probe's whole answer would stop everybody
for a minute to learn what is known after a second.

An outage lasts from the first refusal until a request that was sent after it is accepted. Patience
does not end it: what a black hole swallows goes unrefused for longer than that.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from ..errors import APIError
from ..options import Retry
from .level import Level

__all__ = ["PATIENCE", "STRAIN", "Pace", "Permit"]

#: Rows of the failure table that say "too much at once", in words and by silence. A refused
#: connection is neither: nobody listens.
OVERLOAD = {"429", "503", "529", "connect_timeout"}
STRAIN = {"first_token", "idle", "504"}

#: Seconds after which a request that was not refused counts as accepted.
PATIENCE = 1.0


class Permit:
    """Leave for one request. at: float, when. load: int, how many were in flight then, itself
    included. trial: it went while the endpoint was recovering."""

    __slots__ = ("at", "epoch", "load", "trial")

    def __init__(self, at: float, load: int, epoch: int, trial: bool) -> None:
        self.at = at
        self.load = load
        self.epoch = epoch
        self.trial = trial


class Pace:
    """base, cap: float seconds; the n-th pause in a row, counted from 0, lasts between half of and
    the whole of min(cap, base · 2ⁿ) where the server names no time. longest: no pause is longer
    than this."""

    def __init__(self, *, base: float = 0.5, cap: float = 8.0, longest: float = 120.0) -> None:
        self.base = base
        self.cap = cap
        self.longest = longest
        self.paused_until = 0.0
        self.error: APIError | None = None  # what paused it, None while open
        self.level: Level | None = None  # how many may be in flight, where that is to be found
        self.taken_at = -math.inf  # when the latest request was sent that was accepted
        self._asked_until = -math.inf  # when the server wants to be asked again
        self._down_since: float | None = None
        self._epoch = 0
        self._strikes = 0
        self._accepted = 0  # trials accepted since the pause
        self._trials: OrderedDict[Permit, float] = OrderedDict()  # undecided, and until when

    @property
    def open(self) -> bool:
        return self.error is None

    def remaining(self, now: float) -> float:
        """Seconds of pause left, 0.0 where there is none."""
        return max(0.0, self.paused_until - now) if self.error is not None else 0.0

    def outage(self, now: float) -> float:
        """Seconds since the first refusal that no accepted request came after; 0.0: none."""
        # max(): `now` may have been read just before the refusal was noted.
        return 0.0 if self._down_since is None else max(0.0, now - self._down_since)

    def silent(self, since: float) -> bool:
        """No request that was sent after `since` was accepted: what failed may be the endpoint."""
        return self.taken_at <= since

    def too_long(self, now: float, *, deadline: float | None, policy: Retry) -> bool:
        """A call of this policy had better have the error now than sit the pause out."""
        remaining = self.remaining(now)
        if remaining <= 0.0:
            return False
        if deadline is not None and now + remaining >= deadline:
            return True
        if not policy.max_outage:
            # Who does not try again wants to know at once that the endpoint is down; but one
            # refusal is no outage: a loop of such calls must not fail until the pause is over.
            if policy.attempts == 1 and remaining > PATIENCE:
                return True
            # The server's own wish, which may go beyond the pause: `longest` bounds only that.
            return self._asked_until - now > policy.max_retry_after
        left = policy.max_outage - self.outage(now)
        return left <= 0.0 or (remaining > policy.max_retry_after and remaining >= left)

    def wait(self, now: float) -> float:
        """Seconds until the next request may go; 0.0: now. An outcome may make it sooner."""
        if self.error is None:
            return 0.0
        if now < self.paused_until:
            return self.paused_until - now
        self._lose_patience(now)
        if len(self._trials) <= self._accepted:
            return 0.0
        return next(iter(self._trials.values())) - now

    def grant(self, now: float, load: int = 1) -> Permit:
        """Leave for one request; wait() must have said 0.0. load: int, in flight with it."""
        permit = Permit(now, load, self._epoch, trial=self.error is not None)
        if permit.trial:
            self._trials[permit] = now + PATIENCE
        return permit

    def accepted(self, permit: Permit, *, enough: int) -> None:
        """The request was not refused. enough: int, how many may be in flight at most; once that
        many trials were accepted the endpoint is open again."""
        if self._trials.pop(permit, None) is not None:
            self._accepted += 1
        self.taken_at = max(self.taken_at, permit.at)
        if self._down_since is not None and permit.at > self._down_since:
            self._down_since = None
        if self.error is None or permit.epoch != self._epoch:
            return
        # Sent after the last pause and taken, be it after PATIENCE: the row of pauses is broken.
        self._strikes = 0
        if self._accepted >= enough:
            self._reopen()

    def abandoned(self, permit: Permit) -> None:
        """The request was cancelled, or failed in a way that says nothing about the endpoint."""
        self._trials.pop(permit, None)

    def refused(
        self,
        permit: Permit,
        error: APIError,
        now: float,
        *,
        random: Callable[[], float],
        busy: int = 1,
    ) -> bool:
        """The endpoint refused the request. True if that began a new pause. busy: int, how many
        are in flight, this one included.

        None begins where fewer in flight are answer enough (`Level.refused`).
        What was sent before a pause and is refused after it tells nothing new: 64 calls in flight
        bring 64 refusals, which are one event. Only a longer Retry-After still counts: it prolongs
        the pause, or begins another where the endpoint was open again.
        """
        wish = error.retry_after or 0.0
        asked = min(wish, self.longest)
        self._asked_until = max(self._asked_until, now + wish)
        if self.level is not None and error.kind in OVERLOAD:
            enough = self.level.refused(permit.at, permit.load, now, busy=busy)
            if enough and self.open and not asked:
                return False
        if permit.epoch != self._epoch and not (self.open and asked):
            self.paused_until = max(self.paused_until, now + asked)
            return False
        if asked:
            pause = asked + random() * min(self.base, 0.1 * asked)  # never below the server's
        else:
            pause = min(self.cap, self.base * 2.0 ** min(self._strikes, 60))
            pause *= 0.5 + 0.5 * random()
        self.paused_until = now + min(pause, self.longest)
        if self._down_since is None:
            self._down_since = now
        if self.level is not None:
            self.level.interrupted(now)
        self.error = error
        self._epoch += 1
        self._strikes += 1
        self._accepted = 0
        self._trials.clear()
        return True

    def _lose_patience(self, now: float) -> None:
        while self._trials:
            permit, until = next(iter(self._trials.items()))
            if now < until:
                return
            del self._trials[permit]
            self._accepted += 1

    def _reopen(self) -> None:
        self.error = None
        self._down_since = None
        self._trials.clear()
        self._accepted = 0

    def __repr__(self) -> str:
        mode = "open" if self.open else f"paused until {self.paused_until:.3f}"
        return f"<Pace {mode}>"
