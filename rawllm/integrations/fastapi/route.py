"""The route that rawllm's endpoints have in common: key, places, type and size of the body, errors.

Knows no path and asks nothing of the client.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from ...errors import RawLLMError
from .refusals import Refusal, told
from .state import gateway_of
from .tracing import callers_trace

__all__ = ["GatewayRoute", "install_error_handlers", "passed_on"]

#: nginx's status for a caller who left: nobody reads it but logs.
GONE = 499

#: What is taken for a caller's own id; it goes into upstream's log.
REQUEST_ID = re.compile(r"[!-~]{1,200}")

VISIBLE = re.compile(r"[ -~]+")

#: Bytes read of a body that is of no interest, and for how many seconds.
DISCARD = 16 * 1024 * 1024
DISCARD_SECONDS = 5.0

#: Seconds between two pieces of a body: nginx's client_body_timeout.
PATIENCE = 60.0

#: What of a request's headers goes on upstream. Never Authorization, cookies, or what concerns one
#: connection only.
TRACING = ("traceparent", "tracestate")


class GatewayRoute(APIRoute):
    """A route behind the gateway's limits, whose errors are OpenAI's error objects."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        gateway = gateway_of(scope)
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = uuid4().hex
        scope["state"]["request_id"] = request_id
        body = _Body(receive)
        started = False

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("x-request-id", request_id)
            await send(message)

        try:
            gateway.admit(headers)
            if scope["method"] == "POST":
                _only_json(headers)
            with gateway.place(), callers_trace(headers):
                await body.read(headers, gateway.max_body)
                await super().handle(scope, body, marked)
        except (Refusal, RawLLMError, ClientDisconnect) as error:
            if started:
                raise
            if "expect" not in headers:  # who waits to be asked for a body sends none
                with suppress(ClientDisconnect, TimeoutError):
                    await body.discard()
            await _answer(error)(scope, receive, marked)


def install_error_handlers(app: FastAPI) -> None:
    """Answer rawllm's errors in endpoints of your own as rawllm's routers do: a 429 stays a 429
    with its Retry-After, a refused key becomes 502, a timeout 504. Otherwise all are 500."""

    async def handler(request: Request, error: Exception) -> Response:
        return _answer(error)

    app.add_exception_handler(RawLLMError, handler)
    app.add_exception_handler(ClientDisconnect, handler)


def passed_on(request: Request) -> dict[str, str]:
    """The headers that go upstream with the caller's request."""
    given = {name: request.headers.get(name, "") for name in TRACING}
    headers = {name: value for name, value in given.items() if VISIBLE.fullmatch(value)}
    headers["X-Request-Id"] = request.state.request_id
    if gateway_of(request.scope).forward_authorization and "authorization" in request.headers:
        headers["Authorization"] = request.headers["authorization"]
    return headers


def _only_json(headers: Headers) -> None:
    """A form's content type, which `fetch` on any web page may send to any address without asking,
    could spend the key of a gateway on this machine."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "the body must be JSON, with Content-Type: application/json")


def _answer(error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        return Response(status_code=GONE)
    status, headers, body = told(error)
    return JSONResponse(body, status, headers)


class _Body:
    """A request's body, read before anybody asks for it; then the `receive` of who does."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True
        self._whole: bytes | None = None

    async def read(self, headers: Headers, most: int) -> None:
        """Raises a Refusal above `most` bytes or where nothing comes for PATIENCE seconds,
        ClientDisconnect where the caller leaves."""
        too_large = Refusal(413, f"the body is larger than {most} bytes")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_large
        body = bytearray()
        while self._more:
            try:
                async with asyncio.timeout(PATIENCE):
                    body += await self._piece()
            except TimeoutError:
                raise Refusal(408, "the body did not come in time") from None
            if len(body) > most:
                raise too_large
        self._whole = bytes(body)

    async def discard(self) -> None:
        """Read what is left of it. A connection that is closed with bytes unread is reset, and the
        caller may never see the answer. TimeoutError where it does not come."""
        left = DISCARD
        async with asyncio.timeout(DISCARD_SECONDS):
            while self._more and left > 0:
                left -= len(await self._piece())

    async def _piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._more = False
            raise ClientDisconnect
        self._more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def __call__(self) -> Message:
        whole, self._whole = self._whole, None
        if whole is None:
            return await self._receive()
        return {"type": "http.request", "body": whole, "more_body": False}
