"""`with_raw_response` and `with_streaming_response`: a call's HTTP response beside its answer.

Sends and decodes nothing of its own: the resource's method runs as ever, over a twin of the client
that shows what passes between a response and its reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from copy import copy as copied
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ..net.attempt import Attempt
from ..net.call import Call
from ..net.endpoint import Endpoint
from ..net.exchange import exchange
from ..options import hide
from .raw_body import AsyncAPIResponse, give_up
from .raw_response import RawResponse

__all__ = ["ResponseManager", "WithRawResponse", "WithStreamingResponse"]

T = TypeVar("T")

Consume = Callable[[Attempt], Awaitable[Any]]


class WithRawResponse(Generic[T]):
    """A resource's methods, each of which gives a `RawResponse`. T: what its `create` answers."""

    def __init__(self, resource: Any, *methods: str) -> None:
        self._resource = resource
        self._methods = methods

    if TYPE_CHECKING:

        @overload
        async def create(self, *, stream: Literal[True], **params: Any) -> RawResponse[Any]: ...

        @overload
        async def create(self, **params: Any) -> RawResponse[T]: ...

        async def create(self, **params: Any) -> RawResponse[Any]: ...

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, RawResponse[Any]]]:
        _check(self._resource, self._methods, name)

        async def call(*args: Any, **params: Any) -> RawResponse[Any]:
            hide(params)
            seen: list[Any] = []

            async def watched(endpoint: Endpoint, call: Call, consume: Consume) -> Any:
                async def consumed(attempt: Attempt) -> Any:
                    whole = await consume(attempt)
                    seen[:] = attempt, whole  # of a repaired answer, the last one
                    return whole

                return await exchange(endpoint, call, consumed)

            result = await _over(watched, self._resource, name, args, params)
            attempt, whole = seen
            return RawResponse(attempt, whole, result)

        return call


class WithStreamingResponse(Generic[T]):
    """A resource's methods, each of which gives a `ResponseManager`. T: what its `create`
    answers."""

    def __init__(self, resource: Any, *methods: str) -> None:
        self._resource = resource
        self._methods = methods

    if TYPE_CHECKING:

        @overload
        def create(self, *, stream: Literal[True], **params: Any) -> ResponseManager[Any]: ...

        @overload
        def create(self, **params: Any) -> ResponseManager[T]: ...

        def create(self, **params: Any) -> ResponseManager[Any]: ...

    def __getattr__(self, name: str) -> Callable[..., ResponseManager[Any]]:
        _check(self._resource, self._methods, name)

        def call(*args: Any, **params: Any) -> ResponseManager[Any]:
            hide(params)
            return ResponseManager(
                lambda watched: _over(watched, self._resource, name, args, params)
            )

        return call


def _check(resource: Any, methods: tuple[str, ...], name: str) -> None:
    if name not in methods:
        raise AttributeError(f"{type(resource).__name__} gives no raw response of {name!r}")


async def _over(
    watched: Callable[[Endpoint, Call, Consume], Awaitable[Any]],
    resource: Any,
    name: str,
    args: tuple[Any, ...],
    params: dict[str, Any],
) -> Any:
    """The resource's method, with its exchange watched."""
    client = resource._client
    twin = object.__new__(type(client))
    twin.__dict__.update(client.__dict__)
    twin._exchange = watched
    twin._default_model = client._default_model  # to look a model up is another call
    own = copied(resource)
    own._client = twin
    return await getattr(own, name)(*args, **params)


class ResponseManager(Generic[T]):
    """A call that is asked for and not yet sent: `async with` it."""

    def __init__(self, start: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
        self._start = start
        self._response: AsyncAPIResponse[T] | None = None

    async def __aenter__(self) -> AsyncAPIResponse[T]:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Attempt] = loop.create_future()
        wanted: asyncio.Future[None] = loop.create_future()

        async def parked(endpoint: Endpoint, call: Call, consume: Consume) -> Any:
            if opened.done():  # an answer that was of no use, and is asked for again
                return await exchange(endpoint, call, consume)
            attempt = await exchange(endpoint, call, _unread)
            opened.set_result(attempt)
            try:
                await wanted
                return await consume(attempt)
            except BaseException as error:
                give_up(attempt, error)
                raise

        # A task, since the method waits in its midst until somebody wants its answer.
        task = loop.create_task(self._start(parked))
        try:
            await asyncio.wait([opened, task], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            task.cancel()
            await asyncio.wait([task])
            raise
        if not opened.done():
            opened.cancel()
            await task  # raises
        self._response = AsyncAPIResponse(opened.result(), wanted, task)
        return self._response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._response is not None
        await self._response.close()


async def _unread(attempt: Attempt) -> Attempt:
    return attempt
