"""What a line of a Batch file means, and that every line written can be read."""

import json

import msgspec
import pytest

from rawllm.batch.lines import Outcome, answered, failed, outcome, request
from rawllm.errors import (
    APIConnectionError,
    APIError,
    BadRequestError,
    ConfigurationError,
    RateLimitError,
    RawLLMError,
)
from rawllm.sansio import failures

BATCH = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "m", "messages": [{"role": "user", "content": "hi"}], "timeout": 3},
}


def line(**changes):
    found = {**BATCH, **changes}
    return json.dumps({name: value for name, value in found.items() if value is not ...}).encode()


def test_a_batch_line_is_taken_as_it_is():
    got = request(line(), 1)
    assert (got.custom_id, got.path, got.body) == ("a", "/chat/completions", BATCH["body"])


@pytest.mark.parametrize(
    ("url", "body", "path"),
    [
        ("/chat/completions", {"messages": [1]}, "/chat/completions"),
        ("/v1/completions", {"prompt": "x"}, "/completions"),
        ("/v1/embeddings", {"input": ["x"]}, "/embeddings"),
    ],
)
def test_three_urls_with_and_without_their_version(url, body, path):
    got = request(line(url=url, body=body), 1)
    assert (got.path, got.body) == (path, body)


@pytest.mark.parametrize(
    ("given", "custom_id", "body"),
    [
        (
            {"prompt": "hi", "max_tokens": 3},
            "request-7",
            {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3},
        ),
        ({"messages": [1], "custom_id": "x"}, "x", {"messages": [1]}),
        ({"prompt": [1], "stream": False}, "request-7", {"messages": [1], "stream": False}),
    ],
)
def test_a_plain_line_is_a_chat(given, custom_id, body):
    got = request(json.dumps(given).encode(), 7)
    assert (got.custom_id, got.path, got.body) == (custom_id, "/chat/completions", body)


@pytest.mark.parametrize("given", [line(), b'{"prompt": "hi", "model": "theirs"}'])
def test_another_model_takes_the_place_of_theirs(given):
    assert request(given, 1, model="ours").body["model"] == "ours"


NO_REQUEST = {
    "no JSON": (b"{", "no JSON"),
    "nothing": (b"", "no JSON"),
    "text that is no UTF-8": (b'{"prompt": "\xff"}', "no JSON"),
    "UTF-16": ('{"prompt": "hi"}'.encode("utf-16"), "no JSON"),
    "NaN": (b'{"prompt": "hi", "top_p": NaN}', "no JSON"),
    "half a pair": (rb'{"prompt": "\ud83d"}', "no JSON"),
    "deep": (b'{"prompt": "hi", "x": ' + b"[" * 200 + b"]" * 200 + b"}", "nested"),
    "endless": (b"[" * 100_000, "no JSON"),
    "a list": (b"[1]", "no JSON object"),
    "a number": (b"1", "no JSON object"),
    "neither": (b"{}", "either 'prompt'"),
    "both": (b'{"prompt": "x", "messages": [1]}', "either 'prompt'"),
    "an empty prompt": (b'{"prompt": " "}', "the prompt is empty"),
    "a prompt that is none": (b'{"prompt": 3}', "a prompt is"),
    "no messages": (b'{"messages": []}', "empty"),
    "a plain stream": (b'{"prompt": "x", "stream": true}', "'stream'"),
    "a plain id": (b'{"prompt": "x", "custom_id": 3}', "'custom_id'"),
    "no id": (line(custom_id=...), "'custom_id'"),
    "a number for an id": (line(custom_id=3), "'custom_id'"),
    "an empty id": (line(custom_id=""), "'custom_id'"),
    "another method": (line(method="GET"), "'POST'"),
    "no url": (line(url=...), "'url'"),
    "another url": (line(url="/v1/responses"), "/v1/embeddings"),
    "a url of lists": (line(url=[]), "'url'"),
    "no body": (line(body=...), "'body'"),
    "a body that is text": (line(body="x"), "'body'"),
    "a body without messages": (line(body={"prompt": "x"}), "'messages'"),
    "embeddings of nothing": (line(url="/v1/embeddings", body={"input": ""}), "'input'"),
    "a stream": (line(body={**BATCH["body"], "stream": True}), "'stream'"),
    "a prompt beside the body": (line(prompt="x"), "'prompt' belongs"),
}


@pytest.mark.parametrize("name", NO_REQUEST)
def test_what_is_no_request_is_refused_with_its_line(name):
    given, words = NO_REQUEST[name]
    with pytest.raises(ConfigurationError, match=r"^line 17: ") as caught:
        request(given, 17)
    assert words in str(caught.value)


def readable(out):
    """The line, read by two readers that agree."""
    assert out.endswith(b"\n")
    assert out.count(b"\n") == 1
    assert b"\r" not in out

    def refuse(name):
        raise AssertionError(name)

    value = json.loads(out, parse_constant=refuse)
    assert msgspec.json.decode(out) == value
    assert len(out.decode().splitlines()) >= 1
    return value


