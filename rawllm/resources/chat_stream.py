"""`chat.completions.stream(…)`: the events of a streamed answer, as openai-python gives them.

Says of no chunk what it means; sansio/events.py does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..errors import ErrorResponse
from ..sansio.events import EventBuilder, StreamEvent
from ..sansio.parsed import ParsedChatCompletion, Reader, parsed_completion
from ..sansio.schema import Form
from ..sansio.types import ChatCompletion, ChatCompletionChunk
from ..stream import ChatStream

__all__ = ["ChatCompletionStream", "ChatCompletionStreamManager"]

R = TypeVar("R")

Chunks = ChatStream[ChatCompletionChunk, ChatCompletion]


class ChatCompletionStream(Generic[R]):
    """The events of one answer: `async for event in stream:`, then `get_final_completion()`.

    Raises in the loop, besides a stream's errors and where a type or tools to be read were asked
    for: LengthFinishReasonError, ContentFilterFinishReasonError and StructuredOutputError.
    """

    def __init__(self, chunks: Chunks, form: Form | None, tools: Mapping[str, Reader]) -> None:
        self._chunks = chunks
        self._form = form
        self._tools = tools
        self._builder = EventBuilder(form, tools)
        self._held: deque[StreamEvent] = deque()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        while not self._held:
            self._held.extend(self._builder.events(await anext(self._chunks)))
        return self._held.popleft()

    async def until_done(self) -> Self:
        """Read on to the end, past all events."""
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> ParsedChatCompletion[R]:
        """Read on to the end and return the whole answer, with `message.parsed` as an object of
        the type asked for."""
        await self.until_done()
        return parsed_completion(self._chunks.completion, self._form, self._tools)

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[R]:
        """The answer so far; `message.parsed` is what of the object is there."""
        return self._builder.snapshot()

    @property
    def response(self) -> ErrorResponse:
        """The response's `status_code` and `headers`."""
        return self._chunks.response

    async def close(self) -> None:
        """End it here: the connection is closed, which aborts the work upstream."""
        await self._chunks.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class ChatCompletionStreamManager(Generic[R]):
    """A stream that is asked for and not yet opened: `async with` it."""

    def __init__(self, opening: Callable[[], Awaitable[ChatCompletionStream[R]]]) -> None:
        self._opening = opening
        self._stream: ChatCompletionStream[R] | None = None

    async def __aenter__(self) -> ChatCompletionStream[R]:
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
