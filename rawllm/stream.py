"""ChatStream: a streamed answer, as an async iterator, a context manager and a result.

Whether it is complete is lifecycle.py's to say. It replays nothing: what was handed out was handed
out, and an error then carries it as `partial`.

Slot and connection go back when the stream ends, when the loop over it is left (outside of an
`async with`, so that one `break` cannot deadlock a client with concurrency 1), when it is closed,
and when it is dropped.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .errors import APIError, ErrorResponse, RawLLMError
from .net.call import Attempt, failed
from .sansio import failures
from .sansio.decode import ChunkDecoder, error_body, loads
from .sansio.deltas import Accumulator
from .sansio.lifecycle import Lifecycle, Signal, State
from .sansio.sse import Event, SSEParser
from .sansio.types import Payload, Timing

__all__ = ["AsyncStream", "ChatStream", "PendingStream"]

C = TypeVar("C", bound=Payload)  # the chunk
R = TypeVar("R", bound=Payload)  # the whole answer

#: Seconds of silence after which a stream whose every choice has finished counts as complete: some
#: servers neither send `[DONE]` nor end the body (vllm-mlx#101, mistral.rs#1874).
SILENCE = 2.0

#: So much of a body that is no event stream is kept, for the error that shows it.
BEGINNING = 64 * 1024

BRACKET = ord("[")

#: How the lines of an event stream begin; a comment and a blank line are lines of one too.
_FIELD = re.compile(rb"(data|event|id|retry)?(:|$)")


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
        self._accumulator = accumulator
        self._parser = SSEParser(max_event_bytes)
        self._max_held = max_event_bytes
        self._decoder = ChunkDecoder(chunk)
        self._status = attempt.response.status
        self._lifecycle = Lifecycle(attempt.call.expected)
        self._keep_usage_chunk = keep_usage_chunk
        self._strict = strict
        self._held: deque[C] = deque()  # read and not yet handed out
        self._error: APIError | None = None  # to be raised once those are handed out
        self._output = False
        self._in_with = False
        self._reading = False

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def open(self) -> Self:
        """Read up to the first output. In here an error can still be retried, since nothing was
        handed out: it is raised and not kept for later."""
        call = self._attempt.call
        held = 0  # bytes: some servers send nothing but empty chunks, and those are kept
        beginning = b""  # a body without a single event is no stream: it shows itself
        while self._lifecycle.state is State.OPENING:
            data = b""
            try:
                with call.clock.run("first_token", call.clocks.first_token, since=call.sent_at):
                    data = await self._attempt.response.readany()
            except APIError as error:
                self._break(error)
                break
            if call.clock.expired:
                raise call.clock.error()
            if self._held:
                held += len(data)
                if held > self._max_held:
                    self._break(_too_much(self._max_held))
                    break
            elif len(beginning) < BEGINNING:
                beginning += data
            self._take(data)
        if self._error is not None and not self._output:
            raise self._no_stream(beginning) or self._error
        self._attempt.output()
        call.clock.bound(call.clocks.total, call.started)
        return self

    def _no_stream(self, beginning: bytes) -> APIError | None:
        """The error for a body that ended and was no event stream at all, or None where it was."""
        assert self._error is not None
        if self._error.kind != "incomplete" or self._held:
            return None
        if all(_FIELD.match(line) for line in beginning.splitlines()):
            return None
        status = self._attempt.response.status
        return failures.from_body(error_body(beginning), status=status) or failures.bad_answer(
            beginning, "The server sent no event stream", status_code=status
        )

    def _take(self, data: bytes) -> None:
        """A piece of the body, b"" at its end: chunks into `_held`, the state moved on."""
        if not data:
            self._end_of_body()
            return
        try:
            events = self._parser.feed(data)
        except APIError as error:
            error.kind = "limit"
            self._break(error)
            return
        self._events(events)
        if self._parser.error is not None and not self._lifecycle.ended:
            self._reported(self._parser.error)

    def _events(self, events: list[Event]) -> None:
        """Decode, accumulate, hold. What follows an end is none of ours."""
        decode, status = self._decoder.decode, self._status
        accumulator, lifecycle = self._accumulator, self._lifecycle
        streaming = State.STREAMING
        for event in events:
            payload = event.data
            if event.event == "error":
                return self._reported(payload)
            if not payload:
                continue
            if payload[0] == BRACKET and payload.strip() == b"[DONE]":
                if self._parser.error is not None:  # before it, in the same piece
                    return self._reported(self._parser.error)
                return self._move(Signal.DONE)
            try:
                chunk = decode(payload, status)
            except APIError as error:
                # What is neither chunk nor error does no harm under a name of its own
                # (`event: ping`), nor where nothing is missing any more.
                beside = event.event != "message" or lifecycle.state is State.FINISHED
                if beside and error.kind == "bad_answer" and _is_no_chunk(payload):
                    continue
                return self._break(error)
            finished = accumulator.finished
            output = accumulator.add(chunk)
            if self._keep_usage_chunk or chunk.choices:
                self._held.append(chunk)
            # The usual chunk is one more of the same: no move to make.
            if lifecycle.state is not streaming or accumulator.finished != finished:
                self._output |= output
                lifecycle.chunk(seen=accumulator.seen, finished=accumulator.finished, output=output)
        return None

    def _end_of_body(self) -> None:
        # The last event may lack its blank line: WHATWG drops it, an answer must not.
        pending = self._parser.eof()
        if pending is None:
            if self._parser.error is not None:
                self._reported(self._parser.error)
            else:
                self._move(Signal.EOF)
            return
        payload = pending.data.strip()
        if pending.event != "error" and payload != b"[DONE]" and not _is_json(payload):
            self._move(Signal.LOST)  # half an event: cut
            return
        self._events([Event(payload, pending.event)])
        if not self._lifecycle.ended:
            self._move(Signal.EOF)

    def _reported(self, payload: bytes) -> None:
        """The server says that something went wrong."""
        body = error_body(payload)
        if not (isinstance(body, dict) and "error" in body):
            body = {"error": body or "no explanation"}
        self._break(failures.from_body(body, status=self._attempt.response.status))

    def _move(self, signal: Signal) -> None:
        if self._lifecycle.move(signal) is State.BROKEN:
            self._break(None)

    def _break(self, error: APIError | None) -> None:
        if self._lifecycle.state is not State.BROKEN:
            self._lifecycle.move(Signal.ERROR)
        if error is None or error.kind == "body_cut":
            error = failures.fault(
                "incomplete",
                "the stream ended before the answer was complete: neither [DONE] nor a "
                "finish_reason for every choice came"
                + ("" if self._accumulator.seen else " (nor anything else)"),
                status_code=self._attempt.response.status,
            )
        if self._accumulator.seen:
            error.partial = self._accumulator.completion()
        # As in exchange(): the frames that read the payload hold it.
        self._error = error.with_traceback(None)

    async def _more(self) -> None:
        """Wait for the next data event, or the end."""
        call, lifecycle = self._attempt.call, self._lifecycle
        finished = lifecycle.state is State.FINISHED
        with call.clock.run("idle", SILENCE if finished else call.clocks.idle):
            # In the `with`: only a data event ends `idle`, not a ping and not half an event.
            while not self._held and not lifecycle.ended:
                try:
                    self._take(await self._attempt.response.readany())
                except APIError as error:
                    if self._lifecycle.state is State.CLOSED:
                        return  # by another task, while this one waited
                    if lifecycle.move(Signal.LOST) is State.BROKEN:
                        self._break(error)
        if call.clock.expired:
            timeout = call.clock.error()
            if finished:  # whichever clock it was: nothing is missing
                lifecycle.move(Signal.SILENCE)
            else:
                self._break(timeout)

    # ── handing out ──────────────────────────────────────────────────────────────────────────

    async def _fill(self) -> bool:
        """Chunks into `_held`, False at the end."""
        if self._reading:
            raise RuntimeError("another task is reading this stream already")
        if asyncio.get_running_loop() is not self._attempt.call.clock.loop:
            raise RuntimeError("this stream was opened in another event loop")
        self._reading = True
        try:
            while not self._held:
                if self._lifecycle.ended:
                    await self._finish()
                    return False
                await self._more()
        except BaseException as error:
            self._abort(error)
            raise
        finally:
            self._reading = False
        return True

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
        if self._error is not None:
            raise self._error.copy() if attempt.ended else self._error
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
            self._error = failures.fault(
                "incomplete",
                "the stream ended with [DONE] but without a finish_reason (strict=True)",
                partial=self._accumulator.completion(),
                status_code=attempt.response.status,
            )
            raise self._error
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


def _too_much(limit: int) -> APIError:
    return failures.fault(
        "limit",
        f"the stream sent more than {limit} bytes and no output; Limits(max_event_bytes=…) sets "
        "this bound",
    )


def _is_no_chunk(payload: bytes) -> bool:
    """A JSON object that does not even try to be one."""
    try:
        value = loads(payload)
    except ValueError:
        return False
    return isinstance(value, dict) and "choices" not in value


def _is_json(payload: bytes) -> bool:
    try:
        loads(payload)
    except ValueError:
        return False
    return True