def test_an_answer_goes_in_byte_for_byte():
    payload = '{"b": 1.00000000000000000001, "a":"\u2028é"}'.encode()
    out = answered("x\n", payload, request_id="r")
    assert payload in out
    got = readable(out)
    assert list(got) == ["id", "custom_id", "response", "error"]
    assert got["custom_id"] == "x\n"
    assert got["response"]["status_code"] == 200
    assert got["response"]["request_id"] == "r"
    assert got["error"] is None
    assert outcome(out) == Outcome("x\n", False)


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b'{\n "a":\r\n\t[1]\n}\n', {"a": [1]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": NaN, "b": [Infinity, -Infinity]}', {"a": None, "b": [None, None]}),
        (b'{"a": 1e999}', {"a": None}),
        (rb'{"a": "\ud83d!", "\ude00": "\ud83d\ude00"}', {"a": "\ufffd!", "\ufffd": "😀"}),
        (b'{"a": "\xff\n"}', {"a": "\ufffd\n"}),
        (b'{"a": "x\ty"}', {"a": "x\ty"}),
        (b'{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
        (b'{"n": ' + b"1" * 5000 + b"}", {"n": None}),
        (b"", ""),
        (b"<html>", "<html>"),
    ],
)
def test_what_servers_write_beyond_json_is_mended(payload, body):
    out = answered("x", payload)
    assert readable(out)["response"]["body"] == body
    assert outcome(out) == Outcome("x", False)


@pytest.mark.parametrize("depth", [150, 900, 5000])
def test_an_answer_nested_too_deeply_for_most_readers_is_kept_as_text(depth):
    payload = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
    assert readable(answered("x", payload))["response"]["body"] == payload.decode()


def test_a_request_id_may_be_no_text():
    out = answered("x", b"{}", request_id="r\udcff")
    assert readable(out)["response"]["request_id"] == "r\ufffd"


def test_two_runs_give_one_request_the_same_id():
    first, second, other = answered("x", b"{}"), failed("x", RawLLMError("no")), answered("y", b"")
    assert readable(first)["id"] == readable(second)["id"] != readable(other)["id"]


def of_status(status, body):
    return failures.from_status(status, {"x-request-id": "r"}, body, now_epoch=0)


FAILURES = [
    (
        of_status(400, {"error": {"message": "bad\u2028", "code": "c", "param": None}}),
        {
            "status_code": 400,
            "request_id": "r",
            "body": {"error": {"message": "bad\u2028", "code": "c", "param": None}},
        },
        None,
    ),
    (
        of_status(503, "overloaded"),
        {
            "status_code": 503,
            "request_id": "r",
            "body": {"error": {"message": "HTTP 503: overloaded"}},
        },
        None,
    ),
    (
        of_status(422, {"detail": "x\ud83d"}),
        {
            "status_code": 422,
            "request_id": "r",
            "body": {"error": {"message": "HTTP 422: x\ufffd", "detail": "x\ufffd"}},
        },
        None,
    ),
    (
        failures.fault("redirect", "moved", status_code=302),
        None,
        {"code": "redirect", "message": "moved"},
    ),
    (failures.fault("refused", "nobody"), None, {"code": "refused", "message": "nobody"}),
    (
        failures.from_body({"error": {"code": 429, "message": "slow"}}, status=200),
        None,
        {"code": "429", "message": "The server reported an error: slow"},
    ),
    (APIConnectionError("x"), None, {"code": "APIConnectionError", "message": "x"}),
    (ConfigurationError("x\udc00"), None, {"code": "ConfigurationError", "message": "x\ufffd"}),
    (RateLimitError("x"), None, {"code": "RateLimitError", "message": "x"}),
]


@pytest.mark.parametrize(("error", "response", "said"), FAILURES)
def test_a_failure_has_one_of_two_shapes(error, response, said):
    out = failed("x", error)
    got = readable(out)
    assert (got["custom_id"], got["response"], got["error"]) == ("x", response, said)
    assert outcome(out) == Outcome("x", True)


def test_what_a_server_put_into_its_error_can_be_read():
    body = {"x": float("nan"), "y": [float("inf"), "\ud800"]}
    got = readable(failed("x", BadRequestError("no", status_code=400, body=body)))
    assert got["response"]["body"]["error"] == {"message": "no", "x": None, "y": [None, "\ufffd"]}
    assert isinstance(BadRequestError("no"), APIError)


HOSTED = {
    "id": "batch_req_1",
    "custom_id": "a",
    "response": {"status_code": 200, "request_id": "r", "body": {"choices": []}},
    "error": None,
}


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({}, False),
        ({"response": {"status_code": 399}}, False),
        ({"response": {"status_code": 400, "body": {}}}, True),
        ({"response": None, "error": {"code": "batch_expired", "message": ""}}, True),
        ({"response": {"status_code": 200}, "error": {}}, True),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_lines_of_a_hosted_api_are_read(changes, failing, end):
    assert outcome((json.dumps({**HOSTED, **changes}) + end).encode()) == Outcome("a", failing)


@pytest.mark.parametrize(
    "text", [r'"\ud83d"', "NaN", '"\u2028"', "1e999", "[" * 20 + "]" * 20, '"\\u0000"']
)
def test_quirks_that_others_wrote_are_read(text):
    given = json.dumps(HOSTED).replace("[]", text)
    assert outcome(given.encode()) == Outcome("a", False)


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"{}",
        b"[]",
        b"\0\0\0",
        b'{"custom_id": "a"}',
        b'{"custom_id": "a", "response": {"status_code": 200, "body": "\xff"}}',
        b'{"custom_id": "a", "response": null, "error": null}',
        b'{"custom_id": 3, "response": {"status_code": 200}}',
        b'{"response": {"status_code": 200}}',
        b'{"custom_id": "a", "response": {"status_code": "x"}}',
        b'{"custom_id": "a", "response": {"status_code": 200}}{}',
        b"[" * 100_000,
        line(),
    ],
)
def test_what_is_no_line_of_output_is_no_outcome(given):
    with pytest.raises(ValueError):
        outcome(given)


def test_no_piece_of_a_line_is_an_outcome():
    for out in (answered("é", '{"a": "\u2028😀"}'.encode()), failed("é", RawLLMError("no"))):
        for end in range(len(out) - 1):
            with pytest.raises(ValueError):
                outcome(out[:end])
        assert outcome(out[:-1]) == outcome(out)
