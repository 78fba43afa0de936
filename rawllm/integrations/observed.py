"""What an event says in the words of metrics: operation, server, seconds a token.

Knows no library that collects them; otel.py and prometheus.py do.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from ..hooks import CallFinished

__all__ = ["Place", "place_of", "seconds_a_token"]

#: The ends of an endpoint's path, and OpenTelemetry's names for what is done there.
OPERATIONS = {
    "/chat/completions": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}


class Place(NamedTuple):
    """operation: "chat", "text_completion", "embeddings", or "other", where no model works.
    host, port: of the server."""

    operation: str
    host: str
    port: int


@lru_cache(maxsize=256)
def place_of(endpoint: str) -> Place:
    """endpoint: an event's, a URL."""
    url = urlsplit(endpoint)
    operation = next((name for end, name in OPERATIONS.items() if url.path.endswith(end)), "other")
    port = url.port or (443 if url.scheme == "https" else 80)
    return Place(operation, url.hostname or "", port)


def seconds_a_token(event: CallFinished) -> float | None:
    """The mean time between a stream's tokens after the first, or None where it cannot be said: no
    stream, no usage, or a single token. A reader slower than the server counts too."""
    tokens = event.completion_tokens
    if not event.stream or event.first_token is None or tokens is None or tokens < 2:
        return None
    return max(event.total - event.queued - event.first_token, 0.0) / (tokens - 1)
