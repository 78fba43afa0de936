"""SyncStream: a streamed answer as a plain iterator, a context manager and a result.

Reads nothing itself: where `ChatStream` awaits its next piece, this waits for it. Chunks that are
there already are handed out without asking the loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from ..errors import ErrorResponse
from ..sansio.types import Payload, Timing
from ..stream import ChatStream
from .background import background

__all__ = ["Stream", "SyncStream"]

C = TypeVar("C", bound=Payload)  # the chunk
R = TypeVar("R", bound=Payload)  # the whole answer


class Stream(Generic[C]):
    """The name, and the one parameter, under which code written for openai-python knows a stream:
    `Stream[ChatCompletionChunk]`. It is a `SyncStream`."""

    if TYPE_CHECKING:

        @property
        def response(self) -> ErrorResponse: ...
        def __iter__(self) -> Iterator[C]: ...
        def __next__(self) -> C: ...
        def close(self) -> None: ...
        def __enter__(self) -> Self: ...
        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...


class SyncStream(Stream[C], Generic[C, R]):
    """A streamed answer, opened: its first output has arrived.

    Iterating gives the chunks as the server sent them. Leaving the loop closes it, but within
    `with stream:`, where the rest may still be wanted; so does dropping it.
    """

    def __init__(self, stream: ChatStream[C, R]) -> None:
        self._stream = stream
        self._in_with = False

    def __iter__(self) -> Iterator[C]:
        # A generator that nothing but the loop holds: leaving the loop ends it, and so the stream.
        return self._chunks()

    def _chunks(self) -> Iterator[C]:
        try:
            while self._more():
                yield self._stream._held.popleft()
        finally:
            if not self._in_with:
                self._drop()

    def __next__(self) -> C:
        if self._more():
            return self._stream._held.popleft()
        raise StopIteration

    def _more(self) -> bool:
        # The loop adds to what is held only while somebody waits in _fill().
        return bool(self._stream._held) or background().run(self._stream._fill())

    def _drop(self) -> None:
        """Close it without waiting: the collector may call, in any thread."""
        attempt = self._stream._attempt
        if not attempt.ended:
            with suppress(RuntimeError):  # the loop is closed, and its connections with it
                attempt.call.clock.loop.call_soon_threadsafe(self._stream._abort)

    @property
    def completion(self) -> R:
        """What has accumulated so far; after the end, the whole answer."""
        return self._stream.completion

    @property
    def timing(self) -> Timing | None:
        """Where the time went, None before the end."""
        return self._stream.timing

    @property
    def done_seen(self) -> bool:
        """Whether `[DONE]` came; a complete stream may lack it."""
        return self._stream.done_seen

    @property
    def response(self) -> ErrorResponse:
        """The response's `status_code` and `headers`."""
        return self._stream.response

    def result(self) -> R:
        """Read on to the end and return the whole answer. Raises IncompleteStreamError where the
        stream was left or closed before."""
        return background().run(self._stream.result())

    def close(self) -> None:
        """End it here: the connection is closed, which aborts the work upstream."""
        if not self._stream._attempt.ended:
            background().run(self._stream.close())

    def __enter__(self) -> Self:
        self._in_with = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._in_with = False
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._stream._lifecycle.state.value}>"
