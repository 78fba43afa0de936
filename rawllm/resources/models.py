"""`client.models`: what a server serves."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from ..options import hide
from ..requester import Requester
from ..sansio.types import Model, ModelList

__all__ = ["Models"]


class Models:
    def __init__(self, client: Requester) -> None:
        self._client = client

    async def list(self, **options: Any) -> ModelList:
        """GET /models. options: timeout, extra_headers, extra_query."""
        hide(options)
        return await self._client._request("GET", "/models", None, ModelList, **options)

    async def retrieve(self, model: str, **options: Any) -> Model:
        """GET /models/{model}"""
        hide(options)
        if not model:
            raise ConfigurationError("models.retrieve() needs the model's name")
        if ".." in model.split("/"):
            raise ConfigurationError("models.retrieve(): the name leads out of /models")
        # Quoted, but for its slashes: ids like "org/name" are paths to servers.
        return await self._client._request("GET", f"/models/{model}", None, Model, **options)
