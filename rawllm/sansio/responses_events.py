"""The events of a streamed response, by openai-python's names and fields, and their decoding.

Drops no event: one of a type that is not declared here keeps all of its fields. Adds nothing up;
responses_deltas.py does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from . import failures
from .decode import ChunkDecoder, decode
from .loose import loads
from .responses import Response, failure_of
from .responses_items import (
    Content,
    Fields,
    ResponseOutputItem,
    ResponseReasoningText,
    attributes,
    item_of,
    part_of,
    plain,
)
from .types import Payload, wire_fields

__all__ = [
    "EventDecoder",
    "ResponseCompletedEvent",
    "ResponseContentPartAddedEvent",
    "ResponseContentPartDoneEvent",
    "ResponseCreatedEvent",
    "ResponseCustomToolCallInputDeltaEvent",
    "ResponseCustomToolCallInputDoneEvent",
    "ResponseErrorEvent",
    "ResponseFailedEvent",
    "ResponseFunctionCallArgumentsDeltaEvent",
    "ResponseFunctionCallArgumentsDoneEvent",
    "ResponseInProgressEvent",
    "ResponseIncompleteEvent",
    "ResponseOtherEvent",
    "ResponseOutputItemAddedEvent",
    "ResponseOutputItemDoneEvent",
    "ResponseOutputTextAnnotationAddedEvent",
    "ResponseQueuedEvent",
    "ResponseReasoningSummaryPartAddedEvent",
    "ResponseReasoningSummaryPartDoneEvent",
    "ResponseReasoningSummaryTextDeltaEvent",
    "ResponseReasoningSummaryTextDoneEvent",
    "ResponseReasoningTextDeltaEvent",
    "ResponseReasoningTextDoneEvent",
    "ResponseRefusalDeltaEvent",
    "ResponseRefusalDoneEvent",
    "ResponseStreamEvent",
    "ResponseTextDeltaEvent",
    "ResponseTextDoneEvent",
]

#: In place of numbers and ids that OpenAI always sends and others (llama.cpp) do not.
_ABSENT: Any = None


class ResponseOtherEvent(Payload, kw_only=True):
    """An event of any other type: its fields by attribute. The base of all events.

    sequence_number: int, None where the server counts none.
    """

    type: str = ""
    sequence_number: int = _ABSENT

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            extra = self.model_extra
            if name in extra:
                return attributes(extra[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class _Whole(ResponseOtherEvent):
    response: Response = msgspec.field(default_factory=Response)


class ResponseCreatedEvent(_Whole):
    type: Literal["response.created"] = "response.created"


class ResponseQueuedEvent(_Whole):
    type: Literal["response.queued"] = "response.queued"


class ResponseInProgressEvent(_Whole):
    type: Literal["response.in_progress"] = "response.in_progress"


class ResponseCompletedEvent(_Whole):
    """In `stream(…)` the response is a `ParsedResponse`."""

    type: Literal["response.completed"] = "response.completed"


class ResponseIncompleteEvent(_Whole):
    type: Literal["response.incomplete"] = "response.incomplete"


class ResponseFailedEvent(_Whole):
    """Handed out where something was before it; then its error is raised."""

    type: Literal["response.failed"] = "response.failed"


class ResponseErrorEvent(ResponseOtherEvent):
    """Handed out where something was before it; then it is raised as an error."""

    type: Literal["error"] = "error"
    message: str = ""
    code: str | None = None
    param: str | None = None


class _Indexed(ResponseOtherEvent):
    output_index: int = _ABSENT


class ResponseOutputItemAddedEvent(_Indexed):
    type: Literal["response.output_item.added"] = "response.output_item.added"
    item: ResponseOutputItem = msgspec.field(default_factory=Fields)


class ResponseOutputItemDoneEvent(_Indexed):
    type: Literal["response.output_item.done"] = "response.output_item.done"
    item: ResponseOutputItem = msgspec.field(default_factory=Fields)


class _OfItem(_Indexed):
    item_id: str = _ABSENT


class _OfPart(_OfItem):
    content_index: int = _ABSENT


class _OfSummary(_OfItem):
    summary_index: int = _ABSENT


class ResponseContentPartAddedEvent(_OfPart):
    type: Literal["response.content_part.added"] = "response.content_part.added"
    part: Content = _ABSENT


class ResponseContentPartDoneEvent(_OfPart):
    type: Literal["response.content_part.done"] = "response.content_part.done"
    part: Content = _ABSENT


class ResponseTextDeltaEvent(_OfPart):
    """snapshot: in `stream(…)` the part's text so far, else ""."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    delta: str = ""
    logprobs: list[Any] = msgspec.field(default_factory=list)
    snapshot: str = msgspec.field(default="", name=" snapshot")


