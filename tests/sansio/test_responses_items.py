"""The items of a response: nothing of them is lost, and they go back as they came."""

import pytest
from sansio.response_items import CALL, MESSAGE, REASONING, SEARCH

from rawllm.sansio.responses_items import (
    Fields,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    item_of,
    plain,
)


@pytest.mark.parametrize("item", [MESSAGE, CALL, REASONING, SEARCH], ids=lambda i: i["type"])
def test_an_item_goes_back_as_it_came(item):
    found = item_of(item)
    assert found.to_dict() == item
    assert plain([{"role": "user", "content": "a"}, found]) == [
        {"role": "user", "content": "a"},
        item,
    ]


def test_what_was_changed_goes_back_changed():
    found = item_of(CALL)
    found.arguments = '{"a": 1}'
    found.status = "completed"
    assert found.to_dict() == {**CALL, "arguments": '{"a": 1}', "status": "completed"}
    made = ResponseFunctionToolCall(call_id="c", name="f", arguments="")
    assert made.to_dict() == {
        "type": "function_call",
        "call_id": "c",
        "name": "f",
        "arguments": "",
    }


def test_items_and_parts_have_their_classes_and_their_fields_by_attribute():
    message, call, reasoning, search = map(item_of, (MESSAGE, CALL, REASONING, SEARCH))
    assert [type(item) for item in (message, call, reasoning, search)] == [
        ResponseOutputMessage,
        ResponseFunctionToolCall,
        ResponseReasoningItem,
        Fields,
    ]
    text, refusal, hologram = message.content
    assert type(text) is ResponseOutputText
    assert text.annotations[0].url == "http://a"
    assert text.logprobs[0].token == "Hi"
    assert type(refusal) is ResponseOutputRefusal
    assert (hologram.type, hologram.depth.m) == ("hologram", 3)
    assert message.sent_back.to_dict() == MESSAGE["sent_back"]
    assert message.model_extra == {"sent_back": MESSAGE["sent_back"]}
    assert reasoning.summary[0].text == "so"
    assert search.action.queries[0].q == "a"
    assert getattr(call, "async") is True
    with pytest.raises(AttributeError, match="'Fields' object has no attribute 'nothing'"):
        _ = search.nothing
    assert repr(search.action) == "Fields(queries=[{'q': 'a'}])"


@pytest.mark.parametrize(
    "item", [None, "text", 3, {"type": None}, {"type": ["a"]}, {}], ids=lambda item: repr(item)
)
def test_what_is_no_item_is_kept_as_it_is(item):
    found = item_of(item)
    assert plain(found) == item
