"""A client behind FastAPI: `lifespan`, `openai_router`, `generate_router`, `sse_response`.

Needs fastapi (`pip install 'rawllm[fastapi]'`). Starts no server; `rawllm serve --upstream` does.
"""

from __future__ import annotations

try:
    import fastapi as fastapi
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "rawllm.integrations.fastapi needs fastapi: pip install 'rawllm[fastapi]'",
        name="fastapi",
    ) from error

from .app import gateway, metrics_router
from .generate import GenerateRequest, generate_router
from .openai import openai_router
from .page import chat_page
from .relay import cancel_on_disconnect, sse_response
from .route import install_error_handlers
from .state import LLM, get_client, lifespan

__all__ = [
    "LLM",
    "GenerateRequest",
    "cancel_on_disconnect",
    "chat_page",
    "gateway",
    "generate_router",
    "get_client",
    "install_error_handlers",
    "lifespan",
    "metrics_router",
    "openai_router",
    "sse_response",
]
