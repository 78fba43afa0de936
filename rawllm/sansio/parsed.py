"""A chat answer → the same with what it holds as Python objects: `parsed`, `parsed_arguments`.

Asks nobody again where an answer does not fit; resources/typed.py does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast

import msgspec

from ..errors import (
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    StructuredOutputError,
)
from .schema import Form
from .types import (
    ChatCompletion,
    ChatCompletionMessage,
    Choice,
    FunctionCall,
    ToolCall,
)

__all__ = [
    "ParsedChatCompletion",
    "ParsedChatCompletionMessage",
    "ParsedChoice",
    "ParsedFunction",
    "ParsedFunctionToolCall",
    "Reader",
    "check_finished",
    "parsed_completion",
    "read_arguments",
    "read_content",
]

R = TypeVar("R")

#: Text of a tool call's arguments → value. Raises ValueError.
Reader = Callable[[str], Any]


class ParsedFunction(FunctionCall):
    """parsed_arguments: the arguments as objects, None where nothing is known of the tool."""

    parsed_arguments: Any = msgspec.field(default=None, name=" parsed_arguments")


class ParsedFunctionToolCall(ToolCall):
    function: ParsedFunction = msgspec.field(default_factory=ParsedFunction)


class ParsedChatCompletionMessage(ChatCompletionMessage, Generic[R]):
    """parsed: the content as an object of the type asked for, None where there is no content (a
    tool call, a refusal). `model_dump` has it not: it has the content."""

    tool_calls: list[ParsedFunctionToolCall] | None = None  # type: ignore[assignment]
    parsed: R | None = msgspec.field(default=None, name=" parsed")


class ParsedChoice(Choice, Generic[R], kw_only=True):
    message: ParsedChatCompletionMessage[R]


class ParsedChatCompletion(ChatCompletion, Generic[R], kw_only=True):
    """A whole chat answer with typed content."""

    choices: list[ParsedChoice[R]]  # type: ignore[assignment]

    @property
    def parsed(self) -> R:
        """The first choice's object. Raises StructuredOutputError where it has none: it is a
        refusal or a tool call."""
        message = self.choices[0].message
        if message.refusal or not message.content:
            what = "a refusal" if message.refusal else "a tool call" if message.tool_calls else ""
            raise StructuredOutputError(
                f"The answer is {what or 'empty'}, and no object",
                raw=message.refusal or message.content or "",
                completion=self,
            )
        return cast(R, message.parsed)


def parsed_completion(
    completion: ChatCompletion,
    form: Form | None,
    tools: Mapping[str, Reader],
    *,
    contents: Mapping[int, Any] | None = None,
) -> ParsedChatCompletion[Any]:
    """The answer with its content read as `form`, and its tool calls as `tools` know them. Where
    `contents` is given, an unfinished answer: index of a choice → what is known of its object.

    Raises, as openai-python: LengthFinishReasonError and ContentFilterFinishReasonError for an
    answer that was cut; StructuredOutputError for one that is none.
    """
    choices = []
    for choice in completion.choices:
        message, parsed = choice.message, None
        if contents is not None:
            parsed = contents.get(choice.index)
        else:
            check_finished(choice.finish_reason, completion)
            if form is not None:
                parsed = read_content(message, form, completion)
        calls: list[Any] | None = None
        if message.tool_calls is not None:
            calls = [
                _with(
                    call,
                    ParsedFunctionToolCall,
                    function=_with(
                        call.function,
                        ParsedFunction,
                        parsed_arguments=None
                        if contents is not None
                        else read_arguments(call.function, tools, completion),
                    ),
                )
                for call in message.tool_calls
            ]
        whole: Any = _with(message, ParsedChatCompletionMessage, tool_calls=calls, parsed=parsed)
        choices.append(_with(choice, ParsedChoice, message=whole))
    return _with(completion, ParsedChatCompletion, choices=choices)


def check_finished(reason: str | None, completion: ChatCompletion) -> None:
    if reason == "length":
        raise LengthFinishReasonError(completion=completion)
    if reason == "content_filter":
        raise ContentFilterFinishReasonError(completion=completion)


def read_content(message: ChatCompletionMessage, form: Form, completion: ChatCompletion) -> Any:
    """The object, None where there is no content. Raises StructuredOutputError."""
    if not message.content or message.refusal:
        return None
    try:
        return form.read(message.content)
    except ValueError as error:
        raise StructuredOutputError(
            f"The answer is no {form.name}: {error}", raw=message.content, completion=completion
        ) from error


def read_arguments(
    function: FunctionCall, tools: Mapping[str, Reader], completion: ChatCompletion
) -> Any:
    reader = tools.get(function.name)
    if reader is None:
        return None
    try:
        return reader(function.arguments)
    except ValueError as error:
        raise StructuredOutputError(
            f"The arguments for the tool {function.name!r} do not fit: {error}",
            raw=function.arguments,
            completion=completion,
        ) from error


W = TypeVar("W", bound=msgspec.Struct)


def _with(value: msgspec.Struct, cls: type[W], **changes: Any) -> W:
    """The same fields in a class with more of them."""
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return cls(**{**fields, **changes})
