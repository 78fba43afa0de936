"""`openai.types.responses`: its names load on first use, since an annotation needs no msgspec.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from typing import TYPE_CHECKING

from .._lazy import getter

if TYPE_CHECKING:
    from ...sansio.responses import IncompleteDetails as IncompleteDetails
    from ...sansio.responses import InputTokensDetails as InputTokensDetails
    from ...sansio.responses import OutputTokensDetails as OutputTokensDetails
    from ...sansio.responses import Response as Response
    from ...sansio.responses import ResponseError as ResponseError
    from ...sansio.responses import ResponseItemList as ResponseItemList
    from ...sansio.responses import ResponseTextConfig as ResponseTextConfig
    from ...sansio.responses import ResponseUsage as ResponseUsage
    from ...sansio.responses_events import ResponseCompletedEvent as ResponseCompletedEvent
    from ...sansio.responses_events import (
        ResponseContentPartAddedEvent as ResponseContentPartAddedEvent,
    )
    from ...sansio.responses_events import (
        ResponseContentPartDoneEvent as ResponseContentPartDoneEvent,
    )
    from ...sansio.responses_events import ResponseCreatedEvent as ResponseCreatedEvent
    from ...sansio.responses_events import (
        ResponseCustomToolCallInputDeltaEvent as ResponseCustomToolCallInputDeltaEvent,
    )
    from ...sansio.responses_events import (
        ResponseCustomToolCallInputDoneEvent as ResponseCustomToolCallInputDoneEvent,
    )
    from ...sansio.responses_events import ResponseErrorEvent as ResponseErrorEvent
    from ...sansio.responses_events import ResponseFailedEvent as ResponseFailedEvent
    from ...sansio.responses_events import (
        ResponseFunctionCallArgumentsDeltaEvent as ResponseFunctionCallArgumentsDeltaEvent,
    )
    from ...sansio.responses_events import (
        ResponseFunctionCallArgumentsDoneEvent as ResponseFunctionCallArgumentsDoneEvent,
    )
    from ...sansio.responses_events import ResponseIncompleteEvent as ResponseIncompleteEvent
    from ...sansio.responses_events import ResponseInProgressEvent as ResponseInProgressEvent
    from ...sansio.responses_events import ResponseOtherEvent as ResponseOtherEvent
    from ...sansio.responses_events import (
        ResponseOutputItemAddedEvent as ResponseOutputItemAddedEvent,
    )
    from ...sansio.responses_events import (
        ResponseOutputItemDoneEvent as ResponseOutputItemDoneEvent,
    )
    from ...sansio.responses_events import (
        ResponseOutputTextAnnotationAddedEvent as ResponseOutputTextAnnotationAddedEvent,
    )
    from ...sansio.responses_events import ResponseQueuedEvent as ResponseQueuedEvent
    from ...sansio.responses_events import (
        ResponseReasoningSummaryPartAddedEvent as ResponseReasoningSummaryPartAddedEvent,
    )
    from ...sansio.responses_events import (
        ResponseReasoningSummaryPartDoneEvent as ResponseReasoningSummaryPartDoneEvent,
    )
    from ...sansio.responses_events import (
        ResponseReasoningSummaryTextDeltaEvent as ResponseReasoningSummaryTextDeltaEvent,
    )
    from ...sansio.responses_events import (
        ResponseReasoningSummaryTextDoneEvent as ResponseReasoningSummaryTextDoneEvent,
    )
    from ...sansio.responses_events import (
        ResponseReasoningTextDeltaEvent as ResponseReasoningTextDeltaEvent,
    )
    from ...sansio.responses_events import (
        ResponseReasoningTextDoneEvent as ResponseReasoningTextDoneEvent,
    )
    from ...sansio.responses_events import ResponseRefusalDeltaEvent as ResponseRefusalDeltaEvent
    from ...sansio.responses_events import ResponseRefusalDoneEvent as ResponseRefusalDoneEvent
    from ...sansio.responses_events import ResponseStreamEvent as ResponseStreamEvent
    from ...sansio.responses_events import ResponseTextDeltaEvent as ResponseTextDeltaEvent
    from ...sansio.responses_events import ResponseTextDoneEvent as ResponseTextDoneEvent
    from ...sansio.responses_items import ResponseCustomToolCall as ResponseCustomToolCall
    from ...sansio.responses_items import ResponseFunctionToolCall as ResponseFunctionToolCall
    from ...sansio.responses_items import ResponseOutputItem as ResponseOutputItem
    from ...sansio.responses_items import ResponseOutputMessage as ResponseOutputMessage
    from ...sansio.responses_items import ResponseOutputRefusal as ResponseOutputRefusal
    from ...sansio.responses_items import ResponseOutputText as ResponseOutputText
    from ...sansio.responses_items import ResponseReasoningItem as ResponseReasoningItem
    from ...sansio.responses_parsed import ParsedResponse as ParsedResponse
    from ...sansio.responses_parsed import (
        ParsedResponseFunctionToolCall as ParsedResponseFunctionToolCall,
    )
    from ...sansio.responses_parsed import (
        ParsedResponseOutputMessage as ParsedResponseOutputMessage,
    )
    from ...sansio.responses_parsed import ParsedResponseOutputText as ParsedResponseOutputText
    from ..dicts.responses import EasyInputMessageParam as EasyInputMessageParam
    from ..dicts.responses import FunctionCallOutput as FunctionCallOutput
    from ..dicts.responses import FunctionToolParam as FunctionToolParam
    from ..dicts.responses import (
        ResponseFormatTextJSONSchemaConfigParam as ResponseFormatTextJSONSchemaConfigParam,
    )
    from ..dicts.responses import ResponseFunctionToolCallParam as ResponseFunctionToolCallParam
    from ..dicts.responses import ResponseInputContentParam as ResponseInputContentParam
    from ..dicts.responses import ResponseInputFileParam as ResponseInputFileParam
    from ..dicts.responses import ResponseInputImageParam as ResponseInputImageParam
    from ..dicts.responses import ResponseInputItemParam as ResponseInputItemParam
    from ..dicts.responses import ResponseInputParam as ResponseInputParam
    from ..dicts.responses import ResponseInputTextParam as ResponseInputTextParam
    from ..dicts.responses import ResponseTextConfigParam as ResponseTextConfigParam
    from ..dicts.responses import ToolChoiceFunctionParam as ToolChoiceFunctionParam
    from ..dicts.responses import ToolParam as ToolParam

__all__ = [
    "EasyInputMessageParam",
    "FunctionCallOutput",
    "FunctionToolParam",
    "IncompleteDetails",
    "InputTokensDetails",
    "OutputTokensDetails",
    "ParsedResponse",
    "ParsedResponseFunctionToolCall",
    "ParsedResponseOutputMessage",
    "ParsedResponseOutputText",
    "Response",
    "ResponseCompletedEvent",
    "ResponseContentPartAddedEvent",
    "ResponseContentPartDoneEvent",
    "ResponseCreatedEvent",
    "ResponseCustomToolCall",
    "ResponseCustomToolCallInputDeltaEvent",
    "ResponseCustomToolCallInputDoneEvent",
    "ResponseError",
    "ResponseErrorEvent",
    "ResponseFailedEvent",
    "ResponseFormatTextJSONSchemaConfigParam",
    "ResponseFunctionCallArgumentsDeltaEvent",
    "ResponseFunctionCallArgumentsDoneEvent",
    "ResponseFunctionToolCall",
    "ResponseFunctionToolCallParam",
    "ResponseInProgressEvent",
    "ResponseIncompleteEvent",
    "ResponseInputContentParam",
    "ResponseInputFileParam",
    "ResponseInputImageParam",
    "ResponseInputItemParam",
    "ResponseInputParam",
    "ResponseInputTextParam",
    "ResponseItemList",
    "ResponseOtherEvent",
    "ResponseOutputItem",
    "ResponseOutputItemAddedEvent",
    "ResponseOutputItemDoneEvent",
    "ResponseOutputMessage",
    "ResponseOutputRefusal",
    "ResponseOutputText",
    "ResponseOutputTextAnnotationAddedEvent",
    "ResponseQueuedEvent",
    "ResponseReasoningItem",
    "ResponseReasoningSummaryPartAddedEvent",
    "ResponseReasoningSummaryPartDoneEvent",
    "ResponseReasoningSummaryTextDeltaEvent",
    "ResponseReasoningSummaryTextDoneEvent",
    "ResponseReasoningTextDeltaEvent",
    "ResponseReasoningTextDoneEvent",
    "ResponseRefusalDeltaEvent",
    "ResponseRefusalDoneEvent",
    "ResponseStreamEvent",
    "ResponseTextConfig",
    "ResponseTextConfigParam",
    "ResponseTextDeltaEvent",
    "ResponseTextDoneEvent",
    "ResponseUsage",
    "ToolChoiceFunctionParam",
    "ToolParam",
]

#: Module below rawllm → name here → name there.
_HOMES = {
    "sansio.responses": {
        "IncompleteDetails": "IncompleteDetails",
        "InputTokensDetails": "InputTokensDetails",
        "OutputTokensDetails": "OutputTokensDetails",
        "Response": "Response",
        "ResponseError": "ResponseError",
        "ResponseItemList": "ResponseItemList",
        "ResponseTextConfig": "ResponseTextConfig",
        "ResponseUsage": "ResponseUsage",
    },
    "sansio.responses_events": {
        "ResponseCompletedEvent": "ResponseCompletedEvent",
        "ResponseContentPartAddedEvent": "ResponseContentPartAddedEvent",
        "ResponseContentPartDoneEvent": "ResponseContentPartDoneEvent",
        "ResponseCreatedEvent": "ResponseCreatedEvent",
        "ResponseCustomToolCallInputDeltaEvent": "ResponseCustomToolCallInputDeltaEvent",
        "ResponseCustomToolCallInputDoneEvent": "ResponseCustomToolCallInputDoneEvent",
        "ResponseErrorEvent": "ResponseErrorEvent",
        "ResponseFailedEvent": "ResponseFailedEvent",
        "ResponseFunctionCallArgumentsDeltaEvent": "ResponseFunctionCallArgumentsDeltaEvent",
        "ResponseFunctionCallArgumentsDoneEvent": "ResponseFunctionCallArgumentsDoneEvent",
        "ResponseInProgressEvent": "ResponseInProgressEvent",
        "ResponseIncompleteEvent": "ResponseIncompleteEvent",
        "ResponseOtherEvent": "ResponseOtherEvent",
        "ResponseOutputItemAddedEvent": "ResponseOutputItemAddedEvent",
        "ResponseOutputItemDoneEvent": "ResponseOutputItemDoneEvent",
        "ResponseOutputTextAnnotationAddedEvent": "ResponseOutputTextAnnotationAddedEvent",
        "ResponseQueuedEvent": "ResponseQueuedEvent",
        "ResponseReasoningSummaryPartAddedEvent": "ResponseReasoningSummaryPartAddedEvent",
        "ResponseReasoningSummaryPartDoneEvent": "ResponseReasoningSummaryPartDoneEvent",
        "ResponseReasoningSummaryTextDeltaEvent": "ResponseReasoningSummaryTextDeltaEvent",
        "ResponseReasoningSummaryTextDoneEvent": "ResponseReasoningSummaryTextDoneEvent",
        "ResponseReasoningTextDeltaEvent": "ResponseReasoningTextDeltaEvent",
        "ResponseReasoningTextDoneEvent": "ResponseReasoningTextDoneEvent",
        "ResponseRefusalDeltaEvent": "ResponseRefusalDeltaEvent",
        "ResponseRefusalDoneEvent": "ResponseRefusalDoneEvent",
        "ResponseStreamEvent": "ResponseStreamEvent",
        "ResponseTextDeltaEvent": "ResponseTextDeltaEvent",
        "ResponseTextDoneEvent": "ResponseTextDoneEvent",
    },
    "sansio.responses_items": {
        "ResponseCustomToolCall": "ResponseCustomToolCall",
        "ResponseFunctionToolCall": "ResponseFunctionToolCall",
        "ResponseOutputItem": "ResponseOutputItem",
        "ResponseOutputMessage": "ResponseOutputMessage",
        "ResponseOutputRefusal": "ResponseOutputRefusal",
        "ResponseOutputText": "ResponseOutputText",
        "ResponseReasoningItem": "ResponseReasoningItem",
    },
    "sansio.responses_parsed": {
        "ParsedResponse": "ParsedResponse",
        "ParsedResponseFunctionToolCall": "ParsedResponseFunctionToolCall",
        "ParsedResponseOutputMessage": "ParsedResponseOutputMessage",
        "ParsedResponseOutputText": "ParsedResponseOutputText",
    },
    "types.dicts.responses": {
        "EasyInputMessageParam": "EasyInputMessageParam",
        "FunctionCallOutput": "FunctionCallOutput",
        "FunctionToolParam": "FunctionToolParam",
        "ResponseFormatTextJSONSchemaConfigParam": "ResponseFormatTextJSONSchemaConfigParam",
        "ResponseFunctionToolCallParam": "ResponseFunctionToolCallParam",
        "ResponseInputContentParam": "ResponseInputContentParam",
        "ResponseInputFileParam": "ResponseInputFileParam",
        "ResponseInputImageParam": "ResponseInputImageParam",
        "ResponseInputItemParam": "ResponseInputItemParam",
        "ResponseInputParam": "ResponseInputParam",
        "ResponseInputTextParam": "ResponseInputTextParam",
        "ResponseTextConfigParam": "ResponseTextConfigParam",
        "ToolChoiceFunctionParam": "ToolChoiceFunctionParam",
        "ToolParam": "ToolParam",
    },
}

if not TYPE_CHECKING:  # or a type checker would take any name for one that is here
    __getattr__ = getter(__name__, _HOMES)
