"""Chunks add up to what the server would have answered in one piece, however it cut them."""

from __future__ import annotations

import copy
import json
from typing import Any

import captures
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rawllm.errors import APIError
from rawllm.sansio.decode import ChunkDecoder, decode
from rawllm.sansio.deltas import ChatAccumulator, TextAccumulator
from rawllm.sansio.sse import SSEParser
from rawllm.sansio.types import ChatCompletion, ChatCompletionChunk, Completion


def chunks_of(body: bytes, kind: Any = ChatCompletionChunk) -> list[Any]:
    decoder = ChunkDecoder(kind)
    return [
        decoder.decode(event.data)
        for event in SSEParser().feed(body)
        if event.data and event.data != b"[DONE]"
    ]


def chat(*deltas: dict[str, Any], **more: Any) -> tuple[ChatAccumulator, list[bool]]:
    """Feed deltas of choice 0, as bytes over the wire."""
    return feed(*[{"choices": [{"index": 0, "delta": delta}], **more} for delta in deltas])


def feed(*chunks: dict[str, Any]) -> tuple[ChatAccumulator, list[bool]]:
    accumulator, decoder = ChatAccumulator(), ChunkDecoder()
    return accumulator, [
        accumulator.add(decoder.decode(json.dumps(chunk).encode())) for chunk in chunks
    ]


def message_of(*deltas: dict[str, Any]) -> Any:
    return chat(*deltas)[0].completion().choices[0].message


# ---------------------------------------------------------------- what was recorded

PAIRS = [
    (whole, streamed)
    for whole in captures.cases(stream=False)
    for streamed in captures.cases(stream=True)
    if (whole.server, whole.case + "_stream") == (streamed.server, streamed.case)
    and whole.status == streamed.status == 200
]

#: Two choices of one prompt are sampled: the words differ from one request to the next.
FREE = {"chat_n2"}


@pytest.mark.parametrize(("whole", "streamed"), PAIRS, ids=lambda c: f"{c.server}/{c.case}")
def test_a_recorded_stream_adds_up_to_its_whole_counterpart(
    whole: captures.Capture, streamed: captures.Capture
) -> None:
    text = whole.case.startswith("completions")
    expected: Any = decode(whole.body, Completion if text else ChatCompletion)
    accumulator: Any = TextAccumulator() if text else ChatAccumulator()
    for chunk in chunks_of(streamed.body, Completion if text else ChatCompletionChunk):
        accumulator.add(chunk)
    answer = accumulator.completion()
    assert type(answer) is type(expected)
    assert (answer.model, answer.object) == (expected.model, expected.object)
    assert answer.system_fingerprint == expected.system_fingerprint
    assert answer.id
    assert answer.created
    assert answer.timing is None
    assert accumulator.finished == accumulator.seen == len(expected.choices)
    for got, want in zip(answer.choices, expected.choices, strict=True):
        assert got.index == want.index
        if whole.case in FREE:
            continue
        assert got.finish_reason == want.finish_reason
        if text:
            assert got.text == want.text
            continue
        assert (got.message.content or "") == (want.message.content or "")
        assert got.message.role == want.message.role
        assert got.message.reasoning == want.message.reasoning
        assert got.message.refusal == want.message.refusal
        assert calls_of(got.message) == calls_of(want.message)
        assert (got.logprobs is None) == (want.logprobs is None)
        if want.logprobs is not None:
            assert [t.token for t in got.logprobs.content] == [
                t.token for t in want.logprobs.content
            ]


