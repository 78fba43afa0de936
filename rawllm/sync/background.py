"""One event loop in a daemon thread, for all synchronous clients of the process.

Starts with the first call, ends with the interpreter, and is new in a forked child. Waits for
nothing on the loop itself: a call from there is refused, since it would wait for itself.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ..options import hide

__all__ = [
    "Background",
    "Started",
    "background",
    "blocking",
    "described_by",
    "in_background",
    "stopping",
    "take",
]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

#: Windows delivers Ctrl-C only between two waits; elsewhere it ends a wait.
_TICK = 0.1 if sys.platform == "win32" else None

#: Seconds that the interpreter's end waits for a loop which a hook blocks.
_PATIENCE = 2.0


def take(events: SimpleQueue[T]) -> T:
    """The next event. Ctrl-C comes out of the wait."""
    while True:
        with suppress(Empty):
            return events.get(timeout=_TICK)


class Started(Generic[T]):
    """A coroutine for the loop's thread, and its task there.

    tell: called with this object, on the loop, when the task has ended.

    Made first and started within the `try` that abandons it: Ctrl-C may strike anywhere.
    """

    __slots__ = ("_background", "_coroutine", "_task", "_tell")

    def __init__(
        self,
        background: Background,
        coroutine: Coroutine[Any, Any, T],
        tell: Callable[[Started[T]], object],
    ) -> None:
        self._background = background
        self._coroutine = coroutine
        self._tell = tell
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        self._background.call_soon(self._begin)

    def _begin(self) -> None:
        self._task = self._background.loop.create_task(self._coroutine)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # or asyncio would log one that nobody waits for any more
        # At the interpreter's end, daemon threads that wait end with it, and without a word.
        if not self._background.stopping:
            self._tell(self)

    def result(self) -> T:
        """Once it has ended: what the coroutine returned or raised."""
        assert self._task is not None
        return self._task.result()

    def abandon(self) -> None:
        """Cancel it, or let go of what it came to; from any thread, without waiting."""
        self._background.call_soon(self._let_go)

    def _let_go(self) -> None:
        # Forgotten at once: a traceback may hold this object for long, and a stream that was opened
        # just now closes when it is dropped.
        task, self._task = self._task, None
        if task is None:
            self._coroutine.close()
        else:
            task.cancel()


class Background:
    """The loop and its thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stopping = False
        self._end = self.loop.create_future()
        self._thread = threading.Thread(target=self._main, name="rawllm", daemon=True)
        self._thread.start()

    def _main(self) -> None:
        async def until_the_end() -> None:
            await self._end

        # Its end cancels what is under way and ends the asynchronous generators, and these close
        # the sessions.
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(until_the_end())

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Have the loop call it; nothing happens once the loop is closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *args)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for it here, while it runs there. What ends the wait, like Ctrl-C, cancels it."""
        events: SimpleQueue[Started[T]] = SimpleQueue()
        started = Started(self, coroutine, events.put)
        try:
            started.start()
            take(events)
        except BaseException:
            started.abandon()
            raise
        return started.result()

    def stop(self) -> None:
        self.stopping = True
        self.call_soon(self._end.set_result, None)
        self._thread.join(_PATIENCE)


_background: Background | None = None
_starting = threading.Lock()


def background() -> Background:
    """The process's own, started by the first call. Raises RuntimeError on its loop, and at the
    interpreter's end."""
    global _background
    with _starting:
        if _background is None:
            _background = Background()
            # Behind weakref's, which a client has registered, and so run before that: its sessions
            # are closed when it looks for those that are not.
            atexit.unregister(_stop)
            atexit.register(_stop)
        found = _background
    if found.stopping:
        raise RuntimeError("the interpreter is exiting: no calls can be made any more")
    if asyncio._get_running_loop() is found.loop:
        raise RuntimeError(
            "a synchronous client was called on rawllm's own event loop, by a hook or an "
            "asynchronous api_key, and would wait for itself: hand the work to a thread of yours"
        )
    return found


def stopping() -> bool:
    """Whether the interpreter's end has ended it."""
    return _background is not None and _background.stopping


def in_background(coroutine: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Have it run if there is a loop, from any thread, and wait for nothing."""
    if _background is not None and not stopping():
        Started(_background, coroutine(), lambda _: None).start()


def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """The synchronous form of an asynchronous method, with its arguments and its docstring. It
    belongs into a class that holds the asynchronous object as `_async`.

    mypy infers all of it, and yet wants `self` to be positional-only beside **params: hence the
    ignores where it is used.
    """

    @wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        hide(kwargs)
        return background().run(method(self._async, *args, **kwargs))

    return call


def described_by(method: Callable[..., Any]) -> Callable[[F], F]:
    """The signature and docstring of an asynchronous method, where the types are written out: of
    several overloads a ParamSpec keeps one."""
    return wraps(method)  # type: ignore[return-value]  # the types that were written say more


def _stop() -> None:
    if _background is not None:
        _background.stop()


def _forked() -> None:
    global _background, _starting
    _starting = threading.Lock()
    _background = None  # its thread is the parent's


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)
