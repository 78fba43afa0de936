"""What the chat model and the embeddings share: the fields that name a server, and their client.

Sends nothing. One client serves both worlds: asynchronous calls run in the caller's event loop,
synchronous ones on rawllm's background loop, under the same limits.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from ...client import Client
from ...errors import ConfigurationError
from ...net.session import Sessions
from ...options import Secret, Timeout
from ...sync.background import background, in_background
from ...sync.client import SyncClient

__all__ = ["Connected"]

T = TypeVar("T")

#: Fields that become arguments of a client.
_OF_CLIENT = (
    *("base_url", "api_key", "organization", "timeout", "max_retries"),
    *("default_headers", "default_query"),
)


def _also(name: str, *others: str) -> AliasChoices:
    """The field's own name, and those that it has in langchain-openai."""
    return AliasChoices(name, *others)


class Connected(BaseModel):
    """A model of LangChain's that has a `rawllm.Client`, the caller's or its own."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        extra="forbid",  # a misspelt name would otherwise be dropped without a word
        hide_input_in_errors=True,  # a key is among it
    )

    client: Client | SyncClient | None = Field(default=None, exclude=True)
    model_name: str | None = Field(default=None, alias="model")
    base_url: str | None = Field(
        default=None, repr=False, validation_alias=_also("base_url", "openai_api_base")
    )
    api_key: SecretStr | Callable[[], Any] | None = Field(
        default=None, repr=False, validation_alias=_also("api_key", "openai_api_key")
    )
    organization: str | None = Field(
        default=None, validation_alias=_also("organization", "openai_organization")
    )
    timeout: Timeout | float | None = Field(
        default=None, validation_alias=_also("timeout", "request_timeout")
    )
    max_retries: int | None = None
    default_headers: dict[str, str] | None = Field(default=None, repr=False, exclude=True)
    default_query: dict[str, Any] | None = Field(default=None, repr=False, exclude=True)

    _client: Client = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if self.client is None:
            if self.api_key is None and (key := os.environ.get("OPENAI_API_KEY", "").strip()):
                self.api_key = SecretStr(key)  # where LangChain looks for it
            self._client = self._own_client()
            return
        for name in _OF_CLIENT:
            if getattr(self, name) is not None:
                raise ConfigurationError(
                    f"{name}= belongs to the client where you bring one: client=Client({name}=…), "
                    f"or client=client.with_options({name}=…)"
                )
        self._client = self.client._async if isinstance(self.client, SyncClient) else self.client

    def _own_client(self) -> Client:
        options = {name: value for name in _OF_CLIENT if (value := getattr(self, name)) is not None}
        if isinstance(self.api_key, SecretStr):
            options["api_key"] = Secret(self.api_key.get_secret_value())
        client = Client(**options)
        # LangChain's users know of nothing to close, and would be warned.
        sessions = client._endpoint.sessions
        weakref.finalize(client._endpoint, _close, sessions).atexit = False
        return client

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the background loop, for the synchronous methods."""
        if self._client._given["connector"] is not None:
            coroutine.close()
            raise ConfigurationError(
                "the client's connector= belongs to an event loop of yours: with it only the "
                "asynchronous methods work (ainvoke, astream, …)"
            )
        return background().run(coroutine)

    async def aclose(self) -> None:
        """Close the connections now and not when the model is dropped. Leaves a client that was
        given alone."""
        if self.client is None:
            await self._client.close()

    def close(self) -> None:
        """As `aclose`, for code without `await`."""
        if self.client is None:
            background().run(self._client.close())


def _close(sessions: Sessions) -> None:
    """The model was collected: each loop that still runs closes its own."""
    if (loop := asyncio._get_running_loop()) is not None:
        loop.create_task(sessions.close())
    else:
        in_background(sessions.close)
