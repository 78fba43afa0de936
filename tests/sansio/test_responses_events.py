"""Payloads → events. Names and fields were compared with openai-python 3.54."""

import json
from pathlib import Path
from typing import get_args

import pytest

from rawllm import APIError, APIResponseValidationError, InternalServerError, RateLimitError
from rawllm.sansio import responses_events as events
from rawllm.sansio.responses_events import EventDecoder, ResponseOtherEvent
from rawllm.sansio.responses_items import Fields, ResponseOutputMessage, ResponseOutputText
from rawllm.sansio.sse import SSEParser

SAMPLES = Path(__file__).parents[1] / "samples" / "responses"

PLACE = {"item_id": "i", "output_index": 1}
IN_PART = {**PLACE, "content_index": 2}
IN_SUMMARY = {**PLACE, "summary_index": 3}
RESPONSE = {"response": {"id": "r", "output": []}}
ITEM = {"output_index": 1, "item": {"type": "message", "id": "m", "content": []}}
TEXT = {"part": {"type": "output_text", "text": "a", "annotations": []}}
SUMMARY = {"part": {"type": "summary_text", "text": "a"}}

EVENTS = {
    "response.created": ("ResponseCreatedEvent", RESPONSE),
    "response.queued": ("ResponseQueuedEvent", RESPONSE),
    "response.in_progress": ("ResponseInProgressEvent", RESPONSE),
    "response.completed": ("ResponseCompletedEvent", RESPONSE),
    "response.incomplete": ("ResponseIncompleteEvent", RESPONSE),
    "response.output_item.added": ("ResponseOutputItemAddedEvent", ITEM),
    "response.output_item.done": ("ResponseOutputItemDoneEvent", ITEM),
    "response.content_part.added": ("ResponseContentPartAddedEvent", {**IN_PART, **TEXT}),
    "response.content_part.done": ("ResponseContentPartDoneEvent", {**IN_PART, **TEXT}),
    "response.output_text.delta": (
        "ResponseTextDeltaEvent",
        {**IN_PART, "delta": "a", "logprobs": []},
    ),
    "response.output_text.done": (
        "ResponseTextDoneEvent",
        {**IN_PART, "text": "a", "logprobs": []},
    ),
    "response.output_text.annotation.added": (
        "ResponseOutputTextAnnotationAddedEvent",
        {**IN_PART, "annotation": {"type": "file_path"}, "annotation_index": 0},
    ),
    "response.refusal.delta": ("ResponseRefusalDeltaEvent", {**IN_PART, "delta": "a"}),
    "response.refusal.done": ("ResponseRefusalDoneEvent", {**IN_PART, "refusal": "a"}),
    "response.reasoning_text.delta": ("ResponseReasoningTextDeltaEvent", {**IN_PART, "delta": "a"}),
    "response.reasoning_text.done": ("ResponseReasoningTextDoneEvent", {**IN_PART, "text": "a"}),
    "response.reasoning_summary_part.added": (
        "ResponseReasoningSummaryPartAddedEvent",
        {**IN_SUMMARY, **SUMMARY},
    ),
    "response.reasoning_summary_part.done": (
        "ResponseReasoningSummaryPartDoneEvent",
        {**IN_SUMMARY, **SUMMARY},
    ),
    "response.reasoning_summary_text.delta": (
        "ResponseReasoningSummaryTextDeltaEvent",
        {**IN_SUMMARY, "delta": "a"},
    ),
    "response.reasoning_summary_text.done": (
        "ResponseReasoningSummaryTextDoneEvent",
        {**IN_SUMMARY, "text": "a"},
    ),
    "response.function_call_arguments.delta": (
        "ResponseFunctionCallArgumentsDeltaEvent",
        {**PLACE, "delta": "a"},
    ),
    "response.function_call_arguments.done": (
        "ResponseFunctionCallArgumentsDoneEvent",
        {**PLACE, "arguments": "a"},
    ),
    "response.custom_tool_call_input.delta": (
        "ResponseCustomToolCallInputDeltaEvent",
        {**PLACE, "delta": "a"},
    ),
    "response.custom_tool_call_input.done": (
        "ResponseCustomToolCallInputDoneEvent",
        {**PLACE, "input": "a"},
    ),
    "response.web_search_call.searching": ("ResponseOtherEvent", PLACE),
    "response.of.tomorrow": ("ResponseOtherEvent", {"a": {"b": [{"c": 1}]}}),
    "keepalive": ("ResponseOtherEvent", {}),
}


def decoded(document):
    return EventDecoder().decode(json.dumps(document).encode(), 200)


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_has_its_class_and_all_its_fields(kind):
    name, fields = EVENTS[kind]
    document = {"type": kind, "sequence_number": 7, **fields, "new": {"x": 1}}
    event = decoded(document)
    assert type(event).__name__ == name
    assert event.raw == document
    assert event.new.x == 1
    for field in document.keys() - {"response", "item", "part", "annotation", "new", "a"}:
        assert getattr(event, field) == document[field]


