"""Every recorded answer decodes or is the right error; both paths agree; no bytes raise anything
but rawllm's errors."""

from __future__ import annotations

import json
from typing import Any

import captures
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rawllm.errors import (
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    ContextLengthExceeded,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    RawLLMError,
)
from rawllm.sansio import decode as module
from rawllm.sansio import failures
from rawllm.sansio.decode import ChunkDecoder, decode, error_body
from rawllm.sansio.loose import loads
from rawllm.sansio.sse import SSEParser
from rawllm.sansio.types import (
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    CreateEmbeddingResponse,
    Model,
    ModelList,
    Payload,
)

KINDS: list[type[Payload]] = [
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    CreateEmbeddingResponse,
    Model,
    ModelList,
]


def kind_of(capture: captures.Capture, *, stream: bool) -> type[Payload]:
    case = capture.case
    if case.startswith("completions"):
        return Completion
    if case.startswith("embeddings"):
        return CreateEmbeddingResponse
    if case == "models":
        return ModelList
    return ChatCompletionChunk if stream else ChatCompletion


def events(capture: captures.Capture) -> list[bytes]:
    return [
        event.data
        for event in SSEParser().feed(capture.body)
        if event.data and event.data != b"[DONE]"
    ]


def tolerant(payload: bytes, kind: type[Payload]) -> Any:
    answer = module._fit(json.loads(payload), kind)
    answer._payload = payload
    return answer


def attempt(call: Any, *args: Any) -> Any:
    """The result, or our error; any other exception comes out."""
    try:
        return call(*args)
    except RawLLMError as error:
        return error


def raised(payload: bytes, kind: type[Payload] = ChatCompletion, **data: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        decode(payload, kind, **data)
    return caught.value


# ---------------------------------------------------------------- what was recorded

WHOLE = [c for c in captures.cases(stream=False) if c.status == 200]
STREAMED = captures.cases(stream=True)
FAILED = [c for c in captures.cases() if c.status >= 400]


def test_there_is_something_to_decode() -> None:
    assert len(WHOLE) > 40
    assert len(STREAMED) > 40
    assert len(FAILED) > 20
    assert sum(len(events(c)) for c in STREAMED) > 1_000


@pytest.mark.parametrize("capture", WHOLE, ids=str)
def test_a_recorded_answer_decodes_the_same_on_both_paths(capture: captures.Capture) -> None:
    kind = kind_of(capture, stream=False)
    answer = decode(capture.body, kind, status=capture.status)
    assert answer == tolerant(capture.body, kind)
    assert answer.raw == json.loads(capture.body)


@pytest.mark.parametrize("capture", STREAMED, ids=str)
def test_a_recorded_stream_decodes_the_same_on_both_paths(capture: captures.Capture) -> None:
    kind = kind_of(capture, stream=True)
    decoder = ChunkDecoder(kind)
    for payload in events(capture):
        if b'"error"' in payload:
            continue  # tested below
        chunk = decoder.decode(payload, status=200)
        assert chunk == tolerant(payload, kind)
        assert chunk.raw == json.loads(payload)


ERRORS_IN_STREAMS = {
    "llamacpp-xllamacpp-tools-key-ping/tools_auto_stream": InternalServerError,
    "llamacpp-xllamacpp-tools-key-ping/tools_named_stream": InternalServerError,
    "vllm/err_bad_schema_stream": BadRequestError,
}


def test_every_error_recorded_in_a_stream_has_its_class() -> None:
    found: dict[str, APIError] = {}
    for capture in STREAMED:
        for payload in events(capture):
            told = json.loads(payload).get("error")
            if told is None:
                continue
            with pytest.raises(APIError) as caught:
                ChunkDecoder(kind_of(capture, stream=True)).decode(payload, status=200)
            error = found[str(capture)] = caught.value
            assert error.status_code == 200  # the wire's, not the body's
            assert error.code == told["code"]
            assert told["message"] in str(error)
    assert {case: type(error) for case, error in found.items()} == ERRORS_IN_STREAMS


STATUS_CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    404: NotFoundError,
    500: InternalServerError,
    501: InternalServerError,
}


