"""`with_raw_response` and `with_streaming_response`: a call's HTTP response beside its answer.

Sends and decodes nothing of its own: the resource's method runs as ever, over a twin of the client
that shows what passes between a response and its reading.
"""

from __future__ import annotations

import asyncio
import codecs
import io
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from copy import copy as copied
from types import TracebackType
from typing import Any

from ..errors import APIError, ConfigurationError
from ..net.call import Attempt, Call, failed
from ..net.endpoint import Endpoint
from ..net.exchange import exchange
from ..options import hide
from ..sansio.failures import fault
from ..stream import ChatStream

__all__ = [
    "AsyncAPIResponse",
    "RawResponse",
    "ResponseManager",
    "WithRawResponse",
    "WithStreamingResponse",
]

Consume = Callable[[Attempt], Awaitable[Any]]


class _Head:
    """What is known of a response before its body.

    status_code: int. headers: mapping that takes names in any case. url: str, without query and
    user info. method: str. request_id: str of `x-request-id` or None. retries_taken: int.
    """

    def __init__(self, attempt: Attempt) -> None:
        call, response = attempt.call, attempt.response
        self.status_code: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url: str = call.label
        self.method: str = call.method
        self.request_id: str | None = attempt.request_id()
        self.retries_taken: int = call.attempts - 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}]>"


class RawResponse(_Head):
    """A response that was read and decoded, or with stream=True one whose first output has come.

    `parse()` gives what the method itself would have. openai-python's `http_response` is this
    object too.
    """

    def __init__(self, attempt: Attempt, whole: Any, result: Any) -> None:
        super().__init__(attempt)
        self._content: bytes | None = getattr(whole, "_payload", None)
        self._result = result

    def parse(self) -> Any:
        """The answer, or the stream. The same object each time."""
        return self._result

    @property
    def content(self) -> bytes:
        """The body. Raises ConfigurationError for a stream, which is not read yet."""
        if self._content is None:
            raise ConfigurationError(
                "a stream's body is not there yet: read it from parse(), or as it comes by "
                "with_streaming_response"
            )
        return self._content

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.content)

    @property
    def http_response(self) -> RawResponse:
        return self


class WithRawResponse:
    """A resource's methods, each of which gives a `RawResponse`."""

    def __init__(self, resource: Any, *methods: str) -> None:
        self._resource = resource
        self._methods = methods

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, RawResponse]]:
        _check(self._resource, self._methods, name)

        async def call(*args: Any, **params: Any) -> RawResponse:
            hide(params)
            seen: list[Any] = []

            async def watched(endpoint: Endpoint, call: Call, consume: Consume) -> Any:
                async def consumed(attempt: Attempt) -> Any:
                    whole = await consume(attempt)
                    seen[:] = attempt, whole  # of a repaired answer, the last one
                    return whole

                return await exchange(endpoint, call, consumed)

            result = await _over(watched, self._resource, name, args, params)
            attempt, whole = seen
            return RawResponse(attempt, whole, result)

        return call


class WithStreamingResponse:
    """A resource's methods, each of which gives a `ResponseManager`."""

    def __init__(self, resource: Any, *methods: str) -> None:
        self._resource = resource
        self._methods = methods

    def __getattr__(self, name: str) -> Callable[..., ResponseManager]:
        _check(self._resource, self._methods, name)

        def call(*args: Any, **params: Any) -> ResponseManager:
            hide(params)
            return ResponseManager(
                lambda watched: _over(watched, self._resource, name, args, params)
            )

        return call


def _check(resource: Any, methods: tuple[str, ...], name: str) -> None:
    if name not in methods:
        raise AttributeError(f"{type(resource).__name__} gives no raw response of {name!r}")


async def _over(
    watched: Callable[[Endpoint, Call, Consume], Awaitable[Any]],
    resource: Any,
    name: str,
    args: tuple[Any, ...],
    params: dict[str, Any],
) -> Any:
    """The resource's method, with its exchange watched."""
    client = resource._client
    twin = object.__new__(type(client))
    twin.__dict__.update(client.__dict__)
    twin._exchange = watched
    twin._default_model = client._default_model  # to look a model up is another call
    own = copied(resource)  # with what it has learned of the server
    own._client = twin
    return await getattr(own, name)(*args, **params)


