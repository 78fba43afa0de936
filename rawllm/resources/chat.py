"""`client.chat.completions`: chat answers, whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

from ..errors import BadRequestError, ConfigurationError, UnprocessableEntityError
from ..options import NOT_GIVEN, NotGiven, TimeoutLike, hidden
from ..sansio.deltas import ChatAccumulator
from ..sansio.encode import plain_messages, without_not_given
from ..sansio.types import ChatCompletion, ChatCompletionChunk
from ..stream import ChatStream

if TYPE_CHECKING:
    from ..client import Client

__all__ = ["Chat", "ChatCompletions"]

PATH = "/chat/completions"

Stream = ChatStream[ChatCompletionChunk, ChatCompletion]


class Chat:
    """`client.chat`"""

    def __init__(self, client: Client) -> None:
        self._client = client

    @cached_property
    def completions(self) -> ChatCompletions:
        return ChatCompletions(self._client)


class ChatCompletions:
    """`client.chat.completions`"""

    def __init__(self, client: Client) -> None:
        self._client = client

    @overload
    async def create(
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
    async def create(
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
    ) -> Stream: ...

    async def create(
        self,
        *,
        messages: Any,
        model: str | None = None,
        stream: bool | NotGiven | None = NOT_GIVEN,
        timeout: TimeoutLike = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        extra_body: Any = None,
        **params: Any,
    ) -> Any:
        """POST /chat/completions, with the arguments of openai-python's method of this name.

        What is not known here goes to the wire untouched (`top_k`, `min_p`, `priority`,
        `chat_template_kwargs`). With stream=True a `ChatStream` that has its first output.
        """
        extra_headers, extra_query = hidden(extra_headers), hidden(extra_query)
        options: dict[str, Any] = {
            "timeout": timeout,
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
        }
        if stream:
            return await self._open(messages=messages, model=model, **options, **params)
        if not isinstance(stream, NotGiven):
            params["stream"] = stream
        return await self._client._request(
            "POST",
            PATH,
            {"model": model, "messages": plain_messages(messages), **params},
            ChatCompletion,
            expected=_choices(params, extra_body),
            **options,
        )

    async def _open(
        self,
        *,
        messages: Any,
        model: str | None = None,
        keep_usage_chunk: bool = True,
        strict: bool = False,
        timeout: TimeoutLike = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        extra_body: Any = None,
        **params: Any,
    ) -> Stream:
        endpoint = self._client._endpoint
        # Usage is asked for by us, not by the user; a chunk without choices is kept from them.
        ours = not (
            keep_usage_chunk or "stream_options" in params or endpoint.refuses_stream_options
        )
        try:
            return await self._client._open_stream(
                PATH,
                {
                    "model": model,
                    "messages": plain_messages(messages),
                    "stream": True,
                    **({"stream_options": {"include_usage": True}} if ours else {}),
                    **params,
                },
                chunk=ChatCompletionChunk,
                accumulator=ChatAccumulator,
                keep_usage_chunk=keep_usage_chunk,
                strict=strict,
                timeout=timeout,
                extra_headers=extra_headers,
                extra_query=extra_query,
                extra_body=extra_body,
                expected=_choices(params, extra_body),
            )
        except (BadRequestError, UnprocessableEntityError) as error:
            if not ours or "stream_options" not in f"{error.message} {error.param}":
                raise
        # The server does not know the option that we, not the user, asked for: never again.
        endpoint.refuses_stream_options = True
        return await self._open(
            messages=messages,
            model=model,
            keep_usage_chunk=keep_usage_chunk,
            strict=strict,
            timeout=timeout,
            extra_headers=extra_headers,
            extra_query=extra_query,
            extra_body=extra_body,
            **params,
        )


def _choices(params: Mapping[str, Any], extra_body: Any = None) -> int:
    """How many choices were asked for."""
    asked = {**params, **extra_body} if isinstance(extra_body, Mapping) else params
    n = without_not_given({"n": asked.get("n")}).get("n")
    if n is None:
        return 1
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ConfigurationError("n= takes a whole number, 1 or more")
    return n