@pytest.mark.parametrize("capture", FAILED, ids=str)
def test_a_recorded_failure_has_its_class_and_says_why(capture: captures.Capture) -> None:
    body = error_body(capture.body)
    error = failures.from_status(capture.status, capture.headers, body, now_epoch=0.0)
    if "ctx_too_long" in capture.case:
        assert type(error) is ContextLengthExceeded
    elif capture.status in STATUS_CLASSES:
        assert type(error) is STATUS_CLASSES[capture.status]
    told = json.loads(capture.body)
    words = told.get("detail") or told["error"]
    words = words["message"] if isinstance(words, dict) else words
    assert " ".join(words.split()) in str(error)
    # Taken for an answer it is an error too.
    with pytest.raises(APIError):
        decode(capture.body, kind_of(capture, stream=False))


# ---------------------------------------------------------------- servers' quirks


def chat(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "hi"}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **changes}


def chat_bytes(message: str = "", tail: str = "") -> bytes:
    """Written by hand, for what json.dumps cannot write."""
    inner = f'{{"role":"assistant","content":"hi"{message}}}'
    return f'{{"choices":[{{"index":0,"message":{inner}}}]{tail}}}'.encode()


@pytest.mark.parametrize(
    ("changes", "path", "expected"),
    [
        ({"created": 1.0}, "created", 1),
        ({"created": 1.9}, "created", 1),
        ({"created": "17"}, "created", 17),
        ({"created": "soon"}, "created", 0),
        ({"created": None}, "created", 0),
        ({"created": True}, "created", 0),
        ({"created": 2**60 + 1}, "created", 2**60 + 1),
        ({"id": 5, "created": 2**60 + 1}, "created", 2**60 + 1),  # no float on the way
        ({"created": 1e999}, "created", 0),
        ({"created": []}, "created", 0),
        ({"id": 7}, "id", "7"),
        ({"id": None}, "id", ""),
        ({"model": True}, "model", ""),
        ({"usage": []}, "usage", None),
        ({"usage": "none"}, "usage", None),
    ],
)
def test_a_field_that_does_not_fit_is_bent_or_left_out(
    changes: dict[str, Any], path: str, expected: Any
) -> None:
    answer = decode(json.dumps(chat(**changes)).encode(), ChatCompletion)
    assert getattr(answer, path) == expected
    assert type(getattr(answer, path)) is type(expected)
    assert answer.text == "hi"
    assert answer.raw[path] == changes[path] or changes[path] != changes[path]


def test_usage_takes_numbers_in_any_dress() -> None:
    usage = {"prompt_tokens": "3", "completion_tokens": 4.0, "total_tokens": None}
    answer = decode(json.dumps(chat(usage=usage)).encode(), ChatCompletion)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 3
    assert answer.usage.completion_tokens == 4
    assert answer.usage.total_tokens == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([], ""),
        (None, ""),
        (5, "5"),
        ({"a": "ü"}, '{"a": "ü"}'),
        ([{"type": "image"}], '[{"type": "image"}]'),
    ],
)
def test_content_becomes_text(content: Any, text: str) -> None:
    body = chat()
    body["choices"][0]["message"]["content"] = content
    assert decode(json.dumps(body).encode(), ChatCompletion).text == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"city": "Kyōto"}, '{"city": "Kyōto"}'), ({}, "{}"), (None, ""), ('{"a": 1}', '{"a": 1}')],
)
def test_tool_arguments_may_be_an_object_or_null(arguments: Any, text: str) -> None:
    body = chat()
    function = {"name": "weather", "arguments": arguments}
    body["choices"][0]["message"]["tool_calls"] = [{"id": "1", "function": function}]
    calls = decode(json.dumps(body).encode(), ChatCompletion).choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.arguments == text
    chunk = {"choices": [{"delta": {"tool_calls": [{"function": function}]}}]}
    pieces = ChunkDecoder().decode(json.dumps(chunk).encode()).choices[0].delta.tool_calls
    assert (pieces[0].function.arguments or "") == text


