"""`chat.completions.stream(…)`, synchronous: the events of a streamed answer.

Says of no event what it means; sansio/events.py does.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from ..resources.chat_stream import ChatCompletionStream
from ..sansio.events import StreamEvent
from ..sansio.parsed import ParsedChatCompletion
from .background import background
from .event_stream import SyncEventStream, SyncStreamManager

__all__ = ["SyncChatCompletionStream", "SyncChatCompletionStreamManager"]

R = TypeVar("R")


class SyncChatCompletionStream(SyncEventStream[StreamEvent], Generic[R]):
    """The events of one answer: `for event in stream:`, then `get_final_completion()`."""

    _async: ChatCompletionStream[R]

    def get_final_completion(self) -> ParsedChatCompletion[R]:
        """Read on to the end and return the whole answer, with `message.parsed` as an object of
        the type asked for."""
        self.until_done()
        return background().run(self._async.get_final_completion())

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[R]:
        """The answer so far; `message.parsed` is what of the object is there."""
        return self._async.current_completion_snapshot


class SyncChatCompletionStreamManager(SyncStreamManager[SyncChatCompletionStream[R]], Generic[R]):
    """A stream that is asked for and not yet opened: `with` it."""

    _KIND = SyncChatCompletionStream
