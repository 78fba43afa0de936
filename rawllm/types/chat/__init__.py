"""`openai.types.chat`: its names load on first use, since an annotation needs no msgspec.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from typing import TYPE_CHECKING

from .._lazy import getter

if TYPE_CHECKING:
    from ...sansio.parsed import ParsedChatCompletion as ParsedChatCompletion
    from ...sansio.parsed import ParsedChoice as ParsedChoice
    from ...sansio.parsed import ParsedFunction as ParsedFunction
    from ...sansio.parsed import ParsedFunctionToolCall as ParsedFunctionToolCall
    from ...sansio.types import ChatCompletion as ChatCompletion
    from ...sansio.types import ChatCompletionChunk as ChatCompletionChunk
    from ...sansio.types import ChatCompletionMessage as ChatCompletionMessage
    from ...sansio.types import TokenLogprob as ChatCompletionTokenLogprob
    from ...sansio.types import ToolCall as ChatCompletionMessageCustomToolCall
    from ...sansio.types import ToolCall as ChatCompletionMessageFunctionToolCall
    from ...sansio.types import ToolCall as ChatCompletionMessageToolCall
    from ...sansio.types import ToolCall as ChatCompletionMessageToolCallUnion
    from ..dicts.formats import ChatCompletionAudioParam as ChatCompletionAudioParam
    from ..dicts.formats import ChatCompletionModality as ChatCompletionModality
    from ..dicts.formats import (
        ChatCompletionPredictionContentParam as ChatCompletionPredictionContentParam,
    )
    from ..dicts.formats import ChatCompletionReasoningEffort as ChatCompletionReasoningEffort
    from ..dicts.formats import (
        ChatCompletionStreamOptionsParam as ChatCompletionStreamOptionsParam,
    )
    from ..dicts.messages import (
        ChatCompletionAssistantMessageParam as ChatCompletionAssistantMessageParam,
    )
    from ..dicts.messages import (
        ChatCompletionDeveloperMessageParam as ChatCompletionDeveloperMessageParam,
    )
    from ..dicts.messages import (
        ChatCompletionFunctionMessageParam as ChatCompletionFunctionMessageParam,
    )
    from ..dicts.messages import (
        ChatCompletionMessageCustomToolCallParam as ChatCompletionMessageCustomToolCallParam,
    )
    from ..dicts.messages import (
        ChatCompletionMessageFunctionToolCallParam as ChatCompletionMessageFunctionToolCallParam,
    )
    from ..dicts.messages import ChatCompletionMessageParam as ChatCompletionMessageParam
    from ..dicts.messages import (
        ChatCompletionMessageToolCallParam as ChatCompletionMessageToolCallParam,
    )
    from ..dicts.messages import (
        ChatCompletionMessageToolCallUnionParam as ChatCompletionMessageToolCallUnionParam,
    )
    from ..dicts.messages import ChatCompletionRole as ChatCompletionRole
    from ..dicts.messages import (
        ChatCompletionSystemMessageParam as ChatCompletionSystemMessageParam,
    )
    from ..dicts.messages import ChatCompletionToolMessageParam as ChatCompletionToolMessageParam
    from ..dicts.messages import ChatCompletionUserMessageParam as ChatCompletionUserMessageParam
    from ..dicts.parts import (
        ChatCompletionContentPartImageParam as ChatCompletionContentPartImageParam,
    )
    from ..dicts.parts import (
        ChatCompletionContentPartInputAudioParam as ChatCompletionContentPartInputAudioParam,
    )
    from ..dicts.parts import ChatCompletionContentPartParam as ChatCompletionContentPartParam
    from ..dicts.parts import (
        ChatCompletionContentPartRefusalParam as ChatCompletionContentPartRefusalParam,
    )
    from ..dicts.parts import (
        ChatCompletionContentPartTextParam as ChatCompletionContentPartTextParam,
    )
    from ..dicts.requests import ChatCreateParamsEither as CompletionCreateParams
    from ..dicts.tools import (
        ChatCompletionAllowedToolChoiceParam as ChatCompletionAllowedToolChoiceParam,
    )
    from ..dicts.tools import ChatCompletionAllowedToolsParam as ChatCompletionAllowedToolsParam
    from ..dicts.tools import ChatCompletionCustomToolParam as ChatCompletionCustomToolParam
    from ..dicts.tools import (
        ChatCompletionFunctionCallOptionParam as ChatCompletionFunctionCallOptionParam,
    )
    from ..dicts.tools import ChatCompletionFunctionToolParam as ChatCompletionFunctionToolParam
    from ..dicts.tools import (
        ChatCompletionNamedToolChoiceCustomParam as ChatCompletionNamedToolChoiceCustomParam,
    )
    from ..dicts.tools import (
        ChatCompletionNamedToolChoiceParam as ChatCompletionNamedToolChoiceParam,
    )
    from ..dicts.tools import (
        ChatCompletionToolChoiceOptionParam as ChatCompletionToolChoiceOptionParam,
    )
    from ..dicts.tools import ChatCompletionToolParam as ChatCompletionToolParam
    from ..dicts.tools import ChatCompletionToolUnionParam as ChatCompletionToolUnionParam

__all__ = [
    "ChatCompletion",
    "ChatCompletionAllowedToolChoiceParam",
    "ChatCompletionAllowedToolsParam",
    "ChatCompletionAssistantMessageParam",
    "ChatCompletionAudioParam",
    "ChatCompletionChunk",
    "ChatCompletionContentPartImageParam",
    "ChatCompletionContentPartInputAudioParam",
    "ChatCompletionContentPartParam",
    "ChatCompletionContentPartRefusalParam",
    "ChatCompletionContentPartTextParam",
    "ChatCompletionCustomToolParam",
    "ChatCompletionDeveloperMessageParam",
    "ChatCompletionFunctionCallOptionParam",
    "ChatCompletionFunctionMessageParam",
    "ChatCompletionFunctionToolParam",
    "ChatCompletionMessage",
    "ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageCustomToolCallParam",
    "ChatCompletionMessageFunctionToolCall",
    "ChatCompletionMessageFunctionToolCallParam",
    "ChatCompletionMessageParam",
    "ChatCompletionMessageToolCall",
    "ChatCompletionMessageToolCallParam",
    "ChatCompletionMessageToolCallUnion",
    "ChatCompletionMessageToolCallUnionParam",
    "ChatCompletionModality",
    "ChatCompletionNamedToolChoiceCustomParam",
    "ChatCompletionNamedToolChoiceParam",
    "ChatCompletionPredictionContentParam",
    "ChatCompletionReasoningEffort",
    "ChatCompletionRole",
    "ChatCompletionStreamOptionsParam",
    "ChatCompletionSystemMessageParam",
    "ChatCompletionTokenLogprob",
    "ChatCompletionToolChoiceOptionParam",
    "ChatCompletionToolMessageParam",
    "ChatCompletionToolParam",
    "ChatCompletionToolUnionParam",
    "ChatCompletionUserMessageParam",
    "CompletionCreateParams",
    "ParsedChatCompletion",
    "ParsedChoice",
    "ParsedFunction",
    "ParsedFunctionToolCall",
]

#: Module below rawllm → name here → name there.
_HOMES = {
    "sansio.parsed": {
        "ParsedChatCompletion": "ParsedChatCompletion",
        "ParsedChoice": "ParsedChoice",
        "ParsedFunction": "ParsedFunction",
        "ParsedFunctionToolCall": "ParsedFunctionToolCall",
    },
    "sansio.types": {
        "ChatCompletion": "ChatCompletion",
        "ChatCompletionChunk": "ChatCompletionChunk",
        "ChatCompletionMessage": "ChatCompletionMessage",
        "ChatCompletionMessageCustomToolCall": "ToolCall",
        "ChatCompletionMessageFunctionToolCall": "ToolCall",
        "ChatCompletionMessageToolCall": "ToolCall",
        "ChatCompletionMessageToolCallUnion": "ToolCall",
        "ChatCompletionTokenLogprob": "TokenLogprob",
    },
    "types.dicts.formats": {
        "ChatCompletionAudioParam": "ChatCompletionAudioParam",
        "ChatCompletionModality": "ChatCompletionModality",
        "ChatCompletionPredictionContentParam": "ChatCompletionPredictionContentParam",
        "ChatCompletionReasoningEffort": "ChatCompletionReasoningEffort",
        "ChatCompletionStreamOptionsParam": "ChatCompletionStreamOptionsParam",
    },
    "types.dicts.messages": {
        "ChatCompletionAssistantMessageParam": "ChatCompletionAssistantMessageParam",
        "ChatCompletionDeveloperMessageParam": "ChatCompletionDeveloperMessageParam",
        "ChatCompletionFunctionMessageParam": "ChatCompletionFunctionMessageParam",
        "ChatCompletionMessageCustomToolCallParam": "ChatCompletionMessageCustomToolCallParam",
        "ChatCompletionMessageFunctionToolCallParam": "ChatCompletionMessageFunctionToolCallParam",
        "ChatCompletionMessageParam": "ChatCompletionMessageParam",
        "ChatCompletionMessageToolCallParam": "ChatCompletionMessageToolCallParam",
        "ChatCompletionMessageToolCallUnionParam": "ChatCompletionMessageToolCallUnionParam",
        "ChatCompletionRole": "ChatCompletionRole",
        "ChatCompletionSystemMessageParam": "ChatCompletionSystemMessageParam",
        "ChatCompletionToolMessageParam": "ChatCompletionToolMessageParam",
        "ChatCompletionUserMessageParam": "ChatCompletionUserMessageParam",
    },
    "types.dicts.parts": {
        "ChatCompletionContentPartImageParam": "ChatCompletionContentPartImageParam",
        "ChatCompletionContentPartInputAudioParam": "ChatCompletionContentPartInputAudioParam",
        "ChatCompletionContentPartParam": "ChatCompletionContentPartParam",
        "ChatCompletionContentPartRefusalParam": "ChatCompletionContentPartRefusalParam",
        "ChatCompletionContentPartTextParam": "ChatCompletionContentPartTextParam",
    },
    "types.dicts.requests": {"CompletionCreateParams": "ChatCreateParamsEither"},
    "types.dicts.tools": {
        "ChatCompletionAllowedToolChoiceParam": "ChatCompletionAllowedToolChoiceParam",
        "ChatCompletionAllowedToolsParam": "ChatCompletionAllowedToolsParam",
        "ChatCompletionCustomToolParam": "ChatCompletionCustomToolParam",
        "ChatCompletionFunctionCallOptionParam": "ChatCompletionFunctionCallOptionParam",
        "ChatCompletionFunctionToolParam": "ChatCompletionFunctionToolParam",
        "ChatCompletionNamedToolChoiceCustomParam": "ChatCompletionNamedToolChoiceCustomParam",
        "ChatCompletionNamedToolChoiceParam": "ChatCompletionNamedToolChoiceParam",
        "ChatCompletionToolChoiceOptionParam": "ChatCompletionToolChoiceOptionParam",
        "ChatCompletionToolParam": "ChatCompletionToolParam",
        "ChatCompletionToolUnionParam": "ChatCompletionToolUnionParam",
    },
}

if not TYPE_CHECKING:  # or a type checker would take any name for one that is here
    __getattr__ = getter(__name__, _HOMES)
