"""`generate_router`: POST /generate, a prompt in and its answer out.

The least that a service of one's own needs; whatever speaks OpenAI's API takes openai_router.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Self

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .relay import cancel_on_disconnect
from .route import GatewayRoute, passed_on

__all__ = ["GenerateRequest", "generate_router"]

OnComplete = Callable[["GenerateRequest", Any], Any]


class GenerateRequest(BaseModel):
    """The body of POST /generate.

    prompt: str. system: str that comes before it. model: str, the client's where it is missing.
    Whatever else it holds is an argument for the server: `max_tokens`, `temperature`, `top_k`, …
    """

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    prompt: str = Field(min_length=1)
    system: str | None = None
    model: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.prompt.strip():
            raise ValueError("the prompt is empty")
        more = self.model_extra or {}
        if "messages" in more:
            raise ValueError("takes a prompt; messages are for /v1/chat/completions")
        if more.get("stream"):
            raise ValueError("gives whole answers; /v1/chat/completions streams them")
        return self


def generate_router(*, on_complete: OnComplete | None = None) -> APIRouter:
    """POST /generate: `{"prompt": "…"}` → `{"id", "text", "model", "finish_reason", "usage"}`. A
    body that does not fit is answered 422.

    on_complete: sync or async, called as `on_complete(request, completion)` with the
        `GenerateRequest` and the `ChatCompletion` when the answer has been sent. It runs in this
        process, as FastAPI's background tasks do, and is lost with it: for what must not be lost
        use a queue.
    """
    router = APIRouter(route_class=_Route)

    async def generate(
        request: Request, asked: GenerateRequest, background: BackgroundTasks
    ) -> dict[str, Any]:
        """The answer to a prompt."""
        completion = await cancel_on_disconnect(
            request,
            request.state.llm.complete(
                asked.prompt,
                system=asked.system,
                model=asked.model,
                extra_body=asked.model_extra,
                extra_headers=passed_on(request),
            ),
        )
        if on_complete is not None:
            background.add_task(on_complete, asked, completion)
        return {
            "id": completion.id,
            "text": completion.text,
            "model": completion.model,
            "finish_reason": completion.choices[0].finish_reason,
            "usage": None if completion.usage is None else completion.usage.to_dict(),
        }

    router.add_api_route("/generate", generate, methods=["POST"], response_model=None)
    return router


class _Route(GatewayRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                # Without what was sent: that may be a NaN or half a surrogate pair, of which no
                # answer can be made.
                kept = ("type", "loc", "msg")
                raise RequestValidationError(
                    [{name: found[name] for name in kept} for found in error.errors()]
                ) from None

        return handled
