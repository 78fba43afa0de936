"""Events → one response."""

import json
from pathlib import Path

import pytest

from rawllm import APIError
from rawllm.sansio.responses import Response
from rawllm.sansio.responses_deltas import ResponseAccumulator
from rawllm.sansio.responses_events import EventDecoder
from rawllm.sansio.responses_items import plain
from rawllm.sansio.sse import SSEParser

SAMPLES = Path(__file__).parents[1] / "samples" / "responses"

CREATED = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}
#: A message that nothing announced.
MADE = {"type": "message", "role": "assistant"}
MESSAGE = {"type": "message", "id": "m", "role": "assistant", "status": "in_progress", "new": 1}


def event(kind, **fields):
    decoder = EventDecoder()
    try:
        return decoder.decode(json.dumps({"type": f"response.{kind}", **fields}).encode())
    except APIError:
        return decoder.told


def added(accumulator, *documents):
    """What `add` says of each."""
    return [
        accumulator.add(event(document.pop("type").removeprefix("response."), **document))
        for document in (dict(document) for document in documents)
    ]


def told(*documents):
    """The output after these events, as JSON."""
    accumulator = ResponseAccumulator()
    added(accumulator, CREATED, *documents)
    response = accumulator.completion()
    assert (response.id, accumulator.seen) == ("r", 1)
    return plain(response.output)


def of(kind, place, **fields):
    return {"type": f"response.{kind}", **place, **fields}


FIRST, SECOND = ({"output_index": index, "item_id": f"i{index}"} for index in (0, 1))
PART = {**FIRST, "content_index": 0}


def text(said):
    return {"type": "output_text", "text": said}


def test_text_grows_within_its_message():
    begin = (
        of("output_item.added", {"output_index": 0}, item={**MESSAGE, "content": []}),
        of("content_part.added", PART, part={**text(""), "annotations": []}),
    )
    assert told(*begin) == [{**MESSAGE, "content": [{**text(""), "annotations": []}]}]
    deltas = [of("output_text.delta", PART, delta=delta) for delta in ("Hel", "lo")]
    grown = [{**MESSAGE, "content": [{**text("Hello"), "annotations": []}]}]
    assert told(*begin, *deltas) == grown
    assert told(*begin, *deltas, of("output_text.done", PART, text="Hello")) == grown
    done = {**text("Hello"), "annotations": [{"type": "x"}]}
    parts = (*begin, *deltas, of("content_part.done", PART, part=done))
    assert told(*parts) == [{**MESSAGE, "content": [done]}]
    finished = {**MESSAGE, "status": "completed", "content": [done]}
    assert told(*parts, of("output_item.done", {"output_index": 0}, item=finished)) == [finished]


@pytest.mark.parametrize(
    ("kind", "place", "item"),
    [
        ("output_text", PART, {**MADE, "content": [text("ab")]}),
        (
            "refusal",
            PART,
            {**MADE, "content": [{"type": "refusal", "refusal": "ab"}]},
        ),
        (
            "reasoning_text",
            PART,
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "ab"}]},
        ),
        (
            "reasoning_summary_text",
            {**FIRST, "summary_index": 0},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "ab"}]},
        ),
        ("function_call_arguments", FIRST, {"type": "function_call", "arguments": "ab"}),
        ("custom_tool_call_input", FIRST, {"type": "custom_tool_call", "input": "ab"}),
        ("mcp_call_arguments", FIRST, {"type": "mcp_call", "arguments": "ab"}),
        ("code_interpreter_call_code", FIRST, {"type": "code_interpreter_call", "code": "ab"}),
    ],
)
def test_each_kind_of_delta_has_its_place_even_where_nothing_announced_it(kind, place, item):
    deltas = [of(f"{kind}.delta", place, delta=delta) for delta in "ab"]
    assert told(*deltas) == [item]
    field = next((name for name in ("arguments", "input", "code") if name in item), None)
    field = field or ("refusal" if kind == "refusal" else "text")
    assert told(*deltas[:1], of(f"{kind}.done", place, **{field: "ab"})) == [item]


def test_items_and_parts_are_kept_apart():
    assert told(
        of("output_text.delta", PART, delta="a"),
        of("refusal.delta", {**PART, "content_index": 1}, delta="b"),
        of("function_call_arguments.delta", SECOND, delta="{"),
        of("output_text.delta", PART, delta="c"),
        of("function_call_arguments.delta", SECOND, delta="}"),
    ) == [
        {**MADE, "content": [text("ac"), {"type": "refusal", "refusal": "b"}]},
        {"type": "function_call", "arguments": "{}"},
    ]
    summaries = [
        of("reasoning_summary_part.added", {**FIRST, "summary_index": index}, part=part)
        for index in (0, 1)
        for part in [{"type": "summary_text", "text": f"{index}"}]
    ]
    assert [part["text"] for part in told(*summaries)[0]["summary"]] == ["0", "1"]


