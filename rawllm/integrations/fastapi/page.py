"""`chat_page`: the page at `/`, one file that talks to /v1/chat/completions beside it.

Knows nothing of what is in the file.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

__all__ = ["chat_page"]

#: The page has a policy of its own, which a header could only add to: frames are what a page cannot
#: forbid by itself. no-cache: another version of the gateway has another page.
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def chat_page() -> APIRouter:
    """GET /: a page to chat with what openai_router serves."""
    content = files(__package__).joinpath("chat.html").read_bytes()

    async def page() -> HTMLResponse:
        return HTMLResponse(content, headers=HEADERS)

    router = APIRouter()
    router.add_api_route("/", page, methods=["GET"], include_in_schema=False)
    return router
