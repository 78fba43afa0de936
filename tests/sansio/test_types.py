"""The wire's objects: what users read, dump, copy and send back."""

from __future__ import annotations

import base64
import copy
import gc
import json
import pickle
import struct
import weakref
from typing import Any

import msgspec
import pytest

from rawllm.errors import APIResponseValidationError
from rawllm.sansio import types
from rawllm.sansio.decode import ChunkDecoder, decode
from rawllm.sansio.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    Choice,
    Completion,
    CreateEmbeddingResponse,
    Embedding,
    FunctionCall,
    Model,
    ModelList,
    Payload,
    Timing,
    ToolCall,
    Usage,
)

WIRE: dict[str, Any] = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "hi", "mood": "good"},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.1},
    "timings": {"cache_n": 5},
}


def answer(**changes: Any) -> ChatCompletion:
    return decode(json.dumps({**WIRE, **changes}).encode(), ChatCompletion)


# ---------------------------------------------------------------- reading


def test_what_people_read_of_an_answer() -> None:
    whole = answer()
    assert whole.choices[0].message.content == whole.text == "hi"
    assert whole.usage is not None
    assert whole.usage.total_tokens == 3
    assert whole.reasoning is None
    assert whole.timing is None
    assert whole._request_id is None


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"reasoning": "hm"}, "hm"),
        ({"reasoning_content": "hm"}, "hm"),
        ({"reasoning": "hm", "reasoning_content": None}, "hm"),
        ({"reasoning": None, "reasoning_content": "hm"}, "hm"),
        ({"reasoning": "", "reasoning_content": "hm"}, "hm"),
        ({"reasoning": "a", "reasoning_content": "b"}, "a"),
        ({}, None),
    ],
)
def test_reasoning_is_read_under_both_names(fields: dict[str, Any], reasoning: str | None) -> None:
    message = {"role": "assistant", "content": None, **fields}
    whole = answer(choices=[{"index": 0, "message": message}])
    assert whole.reasoning == whole.choices[0].message.reasoning == reasoning
    assert whole.choices[0].message.reasoning_content == reasoning
    assert whole.text == ""
    chunk = ChunkDecoder().decode(json.dumps({"choices": [{"delta": fields}]}).encode())
    assert chunk.reasoning == (reasoning or "")
    assert chunk.choices[0].delta.reasoning == reasoning
    assert getattr(chunk.choices[0].delta, "reasoning_content", None) == reasoning


@pytest.mark.parametrize(
    ("delta", "sent"),
    [
        ({"content": "a"}, False),
        ({"content": "a", "reasoning_content": None}, True),
        ({"reasoning": "hm"}, True),
    ],
)
def test_a_delta_has_reasoning_content_where_a_server_sent_one(
    delta: dict[str, Any], sent: bool
) -> None:
    read = ChunkDecoder().decode(json.dumps({"choices": [{"delta": delta}]}).encode())
    one = read.choices[0].delta
    assert hasattr(one, "reasoning_content") is sent
    assert ("reasoning" in dict(one) or "reasoning_content" in dict(one)) is sent
    for again in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert hasattr(again, "reasoning_content") is sent
        assert again == one


def test_an_answer_can_be_made_of_dicts() -> None:
    message: Any = {"role": "assistant", "content": "hi"}
    choices: Any = [{"index": 0, "finish_reason": "stop", "message": message}]
    usage: Any = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    made = ChatCompletion(choices=choices, usage=usage, id="c-1", created=1, model="m")
    assert made == answer()
    assert made.text == "hi"
    again = ChatCompletion(choices=made.choices, usage=usage)
    assert again.choices == made.choices
    assert again.usage == made.usage
    data: Any = [{"index": 0, "embedding": [1.0]}]
    assert CreateEmbeddingResponse(data=data).vectors == [[1.0]]
    vectors = CreateEmbeddingResponse(data=[Embedding(embedding=[1.0])], usage=usage)
    assert vectors.usage == made.usage
    with pytest.raises(ValueError, match="message"):
        ChatCompletion(choices=[{}])  # type: ignore[list-item]


def test_answers_are_equal_by_what_they_say() -> None:
    whole = answer()
    again = ChatCompletion.model_validate(whole.model_dump())
    later = answer()
    later.timing, later._request_id = Timing(0.0, None, None, 1.0, 1), "r"
    assert whole == again == later
    assert whole != answer(id="another")
    assert whole != answer(choices=[{"index": 0, "message": {"content": "ho"}}])
    assert whole != whole.model_dump()


