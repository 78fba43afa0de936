"""`client.responses`, synchronous.

Reads nothing itself: a `SyncStream` does. Events are built in the thread that takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar, overload

from ..options import NotGiven, TimeoutLike, hide
from ..resources.input_items import InputItems
from ..resources.responses import Responses
from ..resources.responses_stream import ResponseStream
from ..sansio.responses import Response, ResponseItemList
from ..sansio.responses_events import ResponseStreamEvent
from ..sansio.responses_parsed import ParsedResponse
from .background import background, blocking, described_by
from .event_stream import SyncEventStream, SyncStreamManager
from .raw import SyncRawFaces, plain
from .stream import SyncStream

__all__ = ["SyncInputItems", "SyncResponseStream", "SyncResponseStreamManager", "SyncResponses"]

R = TypeVar("R")


class SyncResponses(SyncRawFaces[Response]):
    """`client.responses`"""

    def __init__(self, responses: Responses) -> None:
        self._async: Responses = responses

    @cached_property
    def input_items(self) -> SyncInputItems:
        return SyncInputItems(self._async.input_items)

    @overload
    def create(
        self,
        *,
        input: Any = ...,
        model: str | None = ...,
        stream: Literal[False] | NotGiven | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> Response: ...

    @overload
    def create(
        self,
        *,
        stream: Literal[True],
        input: Any = ...,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> SyncStream[ResponseStreamEvent, Response]: ...

    @described_by(Responses.create)
    def create(self, **params: Any) -> Any:
        hide(params)
        return plain(background().run(self._async.create(**params)))

    @overload
    def parse(self, *, text_format: type[R], **params: Any) -> ParsedResponse[R]: ...

    @overload
    def parse(self, *, text_format: Any = ..., **params: Any) -> ParsedResponse[Any]: ...

    @described_by(Responses.parse)
    def parse(self, **params: Any) -> Any:
        hide(params)
        return background().run(self._async.parse(**params))

    @overload
    def stream(self, *, text_format: type[R], **params: Any) -> SyncResponseStreamManager[R]: ...

    @overload
    def stream(
        self, *, text_format: Any = ..., **params: Any
    ) -> SyncResponseStreamManager[Any]: ...

    @described_by(Responses.stream)
    def stream(self, **params: Any) -> Any:
        hide(params)
        return SyncResponseStreamManager(self._async.stream(**params))

    @overload
    def retrieve(
        self,
        response_id: str,
        *,
        stream: Literal[False] | NotGiven | None = ...,
        include: Any = ...,
        **options: Any,
    ) -> Response: ...

    @overload
    def retrieve(
        self,
        response_id: str,
        *,
        stream: Literal[True],
        include: Any = ...,
        starting_after: Any = ...,
        **options: Any,
    ) -> SyncStream[ResponseStreamEvent, Response]: ...

    @described_by(Responses.retrieve)
    def retrieve(self, response_id: str, **options: Any) -> Any:
        hide(options)
        return plain(background().run(self._async.retrieve(response_id, **options)))

    cancel = blocking(Responses.cancel)  # type: ignore[arg-type]
    delete = blocking(Responses.delete)  # type: ignore[arg-type]


class SyncInputItems(SyncRawFaces[Any]):
    """`client.responses.input_items`"""

    def __init__(self, items: InputItems) -> None:
        self._async: InputItems = items

    @described_by(InputItems.list)
    def list(self, response_id: str, **options: Any) -> ResponseItemList:
        hide(options)

        async def listed() -> ResponseItemList:
            return await self._async.list(response_id, **options)

        return _turned(background().run(listed()))


def _turned(page: ResponseItemList) -> ResponseItemList:
    """A page whose following ones are not awaited."""
    following = page._turn
    page._turn = lambda page: _turned(background().run(following(page)))
    return page


class SyncResponseStream(SyncEventStream[ResponseStreamEvent], Generic[R]):
    """The events of one response: `for event in stream:`, then `get_final_response()`."""

    _async: ResponseStream[R]

    def get_final_response(self) -> ParsedResponse[R]:
        """Read on to the end and return the whole response, `output_parsed` as an object of the
        type asked for."""
        self.until_done()
        return self._async._final()


class SyncResponseStreamManager(SyncStreamManager[SyncResponseStream[R]], Generic[R]):
    """A stream that is asked for and not yet opened: `with` it."""

    _KIND = SyncResponseStream
