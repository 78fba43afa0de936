"""`chat.completions.stream(…)`: the events of a streamed answer, as openai-python gives them.

Says of no chunk what it means; sansio/events.py does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from ..sansio.events import EventBuilder, StreamEvent
from ..sansio.parsed import ParsedChatCompletion, Reader, parsed_completion
from ..sansio.schema import Form
from ..sansio.types import ChatCompletion, ChatCompletionChunk
from ..stream import ChatStream
from .event_stream import EventStream, StreamManager

__all__ = ["ChatCompletionStream", "ChatCompletionStreamManager"]

R = TypeVar("R")

Chunks = ChatStream[ChatCompletionChunk, ChatCompletion]


class ChatCompletionStream(EventStream[StreamEvent], Generic[R]):
    """The events of one answer: `async for event in stream:`, then `get_final_completion()`.

    Raises in the loop, besides a stream's errors and where a type or tools to be read were asked
    for: LengthFinishReasonError, ContentFilterFinishReasonError and StructuredOutputError.
    """

    def __init__(self, chunks: Chunks, form: Form | None, tools: Mapping[str, Reader]) -> None:
        self._form = form
        self._tools = tools
        self._builder = EventBuilder(form, tools)
        super().__init__(chunks, self._builder.events)

    async def get_final_completion(self) -> ParsedChatCompletion[R]:
        """Read on to the end and return the whole answer, with `message.parsed` as an object of
        the type asked for."""
        await self.until_done()
        return parsed_completion(self._chunks.completion, self._form, self._tools)

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[R]:
        """The answer so far; `message.parsed` is what of the object is there."""
        return self._builder.snapshot()


class ChatCompletionStreamManager(StreamManager[ChatCompletionStream[R]], Generic[R]):
    """A stream that is asked for and not yet opened: `async with` it."""
