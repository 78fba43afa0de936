"""`client.embeddings`: vectors for texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..options import NOT_GIVEN, TimeoutLike, hidden
from ..sansio.types import CreateEmbeddingResponse

if TYPE_CHECKING:
    from ..client import Client

__all__ = ["Embeddings"]


class Embeddings:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(
        self,
        *,
        input: Any,
        model: str | None = None,
        timeout: TimeoutLike = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        extra_body: Any = None,
        **params: Any,
    ) -> CreateEmbeddingResponse:
        """POST /embeddings. input: str, list of str, or tokens.

        Sends no encoding_format that was not asked for: openai-python's silent "base64" breaks
        gateways (openai-python#1490).
        """
        extra_headers, extra_query = hidden(extra_headers), hidden(extra_query)
        return await self._client._request(
            "POST",
            "/embeddings",
            {"model": model, "input": input, **params},
            CreateEmbeddingResponse,
            timeout=timeout,
            extra_headers=extra_headers,
            extra_query=extra_query,
            extra_body=extra_body,
        )
