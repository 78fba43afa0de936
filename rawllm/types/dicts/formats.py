"""Options that are more than a number: the answer's form, what a stream tells, models' names.

Checks nothing at run time: these are dicts, and models are whatever the server calls them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Required, TypeAlias

from .parts import ChatCompletionContentPartTextParam
from .typed_dict import TypedDict

__all__ = [
    "AllModels",
    "ChatCompletionAudioParam",
    "ChatCompletionModality",
    "ChatCompletionPredictionContentParam",
    "ChatCompletionReasoningEffort",
    "ChatCompletionStreamOptionsParam",
    "ChatModel",
    "EmbeddingModel",
    "JSONSchema",
    "Metadata",
    "Reasoning",
    "ReasoningEffort",
    "ResponseFormat",
    "ResponseFormatJSONObject",
    "ResponseFormatJSONSchema",
    "ResponseFormatText",
    "ResponsesModel",
    "Voice",
    "VoiceID",
]

#: openai-python lists api.openai.com's; other servers have others.
ChatModel: TypeAlias = str
AllModels: TypeAlias = str
EmbeddingModel: TypeAlias = str
ResponsesModel: TypeAlias = str

Metadata: TypeAlias = dict[str, str]

ReasoningEffort: TypeAlias = (
    Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
)
ChatCompletionReasoningEffort: TypeAlias = ReasoningEffort
ChatCompletionModality: TypeAlias = Literal["text", "audio"]


class Reasoning(TypedDict, total=False):
    context: Literal["auto", "current_turn", "all_turns"] | None
    effort: ReasoningEffort
    generate_summary: Literal["auto", "concise", "detailed"] | None
    mode: str
    summary: Literal["auto", "concise", "detailed"] | None


class VoiceID(TypedDict, total=False):
    id: Required[str]


Voice: TypeAlias = str | VoiceID


class ChatCompletionAudioParam(TypedDict, total=False):
    format: Required[Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]]
    voice: Required[Voice]


class ChatCompletionPredictionContentParam(TypedDict, total=False):
    content: Required[str | Iterable[ChatCompletionContentPartTextParam]]
    type: Required[Literal["content"]]


class ChatCompletionStreamOptionsParam(TypedDict, total=False):
    include_obfuscation: bool
    include_usage: bool


class ResponseFormatText(TypedDict, total=False):
    type: Required[Literal["text"]]


class ResponseFormatJSONObject(TypedDict, total=False):
    type: Required[Literal["json_object"]]


class JSONSchema(TypedDict, total=False):
    name: Required[str]
    description: str
    schema: dict[str, object]
    strict: bool | None


class ResponseFormatJSONSchema(TypedDict, total=False):
    json_schema: Required[JSONSchema]
    type: Required[Literal["json_schema"]]


ResponseFormat: TypeAlias = ResponseFormatText | ResponseFormatJSONSchema | ResponseFormatJSONObject