@pytest.mark.parametrize(
    "choice",
    [{}, {"delta": {}}, {"index": 0}, {"delta": None, "index": None}, {"finish_reason": None}],
)
def test_a_chunks_choice_may_lack_everything(choice: dict[str, Any]) -> None:
    decoded = ChunkDecoder().decode(json.dumps({"choices": [choice]}).encode()).choices[0]
    assert (decoded.index, decoded.finish_reason, decoded.delta.content) == (0, None, None)


@pytest.mark.parametrize(
    ("payload", "kind", "field"),
    [
        (b'{"choices":null,"usage":{"total_tokens":3}}', ChatCompletionChunk, "choices"),
        (b'{"object":"list","data":null}', ModelList, "data"),
    ],
)
def test_null_where_a_list_belongs_is_an_empty_list(
    payload: bytes, kind: type[Payload], field: str
) -> None:
    assert getattr(ChunkDecoder(kind).decode(payload), field) == []


def test_null_lists_inside_are_left_at_their_default() -> None:
    token = '{"token":"a","logprob":"-0.5","bytes":null,"top_logprobs":null}'
    body = f'{{"choices":[{{"message":{{}},"logprobs":{{"content":[{token}]}}}}]}}'
    logprobs = decode(body.encode(), ChatCompletion).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert logprobs.content[0].top_logprobs == []
    assert logprobs.content[0].logprob == -0.5


@pytest.mark.parametrize("count", [5_000, 20_000])
@pytest.mark.parametrize("place", ["created", "id", "timings", "usage"])
def test_an_endless_integer_costs_only_its_own_field(count: int, place: str) -> None:
    answer = decode(chat_bytes(tail=f',"{place}":' + "9" * count), ChatCompletion)
    assert answer.text == "hi"
    assert answer.raw[place] == float("inf")
    assert not hasattr(answer, "nothing_of_the_kind")
    deep = decode(chat_bytes(message=',"audio":' + "9" * count), ChatCompletion)
    assert deep.text == "hi"


@pytest.mark.parametrize(
    "payload",
    [
        b"\xef\xbb\xbf" + chat_bytes(),
        chat_bytes(tail=',"timings":NaN,"created":-Infinity'),
        chat_bytes().replace(b'"hi"', b'"h\x01\x7f\ni"'),
        b" \r\n\t" + chat_bytes() + b"\n\n",
    ],
    ids=["byte order mark", "NaN", "control characters", "white space"],
)
def test_what_strict_json_refuses_and_servers_send_passes(payload: bytes) -> None:
    answer = decode(payload, ChatCompletion)
    assert answer.text in ("hi", "h\x01\x7f\ni")
    assert isinstance(answer.model_dump(), dict)
    assert ChunkDecoder().decode(payload.replace(b'"message"', b'"delta"')).text == answer.text


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    answer = decode(chat_bytes().replace(b'"hi"', b'"h\xff\xc3i"'), ChatCompletion)
    assert answer.text == "h��i"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("\\ud83d", "�"),
        ("a\\ud83db", "a�b"),
        ("\\ude00x", "�x"),
        ("\\ud83d\\ude00", "😀"),
        ("\\ud83d\\ud83d\\ude00", "�😀"),
    ],
)
def test_lone_halves_of_surrogate_pairs_are_replaced(escaped: str, text: str) -> None:
    answer = decode(chat_bytes().replace(b'"hi"', f'"{escaped}"'.encode()), ChatCompletion)
    assert answer.text == text
    answer.model_dump_json().encode()  # can be printed


def test_an_extra_field_with_half_a_pair_can_be_dumped() -> None:
    answer = decode(chat_bytes(tail=',"id":5,"note":"\\ud83d"'), ChatCompletion)
    assert json.loads(answer.model_dump_json().encode())["note"] == "�"
    answer.to_json().encode()


