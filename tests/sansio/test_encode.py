"""What a caller gives becomes JSON bytes, or an error that names the place."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rawllm.errors import ConfigurationError
from rawllm.options import NOT_GIVEN
from rawllm.sansio.encode import encode, messages_of, plain_messages, without_not_given
from rawllm.sansio.types import ChatCompletionMessage, FunctionCall, ToolCall


class FakeModel:
    """What pydantic's models look like from outside."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, Any]:
        return {k: v for k, v in self.fields.items() if v is not None or not exclude_none}


@dataclasses.dataclass
class Point:
    x: float
    y: Any = None


class Picture(NamedTuple):
    data: bytes


def refusal(body: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        encode(body)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_text_goes_over_as_utf8_without_white_space() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": 'größer 🦙 "\n'}], "n": None}
    payload = encode(body)
    assert "größer 🦙".encode() in payload
    assert b": " not in payload
    assert json.loads(payload) == body


@pytest.mark.parametrize(
    "value", [0, -1, 2**63, 2**80, 0.1, 1e300, True, None, "", [], {}, (1, 2), "\x00", "\u2028"]
)
def test_plain_values_arrive_as_they_are(value: Any) -> None:
    arrived = json.loads(encode({"x": value}))["x"]
    assert arrived == (list(value) if isinstance(value, tuple) else value)
    assert type(arrived) is type(value) or isinstance(value, tuple)


# ---------------------------------------------------------------- with the place named

PLACES: list[tuple[Any, str]] = [
    (lambda v: {"temperature": v}, "temperature"),
    (lambda v: {"a": {"b": [0, {"c": v}]}}, "a.b[1].c"),
    (lambda v: {"messages": [{"role": "user"}, {"content": ("x", v)}]}, "messages[1].content[1]"),
    (lambda v: {"n": None, "x": "null", "logit_bias": {"7": v}}, "logit_bias.7"),
    (lambda v: {"messages": [FakeModel(role="user", content=v)]}, "messages[0].content"),
    (lambda v: {"m": FakeModel(inner=FakeModel(x=v))}, "m.inner.x"),
    (lambda v: {"points": [Point(1.0), Point(0.0, v)]}, "points[1].y"),
    (
        lambda v: {"tool": ToolCall(function=FunctionCall(name="f", arguments=v))},
        "tool.function.arguments",
    ),
]


@pytest.mark.parametrize(("body", "place"), PLACES, ids=[place for _, place in PLACES])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_with_its_place(body: Any, place: str, number: float) -> None:
    assert refusal(body(number)) == f"{place} is NaN or infinite, which JSON cannot hold"


@pytest.mark.parametrize(("body", "place"), PLACES, ids=[place for _, place in PLACES])
@pytest.mark.parametrize("text", ["\ud83d", "a\ude00b", "\ude00\ud83d"])
def test_half_a_surrogate_pair_is_refused_with_its_place(body: Any, place: str, text: str) -> None:
    message = refusal(body(text))
    assert message.startswith(f"{place} holds half a surrogate pair")
    message.encode()  # can be printed


def test_half_a_pair_in_a_name_is_refused_too() -> None:
    assert refusal({"\ud83d": 1}).startswith("'\\ud83d' holds half")
    assert refusal({"a": {"\ud83d": [1]}}).startswith("a.'\\ud83d' holds half")


@pytest.mark.parametrize(("body", "place"), PLACES[:4], ids=[place for _, place in PLACES[:4]])
@pytest.mark.parametrize("value", [b"hi", bytearray(b"hi"), memoryview(b"hi"), b""])
def test_bytes_are_refused_and_not_sent_as_base64(body: Any, place: str, value: Any) -> None:
    assert refusal(body(value)) == f"{place} is bytes, which JSON cannot hold; decode it to text"


@pytest.mark.parametrize("made", [OrderedDict(image=b"hi"), Picture(b"hi")], ids=["dict", "tuple"])
def test_nor_where_they_stand_in_a_dict_or_tuple_of_another_type(made: Any) -> None:
    assert "is bytes, which JSON cannot hold" in refusal({"a": [made]})


@pytest.mark.parametrize(
    ("body", "place"), PLACES[:4] + PLACES[6:7], ids=[p for _, p in PLACES[:4]] + ["dataclass"]
)
def test_an_unknown_object_is_refused_with_its_type(body: Any, place: str) -> None:
    message = refusal(body(object()))
    assert message.endswith(" is of type object, which cannot be written as JSON")
    if "points" not in place:  # in a dataclass there is no path to it
        assert message.startswith(place)


@pytest.mark.parametrize(
    "value", [FakeModel, print, 1j, iter([1]), ...], ids=lambda v: type(v).__name__
)
def test_other_things_that_are_no_json(value: Any) -> None:
    assert refusal({"x": value}).startswith("x is of type ")


def test_names_that_are_no_text() -> None:
    assert "JSON" in refusal({"x": {(1, 2): 3}})


def test_an_endless_integer_and_an_endless_nesting() -> None:
    assert "JSON" in refusal({"x": 10**5_000})
    body: dict[str, Any] = {}
    body["x"] = [body]
    assert "nested without end" in refusal(body)


def test_a_word_null_is_no_reason_to_refuse() -> None:
    body = {"prompt": "null NaN Infinity", "stop": None, "x": [None, 0.0]}
    assert json.loads(encode(body)) == body


# ---------------------------------------------------------------- models and messages


def test_pydantics_models_are_dumped_without_what_is_unset() -> None:
    body = {"messages": [FakeModel(role="user", content="hi", name=None)], "x": FakeModel(y=[1])}
    assert json.loads(encode(body)) == {
        "messages": [{"role": "user", "content": "hi"}],
        "x": {"y": [1]},
    }


MESSAGE = ChatCompletionMessage(
    content=None,
    tool_calls=[ToolCall(id="a", function=FunctionCall(name="f", arguments='{"x": 1}'))],
    _reasoning="hm",
    annotations=[],
)
PARAM = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    ],
}


