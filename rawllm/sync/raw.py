"""`with_raw_response` and `with_streaming_response`, synchronous.

Reads nothing itself: where the asynchronous response awaits, this waits for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from ..options import hide
from ..resources.raw import (
    AsyncAPIResponse,
    RawResponse,
    ResponseManager,
    WithRawResponse,
    WithStreamingResponse,
)
from ..stream import ChatStream
from .background import background, blocking, described_by
from .stream import SyncStream

__all__ = [
    "APIResponse",
    "SyncResponseManager",
    "SyncWithRawResponse",
    "SyncWithStreamingResponse",
    "plain",
]

T = TypeVar("T")


def plain(answer: Any) -> Any:
    """A stream as one that is not awaited; anything else as it is."""
    return SyncStream(answer) if isinstance(answer, ChatStream) else answer


class SyncWithRawResponse:
    """A resource's methods, each of which gives a `RawResponse`."""

    def __init__(self, raw: WithRawResponse) -> None:
        self._async = raw

    def __getattr__(self, name: str) -> Callable[..., RawResponse]:
        method = getattr(self._async, name)

        def call(*args: Any, **params: Any) -> RawResponse:
            hide(params)
            response: RawResponse = background().run(method(*args, **params))
            response._result = plain(response._result)
            return response

        return call


class SyncWithStreamingResponse:
    """A resource's methods, each of which gives a `SyncResponseManager`."""

    def __init__(self, streaming: WithStreamingResponse) -> None:
        self._async = streaming

    def __getattr__(self, name: str) -> Callable[..., SyncResponseManager]:
        method = getattr(self._async, name)

        def call(*args: Any, **params: Any) -> SyncResponseManager:
            hide(params)
            return SyncResponseManager(method(*args, **params))

        return call


class SyncResponseManager:
    """A call that is asked for and not yet sent: `with` it."""

    def __init__(self, manager: ResponseManager) -> None:
        self._async = manager

    def __enter__(self) -> APIResponse:
        return APIResponse(background().run(self._async.__aenter__()))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        background().run(self._async.__aexit__(kind, error, traceback))


class APIResponse:
    """A response whose body is unread, as `AsyncAPIResponse`."""

    def __init__(self, response: AsyncAPIResponse) -> None:
        self._async = response
        self._parsed: Any = None
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.url: str = response.url
        self.method: str = response.method
        self.request_id: str | None = response.request_id
        self.retries_taken: int = response.retries_taken

    @described_by(AsyncAPIResponse.parse)
    def parse(self) -> Any:
        if self._parsed is None:
            self._parsed = plain(background().run(self._async.parse()))
        return self._parsed

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
