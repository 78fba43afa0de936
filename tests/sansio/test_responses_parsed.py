"""A response with objects in it. What is parsed when was compared with openai-python 3.54."""

import json

import msgspec
import pytest

from rawllm import (
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    StructuredOutputError,
)
from rawllm.sansio.decode import decode
from rawllm.sansio.responses import Response
from rawllm.sansio.responses_events import EventDecoder
from rawllm.sansio.responses_items import plain
from rawllm.sansio.responses_parsed import (
    ParsedResponse,
    ParsedResponseFunctionToolCall,
    ParsedResponseOutputMessage,
    ParsedResponseOutputText,
    ResponseEventBuilder,
    parsed_response,
    text_param,
)
from rawllm.sansio.schema import form_of


class Row(msgspec.Struct):
    name: str


ROW = form_of(Row)


def message(*texts, **fields):
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "id": "m", "role": "assistant", "content": content, **fields}


def call(arguments, name="f"):
    return {"type": "function_call", "call_id": "c", "name": name, "arguments": arguments}


def response(*items, **fields):
    document = {"id": "r", "object": "response", "status": "completed", "output": items, **fields}
    return decode(msgspec.json.encode(document), Response)


def parsed(*items, form=ROW, tools=None, **fields):
    return parsed_response(response(*items, **fields), form, tools or {})


def test_the_text_is_an_object():
    found = parsed({"type": "reasoning", "id": "x"}, message('{"name": "A"}'))
    assert type(found) is ParsedResponse
    assert found.output_parsed == Row("A")
    item = found.output[1]
    assert type(item) is ParsedResponseOutputMessage
    assert type(item.content[0]) is ParsedResponseOutputText
    assert item.content[0].parsed == Row("A")
    assert found.output_text == '{"name": "A"}'


def test_what_was_parsed_goes_back_as_it_came():
    items = [message('{"name": "A"}', phase="final_answer", new=1), call('{"a": 1}')]
    found = parsed(*items, tools={"f": json.loads})
    assert plain(found.output) == items


def test_a_refusal_and_a_call_are_no_object():
    refusal = message()
    refusal["content"] = [{"type": "refusal", "refusal": "no"}]
    assert parsed(refusal).output_parsed is None
    assert parsed(call("{}")).output_parsed is None
    assert parsed(message("text"), form=None).output_parsed is None
    other = message()
    other["content"] = ["text"]
    assert parsed(other, "text").output_parsed is None


def test_a_commentary_is_not_read():
    found = parsed(message("Let me see", phase="commentary"), message('{"name": "A"}'))
    assert found.output_parsed == Row("A")
    final = parsed(message('{"name": "A"}', phase="final_answer"))
    assert final.output_parsed == Row("A")


def test_arguments_are_read_as_the_tools_say():
    found = parsed(call('{"a": 1}'), call("{}", "g"), form=None, tools={"f": json.loads})
    assert type(found.output[0]) is ParsedResponseFunctionToolCall
    assert [item.parsed_arguments for item in found.output] == [{"a": 1}, None]
    with pytest.raises(StructuredOutputError, match="for the tool 'f' do not fit") as caught:
        parsed(call("{"), form=None, tools={"f": json.loads})
    assert caught.value.raw == "{"


def test_what_does_not_fit_is_an_error_that_shows_it():
    with pytest.raises(StructuredOutputError, match="The answer is no Row") as caught:
        parsed(message("prose"))
    assert caught.value.raw == "prose"
    assert caught.value.completion.id == "r"


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("max_output_tokens", LengthFinishReasonError),
        ("content_filter", ContentFilterFinishReasonError),
    ],
)
def test_an_incomplete_response_is_no_object(reason, error):
    cut = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    with pytest.raises(error) as caught:
        parsed(message('{"name": "A"}'), **cut)
    assert caught.value.completion.id == "r"
    with pytest.raises(error):
        parsed(message("a"), form=None, tools={"f": json.loads}, **cut)
    assert parsed(message("a"), form=None, **cut).output_text == "a"


def test_the_schema_stands_in_text_format():
    assert text_param(ROW) == {
        "type": "json_schema",
        "name": "Row",
        "strict": True,
        "schema": ROW.schema,
    }


# ── events ───────────────────────────────────────────────────────────────────────────────────


PLACE = {"output_index": 0, "item_id": "m", "content_index": 0}


def event(kind, **fields):
    return EventDecoder().decode(json.dumps({"type": f"response.{kind}", **fields}).encode())


def test_a_delta_tells_what_had_come_before_it():
    builder = ResponseEventBuilder(None, {})
    kinds = "output_text", "function_call_arguments"
    for kind in kinds:
        place = PLACE if kind == "output_text" else {"output_index": 0, "item_id": "m"}
        deltas = [event(f"{kind}.delta", **place, delta=delta) for delta in ("a", "b")]
        assert [delta.snapshot for delta in deltas] == ["", ""]
        assert [builder.event(delta).snapshot for delta in deltas] == ["a", "ab"]
        other = event(f"{kind}.delta", **{**place, "output_index": 1}, delta="c")
        assert builder.event(other).snapshot == "c"
    second = event("output_text.delta", **{**PLACE, "content_index": 1}, delta="d")
    assert builder.event(second).snapshot == "d"
    nothing = event("output_text.delta", **{**PLACE, "content_index": 1}, delta=None)
    assert builder.event(nothing).snapshot == "d"


def test_a_text_that_is_done_is_an_object():
    builder = ResponseEventBuilder(ROW, {})
    done = event("output_text.done", **PLACE, text='{"name": "A"}')
    assert builder.event(done).parsed == Row("A")
    assert "parsed" not in done.model_dump()
    unfit = event("output_text.done", **PLACE, text='{"name')
    assert builder.event(unfit).parsed is None  # that it was cut, the end tells
    plain_builder = ResponseEventBuilder(None, {})
    assert plain_builder.event(event("output_text.done", **PLACE, text="a")).parsed is None


def test_a_commentary_that_is_done_is_not_read():
    builder = ResponseEventBuilder(ROW, {})
    for phase, expected in (("commentary", None), ("final_answer", Row("A"))):
        item = {"type": "message", "id": phase, "phase": phase}
        builder.event(event("output_item.added", output_index=0, item=item))
        place = {**PLACE, "item_id": phase}
        done = event("output_text.done", **place, text='{"name": "A"}')
        assert builder.event(done).parsed == expected


def test_the_completed_response_is_a_parsed_one():
    builder = ResponseEventBuilder(ROW, {})
    whole = plain(response(message('{"name": "A"}')))
    assert builder.event(event("completed", response=whole)).response.output_parsed == Row("A")
    whole = plain(response(message("prose")))
    with pytest.raises(StructuredOutputError):
        builder.event(event("completed", response=whole))
    cut = event("incomplete", response={**whole, "status": "incomplete"})
    with pytest.raises(LengthFinishReasonError):
        builder.event(cut)
    assert ResponseEventBuilder(None, {}).event(cut) is cut
