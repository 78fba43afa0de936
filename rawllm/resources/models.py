"""`client.models`: what a server serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

from ..errors import ConfigurationError
from ..options import hide
from ..requester import Requester
from ..sansio.types import Model, ModelList
from .faces import RawFaces

__all__ = ["ModelPages", "Models"]


class Models(RawFaces[Any]):
    _methods = ("list", "retrieve")

    def __init__(self, client: Requester) -> None:
        self._client = client

    def list(self, **options: Any) -> ModelPages:
        """GET /models: `await` it, or `async for` over it. options: timeout, extra_headers,
        extra_query."""
        hide(options)

        async def listed() -> ModelList:
            return await self._client._request("GET", "/models", None, ModelList, **options)

        return ModelPages(listed)

    async def retrieve(self, model: str, **options: Any) -> Model:
        """GET /models/{model}"""
        hide(options)
        if not model:
            raise ConfigurationError("models.retrieve() needs the model's name")
        if ".." in model.split("/"):
            raise ConfigurationError("models.retrieve(): the name leads out of /models")
        # Quoted, but for its slashes: ids like "org/name" are paths to servers.
        return await self._client._request("GET", f"/models/{model}", None, Model, **options)


class ModelPages:
    """A list of models that is asked for and not yet sent. The endpoint has no pages: there is
    one."""

    def __init__(self, listed: Callable[[], Coroutine[Any, Any, ModelList]]) -> None:
        self._listed = listed

    def __await__(self) -> Generator[Any, None, ModelList]:
        return self._listed().__await__()

    async def __aiter__(self) -> AsyncIterator[Model]:
        for model in await self:
            yield model