@pytest.mark.parametrize("depth", [50, 150, 900, 5_000, 100_000])
def test_deep_nesting_never_ends_in_a_recursion_error(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for payload in (deep.encode(), chat_bytes(tail=f',"created":1.5,"x":{deep}')):
        for kind in KINDS:
            outcome = attempt(decode, payload, kind)
            if isinstance(outcome, RawLLMError):
                assert len(str(outcome)) < 2_000
            else:
                assert depth == 50
                assert outcome.choices
    body = error_body(deep.encode())
    error = failures.from_status(500, {}, body, now_epoch=0.0)
    assert len(str(error)) < 2_000
    assert isinstance(body, str) == (depth > 100)


# ---------------------------------------------------------------- halves over chunks


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields}


def pieces_of(decoder: ChunkDecoder, *chunks: list[dict[str, Any]]) -> list[Any]:
    # json.dumps escapes: "\ud83d" goes over the wire as six ASCII characters.
    return [decoder.decode(json.dumps({"choices": chunk}).encode()) for chunk in chunks]


def tool(arguments: str, index: int | None = None) -> list[dict[str, Any]]:
    call: dict[str, Any] = {"function": {"arguments": arguments}}
    return [call if index is None else {"index": index, **call}]


READERS: dict[str, Any] = {
    "content": (lambda text: {"content": text}, lambda d: d.content),
    "reasoning": (lambda text: {"reasoning": text}, lambda d: d.reasoning),
    "reasoning_content": (lambda text: {"reasoning_content": text}, lambda d: d.reasoning),
    "refusal": (lambda text: {"refusal": text}, lambda d: d.refusal),
    "tool by index": (
        lambda text: {"tool_calls": tool(text, 1)},
        lambda d: d.tool_calls[0].function.arguments,
    ),
    "tool without index": (
        lambda text: {"tool_calls": tool(text)},
        lambda d: d.tool_calls[0].function.arguments,
    ),
}


@pytest.mark.parametrize("where", READERS)
def test_halves_are_joined_over_chunks(where: str) -> None:
    write, read = READERS[where]
    decoder = ChunkDecoder()
    texts = ["a\ud83d", "\ude00b\ud83d", "", "\ude01"]
    chunks = pieces_of(decoder, *[[delta(0, **write(text))] for text in texts])
    assert [read(chunk.choices[0].delta) or "" for chunk in chunks] == ["a", "😀b", "", "😁"]
    assert not decoder._halves  # back on the fast path


def test_halves_of_two_interleaved_choices_do_not_mix() -> None:
    chunks = pieces_of(
        ChunkDecoder(),
        [delta(1, content="\ud83d")],
        [delta(0, content="\ud83c")],
        [delta(1, content="\ude00")],
        [delta(0, content="\udf0d"), delta(1, content="!")],
    )
    texts = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content
    assert texts == {0: "🌍", 1: "😀!"}


def test_halves_of_content_and_reasoning_do_not_mix() -> None:
    chunks = pieces_of(
        ChunkDecoder(),
        [delta(0, content="\ud83d", reasoning="\ud83c")],
        [delta(0, reasoning="\udf0d")],
        [delta(0, content="\ude00")],
    )
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(d.content or "" for d in deltas) == "😀"
    assert "".join(d.reasoning or "" for d in deltas) == "🌍"


def test_a_half_that_stays_alone_is_replaced() -> None:
    chunks = pieces_of(
        ChunkDecoder(), [delta(0, content="\ud83d")], [delta(0, content="b")], [delta(0)]
    )
    assert [chunk.text for chunk in chunks] == ["", "�b", ""]


@pytest.mark.parametrize("index", [[1], {"a": 1}, "x", None, 1.5, True])
def test_an_index_of_any_kind_does_no_harm(index: Any) -> None:
    chunks = pieces_of(
        ChunkDecoder(), [delta(index, content="a\ud83d")], [delta(index, content="\ude00")]
    )
    assert all(chunk.text.encode() is not None for chunk in chunks)


