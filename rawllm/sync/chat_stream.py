"""`chat.completions.stream(…)`, synchronous: the events of a streamed answer.

Reads nothing itself: a `SyncStream` does. Events are built in the thread that takes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..errors import ErrorResponse
from ..resources.chat_stream import ChatCompletionStream, ChatCompletionStreamManager
from ..sansio.events import StreamEvent
from ..sansio.parsed import ParsedChatCompletion
from .background import background
from .stream import SyncStream

__all__ = ["SyncChatCompletionStream", "SyncChatCompletionStreamManager"]

R = TypeVar("R")


class SyncChatCompletionStream(Generic[R]):
    """The events of one answer: `for event in stream:`, then `get_final_completion()`."""

    def __init__(self, stream: ChatCompletionStream[R]) -> None:
        self._async = stream
        self._chunks = SyncStream(stream._chunks)

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        held = self._async._held
        while not held:
            held.extend(self._async._builder.events(next(self._chunks)))
        return held.popleft()

    def until_done(self) -> Self:
        """Read on to the end, past all events."""
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> ParsedChatCompletion[R]:
        """Read on to the end and return the whole answer, with `message.parsed` as an object of
        the type asked for."""
        self.until_done()
        return background().run(self._async.get_final_completion())

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[R]:
        """The answer so far; `message.parsed` is what of the object is there."""
        return self._async.current_completion_snapshot

    @property
    def response(self) -> ErrorResponse:
        """The response's `status_code` and `headers`."""
        return self._async.response

    def close(self) -> None:
        """End it here: the connection is closed, which aborts the work upstream."""
        self._chunks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class SyncChatCompletionStreamManager(Generic[R]):
    """A stream that is asked for and not yet opened: `with` it."""

    def __init__(self, manager: ChatCompletionStreamManager[R]) -> None:
        self._async = manager
        self._stream: SyncChatCompletionStream[R] | None = None

    def __enter__(self) -> SyncChatCompletionStream[R]:
        self._stream = SyncChatCompletionStream(background().run(self._async.__aenter__()))
        return self._stream

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._stream is not None
        self._stream.close()
