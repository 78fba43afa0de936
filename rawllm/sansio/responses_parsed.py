"""A response → the same with what it holds as Python objects, and its events likewise.

Asks nobody again where an answer does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from ..errors import (
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    StructuredOutputError,
)
from .parsed import Reader
from .responses import Response
from .responses_items import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from .schema import Form

__all__ = [
    "ParsedResponse",
    "ParsedResponseFunctionToolCall",
    "ParsedResponseOutputMessage",
    "ParsedResponseOutputText",
    "ResponseEventBuilder",
    "parsed_response",
    "text_param",
]

R = TypeVar("R")
S = TypeVar("S", bound=msgspec.Struct)


class ParsedResponseOutputText(ResponseOutputText, Generic[R]):
    """parsed: the text as an object of the type asked for."""

    parsed: R | None = msgspec.field(default=None, name=" parsed")


class ParsedResponseOutputMessage(ResponseOutputMessage, Generic[R]):
    pass


class ParsedResponseFunctionToolCall(ResponseFunctionToolCall):
    """parsed_arguments: the arguments as objects, None where nothing is known of the tool."""

    parsed_arguments: Any = msgspec.field(default=None, name=" parsed_arguments")


class ParsedResponse(Response, Generic[R], kw_only=True):
    """A response with typed text. Can be sent back in `input` as any other."""

    @property
    def output_parsed(self) -> R | None:
        """The first object in `output`, None where there is none (a refusal, a function call)."""
        for item in self.output:
            if isinstance(item, ResponseOutputMessage):
                for part in item.content:
                    if isinstance(part, ParsedResponseOutputText) and part.parsed is not None:
                        found: R = part.parsed
                        return found
        return None


def text_param(form: Form) -> dict[str, Any]:
    """What `text.format` asks with."""
    return {"type": "json_schema", **form.response_format["json_schema"]}


def is_final(item: Any) -> bool:
    """Whether a message holds the answer; a commentary is no object."""
    return getattr(item, "phase", None) in (None, "final_answer")


def parsed_response(
    response: Response, form: Form | None, tools: Mapping[str, Reader]
) -> ParsedResponse[Any]:
    """The response with its text read as `form`, and its function calls as `tools` know them.

    Raises, where there was something to read: LengthFinishReasonError and
    ContentFilterFinishReasonError for a response that is incomplete, StructuredOutputError for
    one that does not fit.
    """
    if form is not None or tools:
        _check_complete(response)
    output = [_parsed_item(item, form, tools, response) for item in response.output]
    return _with(response, ParsedResponse, output=output)


def _check_complete(response: Response) -> None:
    if response.status == "incomplete":
        if response._finish_reason == "content_filter":
            raise ContentFilterFinishReasonError(completion=response)
        raise LengthFinishReasonError(completion=response)


def _parsed_item(
    item: Any, form: Form | None, tools: Mapping[str, Reader], response: Response
) -> Any:
    if isinstance(item, ResponseOutputMessage):
        content: list[Any] = list(item.content)
        for place, part in enumerate(content):
            if isinstance(part, ResponseOutputText):
                parsed = None
                if form is not None and is_final(item):
                    parsed = _read(form.read, part.text, f"The answer is no {form.name}", response)
                content[place] = _with(part, ParsedResponseOutputText, parsed=parsed)
        return _with(item, ParsedResponseOutputMessage, content=content)
    if isinstance(item, ResponseFunctionToolCall):
        reader, arguments = tools.get(item.name), None
        if reader is not None:
            what = f"The arguments for the tool {item.name!r} do not fit"
            arguments = _read(reader, item.arguments, what, response)
        return _with(item, ParsedResponseFunctionToolCall, parsed_arguments=arguments)
    return item


def _read(reader: Reader, text: str, what: str, response: Response) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise StructuredOutputError(f"{what}: {error}", raw=text, completion=response) from error


def _with(value: msgspec.Struct, cls: type[S], **changes: Any) -> S:
    """The same fields in a class with more of them."""
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return cls(**{**fields, **changes})


class ResponseEventBuilder:
    """One stream's events with what had come before them: `snapshot`, `parsed`.

    form: what the text is read as, or None; tools: what reads the arguments of function calls.
    """

    def __init__(self, form: Form | None, tools: Mapping[str, Reader]) -> None:
        self._form = form
        self._tools = tools
        self._texts: dict[tuple[Any, ...], str] = {}
        self._commentary: set[Any] = set()

    def event(self, event: Any) -> Any:
        """The same event, filled in. Raises as `parsed_response` at the end of the response."""
        match event.type:
            case "response.output_text.delta" | "response.function_call_arguments.delta":
                index = getattr(event, "content_index", None)
                place = (event.type, event.output_index, event.item_id, index)
                event.snapshot = self._texts[place] = self._texts.get(place, "") + (
                    event.delta or ""
                )
            case "response.output_item.added" if not is_final(event.item):
                self._commentary.add((event.output_index, getattr(event.item, "id", None)))
            case "response.output_text.done" if self._form is not None:
                if (event.output_index, event.item_id) not in self._commentary:
                    event.parsed = self._parsed(event.text)
            case "response.completed":
                event.response = parsed_response(event.response, self._form, self._tools)
            case "response.incomplete" if self._form is not None or self._tools:
                _check_complete(event.response)
        return event

    def _parsed(self, text: str) -> Any:
        """None where the text does not fit: the end says why, which may be that it was cut."""
        assert self._form is not None
        try:
            return self._form.read(text)
        except ValueError:
            return None
