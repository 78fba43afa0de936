"""The four clocks of a call, on one timer.

A clock that runs out cancels the waiting task and is then turned into our error outside the
cancellation, so that no exception of aiohttp's, nor its frames, hang on to it. It does not close
connections; whoever was waiting does.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, NamedTuple

from ..errors import APIError, ConfigurationError
from ..options import Timeout
from ..sansio.failures import fault

__all__ = ["Clock", "Clocks", "resolve"]


class Clocks(NamedTuple):
    """What a `timeout` means for one call, in seconds. opening: until a stream's first output,
    queueing and retries included; total: until the end."""

    connect: float | None
    first_token: float | None
    idle: float | None
    total: float | None
    opening: float | None


def resolve(timeout: Timeout | float | None, *, stream: bool) -> Clocks:
    """A plain number is what people write for openai: the whole answer's total; for a stream the
    total until the first output, then idle. None: no bound at all, as there."""
    if timeout is None:
        return Clocks(None, None, None, None, None)
    timeout = timeout if isinstance(timeout, Timeout) else Timeout.of(timeout) or timeout
    if not isinstance(timeout, Timeout):
        try:
            seconds = Timeout(total=timeout).total
        except ConfigurationError as error:
            message = str(error).replace("Timeout(total=", "timeout=", 1).replace(")", "", 1)
            raise ConfigurationError(message) from None
        assert seconds is not None
        connect = min(10.0, seconds)
        if stream:
            return Clocks(connect, None, seconds, None, seconds)
        return Clocks(connect, None, None, seconds, seconds)
    return Clocks(timeout.connect, timeout.first_token, timeout.idle, timeout.total, timeout.total)


_MESSAGES = {
    "first_token": "no output within {:g} s of sending (Timeout.first_token)",
    "idle": "no data for {:g} s (Timeout.idle)",
    "total": "not finished within {:g} s (Timeout.total, or timeout=)",
}


#: Seconds; no timer is set for later than that at first. The clock of the next wait is often the
#: shorter one (first_token, then idle), and then the timer need not be set anew.
SOON = 20.0


class Clock:
    """`with clock.run("idle", 60.0): await …`, then `if clock.expired: raise clock.error()`.

    One timer serves all waits of a call: a later limit leaves it as it is, and when it fires too
    early it is set anew. Re-arming on every event would cost a timer an event.
    """

    __slots__ = (
        "_deadline",
        "_expired",
        "_kind",
        "_loop",
        "_now",
        "_pending",
        "_seconds",
        "_task",
        "_timer",
        "_total",
        "_when",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, total: float | None, started: float
    ) -> None:
        """The call is bound by `total` seconds from `started` (loop time)."""
        self._loop = loop
        self._total = total
        self._deadline = None if total is None else started + total
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._pending = 0
        self._kind = ""
        self._seconds = 0.0
        self._now = started
        self._when: float | None = None
        self._expired = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def deadline(self) -> float | None:
        """Loop time at which the call must have ended, or None."""
        return self._deadline

    def remaining(self) -> float | None:
        return None if self._deadline is None else self._deadline - self._loop.time()

    def bound(self, total: float | None, started: float) -> None:
        """From here on another total bounds the call."""
        self._total = total
        self._deadline = None if total is None else started + total

    @property
    def expired(self) -> bool:
        return self._expired

    def run(self, kind: str, seconds: float | None, *, since: float | None = None) -> Clock:
        """Arm for the next `with`: `seconds` from now (or from loop time `since`), or the deadline
        if that is sooner."""
        now = self._now = self._loop.time() if since is None else since
        when = None if seconds is None else now + seconds
        deadline = self._deadline
        if deadline is not None and (when is None or deadline <= when):
            when, kind, seconds = deadline, "total", self._total
        self._kind = kind
        self._seconds = seconds or 0.0
        self._when = when
        return self

    def __enter__(self) -> Clock:
        when = self._when
        if when is None:
            return self
        task = asyncio.current_task(self._loop)
        assert task is not None, "rawllm's calls run inside a task"
        self._task = task
        self._pending = task.cancelling()
        timer = self._timer
        if timer is None:
            soon = self._now + SOON
            self._timer = self._loop.call_at(when if when < soon else soon, self._fire)
        elif timer.when() > when:
            timer.cancel()
            self._timer = self._loop.call_at(when, self._fire)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        task = self._task
        self._task = None
        if not self._expired or task is None:
            return False
        # As asyncio.timeout() does: if nobody else cancelled the task, the cancellation was ours.
        if task.uncancel() <= self._pending and kind is asyncio.CancelledError:
            return True
        self._expired = False
        return False

    def _fire(self) -> None:
        self._timer = None
        if self._task is None or self._when is None:
            return  # nobody waits: the time between waits is the user's, not the server's
        if self._loop.time() < self._when:
            self._timer = self._loop.call_at(self._when, self._fire)
            return
        self._expired = True
        self._task.cancel()

    def error(self) -> APIError:
        """The error of the clock that ran out; the clock can be used again."""
        self._expired = False
        return fault(self._kind, _MESSAGES[self._kind].format(self._seconds))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