def calls_of(message: Any) -> list[tuple[str, str, Any]]:
    return [
        (call.type, call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls or []
    ]


def test_there_are_pairs_of_every_kind() -> None:
    cases = {whole.case for whole, _ in PAIRS}
    assert {"chat", "chat_logprobs", "chat_n2", "tools_required", "completions"} <= cases


def test_every_recorded_stream_can_be_accumulated() -> None:
    for capture in captures.cases(stream=True):
        if capture.case.startswith("completions"):
            continue
        accumulator = ChatAccumulator()
        try:
            for chunk in chunks_of(capture.body):
                before = copy.deepcopy(chunk)
                accumulator.add(chunk)
                assert chunk == before  # it is the user's
        except APIError:
            assert b'"error"' in capture.body
        answer = accumulator.completion()
        assert answer.raw == answer.to_dict()
        msgspec.json.encode(answer.to_dict())


# ---------------------------------------------------------------- text, reasoning, refusal


def test_nothing_at_all_is_an_answer_without_choices() -> None:
    accumulator = ChatAccumulator()
    assert accumulator.completion() == ChatCompletion(choices=[])
    assert accumulator.completion().text == ""
    assert TextAccumulator().completion() == Completion(choices=[])
    assert (accumulator.seen, accumulator.finished, accumulator.usage) == (0, 0, None)


@pytest.mark.parametrize(
    ("delta", "output"),
    [
        ({}, False),
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"content": None}, False),
        ({"reasoning": ""}, False),
        ({"tool_calls": []}, False),
        ({"content": "a"}, True),
        ({"content": " "}, True),
        ({"reasoning": "a"}, True),
        ({"reasoning_content": "a"}, True),
        ({"refusal": "a"}, True),
        ({"tool_calls": [{"index": 0, "id": "1"}]}, True),
        ({"function_call": {"name": "f"}}, True),
    ],
)
def test_anything_but_a_role_is_output(delta: dict[str, Any], output: bool) -> None:
    assert chat(delta)[1] == [output]


def test_a_finish_or_usage_is_output() -> None:
    assert feed({"choices": [{"delta": {}, "finish_reason": "stop"}]})[1] == [True]
    assert feed({"choices": [], "usage": {"total_tokens": 1}})[1] == [True]
    assert feed({"choices": []})[1] == [False]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_adds_up_under_either_name(name: str) -> None:
    message = message_of({name: "a"}, {name: "b", "content": ""}, {"content": "c"})
    assert message.reasoning == message.reasoning_content == "ab"
    assert message.content == "c"


def test_reasoning_under_both_names_is_not_doubled() -> None:
    assert message_of({"reasoning": "a", "reasoning_content": "a"}).reasoning == "a"
    assert message_of({"reasoning": "", "reasoning_content": "a"}).reasoning == "a"


def test_a_refusal_adds_up() -> None:
    message = message_of({"refusal": "I "}, {"refusal": "won't"})
    assert (message.refusal, message.content) == ("I won't", None)


def test_everything_in_one_delta_is_all_kept() -> None:
    message = message_of(
        {
            "role": "tool-user",
            "content": "Let me see",
            "reasoning": "hm",
            "refusal": "no",
            "tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}],
        }
    )
    assert message.role == "tool-user"
    assert (message.content, message.reasoning, message.refusal) == ("Let me see", "hm", "no")
    assert calls_of(message) == [("function", "f", {})]


@pytest.mark.parametrize(
    ("contents", "content"),
    [([None], None), ([""], ""), ([None, ""], ""), (["", "", "a"], "a"), (["a", None, ""], "a")],
)
def test_content_is_null_only_where_no_text_was_ever_sent(
    contents: list[str | None], content: str | None
) -> None:
    assert message_of(*[{"content": text} for text in contents]).content == content


@pytest.mark.parametrize("reason", ["", None])
def test_an_empty_finish_reason_finishes_nothing(reason: str | None) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": reason}]}
    accumulator, _ = feed(chunk, chunk)
    assert (accumulator.seen, accumulator.finished) == (1, 0)
    assert accumulator.completion().choices[0].finish_reason is None
    text = TextAccumulator()
    text.add(msgspec.convert({"choices": [{"text": "a", "finish_reason": reason}]}, Completion))
    assert text.finished == 0


def test_a_finish_said_twice_counts_once() -> None:
    chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    other = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
    accumulator, _ = feed(chunk, chunk, other)
    assert accumulator.finished == 1
    assert accumulator.completion().choices[0].finish_reason == "length"
    text = TextAccumulator()
    for _ in range(2):
        text.add(msgspec.convert({"choices": [{"text": "", "finish_reason": "stop"}]}, Completion))
    assert (text.seen, text.finished) == (1, 1)


def test_text_and_finish_may_share_a_chunk() -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}]}
    accumulator, outputs = feed(chunk)
    assert outputs == [True]
    assert accumulator.completion().choices[0].finish_reason == "length"
    assert accumulator.completion().text == "a"


