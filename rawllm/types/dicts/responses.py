"""What a response is asked for with: input items, their parts, tools, the text's format.

Checks nothing at run time: these are dicts.
"""

from __future__ import annotations

from typing import Any, Literal, Required, TypeAlias

from .typed_dict import TypedDict

__all__ = [
    "EasyInputMessageParam",
    "FunctionCallOutput",
    "FunctionToolParam",
    "ResponseFormatTextJSONSchemaConfigParam",
    "ResponseFunctionToolCallParam",
    "ResponseInputContentParam",
    "ResponseInputFileParam",
    "ResponseInputImageParam",
    "ResponseInputItemParam",
    "ResponseInputParam",
    "ResponseInputTextParam",
    "ResponseTextConfigParam",
    "ToolChoiceFunctionParam",
    "ToolParam",
]


class ResponseInputTextParam(TypedDict):
    text: str
    type: Literal["input_text"]


class ResponseInputImageParam(TypedDict, total=False):
    type: Required[Literal["input_image"]]
    detail: Literal["low", "high", "auto"]
    file_id: str | None
    image_url: str | None


class ResponseInputFileParam(TypedDict, total=False):
    type: Required[Literal["input_file"]]
    file_data: str
    file_id: str | None
    file_url: str
    filename: str


ResponseInputContentParam: TypeAlias = (
    ResponseInputTextParam | ResponseInputImageParam | ResponseInputFileParam
)


class EasyInputMessageParam(TypedDict, total=False):
    content: Required[str | list[ResponseInputContentParam]]
    role: Required[Literal["user", "assistant", "system", "developer"]]
    type: Literal["message"]


class ResponseFunctionToolCallParam(TypedDict, total=False):
    arguments: Required[str]
    call_id: Required[str]
    name: Required[str]
    type: Required[Literal["function_call"]]
    id: str
    status: Literal["in_progress", "completed", "incomplete"]


class FunctionCallOutput(TypedDict, total=False):
    call_id: Required[str]
    output: Required[str | list[ResponseInputContentParam]]
    type: Required[Literal["function_call_output"]]
    id: str | None
    status: Literal["in_progress", "completed", "incomplete"] | None


#: Any, since an earlier answer's `output` holds items too, as objects.
ResponseInputItemParam: TypeAlias = (
    EasyInputMessageParam | ResponseFunctionToolCallParam | FunctionCallOutput | Any
)

ResponseInputParam: TypeAlias = list[ResponseInputItemParam]


class FunctionToolParam(TypedDict, total=False):
    name: Required[str]
    parameters: Required[dict[str, object] | None]
    strict: Required[bool | None]
    type: Required[Literal["function"]]
    description: str | None


#: Functions, and the tools that OpenAI runs itself.
ToolParam: TypeAlias = FunctionToolParam | dict[str, Any]


class ToolChoiceFunctionParam(TypedDict):
    name: str
    type: Literal["function"]


class ResponseFormatTextJSONSchemaConfigParam(TypedDict, total=False):
    name: Required[str]
    schema: Required[dict[str, object]]
    type: Required[Literal["json_schema"]]
    description: str
    strict: bool | None


class ResponseTextConfigParam(TypedDict, total=False):
    format: ResponseFormatTextJSONSchemaConfigParam | dict[str, Any]
    verbosity: Literal["low", "medium", "high"] | None
