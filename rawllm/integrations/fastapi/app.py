"""`gateway`: the app that `rawllm serve --upstream` runs, of all the parts.

Listens on nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from ... import __version__
from ...client import Client
from .generate import generate_router
from .openai import openai_router
from .page import chat_page
from .route import GatewayRoute, install_error_handlers
from .state import lifespan

__all__ = ["gateway", "metrics_router"]


def gateway(client: Client | Callable[[], Client], **options: Any) -> FastAPI:
    """An app with all routes: OpenAI's API, /generate, the chat page at / and, where
    prometheus-client is installed, /metrics (give the client a `PrometheusHooks`).

    options: arguments of `lifespan`. FastAPI's own pages of documentation are left out, since they
    load scripts from elsewhere; /openapi.json is there.
    """
    app = FastAPI(
        title="rawllm",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan(client, **options),
    )
    for router in (openai_router(), generate_router(), chat_page()):
        app.include_router(router)
    if find_spec("prometheus_client") is not None:
        app.include_router(metrics_router())
    install_error_handlers(app)
    return app


def metrics_router() -> APIRouter:
    """GET /metrics: prometheus-client's registry, for a scrape. Needs `rawllm[prometheus]`."""
    from ..prometheus import render

    async def metrics(request: Request) -> Response:
        body, kind = render(accept=request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": kind})

    router = APIRouter(route_class=GatewayRoute)
    router.add_api_route("/metrics", metrics, methods=["GET"], include_in_schema=False)
    return router