def test_a_chunks_text_is_the_first_choices() -> None:
    chunk = ChunkDecoder().decode(
        b'{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]}'
    )
    assert chunk.text == "a"
    other = ChunkDecoder().decode(b'{"choices":[{"index":1,"delta":{"content":"b"}}]}')
    assert (other.text, other.reasoning) == ("", "")
    assert ChatCompletionChunk(choices=[]).text == ""
    assert ChatCompletion(choices=[]).text == ""
    assert ChatCompletion(choices=[]).reasoning is None
    assert Completion(choices=[]).text == ""


def test_a_servers_extra_fields_are_never_lost() -> None:
    whole = answer()
    assert whole.raw == WIRE
    assert whole.timings == {"cache_n": 5}
    assert whole.model_extra == {"timings": {"cache_n": 5}}
    assert hasattr(whole, "timings")
    assert not hasattr(whole, "tiimings")
    with pytest.raises(AttributeError, match="'ChatCompletion' object has no attribute 'nope'"):
        _ = whole.nope
    chunk = ChunkDecoder().decode(b'{"choices":[],"timings":{"a":1}}')
    assert chunk.model_extra == {"timings": {"a": 1}}


def test_an_accumulated_answer_has_what_was_accumulated() -> None:
    whole = ChatCompletion(choices=[Choice(message=ChatCompletionMessage(content="hi"))], id="x")
    assert whole.raw == whole.to_dict()
    assert whole.model_extra == {}
    assert not hasattr(whole, "timings")


# ---------------------------------------------------------------- dumping


def test_a_dump_has_the_wires_names_and_all_of_the_wires_fields() -> None:
    dumped = answer().model_dump()
    assert dumped["timings"] == {"cache_n": 5}
    assert dumped["usage"]["cost"] == 0.1
    assert dumped["choices"][0]["message"]["mood"] == "good"
    assert dumped["choices"][0]["logprobs"] is None
    assert dumped["system_fingerprint"] is None
    assert json.loads(answer().model_dump_json()) == dumped
    assert "\n  " in answer().model_dump_json(indent=2)


def test_a_dump_without_what_is_unset_is_what_came() -> None:
    assert answer().model_dump(exclude_none=True) == WIRE
    assert answer().to_dict() == WIRE
    assert json.loads(answer().to_json()) == WIRE


def test_what_is_ours_is_never_dumped() -> None:
    whole = answer()
    whole.timing = Timing(queued=0.0, connect=None, first_token=None, total=1.0, attempts=1)
    whole._request_id = "r-1"
    dumped = whole.model_dump()
    names = {name for name in dumped if name.startswith((" ", "_")) or name in ("timing", "error")}
    assert not names
    assert "r-1" not in whole.model_dump_json()
    assert "timing=" not in repr(whole)
    assert "payload" not in repr(whole)


def test_what_was_mended_is_dumped_mended() -> None:
    whole = answer(created=1.5, usage={"total_tokens": "3"})
    assert whole.model_dump()["created"] == 1
    assert whole.model_dump()["usage"]["total_tokens"] == 3
    assert whole.raw["created"] == 1.5


def test_a_dump_takes_pydantics_arguments() -> None:
    assert answer().model_dump(mode="json", by_alias=True, exclude_none=True) == WIRE
    assert json.loads(answer().model_dump_json(exclude_none=True, by_alias=True)) == WIRE


def test_umlauts_are_dumped_as_they_are() -> None:
    assert "größer 🦙" in answer(model="größer 🦙").model_dump_json()


def test_a_repr_shows_what_is_set_and_nothing_more() -> None:
    message = ChatCompletionMessage(content="hi", _reasoning="hm")
    assert repr(message) == "ChatCompletionMessage(content='hi', role='assistant', reasoning='hm')"


# ---------------------------------------------------------------- sending back


def test_a_message_is_sent_back_without_nulls_but_content() -> None:
    message = ChatCompletionMessage(
        content=None,
        refusal=None,
        tool_calls=[ToolCall(id="a", function=FunctionCall(name="f", arguments="{}"))],
        annotations=[{"type": "url"}],
        _reasoning="hm",
        _reasoning_content="hm",
    )
    assert message.to_param() == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    }
    assert ChatCompletionMessage(content="hi").to_param() == {"role": "assistant", "content": "hi"}


# ---------------------------------------------------------------- embeddings


def embeddings(*vectors: Any) -> CreateEmbeddingResponse:
    data = [{"index": i, "embedding": vector} for i, vector in vectors]
    return decode(json.dumps({"data": data}).encode(), CreateEmbeddingResponse)


