"""Waiting tasks around slots, buckets and the endpoint's pace: strictly first come, first served.

Decides nothing (sansio/bucket.py and pace.py do) and never polls: at any time at most one timer
runs, for the task at the head of the queue.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from itertools import count

from ..errors import APIError
from ..options import Retry
from ..sansio.bucket import TokenBucket
from ..sansio.pace import Pace, Permit

__all__ = ["Limiter"]


class _Waiter:
    __slots__ = ("deadline", "future", "policy", "tokens")

    def __init__(
        self, future: asyncio.Future[Permit], tokens: float, deadline: float | None, policy: Retry
    ) -> None:
        self.future = future
        self.tokens = tokens
        self.deadline = deadline
        self.policy = policy


class Limiter:
    """One endpoint's gate in one event loop. The buckets and the pace may be shared between loops;
    slots and waiting tasks belong to one.

    concurrency: int, calls and streams in flight at most; it follows the pace's level, where that
        has one. in_flight: int, how many there are.
    requests, tokens: TokenBucket or None for no such limit.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        requests: TokenBucket | None = None,
        tokens: TokenBucket | None = None,
        pace: Pace | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.concurrency = concurrency
        self.in_flight = 0
        self.pace = pace if pace is not None else Pace()
        self._requests = requests
        self._tokens = tokens
        self._loop = loop if loop is not None else asyncio.get_running_loop()
        self.now = self._loop.time
        # A heap by ticket number and not a deque: a retry comes back with its old number, and so
        # stands before everybody who came later, in the order of arrival.
        self._queue: list[tuple[int, _Waiter]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return sum(not waiter.future.done() for _, waiter in self._queue)

    def number(self) -> int:
        """A place at the end of the queue."""
        return next(self._numbers)

    def try_acquire(self, tokens: float) -> Permit | None:
        """The usual way in, without an await: a permit, or None where the call must wait."""
        if self._queue:
            return None
        now = self.now()
        return self._grant(tokens, now) if self._delay(tokens, now) <= 0.0 else None

    async def acquire(
        self, tokens: float, *, number: int, deadline: float | None, policy: Retry
    ) -> Permit:
        """Wait for a permit, in the order of the numbers.

        deadline: loop time or None. policy: the call's; it says how patient it is. Raises a copy
        of the error that paused the endpoint where it is not patient enough, or where the pause
        outlasts its deadline: to wait would only hide that error behind a timeout.
        """
        error = self._too_long(deadline, policy)
        if error is not None:
            raise error
        future: asyncio.Future[Permit] = self._loop.create_future()
        waiter = _Waiter(future, tokens, deadline, policy)
        heapq.heappush(self._queue, (number, waiter))
        if self._queue[0][1] is waiter:  # else the head is being looked after
            self._wake()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.give_back(future.result(), tokens)  # granted and cancelled at the same time
            raise
        finally:
            if future.cancelled():
                self._wake()  # the head may have gone: the timer is another's now

    def release(self) -> None:
        """The call has ended: its slot is free."""
        self.in_flight -= 1
        if self._queue:
            self._wake()

    def give_back(self, permit: Permit, tokens: float) -> None:
        """Nothing was sent: slot and tokens back."""
        now = self.now()
        if self._requests is not None:
            self._requests.settle(1.0, 0.0, now)
        self.settle(tokens, 0.0)
        self.pace.abandoned(permit)
        self.release()

    def settle(self, estimate: float, actual: float) -> None:
        """The request used `actual` tokens where `estimate` were taken."""
        if self._tokens is not None:
            self._tokens.settle(estimate, actual, self.now())

    def believe(self, *, requests: float | None, tokens: float | None) -> None:
        """What the server's headers say is left."""
        now = self.now()
        if self._requests is not None and requests is not None:
            self._requests.believe(requests, now)
        if self._tokens is not None and tokens is not None:
            self._tokens.believe(tokens, now)

    def accepted(self, permit: Permit) -> None:
        """The endpoint took the request."""
        pace = self.pace
        if pace.error is None:  # nearly always, and then no call is worth it
            if permit.at > pace.taken_at:
                pace.taken_at = permit.at
            return
        pace.accepted(permit, enough=min(self.concurrency, self.in_flight + len(self._queue)))
        self._wake()

    def refused(self, permit: Permit, error: APIError, *, random: Callable[[], float]) -> bool:
        """The endpoint refused the request. True: a pause began."""
        began = self.pace.refused(permit, error, self.now(), random=random, busy=self.in_flight)
        self.adapt()
        for _, waiter in self._queue:
            if not waiter.future.done():
                impatience = self._too_long(waiter.deadline, waiter.policy)
                if impatience is not None:
                    waiter.future.set_exception(impatience)
        self._wake()
        return began

    def finished(self, permit: Permit, work: float) -> None:
        """The answer is whole. work: float, its tokens. To be told where pace has a level."""
        if self.pace.level is not None:  # the slot was given back already
            self.pace.level.finished(
                permit.at, permit.load, self.now(), work=work, busy=self.in_flight + 1
            )
            self.adapt()

    def strained(self, permit: Permit) -> None:
        """The request timed out. To be told where pace has a level."""
        if self.pace.level is not None:
            self.pace.level.strained(permit.at, self.now())
            self.adapt()

    def adapt(self) -> None:
        """Take over how many may be in flight, where pace has a level."""
        if self.pace.level is not None:
            self.concurrency = self.pace.level.limit
            self._wake()

    def abandoned(self, permit: Permit) -> None:
        self.pace.abandoned(permit)
        self._wake()

    def _too_long(self, deadline: float | None, policy: Retry) -> APIError | None:
        now = self.now()
        pace = self.pace
        if pace.error is None or not pace.too_long(now, deadline=deadline, policy=policy):
            return None
        return pace.error.copy(retry_after=pace.remaining(now), attempts=0, outage=pace.outage(now))

    def _delay(self, tokens: float, now: float) -> float:
        """Seconds until a permit could be granted; inf: only a release can tell."""
        if self.in_flight >= self.concurrency:
            return math.inf
        delay = 0.0 if self.pace.error is None else self.pace.wait(now)
        if self._requests is not None and (wait := self._requests.wait(1.0, now)) > delay:
            delay = wait
        if self._tokens is not None and (wait := self._tokens.wait(tokens, now)) > delay:
            delay = wait
        return delay

    def _grant(self, tokens: float, now: float) -> Permit:
        self.in_flight += 1
        if self._requests is not None:
            self._requests.take(1.0, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)
        return self.pace.grant(now, self.in_flight)

    def _wake(self) -> None:
        """Let in whoever may go, head first; set the timer for the one who may not yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queue = self._queue
        while queue:
            waiter = queue[0][1]
            if waiter.future.done():  # cancelled, or failed by a pause
                heapq.heappop(queue)
                continue
            now = self.now()
            delay = self._delay(waiter.tokens, now)
            if delay > 0.0:
                if delay < math.inf:
                    self._timer = self._loop.call_at(now + delay, self._wake)
                return
            heapq.heappop(queue)
            waiter.future.set_result(self._grant(waiter.tokens, now))

    def __repr__(self) -> str:
        return (
            f"<Limiter {self.in_flight}/{self.concurrency} in flight, "
            f"{self.waiting} waiting, {self.pace!r}>"
        )
