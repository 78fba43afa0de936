"""`client.chat.completions`: chat answers, whole and streamed.

What only tools and typed answers need loads with the first of them: it is a fifth of what is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ..errors import BadRequestError, ConfigurationError, UnprocessableEntityError
from ..options import NOT_GIVEN, NotGiven, TimeoutLike, hidden, hide
from ..requester import Requester
from ..sansio.deltas import ChatAccumulator
from ..sansio.encode import plain_messages, without_not_given
from ..sansio.types import ChatCompletion, ChatCompletionChunk
from ..stream import ChatStream
from .faces import HoldsFaces, RawFaces

if TYPE_CHECKING:
    from ..sansio.parsed import ParsedChatCompletion
    from ..sansio.schema import Form
    from .chat_stream import ChatCompletionStream, ChatCompletionStreamManager

__all__ = ["Chat", "ChatCompletions"]

PATH = "/chat/completions"

Stream = ChatStream[ChatCompletionChunk, ChatCompletion]

R = TypeVar("R")


class Chat(HoldsFaces):
    """`client.chat`"""

    def __init__(self, client: Requester) -> None:
        self._client = client

    @cached_property
    def completions(self) -> ChatCompletions:
        return ChatCompletions(self._client)


class ChatCompletions(RawFaces[ChatCompletion]):
    """`client.chat.completions`"""

    _methods = ("create", "parse")

    def __init__(self, client: Requester) -> None:
        self._client = client

    @overload
    async def create(
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
    async def create(
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
    ) -> Stream: ...

    @overload
    async def create(
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
    ) -> ChatCompletion | Stream: ...

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
        `chat_template_kwargs`). With stream=True a `ChatStream` that has its first output. `tools`
        may hold Python functions.
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
        _tell_tools(params)
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
        _tell_tools(params)
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

    @overload
    async def parse(
        self, *, messages: Any, response_format: type[R], repair: bool = ..., **params: Any
    ) -> ParsedChatCompletion[R]: ...

    @overload
    async def parse(
        self, *, messages: Any, response_format: Any = ..., repair: bool = ..., **params: Any
    ) -> ParsedChatCompletion[Any]: ...

    async def parse(
        self,
        *,
        messages: Any,
        response_format: Any = NOT_GIVEN,
        repair: bool = False,
        **params: Any,
    ) -> ParsedChatCompletion[Any]:
        """A whole answer with its content as an object, in `choices[0].message.parsed`.

        response_format: a msgspec Struct, dataclass, TypedDict, pydantic model or any other type
            that JSON can be read as; a dict goes to the server as it is, and nothing is parsed.
        repair: bool, send an answer that does not fit back once, with what is wrong with it.
        params: arguments of create. Calls of functions among `tools`, of types (by
            `pydantic_function_tool`) and of strict tools have `function.parsed_arguments`.

        Raises, besides APIError's classes: LengthFinishReasonError, ContentFilterFinishReasonError,
        StructuredOutputError.
        """
        hide(params)
        form, params = _form_in(response_format, params)
        return await self._parse(form, repair=repair, messages=messages, **params)

    async def _parse(
        self, form: Form | None, *, repair: bool, messages: Any, **params: Any
    ) -> ParsedChatCompletion[Any]:
        if params.get("stream"):
            raise ConfigurationError(
                "a typed answer comes whole; chat.completions.stream(response_format=…) streams it"
            )
        from ..tools import readers
        from .typed import typed

        tools = readers(params.get("tools"))
        params["messages"] = list(messages)

        async def send(asking: dict[str, Any]) -> ChatCompletion:
            answer: ChatCompletion = await self.create(**asking)
            return answer

        return await typed(send, params, form, tools, self._client._endpoint.rung, repair=repair)

    @overload
    def stream(
        self, *, messages: Any, response_format: type[R], **params: Any
    ) -> ChatCompletionStreamManager[R]: ...

    @overload
    def stream(
        self, *, messages: Any, response_format: Any = ..., **params: Any
    ) -> ChatCompletionStreamManager[Any]: ...

    def stream(
        self, *, messages: Any, response_format: Any = NOT_GIVEN, **params: Any
    ) -> ChatCompletionStreamManager[Any]:
        """The events of a streamed answer, as openai-python's method of this name gives them:
        `async with client.chat.completions.stream(…) as stream:`, `async for event in stream:`.

        Arguments as `parse`, but there is no repair.
        """
        hide(params)
        from ..tools import readers
        from .chat_stream import ChatCompletionStream, ChatCompletionStreamManager
        from .typed import climb

        form, params = _form_in(response_format, params)
        params["messages"] = list(messages)
        tools = readers(params.get("tools"))

        async def opening() -> ChatCompletionStream[Any]:
            async def send(asking: dict[str, Any]) -> Stream:
                return await self._open(**asking)

            rung = self._client._endpoint.rung
            chunks = await (send(params) if form is None else climb(send, params, form, rung))
            return ChatCompletionStream(chunks, form, tools)

        return ChatCompletionStreamManager(opening)


def _form_in(response_format: Any, params: dict[str, Any]) -> tuple[Form | None, dict[str, Any]]:
    """(what to read the answer as, the arguments to send besides)."""
    if isinstance(response_format, dict):
        return None, {**params, "response_format": response_format}
    if response_format is None or not without_not_given({"": response_format}):
        return None, params
    from ..sansio.schema import form_of

    return form_of(response_format), params


def _tell_tools(params: dict[str, Any]) -> None:
    """Functions among `tools` become what the request takes, in place."""
    if "tools" in params:
        from ..tools import tool_params

        params["tools"] = tool_params(params["tools"])


def _choices(params: Mapping[str, Any], extra_body: Any = None) -> int:
    """How many choices were asked for."""
    if extra_body is None and "n" not in params:
        return 1
    asked = {**params, **extra_body} if isinstance(extra_body, Mapping) else params
    n = without_not_given({"n": asked.get("n")}).get("n")
    if n is None:
        return 1
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ConfigurationError("n= takes a whole number, 1 or more")
    return n