# ---------------------------------------------------------------- errors that look like answers


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"error": {"message": "slow down", "code": 429}}, RateLimitError, "slow down"),
        ({"error": {"message": "slow down", "code": "429"}}, RateLimitError, "slow down"),
        ({"error": {"message": "no", "status": 404}}, NotFoundError, "no"),
        ({"error": {"message": "no", "code": "model_not_found"}}, APIError, "no"),
        ({"error": {"message": "no", "code": None}}, APIError, "no"),
        ({"error": {"message": "no", "code": True}}, APIError, "no"),
        ({"error": {"message": "no", "code": 200}}, APIError, "no"),
        ({"error": {"message": "no", "code": [500]}}, APIError, "no"),
        ({"error": {"code": 500}}, InternalServerError, "500"),
        ({"error": "Unauthorized"}, APIError, "Unauthorized"),
        ({"error": ["a", "b"]}, APIError, "a"),
        ({"error": True}, APIError, "True"),
        ({"error": {"message": {"deep": "down"}}}, APIError, "down"),
        ({"error": {"type": "insufficient_quota", "message": "pay"}}, RateLimitError, "pay"),
        (
            {"error": {"code": "context_length_exceeded", "message": "long"}},
            ContextLengthExceeded,
            "long",
        ),
        ({"object": "error", "message": "old", "code": 400}, BadRequestError, "old"),
        ({"object": "error", "message": "old"}, APIError, "old"),
        ({"detail": "Not Found"}, APIError, "Not Found"),
        (
            {"detail": [{"loc": ["body", "n"], "msg": "bad", "type": "t"}]},
            APIError,
            "body.n: bad",
        ),
        (chat(error={"message": "upstream", "code": 502}), InternalServerError, "upstream"),
        (chat(error="upstream", created=1.0), APIError, "upstream"),
    ],
)
def test_an_error_object_is_never_an_answer(
    body: dict[str, Any], kind: type[APIError], words: str
) -> None:
    payload = json.dumps(body).encode()
    for target in (ChatCompletion, ChatCompletionChunk, Completion):
        error = raised(payload, target, status=200)
        assert type(error) is kind
        assert words in str(error)
        assert error.status_code == 200
    with pytest.raises(kind):
        ChunkDecoder().decode(payload.replace(b'"message"', b'"delta"'))


@pytest.mark.parametrize("nothing", [None, False, "", {}, []])
def test_an_error_that_is_empty_is_none(nothing: Any) -> None:
    answer = decode(json.dumps(chat(error=nothing)).encode(), ChatCompletion)
    assert answer.text == "hi"
    assert answer.raw["error"] == nothing
    chunk = ChunkDecoder().decode(json.dumps({"choices": [], "error": nothing}).encode())
    assert chunk.choices == []


def test_the_word_error_in_an_answer_is_no_error() -> None:
    body = chat(id="error")
    body["choices"][0]["finish_reason"] = "error"
    body["choices"][0]["message"]["content"] = '{"error": {"code": 500}}'
    assert decode(json.dumps(body).encode(), ChatCompletion).text == '{"error": {"code": 500}}'


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"<html><h1>502 Bad Gateway</h1></html>", "502 Bad Gateway"),
        (b"", "empty"),
        (b" \n", "' \\n'"),
        (b"null", "null"),
        (b"[]", "a list"),
        (b"{}", "choices"),
        (b'"text"', "text"),
        (b"0", "0"),
        (b'{"choices":[{"index":0,"mess', "mess"),
        (b'{"choices":{}}', "an object where a list belongs"),
        (b'{"choices":"x"}', "text where a list belongs"),
        (b'{"choices":[null]}', "null where an object belongs"),
        (b'{"choices":[{"index":0}]}', "no 'message'"),
        (b'{"choices":[{"message":"hi"}]}', "message: text"),
        (b'{"choices":[]}', "'choices' is empty"),
        (b'{"choices":null}', "'choices' is empty"),
        (b"data: {}", "data: {}"),
        (b"\xff\xfe\x00", "�"),
    ],
)
def test_a_success_that_is_no_answer_shows_what_it_is(payload: bytes, shown: str) -> None:
    error = raised(payload, status=200)
    assert type(error) is APIResponseValidationError
    assert shown in str(error)
    assert error.kind == "bad_answer"
    assert error.status_code == 200
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_strange_body_is_shown_in_part_only() -> None:
    for payload in (b"<p>" * 100_000, b"\x00" * 100_000, ("ü" * 100_000).encode()):
        assert 500 < len(str(raised(payload))) < 700