def test_an_answers_message_is_sent_back_without_nulls_and_reasoning() -> None:
    user = {"role": "user", "content": "hi"}
    assert plain_messages([user, MESSAGE]) == [user, PARAM]
    assert plain_messages((MESSAGE,)) == [PARAM]
    assert json.loads(encode({"messages": plain_messages([MESSAGE])}))["messages"] == [PARAM]


@pytest.mark.parametrize("messages", ["hi", None, {"role": "user"}, 5])
def test_what_is_no_list_of_messages_is_left_alone(messages: Any) -> None:
    assert plain_messages(messages) == messages


def test_tool_calls_of_an_answer_can_stand_in_a_message_of_ones_own() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": MESSAGE.tool_calls}
    assert json.loads(encode({"messages": [message]}))["messages"] == [PARAM]


class NotGiven:
    """openai-python's, by name."""


class Omit:
    pass


def test_not_given_leaves_an_argument_out_and_none_does_not() -> None:
    params = {"a": NOT_GIVEN, "b": None, "c": NotGiven(), "d": Omit(), "e": 0, "f": ""}
    assert without_not_given(params) == {"b": None, "e": 0, "f": ""}
    assert params["a"] is NOT_GIVEN  # the caller's own


def test_a_prompt_becomes_a_message() -> None:
    user = {"role": "user", "content": " hi "}
    assert messages_of(" hi ") == [user]
    assert messages_of("\u200b") == [{"role": "user", "content": "\u200b"}]
    assert messages_of(" hi ", system="S") == [{"role": "system", "content": "S"}, user]


def test_a_list_of_messages_stays_and_the_callers_own_is_not_changed() -> None:
    given_list = [{"role": "user", "content": "hi"}]
    messages = messages_of(given_list, system="")
    assert messages == [{"role": "system", "content": ""}, *given_list]
    assert len(given_list) == 1
    assert messages_of(tuple(given_list)) == given_list


@pytest.mark.parametrize("prompt", ["", " \n\t", [], (), None, 5, {"role": "user"}, b"hi"])
def test_nothing_to_answer_is_refused(prompt: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        messages_of(prompt)
    assert "empty" in str(caught.value) or type(prompt).__name__ in str(caught.value)


def test_a_list_of_prompts_is_no_conversation() -> None:
    with pytest.raises(ConfigurationError, match=r"this one holds a str\. For many prompts: map"):
        messages_of(["one", "two"])


# ---------------------------------------------------------------- anything at all

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=5),
        st.binary(max_size=3),
        st.sampled_from(["\ud83d", math.nan, object(), FakeModel(x=math.inf), FakeModel(y=1)]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=12,
)


def plain(value: Any) -> Any:
    """What should arrive, or ValueError where something could not."""
    if isinstance(value, dict):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, FakeModel):
        return plain(value.model_dump(exclude_none=True))
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(value)
    elif not isinstance(value, (int, bool, type(None))):
        raise ValueError(value)
    return value


@settings(max_examples=200, deadline=None, derandomize=True)
@example({"x": [b""]})
@example({"x": "\ud83d", "y": object()})
@example({"x": "\ud83d", "y": FakeModel})
@example({"x": (None, "null")})
@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=3))
def test_all_arrives_as_it_was_or_nothing_is_sent(body: dict[str, Any]) -> None:
    try:
        expected = plain(body)
    except ValueError:
        with pytest.raises(ConfigurationError):
            encode(body)
    else:
        assert json.loads(encode(body)) == expected


class _Text(str):
    """LangChain's `message.text` is one of these."""

    def __str__(self) -> str:
        raise AssertionError("not asked for")


def test_a_str_of_another_type_is_written_as_text() -> None:
    assert (
        encode({"model": "m", "input": [_Text("ä"), "b"]})
        == '{"model":"m","input":["ä","b"]}'.encode()
    )


def test_messages_may_come_from_any_iterable():
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert plain_messages(iter(messages)) == messages
    assert plain_messages(messages) is messages
    for other in ("text", {"role": "user"}, 3, None):  # the server says what is wrong with it
        assert plain_messages(other) is other
