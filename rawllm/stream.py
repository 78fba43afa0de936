"""ChatStream: a streamed answer, as an async iterator, a context manager and a result.

What its bytes mean is sansio/chunks.py's to say. It replays nothing: what was handed out was handed
out, and an error then carries it as `partial`.

Slot and connection go back when the stream ends, when the loop over it is left (outside of an
`async with`, so that one `break` cannot deadlock a client with concurrency 1), when it is closed,
and when it is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .errors import APIError, ErrorResponse, RawLLMError
from .net.attempt import Attempt
from .net.call import failed
from .sansio import failures
from .sansio.chunks import ChunkReader
from .sansio.deltas import Accumulator
from .sansio.lifecycle import Signal, State
from .sansio.types import Payload, Timing

__all__ = ["AsyncStream", "ChatStream", "PendingStream"]

C = TypeVar("C", bound=Payload)  # the chunk
R = TypeVar("R", bound=Payload)  # the whole answer

#: Seconds of silence after which a stream whose every choice has finished counts as complete: some
#: servers neither send `[DONE]` nor end the body (vllm-mlx#101, mistral.rs#1874).
SILENCE = 2.0


class AsyncStream(Generic[C]):
    """The name, and the one parameter, under which code written for openai-python knows a stream:
    `AsyncStream[ChatCompletionChunk]`. It is a `ChatStream`."""

    if TYPE_CHECKING:

        @property
        def response(self) -> ErrorResponse: ...
        def __aiter__(self) -> AsyncIterator[C]: ...
        async def __anext__(self) -> C: ...
        async def close(self) -> None: ...
        async def __aenter__(self) -> Self: ...
        async def __aexit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...


class ChatStream(AsyncStream[C], Generic[C, R]):
    """A streamed answer.

    Iterating gives the chunks as the server sent them. After the end:

        completion: the whole answer, accumulated (before it: what there is so far).
        timing: where the time went, None before the end.
        done_seen: bool, whether `[DONE]` came; a complete stream may lack it.
    """

    _READER: type[ChunkReader[Any]] = ChunkReader

    def __init__(
        self,
        attempt: Attempt,
        *,
        chunk: type[C],
        accumulator: Accumulator,
        max_event_bytes: int,
        keep_usage_chunk: bool = True,
        strict: bool = False,
    ) -> None:
        self.timing: Timing | None = None
        self._attempt = attempt
        self._reader: ChunkReader[C] = self._READER(
            chunk,
            accumulator,
            expected=attempt.call.expected,
            status=attempt.response.status,
            max_event_bytes=max_event_bytes,
            keep_usage_chunk=keep_usage_chunk,
        )
        self._held = self._reader.held
        self._lifecycle = self._reader.lifecycle
        self._accumulator = accumulator
        self._strict = strict
        self._in_with = False
        self._reading = False

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def open(self) -> Self:
        """Read up to the first output. In here an error can still be retried, since nothing was
        handed out: it is raised and not kept for later."""
        call, reader = self._attempt.call, self._reader
        while self._lifecycle.state is State.OPENING:
            data = b""
            try:
                with call.clock.run("first_token", call.clocks.first_token, since=call.sent_at):
                    data = await self._attempt.response.readany()
            except APIError as error:
                reader.fail(error)
                break
            if call.clock.expired:
                raise call.clock.error()
            reader.feed(data)
        broken = reader.opening_error()
        if broken is not None:
            raise broken
        self._attempt.output()
        call.clock.bound(call.clocks.total, call.started)
        return self

    # ── handing out ──────────────────────────────────────────────────────────────────────────

    async def _fill(self) -> bool:
        """Wait until there are chunks in `_held`; False at the end."""
        call, lifecycle, held = self._attempt.call, self._lifecycle, self._held
        if self._reading:
            raise RuntimeError("another task is reading this stream already")
        if asyncio.get_running_loop() is not call.clock.loop:
            raise RuntimeError("this stream was opened in another event loop")
        self._reading = True
        try:
            if not lifecycle.ended:
                finished = lifecycle.state is State.FINISHED
                with call.clock.run("idle", SILENCE if finished else call.clocks.idle):
                    # In the `with`: only a data event ends `idle`, not a ping nor half an event.
                    while not held and not lifecycle.ended:
                        try:
                            self._reader.feed(await self._attempt.response.readany())
                        except APIError as error:
                            if not lifecycle.ended:  # by another task, while this one waited
                                self._reader.lost(error)
                if call.clock.expired:
                    self._ran_out(call.clock.error(), finished)
            if held:
                return True
            await self._finish()
            return False
        except BaseException as error:
            self._abort(error)
            raise
        finally:
            self._reading = False

    def _ran_out(self, timeout: APIError, finished: bool) -> None:
        if finished:  # whichever clock it was: nothing is missing
            self._lifecycle.move(Signal.SILENCE)
        else:
            self._reader.fail(timeout)

    def __aiter__(self) -> AsyncIterator[C]:
        # A generator that nothing but the loop holds: leaving the loop ends it, and so the stream.
        return self._chunks()

    async def _chunks(self) -> AsyncGenerator[C, None]:
        held = self._held
        try:
            while held or await self._fill():
                yield held.popleft()
        finally:
            if not self._in_with:  # in an `async with` the rest may still be wanted
                self._abort()

    async def __anext__(self) -> C:
        if self._held or await self._fill():
            return self._held.popleft()
        raise StopAsyncIteration

    async def _finish(self) -> None:
        """The end was reached: raise what broke the stream, or give everything back in order."""
        attempt = self._attempt
        error = self._reader.error
        if error is not None:
            raise error.copy() if attempt.ended else error
        if self._lifecycle.state is State.CLOSED:
            raise failures.fault(
                "incomplete",
                "the stream was closed before its end",
                partial=self._accumulator.completion(),
                status_code=attempt.response.status,
            )
        if attempt.ended:
            return
        await attempt.response.drain(attempt.call.clock)
        usage = self._accumulator.usage
        reason = self._accumulator.finish_reason
        if self._strict and reason is None:
            error = self._reader.error = failures.fault(
                "incomplete",
                "the stream ended with [DONE] but without a finish_reason (strict=True)",
                partial=self._accumulator.completion(),
                status_code=attempt.response.status,
            )
            raise error
        attempt.end(usage)
        self.timing = attempt.timing()
        attempt.finished(self.timing, usage, reason, self._accumulator.completion)

    def _abort(self, error: BaseException | None = None) -> None:
        """Close the connection, which aborts the work upstream; slot back. Never waits."""
        attempt = self._attempt
        if attempt.ended:
            return
        if not self._lifecycle.ended:
            self._lifecycle.move(Signal.CLOSE)
        attempt.response.close()
        attempt.call.clock.stop()
        attempt.end(self._accumulator.usage)
        self.timing = attempt.timing()
        failed(attempt.call, error or GeneratorExit(), attempt.limiter.now())

    # ── what users call ──────────────────────────────────────────────────────────────────────

    @property
    def completion(self) -> R:
        """What has accumulated so far; after the end, the whole answer."""
        whole: Any = self._accumulator.completion()
        if hasattr(whole, "timing"):
            whole.timing = self.timing
            whole._request_id = self._request_id
        return whole  # type: ignore[no-any-return]

    @property
    def done_seen(self) -> bool:
        return self._lifecycle.done_seen

    @property
    def _request_id(self) -> str | None:
        return self._attempt.request_id()

    @property
    def response(self) -> ErrorResponse:
        """The response's `status_code` and `headers`."""
        response = self._attempt.response
        return ErrorResponse(response.status, response.plain_headers())

    async def result(self) -> R:
        """Read on to the end and return the whole answer. Raises IncompleteStreamError where the
        stream was left or closed before."""
        async for _ in self:
            pass
        return self.completion

    async def close(self) -> None:
        """End it here: the connection is closed, which aborts the work upstream."""
        self._abort()

    aclose = close

    async def __aenter__(self) -> Self:
        self._in_with = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._in_with = False
        await self.close()

    def __del__(self) -> None:
        attempt = getattr(self, "_attempt", None)
        if attempt is None or attempt.ended:
            return
        # Dropped half-read. The collector may run in any thread; sockets belong to the loop's.
        loop = attempt.call.clock.loop
        try:
            if loop.is_running() and loop is not asyncio._get_running_loop():
                loop.call_soon_threadsafe(self._abort)
            else:
                self._abort()
        except (RuntimeError, RawLLMError):
            pass  # the loop is closing, and its connections with it

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._lifecycle.state.value}>"


class PendingStream(Generic[C, R]):
    """A stream that is asked for and not yet opened: `async with` it, or await it."""

    def __init__(self, opening: Callable[[], Awaitable[ChatStream[C, R]]]) -> None:
        self._opening = opening
        self._stream: ChatStream[C, R] | None = None

    def __await__(self) -> Generator[Any, None, ChatStream[C, R]]:
        return self._opening().__await__()

    async def __aenter__(self) -> ChatStream[C, R]:
        self._stream = await self._opening()
        return await self._stream.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._stream is not None
        await self._stream.__aexit__(kind, error, traceback)

    def __aiter__(self) -> AsyncIterator[C]:
        """`async for chunk in client.stream(…)`, where the whole answer is not needed."""
        return self._chunks()

    async def _chunks(self) -> AsyncGenerator[C, None]:
        async with self as stream:
            async for chunk in stream:
                yield chunk