def test_items_that_are_named_and_not_counted_are_kept_apart_too():
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    assert told(
        of("output_item.added", {}, item=MESSAGE),
        of("output_text.delta", {"item_id": "m"}, delta="a"),
        of("output_item.added", {}, item=call),
        of("function_call_arguments.delta", {"item_id": "c"}, delta="{}"),
        of("output_text.delta", {"item_id": "m"}, delta="b"),
        of("function_call_arguments.delta", {}, delta=" "),
    ) == [
        {**MESSAGE, "content": [text("ab")]},
        {**call, "arguments": "{} "},
    ]


def test_the_last_word_of_a_server_wins_and_may_lack_the_output():
    whole = {"id": "r", "status": "completed", "output": [MESSAGE], "usage": {"input_tokens": 2}}
    delta = of("output_text.delta", PART, delta="a")
    for kind in ("completed", "incomplete", "failed"):
        accumulator = ResponseAccumulator()
        end = event(kind, response=whole)
        added(accumulator, CREATED, delta)
        assert (accumulator.finished, accumulator.usage) == (0, None)
        assert accumulator.add(end)
        assert accumulator.finished == 1
        assert accumulator.completion() is end.response
        assert plain(end.response.output) == [MESSAGE]
        assert accumulator.usage.prompt_tokens == 2
        assert accumulator.finish_reason == "completed"
    accumulator = ResponseAccumulator()
    end = event("completed", response={**whole, "output": None})
    added(accumulator, CREATED, delta)
    accumulator.add(end)
    assert end.response.output_text == accumulator.completion().output_text == "a"


def test_a_stream_that_is_taken_up_again_goes_on_with_what_there_is():
    message = {**MESSAGE, "content": [text("Hel")]}
    again = {"type": "response.in_progress", "response": {"id": "r", "output": [message]}}
    call = of("function_call_arguments.delta", SECOND, delta="{")
    assert told(again, call) == [message, {"type": "function_call", "arguments": "{"}]


def test_announcements_are_no_output():
    accumulator = ResponseAccumulator()
    call = {"type": "function_call", "call_id": "c"}
    first = {"output_index": 0}
    assert added(
        accumulator,
        CREATED,
        {**CREATED, "type": "response.in_progress"},
        {"type": "response.queued"},
        of("output_item.added", first, item={"type": "reasoning"}),
        of("output_item.done", first, item={"type": "reasoning"}),
        of("output_item.added", first, item=MESSAGE),
        of("content_part.added", PART, part=text("")),
        of("output_text.delta", PART, delta=""),
        of("output_text.delta", PART, delta="a"),
        of("output_item.added", {"output_index": 1}, item=call),
        of("reasoning_summary_part.added", {**FIRST, "summary_index": 0}, part=text("")),
        of("web_search_call.searching", FIRST),
    ) == [*(False, False, True), *(False, True), *(False, False), *(False, True, True, False, True)]
    keepalive = EventDecoder().decode(b'{"type": "keepalive"}')
    assert not accumulator.add(keepalive)


def test_what_cannot_be_added_is_passed_over():
    assert told(
        of("output_item.added", {"output_index": 0}, item="text"),
        of("content_part.added", PART, part=None),
        of("output_text.delta", PART, delta={"a": 1}),
        of("output_text.done", PART, text=None),
    ) == [{**MADE, "content": [{"type": "output_text"}]}]


def test_before_the_first_event_there_is_an_empty_response():
    accumulator = ResponseAccumulator()
    assert accumulator.completion() == Response()
    assert (accumulator.seen, accumulator.finish_reason) == (0, None)


def test_the_partial_response_is_no_view_of_what_grows():
    accumulator = ResponseAccumulator()
    added(accumulator, CREATED, of("output_text.delta", PART, delta="a"))
    before = accumulator.completion()
    added(accumulator, of("output_text.delta", PART, delta="b"))
    assert (before.output_text, accumulator.completion().output_text) == ("a", "ab")


def test_what_llama_cpp_sends_accumulates_at_any_cut():
    body = (SAMPLES / "llamacpp_stream.sse").read_bytes()
    decoder, accumulator, texts = EventDecoder(), ResponseAccumulator(), []
    for sent in SSEParser(10_000).feed(body):
        accumulator.add(decoder.decode(sent.data))
        texts.append(accumulator.completion().output_text)
    words = ["Hello", "Hello there", "Hello there!", "Hello there! I", "Hello there! I'm"]
    assert texts[4:] == [*words, *["Hello there! I'm here"] * 5]
    assert accumulator.finished == 1
    assert accumulator.usage.completion_tokens == 6
