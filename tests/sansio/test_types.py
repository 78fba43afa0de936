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
    assert chunk.choices[0].delta.reasoning_content == reasoning


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