def b64(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_vectors_are_floats_in_the_order_of_the_input() -> None:
    answered = embeddings((1, [0.5, 1]), (0, b64(0.25, -2.0)), (2, b64()))
    assert answered.vectors == [[0.25, -2.0], [0.5, 1.0], []]
    assert answered.data[1].embedding == b64(0.25, -2.0)  # as it came


@pytest.mark.parametrize("text", ["AAAA", "AAA", "????????", b64(1.0) + "!", "ä" * 8, "AAAAAAA=="])
def test_text_that_is_no_vector_is_an_error(text: str) -> None:
    answered = embeddings((0, text))
    with pytest.raises(APIResponseValidationError, match="base64"):
        _ = answered.vectors


# ---------------------------------------------------------------- as objects


ANSWERS: list[Payload] = [
    answer(),
    answer(created=1.5),
    ChunkDecoder().decode(b'{"choices":[{"delta":{"content":"a"}}],"usage":{"total_tokens":1}}'),
    decode(b'{"choices":[{"text":"a"}]}', Completion),
    embeddings((0, [1.0])),
    decode(b'{"id":"m","root":"r"}', Model),
    decode(b'{"data":[{"id":"m"}]}', ModelList),
    ChatCompletion(choices=[], usage=Usage(total_tokens=1)),
]


@pytest.mark.parametrize("payload", ANSWERS, ids=lambda payload: type(payload).__name__)
def test_answers_pickle_copy_and_compare(payload: Payload) -> None:
    for twin in (pickle.loads(pickle.dumps(payload)), copy.copy(payload), copy.deepcopy(payload)):
        assert twin == payload
        assert twin.raw == payload.raw
        assert repr(twin) == repr(payload)
    assert payload != answer(id="another")


def test_models_can_be_iterated() -> None:
    listed = decode(b'{"object":"list","data":[{"id":"a"},{"id":"b"}]}', ModelList)
    assert [model.id for model in listed] == ["a", "b"]


def test_choices_and_data_are_required() -> None:
    for kind in (ChatCompletion, ChatCompletionChunk, Completion):
        with pytest.raises(msgspec.ValidationError, match="choices"):
            msgspec.json.decode(b'{"error":{}}', type=kind)
    for other in (CreateEmbeddingResponse, ModelList):
        with pytest.raises(msgspec.ValidationError, match="data"):
            msgspec.json.decode(b'{"error":{}}', type=other)


UNTRACKED = {
    *("ChatCompletionChunk", "ChunkChoice", "ChoiceDelta", "DeltaToolCall", "DeltaFunction"),
    *("Usage", "PromptTokensDetails", "CompletionTokensDetails", "Timing"),
    *("Logprobs", "TokenLogprob", "TopLogprob"),
}


def test_only_what_can_hold_no_cycle_is_kept_from_the_collector() -> None:
    structs = [
        kind
        for kind in vars(types).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind is not msgspec.Struct
    ]
    assert {k.__name__ for k in structs if not k.__struct_config__.gc} == UNTRACKED
    # An annotated field of any type, on a struct without gc, is one that a cycle could go through.
    for kind in structs:
        if not kind.__struct_config__.gc:
            free = [f.name for f in types.wire_fields(kind) if f.type is Any]
            assert not free, kind


# ---------------------------------------------------------------- as pydantic's objects


def test_what_a_server_did_not_send_is_unset() -> None:
    whole = answer(system_fingerprint=None)
    assert whole.to_dict() == {**WIRE, "system_fingerprint": None}
    assert whole.model_dump(exclude_unset=True) == whole.to_dict()
    assert json.loads(whole.to_json()) == whole.to_dict()
    assert whole.choices[0].message.to_dict() == WIRE["choices"][0]["message"]
    assert whole.model_fields_set == {*WIRE, "system_fingerprint"}


def test_a_messages_content_is_never_left_out_as_unset() -> None:
    message = ChatCompletionMessage(tool_calls=[ToolCall(id="1")])
    assert message.to_dict()["content"] is None
    assert "content" not in message.model_dump(exclude_none=True)


def test_reasoning_is_dumped_where_there_is_some() -> None:
    assert "reasoning" not in ChatCompletionMessage(content="x").model_dump()
    message = decode(
        json.dumps(
            {**WIRE, "choices": [{"index": 0, "message": {"reasoning": "hm", "content": "x"}}]}
        ).encode(),
        ChatCompletion,
    )
    assert message.choices[0].message.model_dump()["reasoning"] == "hm"


def test_json_without_indent_is_compact() -> None:
    assert Usage(1, 2, 3).model_dump_json(exclude_none=True) == (
        '{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
    )
    assert Usage(1, 2, 3).to_json().startswith('{\n  "prompt_tokens": 1')


def test_a_part_of_an_answer_is_dumped() -> None:
    whole = answer()
    assert whole.model_dump(include={"id", "timings"}) == {"id": "c-1", "timings": {"cache_n": 5}}
    assert whole.to_dict().keys() - whole.model_dump(
        exclude={"usage", "choices"}, exclude_none=True
    ).keys() == {"usage", "choices"}


def test_a_copy_is_another_object() -> None:
    whole = answer()
    flat, deep = whole.model_copy(update={"model": "other"}), whole.model_copy(deep=True)
    assert (flat.model, whole.model) == ("other", "m")
    assert flat.choices is whole.choices
    deep.choices[0].message.content = "changed"
    assert whole.text == "hi"
    assert deep.raw == whole.raw


def test_objects_are_made_of_dicts_and_json() -> None:
    made = ChatCompletion.model_validate(WIRE)
    assert made == ChatCompletion.model_validate_json(json.dumps(WIRE))
    assert made.to_dict() == WIRE
    assert made.timings == {"cache_n": 5}
    assert ChatCompletion.model_validate(made) is made
    for bad in ({}, {"choices": 3}, None):
        with pytest.raises(ValueError, match=r"."):
            ChatCompletion.model_validate(bad)
    assert Usage.construct(prompt_tokens=1) == Usage.model_construct(prompt_tokens=1) == Usage(1)


def test_iterating_gives_names_and_values() -> None:
    assert dict(Usage(1, 2, 3))["total_tokens"] == 3
    assert [name for name, _ in Embedding(embedding=[1.0])] == ["embedding", "index", "object"]


def test_a_custom_tools_call_is_read_and_goes_back_without_a_function() -> None:
    call = {"id": "1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    message = (
        answer(
            choices=[
                {"message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "stop"}
            ]
        )
        .choices[0]
        .message
    )
    assert message.tool_calls is not None
    [read] = message.tool_calls
    assert read.custom is not None
    assert (read.type, read.custom.name, read.custom.input) == ("custom", "sh", "ls")
    assert message.to_param()["tool_calls"] == [call]


def test_a_functions_call_says_nothing_of_custom_ones() -> None:
    call = ToolCall(id="1", function=FunctionCall(name="f"))
    assert call.custom is None
    assert "custom" not in call.model_dump()
    assert b"custom" not in msgspec.json.encode(call)
    assert "custom" not in repr(call)


def test_objects_within_an_answer_have_what_the_server_added() -> None:
    choices = [{**WIRE["choices"][0], "stop_reason": 7}, {**WIRE["choices"][0], "index": 1}]
    whole = answer(choices=choices)
    choice, other = whole.choices
    assert whole.usage is not None
    assert (choice.stop_reason, choice.message.mood, whole.usage.cost) == (7, "good", 0.1)
    assert choice.message.model_extra == {"mood": "good"}
    assert choice.message.to_param() == {"role": "assistant", "content": "hi", "mood": "good"}
    assert choice.model_dump(exclude_none=True) == choices[0]
    assert other.model_extra == {}
    for missing in ("stop_reason", "_mood"):
        with pytest.raises(AttributeError, match=f"'Choice' object has no attribute '{missing}'"):
            getattr(other, missing)


def test_what_was_set_to_none_does_not_come_back() -> None:
    message = answer().choices[0].message
    message.content = None
    assert message.to_param() == {"role": "assistant", "content": None, "mood": "good"}
    assert message.to_dict()["content"] is None


def test_objects_within_an_answer_are_equal_by_their_fields() -> None:
    message = answer().choices[0].message
    assert message == ChatCompletionMessage(content="hi") == answer(id="2").choices[0].message
    assert message != ChatCompletionMessage(content="ho")
    assert message != "hi"
    with pytest.raises(TypeError):
        hash(message)
    assert pickle.loads(pickle.dumps(message)).mood == copy.deepcopy(message).mood == "good"


def test_an_object_that_stood_elsewhere_has_nothing_to_add() -> None:
    choice = answer().choices[0]
    choice._at = (b'{"choices": {}}', 0)
    assert choice.model_extra == {}
    choice._at = (b'{"choices": 3}', 0)
    assert choice.model_extra == {}
    choice._at = (b'{"choices": ["x"]}', 0)
    assert choice.model_extra == {}


def test_an_answer_that_holds_itself_is_collected() -> None:
    class Mark:
        pass

    mark = Mark()
    gone = weakref.ref(mark)
    message = ChatCompletionMessage(annotations=[mark])
    message.audio = message
    del message, mark
    gc.collect()
    assert gone() is None


def test_every_name_is_exported() -> None:
    for name in types.__all__:
        assert hasattr(types, name)
