"""What all streams of events have: chunks in, events out, to the end or to `close`; their manager.

Says of no chunk what its events are: chat_stream.py and responses_stream.py do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ..errors import ErrorResponse
from ..stream import ChatStream

__all__ = ["EventStream", "StreamManager"]

E = TypeVar("E")
S = TypeVar("S", bound="EventStream[Any]")


class EventStream(Generic[E]):
    """The events of one answer: `async for event in stream:`."""

    def __init__(self, chunks: ChatStream[Any, Any], events: Callable[[Any], Iterable[E]]) -> None:
        """events: of one chunk."""
        self._chunks = chunks
        self._events = events
        self._held: deque[E] = deque()

    def __aiter__(self) -> AsyncIterator[E]:
        return self

    async def __anext__(self) -> E:
        while not self._held:
            self._held.extend(self._events(await anext(self._chunks)))
        return self._held.popleft()

    async def until_done(self) -> Self:
        """Read on to the end, past all events."""
        async for _ in self:
            pass
        return self

    @property
    def response(self) -> ErrorResponse:
        """The HTTP response's `status_code` and `headers`."""
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


class StreamManager(Generic[S]):
    """A stream that is asked for and not yet opened: `async with` it."""

    def __init__(self, opening: Callable[[], Awaitable[S]]) -> None:
        self._opening = opening
        self._stream: S | None = None

    async def __aenter__(self) -> S:
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