class ResponseTextDoneEvent(_OfPart):
    """parsed: in `stream(text_format=…)` the object."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    text: str = ""
    logprobs: list[Any] = msgspec.field(default_factory=list)
    parsed: Any = msgspec.field(default=None, name=" parsed")


class ResponseOutputTextAnnotationAddedEvent(_OfPart):
    type: Literal["response.output_text.annotation.added"] = "response.output_text.annotation.added"
    annotation: Any = None
    annotation_index: int = _ABSENT


class ResponseRefusalDeltaEvent(_OfPart):
    type: Literal["response.refusal.delta"] = "response.refusal.delta"
    delta: str = ""


class ResponseRefusalDoneEvent(_OfPart):
    type: Literal["response.refusal.done"] = "response.refusal.done"
    refusal: str = ""


class ResponseReasoningTextDeltaEvent(_OfPart):
    type: Literal["response.reasoning_text.delta"] = "response.reasoning_text.delta"
    delta: str = ""


class ResponseReasoningTextDoneEvent(_OfPart):
    type: Literal["response.reasoning_text.done"] = "response.reasoning_text.done"
    text: str = ""


class ResponseReasoningSummaryPartAddedEvent(_OfSummary):
    type: Literal["response.reasoning_summary_part.added"] = "response.reasoning_summary_part.added"
    part: ResponseReasoningText = _ABSENT


class ResponseReasoningSummaryPartDoneEvent(_OfSummary):
    type: Literal["response.reasoning_summary_part.done"] = "response.reasoning_summary_part.done"
    part: ResponseReasoningText = _ABSENT


class ResponseReasoningSummaryTextDeltaEvent(_OfSummary):
    type: Literal["response.reasoning_summary_text.delta"] = "response.reasoning_summary_text.delta"
    delta: str = ""


class ResponseReasoningSummaryTextDoneEvent(_OfSummary):
    type: Literal["response.reasoning_summary_text.done"] = "response.reasoning_summary_text.done"
    text: str = ""


class ResponseFunctionCallArgumentsDeltaEvent(_OfItem):
    """snapshot: in `stream(…)` the arguments so far, else ""."""

    type: Literal["response.function_call_arguments.delta"] = (
        "response.function_call_arguments.delta"
    )
    delta: str = ""
    snapshot: str = msgspec.field(default="", name=" snapshot")


class ResponseFunctionCallArgumentsDoneEvent(_OfItem):
    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    arguments: str = ""


class ResponseCustomToolCallInputDeltaEvent(_OfItem):
    type: Literal["response.custom_tool_call_input.delta"] = "response.custom_tool_call_input.delta"
    delta: str = ""


class ResponseCustomToolCallInputDoneEvent(_OfItem):
    type: Literal["response.custom_tool_call_input.done"] = "response.custom_tool_call_input.done"
    input: str = ""


ResponseStreamEvent: TypeAlias = (
    ResponseCreatedEvent
    | ResponseQueuedEvent
    | ResponseInProgressEvent
    | ResponseCompletedEvent
    | ResponseIncompleteEvent
    | ResponseFailedEvent
    | ResponseErrorEvent
    | ResponseOutputItemAddedEvent
    | ResponseOutputItemDoneEvent
    | ResponseContentPartAddedEvent
    | ResponseContentPartDoneEvent
    | ResponseTextDeltaEvent
    | ResponseTextDoneEvent
    | ResponseOutputTextAnnotationAddedEvent
    | ResponseRefusalDeltaEvent
    | ResponseRefusalDoneEvent
    | ResponseReasoningTextDeltaEvent
    | ResponseReasoningTextDoneEvent
    | ResponseReasoningSummaryPartAddedEvent
    | ResponseReasoningSummaryPartDoneEvent
    | ResponseReasoningSummaryTextDeltaEvent
    | ResponseReasoningSummaryTextDoneEvent
    | ResponseFunctionCallArgumentsDeltaEvent
    | ResponseFunctionCallArgumentsDoneEvent
    | ResponseCustomToolCallInputDeltaEvent
    | ResponseCustomToolCallInputDoneEvent
    | ResponseOtherEvent
)


def _response_of(value: Any) -> Response:
    if not isinstance(value, dict):
        return Response()
    # By way of its bytes: an answer keeps them, and so what a server adds to it.
    return decode(msgspec.json.encode(value), Response)


_EVENTS: Mapping[str, type[ResponseOtherEvent]] = {
    field.default: cls
    for cls in get_args(ResponseStreamEvent)
    for field in wire_fields(cls)
    if field.name == "type"
}

#: Field → what makes its object of its value.
_MAKERS: Mapping[str, Callable[[Any], Any]] = {
    "response": _response_of,
    "item": item_of,
    "part": part_of,
    "annotation": attributes,
    "logprobs": attributes,
}


_DELTA = b'"response.output_text.delta"'
_delta_decoder = msgspec.json.Decoder(ResponseTextDeltaEvent)


@cache
def _readers(cls: type[ResponseOtherEvent]) -> dict[str, Callable[[Any], Any] | None]:
    """The fields of an event, all of which have their wire's name → what makes their objects."""
    return {field.name: _MAKERS.get(field.name) for field in wire_fields(cls)}


class EventDecoder(ChunkDecoder):
    """Decodes the events of one stream, in order.

    told: the last event that announced an error, which was raised instead.
    """

    def __init__(self) -> None:
        super().__init__(ResponseOtherEvent)
        self.told: ResponseOtherEvent | None = None

    def decode(self, payload: bytes, status: int | None = None) -> Any:
        """Raises APIResponseValidationError where it is no event, and the error that it announces
        where it is one: `error`, `response.failed`, `{"error": …}`."""
        # Nearly all events are of this kind, and it has nothing to be opened: a tenth of the cost.
        if _DELTA in payload and not self._halves:
            try:
                delta = _delta_decoder.decode(payload)
            except (ValueError, RecursionError):
                pass
            else:
                if not delta.logprobs:
                    delta._payload = payload
                    return delta
        try:
            value = loads(payload)
        except ValueError:
            value = None
        if self._halves or b"\\ud" in payload:
            value = self._join(value, ())
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            raise failures.from_body(value, status=status) or failures.bad_answer(
                payload, "The server sent no event", status_code=status
            )
        cls = _EVENTS.get(kind, ResponseOtherEvent)
        readers = _readers(cls)
        known = {}
        for name, item in value.items():
            if name in readers:
                make = readers[name]
                known[name] = item if make is None else make(item)
        event = cls(**known)
        event._payload = payload
        if isinstance(event, (ResponseErrorEvent, ResponseFailedEvent)):
            self.told = event
            details: Any = value.get("error") or value
            if isinstance(event, ResponseFailedEvent):
                details = plain(event.response.error)
            raise failure_of(details, status=status)
        return event
