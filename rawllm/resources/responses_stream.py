"""The events of a streamed response: as they come (`responses.create`), and with what had come
before them (`responses.stream`).

Says of no event what it means; sansio/responses_*.py do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..errors import ErrorResponse
from ..sansio.parsed import Reader
from ..sansio.responses import Response
from ..sansio.responses_chunks import ResponseReader
from ..sansio.responses_events import ResponseStreamEvent
from ..sansio.responses_parsed import ParsedResponse, ResponseEventBuilder, parsed_response
from ..sansio.schema import Form
from ..stream import ChatStream

__all__ = ["ResponseEvents", "ResponseStream", "ResponseStreamManager"]

R = TypeVar("R")


class ResponseEvents(ChatStream[ResponseStreamEvent, Response]):
    """The events of one response, as the server sends them. `completion` is the response.

    A `ChatStream` in all but this: the response is complete with `response.completed` or
    `response.incomplete`, and not with `[DONE]`; `response.failed` and `error` are handed out, and
    then raised as errors.
    """

    _READER = ResponseReader


class ResponseStream(Generic[R]):
    """The events of one response: `async for event in stream:`, then `get_final_response()`.

    Raises in the loop, besides a stream's errors and where a type or tools to be read were asked
    for: LengthFinishReasonError, ContentFilterFinishReasonError and StructuredOutputError.
    """

    def __init__(
        self,
        events: ResponseEvents,
        form: Form | None,
        tools: Mapping[str, Reader],
        after: int | None = None,
    ) -> None:
        self._events = events
        self._form = form
        self._tools = tools
        self._after = after
        self._builder = ResponseEventBuilder(form, tools)

    def __aiter__(self) -> AsyncIterator[ResponseStreamEvent]:
        return self

    async def __anext__(self) -> ResponseStreamEvent:
        while True:
            event: ResponseStreamEvent = self._builder.event(await anext(self._events))
            if self._shown(event):
                return event

    def _shown(self, event: ResponseStreamEvent) -> bool:
        number = event.sequence_number
        return self._after is None or not isinstance(number, int) or number > self._after

    async def until_done(self) -> Self:
        """Read on to the end, past all events."""
        async for _ in self:
            pass
        return self

    async def get_final_response(self) -> ParsedResponse[R]:
        """Read on to the end and return the whole response, `output_parsed` as an object of the
        type asked for."""
        await self.until_done()
        return self._final()

    def _final(self) -> ParsedResponse[R]:
        return parsed_response(self._events.completion, self._form, self._tools)

    @property
    def response(self) -> ErrorResponse:
        """The HTTP response's `status_code` and `headers`."""
        return self._events.response

    async def close(self) -> None:
        """End it here: the connection is closed, which aborts the work upstream."""
        await self._events.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class ResponseStreamManager(Generic[R]):
    """A stream that is asked for and not yet opened: `async with` it."""

    def __init__(self, opening: Callable[[], Awaitable[ResponseStream[R]]]) -> None:
        self._opening = opening
        self._stream: ResponseStream[R] | None = None

    async def __aenter__(self) -> ResponseStream[R]:
        self._stream = await self._opening()
        return self._stream

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._stream is not None
        await self._stream.close()
