"""`client.chat`, `completions`, `embeddings` and `models`, synchronous.

Knows no endpoint: the asynchronous resources do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, overload

from ..options import NotGiven, TimeoutLike, hide
from ..resources.chat import Chat, ChatCompletions
from ..resources.completions import Completions
from ..resources.embeddings import Embeddings
from ..resources.models import Models
from ..sansio.parsed import ParsedChatCompletion
from ..sansio.types import ChatCompletion, ChatCompletionChunk, Completion
from ..stream import ChatStream
from .background import background, blocking, described_by
from .stream import SyncStream

__all__ = ["SyncChat", "SyncChatCompletions", "SyncCompletions", "SyncEmbeddings", "SyncModels"]

T = TypeVar("T")


def _create(resource: Any, params: dict[str, Any]) -> Any:
    hide(params)
    answer = background().run(resource.create(**params))
    return SyncStream(answer) if isinstance(answer, ChatStream) else answer


class SyncChatCompletions:
    """`client.chat.completions`"""

    def __init__(self, completions: ChatCompletions) -> None:
        self._async = completions

    @overload
    def create(
        self,
        *,
        messages: list[Any],
        model: str | None = ...,
        stream: Literal[False] | NotGiven | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> ChatCompletion: ...

    @overload
    def create(
        self,
        *,
        messages: list[Any],
        stream: Literal[True],
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> SyncStream[ChatCompletionChunk, ChatCompletion]: ...

    @described_by(ChatCompletions.create)
    def create(self, **params: Any) -> Any:
        return _create(self._async, params)

    @overload
    def parse(
        self, *, messages: Any, response_format: type[T], repair: bool = ..., **params: Any
    ) -> ParsedChatCompletion[T]: ...

    @overload
    def parse(
        self, *, messages: Any, response_format: Any = ..., repair: bool = ..., **params: Any
    ) -> ParsedChatCompletion[Any]: ...

    @described_by(ChatCompletions.parse)
    def parse(self, **params: Any) -> Any:
        hide(params)
        return background().run(self._async.parse(**params))


class SyncChat:
    """`client.chat`"""

    def __init__(self, chat: Chat) -> None:
        self.completions = SyncChatCompletions(chat.completions)


class SyncCompletions:
    """`client.completions`"""

    def __init__(self, completions: Completions) -> None:
        self._async = completions

    @overload
    def create(
        self,
        *,
        prompt: Any,
        model: str | None = ...,
        stream: Literal[False] | NotGiven | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> Completion: ...

    @overload
    def create(
        self,
        *,
        prompt: Any,
        stream: Literal[True],
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> SyncStream[Completion, Completion]: ...

    @described_by(Completions.create)
    def create(self, **params: Any) -> Any:
        return _create(self._async, params)


class SyncEmbeddings:
    """`client.embeddings`"""

    def __init__(self, embeddings: Embeddings) -> None:
        self._async = embeddings

    create = blocking(Embeddings.create)  # type: ignore[arg-type]


class SyncModels:
    """`client.models`"""

    def __init__(self, models: Models) -> None:
        self._async = models

    list = blocking(Models.list)  # type: ignore[arg-type]
    retrieve = blocking(Models.retrieve)  # type: ignore[arg-type]