@pytest.mark.parametrize(
    "embedding", [[1, None], {"a": 1}, None, 5, [[1.0]], ["a"]], ids=lambda e: json.dumps(e)
)
def test_an_embedding_with_a_hole_is_no_embedding(embedding: Any) -> None:
    body = {"data": [{"index": 0, "embedding": embedding}]}
    error = raised(json.dumps(body).encode(), CreateEmbeddingResponse)
    assert type(error) is APIResponseValidationError


def test_embeddings_without_a_single_one_are_no_answer() -> None:
    for payload in (b'{"data":[]}', b'{"data":null}'):
        assert type(raised(payload, CreateEmbeddingResponse)) is APIResponseValidationError


def test_an_embeddings_numbers_may_be_integers_or_text() -> None:
    answer = decode(b'{"data":[{"embedding":[1,"2.5",-3e-1]}]}', CreateEmbeddingResponse)
    assert answer.vectors == [[1.0, 2.5, -0.3]]


def test_a_list_of_models_may_be_empty() -> None:
    assert list(decode(b'{"object":"list","data":[]}', ModelList)) == []


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b'{"error":{"message":"x"}}', {"error": {"message": "x"}}),
        (b"Internal Server Error", "Internal Server Error"),
        (b"", None),
        (b" \n ", None),
        (b"null", None),
        (b"\xff", "�"),
        (b"x" * 9_000, "x" * 500),
    ],
)
def test_an_errors_body_is_its_json_or_its_text(payload: bytes, body: Any) -> None:
    assert error_body(payload) == body


# ---------------------------------------------------------------- anything at all

NAMES = [
    *("choices", "data", "index", "delta", "message", "content", "error", "detail", "object"),
    *("code", "type", "loc", "msg", "tool_calls", "function", "arguments", "usage", "embedding"),
    *("text", "logprobs", "token", "id"),
]
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=8),
        st.sampled_from(["error", "text", "\ud83d", "\ude00", "9" * 400]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=25,
)


def judge(payload: bytes) -> None:
    decoders: list[Any] = [lambda p, kind=kind: decode(p, kind, status=200) for kind in KINDS]
    decoders += [ChunkDecoder(kind).decode for kind in (ChatCompletionChunk, Completion)]
    for decoder in decoders:
        for _ in range(2):  # twice: a chunk decoder may hold a half from the first time
            outcome = attempt(decoder, payload)
            if isinstance(outcome, APIError):
                assert len(str(outcome)) < 2_000
            else:
                assert isinstance(outcome.raw, dict)
                assert outcome.model_dump_json().encode()
                assert repr(outcome)
    error_of_status = failures.from_status(500, {}, error_body(payload), now_epoch=0.0)
    assert len(str(error_of_status)) < 2_000


@settings(max_examples=200, deadline=None, derandomize=True)
@example({"choices": [{"message": {"content": "\ud83d"}, "index": {}}]})
@example({"error": {"message": [{"loc": 5, "msg": None}]}})
@example({"error": {"code": {}, "type": []}})
@given(
    st.one_of(
        JSON,
        st.dictionaries(st.sampled_from(["choices", "data", "error", "usage", "id"]), JSON),
        st.fixed_dictionaries({"choices": st.lists(JSON, max_size=3)}),
    )
)
def test_no_json_raises_anything_but_our_errors(value: Any) -> None:
    judge(json.dumps(value).encode())


@settings(max_examples=200, deadline=None, derandomize=True)
@example(b"\xef\xbb\xbf")
@example(b'{"choices":[],"choices":1}')
@given(
    st.one_of(
        st.binary(max_size=60),
        st.tuples(st.integers(0, 400), st.binary(max_size=4)).map(
            lambda cut: WHOLE[0].body[: cut[0]] + cut[1] + WHOLE[0].body[cut[0] + 1 :]
        ),
    )
)
def test_no_bytes_raise_anything_but_our_errors(payload: bytes) -> None:
    judge(payload)


def test_loads_says_what_is_no_json() -> None:
    for payload in (b"", b"{", b"nul", b"{}{}", b"\xff"):
        with pytest.raises(ValueError):
            loads(payload)
