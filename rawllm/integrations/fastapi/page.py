"""`chat_page`: the page at `/`, one file that talks to /v1/chat/completions beside it.

Knows nothing of what is in the file.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

__all__ = ["chat_page"]

#: The page speaks to its own server and loads nothing from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def chat_page() -> APIRouter:
    """GET /: a page to chat with what openai_router serves."""
    content = files(__package__).joinpath("chat.html").read_bytes()

    async def page() -> HTMLResponse:
        return HTMLResponse(content, headers={"Content-Security-Policy": _POLICY})

    router = APIRouter()
    router.add_api_route("/", page, methods=["GET"], include_in_schema=False)
    return router
