"""The events of a streamed response: as they come (`responses.create`), and with what had come
before them (`responses.stream`).

Says of no event what it means; sansio/responses_*.py do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Generic, TypeVar

from ..sansio.parsed import Reader
from ..sansio.responses import Response
from ..sansio.responses_chunks import ResponseReader
from ..sansio.responses_events import ResponseStreamEvent
from ..sansio.responses_parsed import ParsedResponse, ResponseEventBuilder, parsed_response
from ..sansio.schema import Form
from ..stream import ChatStream
from .event_stream import EventStream, StreamManager

__all__ = ["ResponseEvents", "ResponseStream", "ResponseStreamManager"]

R = TypeVar("R")


class ResponseEvents(ChatStream[ResponseStreamEvent, Response]):
    """The events of one response, as the server sends them. `completion` is the response.

    A `ChatStream` in all but this: the response is complete with `response.completed` or
    `response.incomplete`, and not with `[DONE]`; `response.failed` and `error` are handed out, and
    then raised as errors.
    """

    _READER = ResponseReader


class ResponseStream(EventStream[ResponseStreamEvent], Generic[R]):
    """The events of one response: `async for event in stream:`, then `get_final_response()`.

    Raises in the loop, besides a stream's errors and where a type or tools to be read were asked
    for: LengthFinishReasonError, ContentFilterFinishReasonError and StructuredOutputError.
    """

    def __init__(
        self,
        chunks: ResponseEvents,
        form: Form | None,
        tools: Mapping[str, Reader],
        after: int | None = None,
    ) -> None:
        self._form = form
        self._tools = tools
        # Nothing of its own: a stream that holds itself is not closed as soon as it is dropped.
        super().__init__(chunks, partial(_shown, ResponseEventBuilder(form, tools), after))

    async def get_final_response(self) -> ParsedResponse[R]:
        """Read on to the end and return the whole response, `output_parsed` as an object of the
        type asked for."""
        await self.until_done()
        return self._final()

    def _final(self) -> ParsedResponse[R]:
        return parsed_response(self._chunks.completion, self._form, self._tools)


def _shown(
    builder: ResponseEventBuilder, after: int | None, chunk: ResponseStreamEvent
) -> list[ResponseStreamEvent]:
    """The event, unless it is one of those up to number `after`."""
    event: ResponseStreamEvent = builder.event(chunk)
    number = event.sequence_number
    old = after is not None and isinstance(number, int) and number <= after
    return [] if old else [event]


class ResponseStreamManager(StreamManager[ResponseStream[R]], Generic[R]):
    """A stream that is asked for and not yet opened: `async with` it."""
