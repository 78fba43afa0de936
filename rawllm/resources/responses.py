"""`client.responses`: OpenAI's Responses API, whole and streamed.

Holds no conversation: what a server stores, it stores, and `previous_response_id` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, TypeVar, overload

from ..errors import (
    BadRequestError,
    ConfigurationError,
    StructuredOutputError,
    UnprocessableEntityError,
)
from ..options import NOT_GIVEN, NotGiven, TimeoutLike, hidden, hide
from ..requester import Requester
from ..sansio.encode import without_not_given
from ..sansio.parsed import Reader
from ..sansio.responses import Deleted, Response, read_created, read_response
from ..sansio.responses_deltas import ResponseAccumulator
from ..sansio.responses_events import ResponseOtherEvent
from ..sansio.responses_items import plain
from ..sansio.responses_parsed import ParsedResponse, parsed_response, text_param
from ..sansio.schema import Form, form_of
from ..tools import readers, tool_params
from .faces import RawFaces
from .input_items import PATH, InputItems, asking, path_of
from .responses_stream import ResponseEvents, ResponseStream, ResponseStreamManager

__all__ = ["Responses"]

R = TypeVar("R")


class Responses(RawFaces[Response]):
    """`client.responses`"""

    _methods = ("create", "parse", "retrieve", "cancel", "delete")

    def __init__(self, client: Requester) -> None:
        self._client = client
        self._by_chats_name = False  # whether the schema has to be given by that, too

    @cached_property
    def input_items(self) -> InputItems:
        return InputItems(self._client)

    @overload
    async def create(
        self,
        *,
        input: Any = ...,
        model: str | None = ...,
        stream: Literal[False] | NotGiven | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> Response: ...

    @overload
    async def create(
        self,
        *,
        stream: Literal[True],
        input: Any = ...,
        model: str | None = ...,
        timeout: TimeoutLike = ...,
        extra_headers: Mapping[str, str] | None = ...,
        extra_query: Mapping[str, Any] | None = ...,
        extra_body: Any = ...,
        **params: Any,
    ) -> ResponseEvents: ...

    async def create(
        self,
        *,
        input: Any = NOT_GIVEN,
        model: str | None = None,
        stream: bool | NotGiven | None = NOT_GIVEN,
        timeout: TimeoutLike = NOT_GIVEN,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        extra_body: Any = None,
        **params: Any,
    ) -> Any:
        """POST /responses, with the arguments of openai-python's method of this name.

        input: str, or a list of items; those of an earlier `output` among them, as they are.
        tools: dicts, or Python functions. What is not known here goes to the wire untouched.

        With stream=True a `ResponseEvents` that has its first output. A response that failed is
        raised as the error that it names, with itself as `partial`.
        """
        extra_headers, extra_query = hidden(extra_headers), hidden(extra_query)
        options: dict[str, Any] = {
            "timeout": timeout,
            "extra_headers": extra_headers,
            "extra_query": extra_query,
            "extra_body": extra_body,
        }
        if "tools" in params:
            params["tools"] = _flat(tool_params(params["tools"]))
        body = {"model": model, "input": plain(input), **plain(params)}
        if stream:
            return await self._open("POST", PATH, {**body, "stream": True}, **options)
        if not isinstance(stream, NotGiven):
            body["stream"] = stream
        return await self._client._request(
            "POST", PATH, body, Response, read=read_created, **options
        )

    async def _open(
        self, method: str, path: str, body: dict[str, Any] | None, **options: Any
    ) -> ResponseEvents:
        stream: Any = await self._client._open_stream(
            path,
            body,
            chunk=ResponseOtherEvent,
            accumulator=ResponseAccumulator,
            keep_usage_chunk=True,
            strict=False,
            kind=ResponseEvents,
            method=method,
            **options,
        )
        events: ResponseEvents = stream
        return events

    @overload
    async def parse(self, *, text_format: type[R], **params: Any) -> ParsedResponse[R]: ...

    @overload
    async def parse(self, *, text_format: Any = ..., **params: Any) -> ParsedResponse[Any]: ...

    async def parse(self, *, text_format: Any = NOT_GIVEN, **params: Any) -> ParsedResponse[Any]:
        """A whole response with its text as an object, in `output_parsed`.

        text_format: a msgspec Struct, dataclass, TypedDict, pydantic model or any other type that
            JSON can be read as, or a JSON schema (dict).
        params: arguments of create. Calls of functions among `tools`, of types (by
            `pydantic_function_tool`) and of strict tools have `parsed_arguments`.

        Raises, besides APIError's classes: LengthFinishReasonError, ContentFilterFinishReasonError,
        StructuredOutputError.
        """
        hide(params)
        if params.get("stream"):
            raise ConfigurationError(
                "a typed answer comes whole; responses.stream(text_format=…) streams it"
            )
        form, params = self._form_in(text_format, params)
        tools = _readers(params.get("tools"))
        response: Response = await self.create(**params)
        try:
            return parsed_response(response, form, tools)
        except StructuredOutputError as error:
            if form is None or self._by_chats_name or error.raw != response.output_text:
                raise
            if form.follows(error.raw):
                raise
            failed = error
        # It has not even the schema's shape: the server does not look at `text`. llama.cpp's does
        # not, and obeys what chat has for it.
        try:
            response = await self.create(**{**params, **_chats_name(form)})
        except (BadRequestError, UnprocessableEntityError):
            raise failed from None
        found = parsed_response(response, form, tools)
        self._by_chats_name = True
        return found

    @overload
    def stream(self, *, text_format: type[R], **params: Any) -> ResponseStreamManager[R]: ...

    @overload
    def stream(self, *, text_format: Any = ..., **params: Any) -> ResponseStreamManager[Any]: ...

    def stream(
        self,
        *,
        text_format: Any = NOT_GIVEN,
        response_id: Any = NOT_GIVEN,
        starting_after: Any = NOT_GIVEN,
        **params: Any,
    ) -> ResponseStreamManager[Any]:
        """The events of a response, with `snapshot` and `parsed`, as openai-python's method of
        this name gives them: `async with client.responses.stream(…) as stream:`, `async for event
        in stream:`.

        response_id: str, of a background response, instead of an input: its stream is read from
            the beginning, and events up to number `starting_after` (int) are not shown.

        Otherwise as `parse`.
        """
        hide(params)
        known = response_id if without_not_given({"": response_id}) else None
        after = starting_after if without_not_given({"": starting_after}) else None
        if known is None and after is not None:
            raise ConfigurationError("starting_after= belongs to response_id=, which is missing")
        if known is not None and "input" in params:
            raise ConfigurationError("stream() takes response_id= or input=, not both")
        form, params = self._form_in(text_format, params, sent=known is None)
        tools = _readers(params.get("tools"))
        if known is not None:
            params.pop("tools", None)

        async def opening() -> ResponseStream[Any]:
            if known is None:
                events = await self.create(stream=True, **params)
            else:
                events = await self.retrieve(known, stream=True, **params)
            return ResponseStream(events, form, tools, after)

        return ResponseStreamManager(opening)

    def _form_in(
        self, text_format: Any, params: dict[str, Any], *, sent: bool = True
    ) -> tuple[Form | None, dict[str, Any]]:
        """(what to read the text as, the arguments to send besides)."""
        if text_format is None or not without_not_given({"": text_format}):
            return None, params
        form = form_of(text_format)
        if not sent:
            return form, params
        text = plain(without_not_given({"": params.get("text")}).get("")) or {}
        if text.get("format") is not None:
            raise ConfigurationError(
                "text_format= and text={'format': …} both say what to answer with: leave one"
            )
        asking = {**params, "text": {**text, "format": text_param(form)}}
        return form, {**asking, **(_chats_name(form) if self._by_chats_name else {})}

    @overload
    async def retrieve(
        self,
        response_id: str,
        *,
        stream: Literal[False] | NotGiven | None = ...,
        include: Any = ...,
        **options: Any,
    ) -> Response: ...

    @overload
    async def retrieve(
        self,
        response_id: str,
        *,
        stream: Literal[True],
        include: Any = ...,
        starting_after: Any = ...,
        **options: Any,
    ) -> ResponseEvents: ...

    async def retrieve(
        self,
        response_id: str,
        *,
        stream: bool | NotGiven | None = NOT_GIVEN,
        include: Any = NOT_GIVEN,
        starting_after: Any = NOT_GIVEN,
        **options: Any,
    ) -> Any:
        """GET /responses/{response_id}: a response that the server has stored, in whatever state.

        stream: bool, the events of a background response, from number `starting_after` (int) on.
        include: list of str. options: timeout, extra_headers, extra_query.
        """
        hide(options)
        path = path_of("retrieve", response_id)
        asked = {
            "include[]": include,
            "stream": "true" if stream is True else NOT_GIVEN,
            "starting_after": starting_after,
        }
        asking(options, asked)
        if stream is True:
            return await self._open("GET", path, None, **options)
        return await self._client._request(
            "GET", path, None, Response, read=read_response, **options
        )

    async def cancel(self, response_id: str, **options: Any) -> Response:
        """POST /responses/{response_id}/cancel: end a background response. options: timeout,
        extra_headers, extra_query."""
        hide(options)
        path = f"{path_of('cancel', response_id)}/cancel"
        return await self._client._request(
            "POST", path, None, Response, read=read_response, **options
        )

    async def delete(self, response_id: str, **options: Any) -> None:
        """DELETE /responses/{response_id}. options: timeout, extra_headers, extra_query."""
        hide(options)
        path = path_of("delete", response_id)
        await self._client._request("DELETE", path, None, Deleted, **options)


def _chats_name(form: Form) -> dict[str, Any]:
    return {"response_format": form.response_format}


def _flat(tools: Any) -> Any:
    """Functions as this API takes them: without the object that chat has around them."""
    if not isinstance(tools, list):
        return tools
    return [
        {"type": "function", **tool["function"]}
        if isinstance(tool, Mapping) and isinstance(tool.get("function"), Mapping)
        else tool
        for tool in tools
    ]


def _readers(tools: Any) -> dict[str, Reader]:
    """Name → what reads the arguments of its calls; those of dicts only where they are strict."""
    if tools is None or not without_not_given({"": tools}) or isinstance(tools, (str, Mapping)):
        return {}
    return readers(
        [
            {"function": tool}
            if isinstance(tool, Mapping) and tool.get("type") == "function" and "name" in tool
            else tool
            for tool in tools
        ]
    )