def test_the_last_usage_wins_and_is_never_added_up() -> None:
    accumulator, _ = feed(
        {"choices": [], "usage": {"total_tokens": 8, "completion_tokens": 4}},
        {"choices": [], "usage": None},
        {"choices": [], "usage": {"total_tokens": 15}},
        {"choices": [{"delta": {}}]},
    )
    usage = accumulator.completion().usage
    assert usage is not None
    assert usage.total_tokens == 15
    assert usage.completion_tokens == 0
    assert accumulator.usage is usage


def test_interleaved_choices_are_kept_apart_and_put_in_order() -> None:
    accumulator, _ = feed(
        {"choices": [{"index": 1, "delta": {"content": "b"}}], "id": "x"},
        {"choices": [{"index": 0, "delta": {"content": "a"}}], "id": "y"},
        {"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}]},
        {
            "choices": [
                {"index": 0, "delta": {"content": "A"}},
                {"index": 1, "delta": {"content": "!"}},
            ]
        },
    )
    assert (accumulator.seen, accumulator.finished) == (2, 1)
    answer = accumulator.completion()
    assert answer.id == "x"
    assert [(c.index, c.message.content) for c in answer.choices] == [(0, "aA"), (1, "bB!")]
    assert [c.finish_reason for c in answer.choices] == [None, "stop"]


def test_what_only_the_last_chunk_knows_is_taken_from_it() -> None:
    accumulator, _ = feed(
        {"choices": [], "id": "i", "created": 5, "model": "m"},
        {"choices": [], "service_tier": "flex", "system_fingerprint": "fp"},
    )
    answer = accumulator.completion()
    assert (answer.id, answer.created, answer.model) == ("i", 5, "m")
    assert (answer.service_tier, answer.system_fingerprint) == ("flex", "fp")


# ---------------------------------------------------------------- tool calls


def piece(arguments: Any = None, **more: Any) -> dict[str, Any]:
    """A tool call's delta: name and arguments go into `function`."""
    function = {"name": more.pop("name", None), "arguments": arguments}
    return {**more, "function": {k: v for k, v in function.items() if v is not None}}


PARIS, ROME = '{"city": "Paris"}', '{"city": "Rome"}'
BOTH = [("weather", PARIS), ("weather", ROME)]

#: How the call came → the calls that it was. Each inner list is one delta.
SHAPES: dict[str, tuple[list[list[dict[str, Any]]], list[tuple[str, str]]]] = {
    "id and name once, then pieces (llama.cpp, OpenAI)": (
        [
            [piece("", index=0, id="a", type="function", name="weather")],
            [piece('{"city":', index=0)],
            [piece(' "Paris"}', index=0)],
        ],
        BOTH[:1],
    ),
    "name without arguments first (vLLM)": (
        [[piece(index=0, id="a", name="weather")], [piece(PARIS, index=0)]],
        BOTH[:1],
    ),
    "the whole call at once (dasllama)": (
        [[piece(PARIS, index=0, id="a", name="weather")]],
        BOTH[:1],
    ),
    "id and name on every delta (llama-cpp-python)": (
        [
            [piece('{"city":', index=0, id="a", type="function", name="weather")],
            [piece(' "Paris"', index=0, id="a", type="function", name="weather")],
            [piece("}", index=0, id="a", type="function", name="weather")],
        ],
        BOTH[:1],
    ),
    "type on every delta, nothing else (litellm)": (
        [
            [piece("", index=0, id="a", type="function", name="weather")],
            [piece(PARIS[:5], index=0, type="function")],
            [piece(PARIS[5:], index=0, type="function")],
        ],
        BOTH[:1],
    ),
    "two calls by index": (
        [
            [piece("", index=0, id="a", name="weather")],
            [piece(PARIS, index=0)],
            [piece("", index=1, id="b", name="weather")],
            [piece(ROME, index=1)],
        ],
        BOTH,
    ),
    "two calls interleaved": (
        [
            [piece(index=0, id="a", name="weather"), piece(index=1, id="b", name="weather")],
            [piece(ROME[:6], index=1), piece(PARIS[:4], index=0)],
            [piece(PARIS[4:], index=0)],
            [piece(ROME[6:], index=1)],
        ],
        BOTH,
    ),
    "two ids under one index (Ollama)": (
        [
            [piece(PARIS, index=0, id="a", name="weather")],
            [piece(ROME, index=0, id="b", name="weather")],
        ],
        BOTH,
    ),
    "two ids under one index, in pieces": (
        [
            [piece(PARIS[:4], index=0, id="a", name="weather")],
            [piece(PARIS[4:], index=0)],
            [piece(ROME[:4], index=0, id="b", name="weather")],
            [piece(ROME[4:], index=0)],
        ],
        BOTH,
    ),
    "no index, by id": (
        [
            [piece(PARIS[:4], id="a", name="weather"), piece(ROME[:4], id="b", name="weather")],
            [piece(PARIS[4:], id="a"), piece(ROME[4:], id="b")],
        ],
        BOTH,
    ),
    "no index, the rest without id": (
        [
            [piece(PARIS[:4], id="a", name="weather")],
            [piece(PARIS[4:])],
            [piece(ROME[:4], id="b", name="weather")],
            [piece(ROME[4:])],
        ],
        BOTH,
    ),
    "no index, no id, two functions": (
        [[piece(PARIS, name="weather")], [piece("{", name="time")], [piece("}")]],
        [("weather", PARIS), ("time", "{}")],
    ),
    "no index, no id, the name on every delta": (
        [
            [piece('{"city":', name="weather")],
            [piece(' "Paris"}', name="weather")],
            [piece("", name="weather")],
        ],
        BOTH[:1],
    ),
    "no index, no id, one function twice": (
        [[piece(PARIS, name="weather")], [piece(ROME, name="weather")]],
        BOTH,
    ),
    "no index, no id, one function twice in one delta": (
        [[piece(PARIS, name="weather"), piece(ROME, name="weather")]],
        BOTH,
    ),
    "index 0 for all, empty ids (Gemini)": (
        [
            [piece(PARIS, index=0, id="", name="weather")],
            [piece(ROME, index=0, id="", name="weather")],
        ],
        BOTH,
    ),
    "the second has an id, the first had none": (
        [[piece(PARIS, name="weather")], [piece(ROME, id="b", name="weather")]],
        BOTH,
    ),
    "the id comes late": (
        [[piece(PARIS[:4], name="weather")], [piece(PARIS[4:], id="a")]],
        BOTH[:1],
    ),
    "arguments as an object": ([[piece({"city": "Paris"}, index=0, name="weather")]], BOTH[:1]),
    "two calls with arguments as objects, no index": (
        [[piece({"city": "Paris"}, name="weather")], [piece({"city": "Rome"}, name="weather")]],
        BOTH,
    ),
    "arguments null": ([[{"function": {"name": "now", "arguments": None}}]], [("now", "")]),
    "no function at all": (
        [[{"index": 0, "id": "a"}], [piece("{}", index=0, name="f")]],
        [("f", "{}")],
    ),
    "index as text and as float": (
        [[piece(PARIS[:3], index="1", id="a", name="weather")], [piece(PARIS[3:], index=1.0)]],
        BOTH[:1],
    ),
    "arguments that are no object (vLLM)": (
        [[piece(index=0, id="a", name="f")], [piece('"Pa', index=0)], [piece('ris"', index=0)]],
        [("f", '"Paris"')],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_tool_calls_add_up_in_every_shape(shape: str) -> None:
    deltas, expected = SHAPES[shape]
    message = message_of(
        {"role": "assistant", "content": None},
        *[{"role": None, "tool_calls": calls} for calls in deltas],
        {"tool_calls": None},
    )
    calls = message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == expected
    assert {call.type for call in calls} == {"function"}
    ids = {call.id for call in calls if call.id}
    assert ids == {c["id"] for calls in deltas for c in calls if c.get("id")}


def test_both_forms_of_one_call_are_one_call() -> None:
    deltas = [
        {
            "tool_calls": [piece(part, index=0, id="a", name="weather")],
            "function_call": {"name": "weather", "arguments": part},
        }
        for part in (PARIS[:5], PARIS[5:])
    ]
    message = message_of(*deltas)
    assert message.function_call is None
    assert [call.function.arguments for call in message.tool_calls] == [PARIS]


def test_the_older_function_call_adds_up() -> None:
    message = message_of(
        {"function_call": {"name": "weather", "arguments": PARIS[:5]}},
        {"function_call": {"name": "weather", "arguments": PARIS[5:]}},
    )
    assert message.tool_calls is None
    assert (message.function_call.name, message.function_call.arguments) == ("weather", PARIS)


def test_tool_calls_of_two_choices_do_not_mix() -> None:
    accumulator, _ = feed(
        *[
            {"choices": [{"index": i, "delta": {"tool_calls": [piece(part, index=0, name="f")]}}]}
            for part in ("{", "}")
            for i in (1, 0)
        ]
    )
    for choice in accumulator.completion().choices:
        assert choice.message.tool_calls is not None
        assert [call.function.arguments for call in choice.message.tool_calls] == ["{}"]


def test_a_message_from_a_stream_can_be_sent_back() -> None:
    message = message_of(
        {"reasoning": "hm"}, {"tool_calls": SHAPES["arguments as an object"][0][0]}
    )
    assert message.to_param() == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "", "type": "function", "function": {"name": "weather", "arguments": PARIS}}
        ],
    }


