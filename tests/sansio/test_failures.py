"""The table of failures, written a second time by hand, and how errors are read from answers."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import captures
import pytest

from rawllm import errors
from rawllm.errors import APIError
from rawllm.sansio import failures
from rawllm.sansio.decode import error_body
from rawllm.sansio.failures import TABLE, fault, from_body, from_status, of

SAMPLES = Path(__file__).parent.parent / "samples"
FAULTS = {
    row["id"]: row
    for row in map(json.loads, (SAMPLES / "fault_matrix.jsonl").read_bytes().splitlines())
}

# kind, class, retried, cost to the budget, pauses the endpoint, sign of an outage
ROWS = """
refused             APIConnectionError          yes   0  pauses  outage
connect_timeout     ConnectTimeout              yes   0  pauses  outage
dns                 APIConnectionError          yes   5  -       outage
connect             APIConnectionError          yes   5  -       outage
tls                 APIConnectionError          no    0  -       -
proxy               APIConnectionError          no    0  -       -
closed              APIConnectionError          no    0  -       -
lost                APIConnectionError          yes  10  -       -
protocol            APIConnectionError          yes  10  -       -
encoding            APIConnectionError          no    0  -       -
first_token         FirstTokenTimeout           yes  10  -       -
redirect            RedirectRefused             no    0  -       -
idle                IdleTimeout                 yes  10  -       -
body_cut            APIConnectionError          yes  10  -       -
bad_answer          APIResponseValidationError  yes  10  -       -
incomplete          IncompleteStreamError       yes  10  -       -
limit               LimitExceeded               no    0  -       -
total               TotalTimeout                no    0  -       -
error               APIError                    no    0  -       -
insufficient_quota  RateLimitError              no    0  -       -
400                 BadRequestError             no    0  -       -
context_length      ContextLengthExceeded       no    0  -       -
401                 AuthenticationError         no    0  -       -
403                 PermissionDeniedError       no    0  -       -
404                 NotFoundError               no    0  -       -
408                 APIStatusError              yes   5  -       -
409                 ConflictError               yes   5  -       -
422                 UnprocessableEntityError    no    0  -       -
425                 APIStatusError              yes   5  -       -
429                 RateLimitError              yes   0  pauses  outage
4xx                 APIStatusError              no    0  -       -
500                 InternalServerError         yes   5  -       -
501                 InternalServerError         no    0  -       -
502                 InternalServerError         yes   5  -       outage
503                 InternalServerError         yes   0  pauses  outage
504                 InternalServerError         yes  10  -       -
529                 InternalServerError         yes   0  pauses  outage
5xx                 InternalServerError         yes   5  -       -
"""
EXPECTED = {row.split()[0]: row.split()[1:] for row in ROWS.strip().splitlines()}


def status(code: int, body: Any = None, **headers: str) -> APIError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_status(code, names, body, now_epoch=0.0)


def test_every_row_is_in_both_tables() -> None:
    assert set(TABLE) == set(EXPECTED)


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_row_says_class_retry_cost_pause_and_outage(kind: str) -> None:
    name, retried, cost, pauses, outage = EXPECTED[kind]
    error = fault(kind, "why", status_code=7)
    assert type(error) is getattr(errors, name)
    assert (error.kind, str(error), error.status_code) == (kind, "why", 7)
    yes = (retried == "yes", int(cost), pauses == "pauses", outage == "outage")
    assert of(error) == (type(error), *yes)
    assert pickle.loads(pickle.dumps(error)).kind == kind


# The rows of the fault matrix that one kind of ours stands for. The rest are scenarios.
KINDS = {
    "refused": "refused",
    "dns": "dns",
    "connect_timeout": "connect_timeout",
    "tls_verify": "tls",
    "tls_plain": "tls",
    "reset_before_headers": "lost",
    "close_before_headers": "lost",
    "stall_headers": "first_token",
    "stall_mid_headers": "first_token",
    "garbage": "protocol",
    "bad_content_length": "protocol",
    "huge_header": "limit",
    "header_flood": "limit",
    "reset_mid_body": "body_cut",
    "close_mid_body": "body_cut",
    "close_delimited": "bad_answer",
    "chunked_truncated": "body_cut",
    "chunked_bad": "body_cut",
    "json_truncated": "bad_answer",
    "empty_200": "bad_answer",
    "html_200": "bad_answer",
    "gzip_corrupt": "body_cut",
    "gzip_truncated": "bad_answer",
    "encoding_unknown": "encoding",
    "bomb": "limit",
    "huge_body": "limit",
    "sse_empty": "incomplete",
    "huge_line": "limit",
    "redirect_307": "redirect",
    "redirect_302": "redirect",
}


@pytest.mark.parametrize("row", KINDS)
def test_the_fault_matrix_agrees(row: str) -> None:
    retry = FAULTS[row]["retry"]
    failure = TABLE[KINDS[row]]
    assert failure.retried == (retry in ("yes", "budgeted"))
    if retry == "budgeted":
        assert failure.cost == failures.PROCESSED


@pytest.mark.parametrize("row", [name for name in FAULTS if name.startswith("status_")])
def test_the_fault_matrix_agrees_on_statuses(row: str) -> None:
    code, retry = int(row[7:]), FAULTS[row]["retry"]
    error = status(code)
    assert error.status_code == code
    failure = of(error)
    assert failure.retried == (retry in ("yes", "budgeted"))
    assert not (retry == "budgeted" and failure.cost != failures.PROCESSED)


@pytest.mark.parametrize(
    ("code", "kind", "cls"),
    [
        (402, "4xx", errors.APIStatusError),
        (405, "4xx", errors.APIStatusError),
        (413, "4xx", errors.APIStatusError),
        (418, "4xx", errors.APIStatusError),
        (499, "4xx", errors.APIStatusError),
        (507, "5xx", errors.InternalServerError),
        (520, "5xx", errors.InternalServerError),
        (599, "5xx", errors.InternalServerError),
        (600, "5xx", errors.InternalServerError),
        (999, "5xx", errors.InternalServerError),
    ],
)
def test_a_status_without_a_row_goes_with_its_hundred(code: int, kind: str, cls: type) -> None:
    error = status(code)
    assert (error.kind, type(error), error.status_code) == (kind, cls, code)


# ---------------------------------------------------------------- x-should-retry


@pytest.mark.parametrize("code", [400, 401, 404, 408, 409, 429, 500, 501, 503, 504])
def test_the_servers_own_word_wins_both_ways(code: int) -> None:
    plain = of(status(code))
    for word, wanted in (("true", True), ("false", False), ("maybe", plain.retried)):
        row = of(status(code, x_should_retry=word))
        assert row.retried is wanted
        assert row.error is plain.error
        assert row.pauses == plain.pauses  # the endpoint is as busy as before
        assert row.outage == (plain.outage and wanted)  # and nobody waits for what is hopeless
        if wanted and not row.pauses:
            assert row.cost >= failures.PLAIN  # no retry but a pause's is free


def test_even_insufficient_quota_is_retried_where_the_server_says_so() -> None:
    body = {"error": {"code": "insufficient_quota", "message": "pay"}}
    assert of(status(429, body, x_should_retry="true")).retried


def test_an_error_of_the_users_own_is_not_retried() -> None:
    assert of(APIError("mine")) == (APIError, False, 0, False, False)


# ---------------------------------------------------------------- from a status


def test_an_error_carries_what_the_response_said() -> None:
    body = {"error": {"message": "slow\n  down", "code": "rate", "param": "n", "type": "t", "x": 1}}
    error = status(429, body, x_request_id="r-1", retry_after="7")
    assert type(error) is errors.RateLimitError
    assert str(error) == error.message == "HTTP 429: slow down"
    assert error.body == body["error"]
    assert (error.code, error.param, error.type) == ("rate", "n", "t")
    assert (error.request_id, error.retry_after, error.status_code) == ("r-1", 7.0, 429)
    assert error.headers == {"x-request-id": "r-1", "retry-after": "7"}
    assert error.response.status_code == 429
    assert error.response.headers is error.headers
    assert error.response.json() == body


@pytest.mark.parametrize("where", ["code", "type"])
@pytest.mark.parametrize("code", [429, 403, 400])
def test_insufficient_quota_is_no_pause_and_no_retry(code: int, where: str) -> None:
    error = status(code, {"error": {"message": "pay", where: "insufficient_quota"}})
    assert error.kind == "insufficient_quota"
    assert type(error) is errors.RateLimitError
    assert error.status_code == code
    assert of(error)[1:] == (False, 0, False, False)


RECORDED = [c for c in captures.cases() if c.case.startswith("err_ctx_too_long")]


@pytest.mark.parametrize("capture", RECORDED, ids=str)
def test_a_prompt_too_long_in_the_recorded_words(capture: captures.Capture) -> None:
    error = from_status(capture.status, {}, error_body(capture.body), now_epoch=0.0)
    assert type(error) is errors.ContextLengthExceeded
    assert isinstance(error, errors.BadRequestError)
    assert "2048" in str(error)


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (400, {"message": "m", "code": "context_length_exceeded"}, "context_length"),
        (400, {"message": "m", "type": "exceed_context_size_error"}, "context_length"),
        (413, {"message": "m", "code": "context_length_exceeded"}, "context_length"),
        (422, {"message": "m", "code": "context_length_exceeded"}, "context_length"),
        (500, {"message": "m", "code": "context_length_exceeded"}, "500"),
        (400, {"message": "The input is longer than the model's context length"}, "context_length"),
        (400, {"message": "longer than the models context"}, "context_length"),
        (400, {"message": "Requested tokens exceed CONTEXT WINDOW of 2048"}, "context_length"),
        (500, {"message": "maximum context length is 2048"}, "500"),
        (400, {"message": "context is not a list"}, "400"),
        (400, {"message": "m", "code": {"context_length_exceeded": 1}}, "400"),
        (400, {"message": "m", "code": ["insufficient_quota"], "type": "x"}, "400"),
        (400, {"message": "m", "code": "invalid_api_key"}, "400"),
    ],
)
def test_context_length_is_told_by_code_type_or_words(
    code: int, details: dict[str, Any], kind: str
) -> None:
    assert status(code, {"error": details}).kind == kind


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "m"}}, "m"),
        ({"error": "m"}, "m"),
        ({"message": "m"}, "m"),
        ({"detail": "m"}, "m"),
        ({"object": "error", "message": "m"}, "m"),
        ({"error": {"message": "", "detail": "d"}}, "d"),
        ({"error": {"message": {"a": 1}, "error": "inner"}}, "inner"),
        ("  Internal\nServer  Error ", "Internal Server Error"),
        (
            {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "bad"}, {"msg": "worse"}]},
            "body.messages.0.role: bad; : worse",
        ),
        ({"detail": [{"loc": None, "msg": "m"}, "junk", {"loc": 5, "msg": "skipped"}]}, ": m"),
        (None, "no explanation (the body is empty)"),
        ("", "no explanation (the body is empty)"),
        ({}, "no explanation (the body is empty)"),
        ([1], "no explanation (the body is [1])"),
        (17, "no explanation (the body is 17)"),
        ({"detail": []}, "no explanation (the body is {'detail': []})"),
        ({"error": None}, "no explanation (the body is {'error': None})"),
    ],
)
def test_the_message_is_found_in_every_shape(body: Any, message: str) -> None:
    assert str(status(418, body)) == f"HTTP 418: {message}"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "x" * 100_000}},
        {"error": "x" * 100_000},
        {"detail": [{"loc": ["x"] * 50_000, "msg": "y"}]},
        {"detail": [{"loc": [], "msg": "y"}] * 50_000},
        "x" * 100_000,
        ["x" * 100_000],
        {"error": {"message": ["x" * 100_000]}},
        {"error": {"message": "\x00" * 100_000}},
    ],
)
def test_a_message_is_never_long(body: Any) -> None:
    assert len(str(status(500, body))) < 600
    announced = from_body(body)
    assert announced is None or len(str(announced)) < 600
    payload = json.dumps(body).encode()
    assert len(str(failures.bad_answer(payload, "no answer"))) < 600


# ---------------------------------------------------------------- from a body


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (429, "429"),
        ("429", "429"),
        ("503", "503"),
        (504.0, "error"),
        (418, "4xx"),
        (599, "5xx"),
        (200, "error"),
        (399, "error"),
        (600, "error"),
        (-429, "error"),
        ("0429", "error"),
        ("٤٢٩", "error"),
        ("429 ", "error"),
        (True, "error"),
        (None, "error"),
        ("rate_limit_exceeded", "error"),
        ("insufficient_quota", "insufficient_quota"),
    ],
)
def test_the_class_follows_a_numeric_code(code: Any, kind: str) -> None:
    for body in ({"error": {"message": "m", "code": code}}, {"object": "error", "code": code}):
        error = from_body(body, status=200)
        assert error is not None
        assert error.kind == kind
        assert type(error) is TABLE[kind].error
        assert error.status_code == 200
        assert error.code == code


@pytest.mark.parametrize("name", ["code", "status", "status_code"])
def test_the_number_may_have_other_names(name: str) -> None:
    error = from_body({"error": {"message": "m", name: 503}})
    assert error is not None
    assert error.kind == "503"


def test_a_status_in_words_leaves_the_number_its_say() -> None:
    error = from_body({"error": {"message": "m", "code": 400, "status": "INVALID_ARGUMENT"}})
    assert error is not None
    assert error.kind == "400"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": None},
        {"error": ""},
        {"error": {}},
        {"object": "chat.completion"},
        {"choices": [], "detail": "d"},
        {"data": [], "detail": "d"},
        {"id": "m", "detail": "d"},
        [],
        [{"error": "x"}],
        "error",
        None,
        5,
    ],
)
def test_what_announces_no_error(body: Any) -> None:
    assert from_body(body) is None


def test_a_bad_answer_shows_what_came() -> None:
    error = failures.bad_answer(b"<html>\xff", "no answer", status_code=200)
    assert str(error) == "no answer; the body is '<html>�'"
    assert (error.kind, error.status_code, error.body) == ("bad_answer", 200, None)
    assert str(failures.bad_answer(b"", "no answer")) == "no answer; the body is empty"
