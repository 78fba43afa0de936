"""`with_raw_response` and `with_streaming_response`, synchronous.

Reads nothing itself: where the asynchronous response awaits, this waits for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ..options import hide
from ..resources.faces import RawFaces
from ..resources.raw import ResponseManager, WithRawResponse, WithStreamingResponse
from ..resources.raw_body import AsyncAPIResponse
from ..resources.raw_response import RawResponse
from ..stream import ChatStream
from .background import background, blocking, described_by
from .stream import SyncStream

__all__ = [
    "APIResponse",
    "SyncRawFaces",
    "SyncResponseManager",
    "SyncWithRawResponse",
    "SyncWithStreamingResponse",
    "plain",
]

T = TypeVar("T")


def plain(answer: Any) -> Any:
    """A stream as one that is not awaited; anything else as it is."""
    return SyncStream(answer) if isinstance(answer, ChatStream) else answer


class SyncRawFaces(Generic[T]):
    """A resource whose methods also give their responses. T: what its `create` answers."""

    _async: RawFaces[T]

    @property
    def with_raw_response(self) -> SyncWithRawResponse[T]:
        """The same methods, each giving a `RawResponse`."""
        return SyncWithRawResponse(self._async.with_raw_response)

    @property
    def with_streaming_response(self) -> SyncWithStreamingResponse[T]:
        """The same methods, each giving a `SyncResponseManager`: `with` it."""
        return SyncWithStreamingResponse(self._async.with_streaming_response)


class SyncWithRawResponse(Generic[T]):
    """A resource's methods, each of which gives a `RawResponse`. T: what its `create` answers."""

    def __init__(self, raw: WithRawResponse[T]) -> None:
        self._async = raw

    if TYPE_CHECKING:

        @overload
        def create(self, *, stream: Literal[True], **params: Any) -> RawResponse[Any]: ...

        @overload
        def create(self, **params: Any) -> RawResponse[T]: ...

        def create(self, **params: Any) -> RawResponse[Any]: ...

    def __getattr__(self, name: str) -> Callable[..., RawResponse[Any]]:
        method = getattr(self._async, name)

        def call(*args: Any, **params: Any) -> RawResponse[Any]:
            hide(params)
            response: RawResponse[Any] = background().run(method(*args, **params))
            response._result = plain(response._result)
            return response

        return call


class SyncWithStreamingResponse(Generic[T]):
    """A resource's methods, each of which gives a `SyncResponseManager`. T: what its `create`
    answers."""

    def __init__(self, streaming: WithStreamingResponse[T]) -> None:
        self._async = streaming

    if TYPE_CHECKING:

        @overload
        def create(self, *, stream: Literal[True], **params: Any) -> SyncResponseManager[Any]: ...

        @overload
        def create(self, **params: Any) -> SyncResponseManager[T]: ...

        def create(self, **params: Any) -> SyncResponseManager[Any]: ...

    def __getattr__(self, name: str) -> Callable[..., SyncResponseManager[Any]]:
        method = getattr(self._async, name)

        def call(*args: Any, **params: Any) -> SyncResponseManager[Any]:
            hide(params)
            return SyncResponseManager(method(*args, **params))

        return call


class SyncResponseManager(Generic[T]):
    """A call that is asked for and not yet sent: `with` it."""

    def __init__(self, manager: ResponseManager[T]) -> None:
        self._async = manager

    def __enter__(self) -> APIResponse[T]:
        return APIResponse(background().run(self._async.__aenter__()))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        background().run(self._async.__aexit__(kind, error, traceback))


class APIResponse(Generic[T]):
    """A response whose body is unread, as `AsyncAPIResponse`."""

    def __init__(self, response: AsyncAPIResponse[T]) -> None:
        self._async = response
        self._parsed: Any = None
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.url: str = response.url
        self.method: str = response.method
        self.request_id: str | None = response.request_id
        self.retries_taken: int = response.retries_taken

    @described_by(AsyncAPIResponse.parse)
    def parse(self) -> T:
        if self._parsed is None:
            self._parsed = plain(background().run(self._async.parse()))
        parsed: T = self._parsed
        return parsed

    read = blocking(AsyncAPIResponse.read)
    text = blocking(AsyncAPIResponse.text)
    json = blocking(AsyncAPIResponse.json)
    close = blocking(AsyncAPIResponse.close)

    @described_by(AsyncAPIResponse.iter_bytes)
    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        return _iterated(self._async.iter_bytes(chunk_size))

    @described_by(AsyncAPIResponse.iter_text)
    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        return _iterated(self._async.iter_text(chunk_size))

    @described_by(AsyncAPIResponse.iter_lines)
    def iter_lines(self) -> Iterator[str]:
        return _iterated(self._async.iter_lines())

    @property
    def is_closed(self) -> bool:
        return self._async.is_closed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}]>"


_END = object()


def _iterated(pieces: AsyncGenerator[T, None]) -> Iterator[T]:
    async def following() -> Any:
        return await anext(pieces, _END)

    while (piece := background().run(following())) is not _END:
        yield piece
