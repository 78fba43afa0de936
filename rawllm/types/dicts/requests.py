"""The arguments of `create`, for code that hands them on: `create(**params)`.

Checks nothing at run time: these are dicts, and servers take more than stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Required, TypeAlias

from .formats import (
    ChatCompletionAudioParam,
    ChatCompletionModality,
    ChatCompletionPredictionContentParam,
    ChatCompletionStreamOptionsParam,
    Metadata,
    ReasoningEffort,
    ResponseFormat,
)
from .messages import ChatCompletionMessageParam
from .tools import (
    ChatCompletionFunctionCallOptionParam,
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolUnionParam,
    FunctionParameters,
)
from .typed_dict import TypedDict

__all__ = [
    "ApproximateLocation",
    "ChatCreateParams",
    "ChatCreateParamsEither",
    "ChatCreateParamsNonStreaming",
    "ChatCreateParamsStreaming",
    "EmbeddingCreateParams",
    "FunctionCallOption",
    "OldFunction",
    "PromptCacheOptions",
    "TextCreateParams",
    "TextCreateParamsEither",
    "TextCreateParamsNonStreaming",
    "TextCreateParamsStreaming",
    "UserLocation",
    "WebSearchOptions",
]

FunctionCallOption: TypeAlias = Literal["none", "auto"] | ChatCompletionFunctionCallOptionParam


class OldFunction(TypedDict, total=False):
    name: Required[str]
    description: str
    parameters: FunctionParameters


class ApproximateLocation(TypedDict, total=False):
    city: str
    country: str
    region: str
    timezone: str


class UserLocation(TypedDict, total=False):
    approximate: Required[ApproximateLocation]
    type: Required[Literal["approximate"]]


class WebSearchOptions(TypedDict, total=False):
    search_context_size: Literal["low", "medium", "high"]
    user_location: UserLocation | None


class PromptCacheOptions(TypedDict, total=False):
    mode: Literal["implicit", "explicit"]
    ttl: Literal["30m"]


class ChatCreateParams(TypedDict, total=False):
    messages: Required[Iterable[ChatCompletionMessageParam]]
    model: Required[str]
    audio: ChatCompletionAudioParam | None
    frequency_penalty: float | None
    function_call: FunctionCallOption
    functions: Iterable[OldFunction]
    logit_bias: dict[str, int] | None
    logprobs: bool | None
    max_completion_tokens: int | None
    max_tokens: int | None
    metadata: Metadata | None
    modalities: list[ChatCompletionModality] | None
    moderation: dict[str, object] | None
    n: int | None
    parallel_tool_calls: bool
    prediction: ChatCompletionPredictionContentParam | None
    presence_penalty: float | None
    prompt_cache_key: str | None
    prompt_cache_options: PromptCacheOptions
    prompt_cache_retention: Literal["in_memory", "24h"] | None
    reasoning_effort: ReasoningEffort
    response_format: ResponseFormat
    safety_identifier: str | None
    seed: int | None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None
    stop: str | list[str] | None
    store: bool | None
    stream_options: ChatCompletionStreamOptionsParam | None
    temperature: float | None
    tool_choice: ChatCompletionToolChoiceOptionParam
    tools: Iterable[ChatCompletionToolUnionParam]
    top_logprobs: int | None
    top_p: float | None
    user: str
    verbosity: Literal["low", "medium", "high"] | None
    web_search_options: WebSearchOptions


class ChatCreateParamsNonStreaming(ChatCreateParams, total=False):
    stream: Literal[False] | None


class ChatCreateParamsStreaming(ChatCreateParams):
    stream: Required[Literal[True]]


ChatCreateParamsEither: TypeAlias = ChatCreateParamsNonStreaming | ChatCreateParamsStreaming


class TextCreateParams(TypedDict, total=False):
    model: Required[str]
    prompt: Required[str | list[str] | Iterable[int] | Iterable[Iterable[int]] | None]
    best_of: int | None
    echo: bool | None
    frequency_penalty: float | None
    logit_bias: dict[str, int] | None
    logprobs: int | None
    max_tokens: int | None
    n: int | None
    presence_penalty: float | None
    seed: int | None
    stop: str | list[str] | None
    stream_options: ChatCompletionStreamOptionsParam | None
    suffix: str | None
    temperature: float | None
    top_p: float | None
    user: str


class TextCreateParamsNonStreaming(TextCreateParams, total=False):
    stream: Literal[False] | None


class TextCreateParamsStreaming(TextCreateParams):
    stream: Required[Literal[True]]


TextCreateParamsEither: TypeAlias = TextCreateParamsNonStreaming | TextCreateParamsStreaming


class EmbeddingCreateParams(TypedDict, total=False):
    input: Required[str | list[str] | Iterable[int] | Iterable[Iterable[int]]]
    model: Required[str]
    dimensions: int
    encoding_format: Literal["float", "base64"]
    user: str
