"""`openai_router`: OpenAI's API for whoever speaks it, answered by the client.

Checks what it must to hand a request on; what a server makes of it, the server says.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ...sansio.types import Answer
from .refusals import Refusal
from .relay import cancel_on_disconnect, sse_response
from .route import GatewayRoute, passed_on

__all__ = ["openai_router"]

#: For the app's /openapi.json: any object, since servers take more than OpenAI documents.
_OBJECT = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def openai_router() -> APIRouter:
    """OpenAI's API: POST /v1/chat/completions (whole and streamed) and /v1/embeddings, GET
    /v1/models; and GET /healthz, which says that this process answers and nothing of upstream.

    A request goes upstream as it came, under the client's key, limits and retries; `model` is the
    client's where it names none. The answer's JSON comes back byte for byte.
    """
    router = APIRouter(route_class=GatewayRoute)
    for path, endpoint in (("chat/completions", chat_completions), ("embeddings", embeddings)):
        router.add_api_route(
            f"/v1/{path}", endpoint, methods=["POST"], response_model=None, openapi_extra=_OBJECT
        )
    router.add_api_route("/v1/models", models, methods=["GET"], response_model=None)
    health = APIRouter()
    health.add_api_route("/healthz", healthz, methods=["GET"], response_model=None)
    router.include_router(health)
    return router


async def chat_completions(request: Request) -> Response:
    """A chat completion, whole or streamed."""
    body = await _object(request)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages: a list with one message or more is needed")
    streamed = body.get("stream")
    if streamed not in (True, False, None):
        raise Refusal(400, "stream: true or false is needed")
    client = request.state.llm
    # The caller's body wins over all arguments: what it names like one of them is not one.
    options = {"model": None, "extra_body": body, "extra_headers": passed_on(request)}
    if not streamed:
        return await _whole(request, client.chat.completions.create(messages=messages, **options))
    if "stream_options" in body:
        opening = client.chat.completions.create(messages=messages, stream=True, **options)
    else:  # asks for usage, for the limits and the metrics, and keeps it from the caller
        opening = client.stream(messages, **options)
    return await sse_response(request, opening)


async def embeddings(request: Request) -> Response:
    """Embeddings of one text or of many."""
    body = await _object(request)
    given = body.get("input")
    if not isinstance(given, (str, list)) or not given:
        raise Refusal(400, "input: a text, or a list with one or more, is needed")
    options = {"model": None, "extra_body": body, "extra_headers": passed_on(request)}
    return await _whole(request, request.state.llm.embeddings.create(input=given, **options))


async def models(request: Request) -> Response:
    """The models of the server behind."""
    return await _whole(request, request.state.llm.models.list(extra_headers=passed_on(request)))


async def healthz() -> Response:
    """This process answers."""
    return JSONResponse({"status": "ok"})


async def _object(request: Request) -> dict[str, Any]:
    """The body, once `GatewayRoute` has seen that it says to be JSON."""
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"the body is no JSON object: {error}") from None


async def _whole(request: Request, asking: Awaitable[Answer]) -> Response:
    answer = await cancel_on_disconnect(request, asking)
    named = {"X-Request-Id": answer._request_id} if answer._request_id is not None else None
    return Response(answer._payload, headers=named, media_type="application/json")
