"""What all streams of events have, synchronous.

Reads nothing itself: a `SyncStream` does. Events are built in the thread that takes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from ..errors import ErrorResponse
from ..resources.event_stream import EventStream, StreamManager
from .background import background
from .stream import SyncStream

__all__ = ["SyncEventStream", "SyncStreamManager"]

E = TypeVar("E")
S = TypeVar("S", bound="SyncEventStream[Any]")


class SyncEventStream(Generic[E]):
    """The events of one answer: `for event in stream:`."""

    def __init__(self, stream: EventStream[E]) -> None:
        self._async = stream
        self._chunks = SyncStream(stream._chunks)

    def __iter__(self) -> Iterator[E]:
        return self

    def __next__(self) -> E:
        held = self._async._held
        while not held:
            held.extend(self._async._events(next(self._chunks)))
        return held.popleft()

    def until_done(self) -> Self:
        """Read on to the end, past all events."""
        for _ in self:
            pass
        return self

    @property
    def response(self) -> ErrorResponse:
        """The HTTP response's `status_code` and `headers`."""
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


class SyncStreamManager(Generic[S]):
    """A stream that is asked for and not yet opened: `with` it."""

    #: Of what it opens.
    _KIND: ClassVar[type[SyncEventStream[Any]]]

    def __init__(self, manager: StreamManager[Any]) -> None:
        self._async = manager
        self._stream: S | None = None

    def __enter__(self) -> S:
        opened: Any = self._KIND(background().run(self._async.__aenter__()))
        self._stream = opened
        return opened  # type: ignore[no-any-return]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._stream is not None
        self._stream.close()