# ---------------------------------------------------------------- logprobs


def token(text: str) -> dict[str, Any]:
    return {"token": text, "logprob": -0.5}


def with_logprobs(content: Any = None, refusal: Any = None) -> dict[str, Any]:
    logprobs = {"content": content, "refusal": refusal}
    return {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": logprobs}]}


def test_logprobs_add_up_and_the_users_chunks_stay_as_they_were() -> None:
    decoder, accumulator = ChunkDecoder(), ChatAccumulator()
    chunks = [
        decoder.decode(json.dumps(chunk).encode())
        for chunk in (
            with_logprobs([token("a")]),
            with_logprobs([token("b"), token("c")]),
            with_logprobs(None, [token("r")]),
            with_logprobs([], None),
            with_logprobs(None, [token("s")]),
        )
    ]
    before = copy.deepcopy(chunks)
    snapshots = []
    for chunk in chunks:
        accumulator.add(chunk)
        snapshots.append(accumulator.completion())
    assert chunks == before
    logprobs = accumulator.completion().choices[0].logprobs
    assert logprobs is not None
    assert [t.token for t in logprobs.content or []] == ["a", "b", "c"]
    assert [t.token for t in logprobs.refusal or []] == ["r", "s"]
    # What was handed out on the way does not grow either.
    early = snapshots[0].choices[0].logprobs
    assert early is not None
    assert [t.token for t in early.content or []] == ["a"]
    assert early.refusal is None


def test_logprobs_that_are_empty_are_not_none() -> None:
    accumulator, _ = feed(with_logprobs([]))
    logprobs = accumulator.completion().choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content == []


def test_logprobs_of_text_completions_add_up() -> None:
    accumulator = TextAccumulator()
    chunks = [
        msgspec.convert({"choices": [{"text": text, "logprobs": logprobs}]}, Completion)
        for text, logprobs in [
            ("a", {"tokens": ["a"], "token_logprobs": [None], "text_offset": [0]}),
            ("b", None),
            ("c", {"tokens": ["b"], "token_logprobs": [-1.0], "top_logprobs": [{"b": -1.0}]}),
            ("", {"tokens": []}),
        ]
    ]
    before = copy.deepcopy(chunks)
    snapshots = []
    for chunk in chunks:
        accumulator.add(chunk)
        snapshots.append(accumulator.completion())
    assert chunks == before
    logprobs = accumulator.completion().choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == ["a", "b"]
    assert logprobs.token_logprobs == [None, -1.0]
    assert logprobs.text_offset == [0]
    assert logprobs.top_logprobs == [{"b": -1.0}]
    assert snapshots[0].choices[0].logprobs.tokens == ["a"]


# ---------------------------------------------------------------- anything at all

TEXT = st.one_of(st.none(), st.text(max_size=4))
CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": st.one_of(st.none(), st.integers(-1, 2)),
        "id": st.sampled_from(["", "a", "b", None]),
        "type": TEXT,
        "function": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["", "f", "g", None]),
                    "arguments": st.sampled_from(["", "{", "}", "{}", " ", "[" * 9_999, None]),
                },
            ),
        ),
    },
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": TEXT,
        "content": TEXT,
        "reasoning": TEXT,
        "reasoning_content": TEXT,
        "refusal": TEXT,
        "tool_calls": st.one_of(st.none(), st.lists(CALL, max_size=3)),
        "function_call": st.one_of(st.none(), st.just({"name": "f", "arguments": "{}"})),
    },
)
CHOICE = st.fixed_dictionaries(
    {"delta": DELTA},
    optional={
        "index": st.integers(0, 2),
        "finish_reason": st.sampled_from([None, "", "stop"]),
        "logprobs": st.sampled_from([None, {}, {"content": [token("x")]}, {"refusal": []}]),
    },
)
CHUNKS = st.lists(
    st.fixed_dictionaries(
        {"choices": st.lists(CHOICE, max_size=3)},
        optional={"usage": st.sampled_from([None, {"total_tokens": 3}])},
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@example([{"choices": [{"delta": {"tool_calls": [{"function": None}, {}]}}]}])
@given(CHUNKS)
def test_no_chunk_loses_a_character(chunks: list[dict[str, Any]]) -> None:
    accumulator, outputs = feed(*chunks)
    answer = accumulator.completion()
    parts: dict[int, list[dict[str, Any]]] = {}
    for chunk in chunks:
        for part in chunk["choices"]:
            parts.setdefault(part.get("index", 0), []).append(part)
    assert accumulator.seen == len(parts) == len(answer.choices)
    assert accumulator.finished == sum(
        any(part.get("finish_reason") for part in of_one) for of_one in parts.values()
    )
    for choice in answer.choices:
        deltas = [part["delta"] for part in parts[choice.index]]
        message = choice.message
        assert (message.content or "") == "".join(d.get("content") or "" for d in deltas)
        assert (message.refusal or "") == "".join(d.get("refusal") or "" for d in deltas)
        assert (message.reasoning or "") == "".join(
            d.get("reasoning") or d.get("reasoning_content") or "" for d in deltas
        )
        sent = [
            (call.get("function") or {}).get("arguments") or ""
            for d in deltas
            for call in d.get("tool_calls") or []
        ]
        got = [call.function.arguments for call in message.tool_calls or []]
        assert sorted("".join(got)) == sorted("".join(sent))
        assert (message.tool_calls is not None) == any(d.get("tool_calls") for d in deltas)
        ids = {c.get("id") for d in deltas for c in d.get("tool_calls") or []} - {None, ""}
        assert ids == {call.id for call in message.tool_calls or []} - {""}
    if not any(outputs):
        assert not answer.text
        assert accumulator.usage is None
        assert accumulator.finished == 0


#: The fields that deltas read, with any JSON in their places.
READ = st.sampled_from(
    [
        *("delta", "index", "finish_reason", "logprobs", "tool_calls", "function", "usage"),
        *("id", "name", "arguments", "content", "role", "reasoning", "refusal"),
        *("text", "tokens", "top_logprobs", "function_call", "audio"),
    ]
)
WRONG = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 3),
        st.floats(),
        st.sampled_from(["", "a", "stop", "{", "\ud83d", "\ude00", "9" * 400]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(READ, inner, max_size=4)),
    max_leaves=10,
)
NEARLY = st.fixed_dictionaries(
    {"delta": st.dictionaries(READ, WRONG, max_size=4)}, optional={"text": WRONG, "index": WRONG}
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"choices": st.one_of(WRONG, st.lists(NEARLY, max_size=3))}, optional={"usage": WRONG}
        ),
        max_size=4,
    )
)
def test_no_json_that_decodes_fails_to_add_up(chunks: list[dict[str, Any]]) -> None:
    pairs: list[tuple[Any, Any]] = [
        (ChatCompletionChunk, ChatAccumulator()),
        (Completion, TextAccumulator()),
    ]
    for kind, accumulator in pairs:
        decoder = ChunkDecoder(kind)
        for chunk in chunks:
            try:
                decoded = decoder.decode(json.dumps(chunk).encode())
            except APIError:
                continue
            accumulator.add(decoded)
            assert accumulator.completion().model_dump_json().encode()
        assert 0 <= accumulator.finished <= accumulator.seen
