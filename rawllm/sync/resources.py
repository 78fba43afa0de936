"""`client.chat`, `completions`, `embeddings` and `models`, synchronous.

Knows no endpoint: the asynchronous resources do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ..options import NotGiven, TimeoutLike, hide
from ..resources.chat import Chat, ChatCompletions
from ..resources.completions import Completions
from ..resources.embeddings import Embeddings
from ..resources.faces import HoldsFaces
from ..resources.models import Models
from ..sansio.types import (
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    CreateEmbeddingResponse,
    ModelList,
)
from .background import background, blocking, described_by
from .raw import SyncRawFaces, plain
from .stream import SyncStream

if TYPE_CHECKING:
    from ..sansio.parsed import ParsedChatCompletion
    from .chat_stream import SyncChatCompletionStreamManager

__all__ = ["SyncChat", "SyncChatCompletions", "SyncCompletions", "SyncEmbeddings", "SyncModels"]

T = TypeVar("T")


def _create(resource: Any, params: dict[str, Any]) -> Any:
    hide(params)
    return plain(background().run(resource.create(**params)))


class SyncChatCompletions(SyncRawFaces[ChatCompletion]):
    """`client.chat.completions`"""

    def __init__(self, completions: ChatCompletions) -> None:
        self._async: ChatCompletions = completions

    @overload
    def create(
        self,
        *,
        messages: Iterable[Any],
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
        messages: Iterable[Any],
        stream: Literal[True],
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> SyncStream[ChatCompletionChunk, ChatCompletion]: ...

    @overload
    def create(
        self,
        *,
        messages: Iterable[Any],
        stream: bool,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> ChatCompletion | SyncStream[ChatCompletionChunk, ChatCompletion]: ...

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

    @overload
    def stream(
        self, *, messages: Any, response_format: type[T], **params: Any
    ) -> SyncChatCompletionStreamManager[T]: ...

    @overload
    def stream(
        self, *, messages: Any, response_format: Any = ..., **params: Any
    ) -> SyncChatCompletionStreamManager[Any]: ...

    @described_by(ChatCompletions.stream)
    def stream(self, **params: Any) -> Any:
        hide(params)
        from .chat_stream import SyncChatCompletionStreamManager

        return SyncChatCompletionStreamManager(self._async.stream(**params))


class SyncChat(HoldsFaces):
    """`client.chat`"""

    def __init__(self, chat: Chat) -> None:
        self._async = chat

    @cached_property
    def completions(self) -> SyncChatCompletions:
        return SyncChatCompletions(self._async.completions)


class SyncCompletions(SyncRawFaces[Completion]):
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

    @overload
    def create(
        self,
        *,
        prompt: Any,
        stream: bool,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> Completion | SyncStream[Completion, Completion]: ...

    @described_by(Completions.create)
    def create(self, **params: Any) -> Any:
        return _create(self._async, params)


class SyncEmbeddings(SyncRawFaces[CreateEmbeddingResponse]):
    """`client.embeddings`"""

    def __init__(self, embeddings: Embeddings) -> None:
        self._async = embeddings

    create = blocking(Embeddings.create)  # type: ignore[arg-type]


class SyncModels(SyncRawFaces[Any]):
    """`client.models`"""

    def __init__(self, models: Models) -> None:
        self._async: Models = models

    @described_by(Models.list)
    def list(self, **options: Any) -> ModelList:
        hide(options)

        async def listed() -> ModelList:
            return await self._async.list(**options)

        return background().run(listed())

    retrieve = blocking(Models.retrieve)  # type: ignore[arg-type]
