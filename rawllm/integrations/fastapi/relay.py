"""A stream from upstream as the response to a caller, and an end to work whose caller has gone.

The JSON of a chunk passes through as it came: it is looked at, since a stream that breaks off must
not end like a whole one, and never built anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ...errors import RawLLMError
from ...stream import ChatStream
from .refusals import told

__all__ = ["cancel_on_disconnect", "sse_response"]

T = TypeVar("T")

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold tokens back
}

#: Seconds for which a caller may leave a piece untaken: nginx's send_timeout.
PATIENCE = 60.0

DONE = b"data: [DONE]\n\n"


async def cancel_on_disconnect(request: Request, work: Awaitable[T]) -> T:
    """The result of `work` (an awaitable: `llm.complete(…)`), which is cancelled when the caller
    goes away, and with it what runs upstream. Raises Starlette's ClientDisconnect then.

    Have the request's body read before: what still comes of it is dropped.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait([task, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        leaving.cancel()
        task.cancel()
        await asyncio.wait([task, leaving])


async def sse_response(
    request: Request, stream: ChatStream[Any, Any] | Awaitable[ChatStream[Any, Any]]
) -> Response:
    """A response that streams an answer as OpenAI's servers do, for an endpoint to return:
    `return await sse_response(request, llm.stream(prompt))`.

    The answer's first output is awaited before the response begins, so that an error until then is
    raised and has a status of its own. An error after it is an event, `data: {"error": …}`, and no
    [DONE] follows. A caller who leaves ends what runs upstream, before the first output too.
    """
    if not isinstance(stream, ChatStream):
        stream = await cancel_on_disconnect(request, stream)
    return _Relay(stream)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Relay(Response):
    """Not Starlette's StreamingResponse: where the server announces ASGI 2.4, that one notices who
    has left only when it sends, and a silent upstream would run on."""

    def __init__(self, stream: ChatStream[Any, Any]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        if stream._request_id is not None:
            self.headers["X-Request-Id"] = stream._request_id
        self._stream = stream
        self._sending: float | None = None  # loop time since which a piece waits to be taken
        self._stuck = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream, now = self._stream, asyncio.get_running_loop().time
        sending = asyncio.current_task()
        assert sending is not None
        watching = asyncio.ensure_future(self._watch(receive, sending))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            last = DONE
            try:
                # What has come goes out in one piece. `async for` would hand out each chunk alone,
                # and a piece costs several times what its chunks do.
                while stream._held or await stream._fill():
                    piece = b"".join([_event(chunk._payload) for chunk in stream._held])
                    stream._held.clear()
                    self._sending = now()
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    self._sending = None
            except RawLLMError as error:
                last = _event(msgspec.json.encode(told(error).body))
            await send({"type": "http.response.body", "body": last})
        except asyncio.CancelledError:
            if not self._stuck or sending.uncancel():
                raise  # by somebody else
        finally:
            watching.cancel()
            await stream.close()
        if self.background is not None:
            await self.background()

    async def _watch(self, receive: Receive, sending: asyncio.Task[Any]) -> None:
        """End the stream when the caller has gone, or takes nothing any more: a timer for each
        piece would cost more than the piece."""
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            while not leaving.done():
                await asyncio.wait([leaving], timeout=PATIENCE / 2)
                since = self._sending
                if since is not None and asyncio.get_running_loop().time() - since >= PATIENCE:
                    self._stuck = sending.cancel()
                    return
        finally:
            leaving.cancel()
        await self._stream.close()  # whoever reads it is woken with an error


def _event(payload: bytes) -> bytes:
    if b"\n" in payload:  # JSON over several lines
        payload = payload.replace(b"\n", b"\ndata: ")
    return b"data: %b\n\n" % payload