def test_every_declared_event_is_in_the_table_above():
    declared = {cls.__name__ for cls in get_args(events.ResponseStreamEvent)}
    raised = {"ResponseErrorEvent", "ResponseFailedEvent"}
    assert declared - raised == {name for name, _ in EVENTS.values()}
    assert declared < set(events.__all__)


def test_what_an_event_holds_are_objects():
    event = decoded({"type": "response.output_item.done", **ITEM})
    assert type(event.item) is ResponseOutputMessage
    assert type(decoded({"type": "response.content_part.done", **TEXT}).part) is ResponseOutputText
    created = decoded({"type": "response.created", "response": {"id": "r", "new": 3}})
    assert (created.response.id, created.response.new) == ("r", 3)
    assert decoded({"type": "response.created"}).response.id == ""
    assert decoded({"type": "response.created", "response": None}).response.id == ""
    tomorrow = decoded({"type": "response.of.tomorrow", "a": {"b": [{"c": 1}]}})
    assert type(tomorrow.a) is Fields
    assert tomorrow.a.b[0].c == 1
    logprobs = [{"token": "a", "logprob": -1.0}]
    for kind in ("response.output_text.delta", "response.output_text.done"):
        assert decoded({"type": kind, "logprobs": logprobs}).logprobs[0].token == "a"


@pytest.mark.parametrize("field", ["delta", "item_id", "output_index", "logprobs"])
def test_a_delta_with_a_null_is_one_all_the_same(field):
    event = decoded({"type": "response.output_text.delta", "delta": "a", field: None})
    assert (event.type, getattr(event, field)) == ("response.output_text.delta", None)
    assert event.sequence_number is None


def test_a_text_that_speaks_of_deltas_is_none():
    said = '"response.output_text.delta"'
    event = decoded({"type": "response.output_text.done", "text": said})
    assert (type(event).__name__, event.text) == ("ResponseTextDoneEvent", said)
    payload = b'{"type":"response.output_item.done","item":{"type":"response.output_text.delta"}}'
    assert EventDecoder().decode(payload).item.type == "response.output_text.delta"


def test_what_a_server_does_not_count_is_none():
    event = decoded({"type": "response.output_text.delta", "delta": "a"})
    assert event.sequence_number is event.output_index is event.content_index is None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = event.nothing


def test_a_surrogate_pair_cut_in_two_is_joined():
    decoder = EventDecoder()
    kind = b'{"type":"response.output_text.delta","delta":'
    pieces = [kind + text + b"}" for text in (rb'"a\ud83d"', rb'"\ude00b"', rb'"\ud83d"', b'"c"')]
    texts = [decoder.decode(piece).delta for piece in pieces]
    assert texts == ["a", "\U0001f600b", "", "�c"]


@pytest.mark.parametrize(
    ("document", "error", "says"),
    [
        ({"type": "error", "code": "server_error", "message": "boo"}, InternalServerError, "boo"),
        ({"type": "error", "code": None, "message": "boo"}, APIError, "boo"),
        ({"type": "error", "error": {"code": 429, "message": "boo"}}, RateLimitError, "boo"),
        (
            {
                "type": "response.failed",
                "response": {"id": "r", "error": {"code": "rate_limit_exceeded", "message": "boo"}},
            },
            RateLimitError,
            "boo",
        ),
        ({"type": "response.failed", "response": {"id": "r"}}, APIError, "no explanation"),
        ({"type": "response.failed"}, APIError, "no explanation"),
    ],
)
def test_an_event_that_announces_an_error_is_raised_and_kept(document, error, says):
    decoder = EventDecoder()
    with pytest.raises(APIError, match=says) as caught:
        decoder.decode(json.dumps(document).encode(), 200)
    assert type(caught.value) is error
    assert caught.value.status_code == 200
    assert decoder.told.raw == document


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'"text"', b"{", b'{"type": 3}'])
def test_what_is_no_event_is_an_error(payload):
    with pytest.raises(APIResponseValidationError, match="no event"):
        EventDecoder().decode(payload)


def test_an_error_without_a_type_is_one():
    with pytest.raises(RateLimitError, match="slow down"):
        decoded({"error": {"code": 429, "message": "slow down"}})


def test_a_server_that_sends_what_is_not_asked_for_breaks_nothing():
    event = decoded({"type": "response.output_item.added", "item": None, "output_index": "one"})
    assert event.item is None
    assert decoded({"type": "response.content_part.added", "part": "text"}).part == "text"


def test_what_llama_cpp_sends_are_events():
    decoder, parser = EventDecoder(), SSEParser(10_000)
    body = (SAMPLES / "llamacpp_stream.sse").read_bytes()
    found = [decoder.decode(event.data) for event in parser.feed(body)]
    assert {type(event).__name__ for event in found} == {
        "ResponseCreatedEvent",
        "ResponseInProgressEvent",
        "ResponseOutputItemAddedEvent",
        "ResponseContentPartAddedEvent",
        "ResponseTextDeltaEvent",
        "ResponseTextDoneEvent",
        "ResponseContentPartDoneEvent",
        "ResponseOutputItemDoneEvent",
        "ResponseCompletedEvent",
    }
    assert found[-1].timings.predicted_n == found[-1].response.usage.output_tokens
    assert isinstance(found[0], ResponseOtherEvent)