class ResponseManager:
    """A call that is asked for and not yet sent: `async with` it."""

    def __init__(self, start: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
        self._start = start
        self._response: AsyncAPIResponse | None = None

    async def __aenter__(self) -> AsyncAPIResponse:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Attempt] = loop.create_future()
        wanted: asyncio.Future[None] = loop.create_future()

        async def parked(endpoint: Endpoint, call: Call, consume: Consume) -> Any:
            if opened.done():  # an answer that was of no use, and is asked for again
                return await exchange(endpoint, call, consume)
            attempt = await exchange(endpoint, call, _unread)
            opened.set_result(attempt)
            try:
                await wanted
                return await consume(attempt)
            except BaseException as error:
                _give_up(attempt, error)
                raise

        # A task, since the method waits in its midst until somebody wants its answer.
        task = loop.create_task(self._start(parked))
        try:
            await asyncio.wait([opened, task], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            task.cancel()
            await asyncio.wait([task])
            raise
        if not opened.done():
            opened.cancel()
            await task  # raises
        self._response = AsyncAPIResponse(opened.result(), wanted, task)
        return self._response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._response is not None
        await self._response.close()


async def _unread(attempt: Attempt) -> Attempt:
    return attempt


class AsyncAPIResponse(_Head):
    """A response whose body is unread. Read it once: as bytes, text or lines, or by `parse()`.

    Raises, while it is read, what the method itself would have raised; nothing is tried again.
    """

    def __init__(
        self, attempt: Attempt, wanted: asyncio.Future[None], task: asyncio.Task[Any]
    ) -> None:
        super().__init__(attempt)
        self._attempt = attempt
        self._wanted = wanted
        self._task = task
        self._begun = False
        self._content: bytes | None = None

    async def parse(self) -> Any:
        """The answer; with stream=True the `ChatStream`. The same object each time."""
        if not self._wanted.done():
            self._begin()
            self._wanted.set_result(None)
        return await self._task

    async def read(self) -> bytes:
        """The whole body. Raises LimitExceeded above `Limits.max_response_bytes`."""
        if self._content is None:
            limit = self._attempt.endpoint.limits.max_response_bytes
            pieces: list[bytes] = []
            size = 0
            async for piece in self.iter_bytes():
                size += len(piece)
                if size > limit:
                    error = fault("limit", f"the body is larger than {limit} bytes")
                    _give_up(self._attempt, error)
                    raise error
                pieces.append(piece)
            self._content = b"".join(pieces)
        return self._content

    async def text(self) -> str:
        return (await self.read()).decode("utf-8", "replace")

    async def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(await self.read())

    async def iter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        """The body as it comes, or in pieces of chunk_size (int bytes; the last may be smaller)."""
        if chunk_size is not None and chunk_size < 1:
            raise ConfigurationError("chunk_size= takes a whole number, 1 or more")
        self._begin()
        held = b""
        while piece := await self._piece():
            if chunk_size is None:
                yield piece
                continue
            held += piece
            while len(held) >= chunk_size:
                yield held[:chunk_size]
                held = held[chunk_size:]
        if held:
            yield held

    async def iter_text(self, chunk_size: int | None = None) -> AsyncGenerator[str, None]:
        """The body's text as it comes. chunk_size: int bytes."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for piece in self.iter_bytes(chunk_size):
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    async def iter_lines(self) -> AsyncGenerator[str, None]:
        """The body's lines without their ends. They end where an event stream's do: not at U+2028,
        which may stand within JSON."""
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        held = ""
        async for text in self.iter_text():
            *lines, held = (held + newlines.decode(text)).split("\n")
            for line in lines:
                yield line
        *lines, held = (held + newlines.decode("", final=True)).split("\n")
        for line in [*lines, held] if held else lines:
            yield line

    @property
    def is_closed(self) -> bool:
        return self._attempt.ended

    async def close(self) -> None:
        """End it here: the connection of a body that is not read is closed, which aborts the work
        upstream."""
        task = self._task
        if not task.done():
            _give_up(self._attempt, GeneratorExit())
            self._wanted.cancel()  # and so the task, where nobody wants its answer
            await asyncio.wait([task])
        answer = None if task.cancelled() or task.exception() is not None else task.result()
        if isinstance(answer, ChatStream):
            await answer.close()

    def _begin(self) -> None:
        if self._begun or self.is_closed:
            raise ConfigurationError("the body of a response can be read once")
        self._begun = True

    async def _piece(self) -> bytes:
        """What has come, b"" at the end."""
        attempt = self._attempt
        call = attempt.call
        first = call.first_token is None
        kind, seconds = (
            ("first_token", call.clocks.first_token) if first else ("idle", call.clocks.idle)
        )
        try:
            with call.clock.run(kind, seconds, since=call.sent_at if first else None):
                piece = await attempt.response.readany()
            if call.clock.expired:
                raise call.clock.error()
        except BaseException as error:
            _give_up(attempt, error)
            raise
        if not piece:
            attempt.end()
            attempt.finished(attempt.timing(), None, None)
        elif first:
            attempt.output()
            if call.stream:  # which has had its opening's time until here
                call.clock.bound(call.clocks.total, call.started)
        return piece


def _give_up(attempt: Attempt, error: BaseException) -> None:
    """Slot and connection back from an answer that is not whole. Never waits."""
    if attempt.ended:
        return
    attempt.response.close()
    attempt.call.clock.stop()
    attempt.end()
    if isinstance(error, APIError):
        error.with_traceback(None)  # the frames that read the body hold it
    failed(attempt.call, error, attempt.limiter.now())
