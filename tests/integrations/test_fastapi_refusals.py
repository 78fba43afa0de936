import pytest

pytest.importorskip("fastapi", reason="needs fastapi")

from rawllm import errors
from rawllm.errors import ConfigurationError
from rawllm.integrations.fastapi.refusals import TABLE, Refusal, told
from rawllm.sansio import failures
from rawllm.sansio.failures import fault, from_status


def status_error(status, body=None, headers=None):
    error = body or {"error": {"message": "because", "type": "t", "param": "p", "code": "c"}}
    return from_status(status, headers or {}, error, now_epoch=0.0)


def test_every_failure_there_is_has_a_row():
    assert TABLE.keys() == failures.TABLE.keys() | {"413"}


@pytest.mark.parametrize(
    ("upstream", "status"),
    [
        *((same, same) for same in (400, 404, 409, 413, 422, 429)),
        *((403, 502), (401, 502), (402, 502), (405, 502), (451, 502), (425, 502)),
        *((500, 502), (501, 502), (502, 502), (520, 502)),
        *((503, 503), (529, 503), (408, 504), (504, 504)),
    ],
)
def test_a_status_from_upstream_becomes(upstream, status):
    assert told(status_error(upstream)).status == status


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *((kind, 502) for kind in ("refused", "dns", "connect", "tls", "proxy", "lost")),
        *((kind, 502) for kind in ("protocol", "body_cut", "incomplete", "bad_answer", "limit")),
        *((kind, 502) for kind in ("redirect", "encoding", "error")),
        *((kind, 504) for kind in ("connect_timeout", "first_token", "idle", "total")),
        ("closed", 503),
    ],
)
def test_a_failure_without_a_status_becomes(kind, status):
    answer = told(fault(kind, "cannot connect to 10.0.0.7:8000: Connection refused"))
    assert answer.status == status
    assert answer.body["error"]["type"] == "upstream_error"
    assert "10.0.0.7" not in str(answer)


def test_what_the_server_says_of_the_request_is_passed_on():
    answer = told(status_error(400))
    assert answer.body == {"error": {"message": "because", "type": "t", "param": "p", "code": "c"}}


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_what_the_server_says_of_itself_or_of_our_key_is_not(status):
    assert "because" not in str(told(status_error(status)).body)


def test_an_error_that_is_no_json_gives_no_words_of_the_servers():
    answer = told(status_error(404, body="<html>nginx at 10.0.0.7</html>"))
    assert answer.body["error"] == {
        "message": "the upstream server answered 404",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


@pytest.mark.parametrize(
    ("status", "given", "sent"),
    [(429, "7", "7"), (429, "0.2", "1"), (429, None, None), (503, None, "1"), (503, "9", "9")],
)
def test_retry_after_is_passed_on_in_whole_seconds_rounded_up(status, given, sent):
    headers = {} if given is None else {"retry-after": given}
    assert told(status_error(status, headers=headers)).headers.get("Retry-After") == sent


def test_a_paused_endpoints_wait_is_told():
    error = fault("refused", "x", retry_after=3.2)
    assert told(error).headers == {"Retry-After": "4"}


def test_the_servers_request_id_is_passed_on():
    assert told(status_error(500, headers={"x-request-id": "r-1"})).headers == {
        "X-Request-Id": "r-1"
    }


def test_an_error_object_in_a_200_counts_as_what_its_code_says():
    error = failures.from_body({"error": {"message": "slow down", "code": 429}}, status=200)
    assert told(error).status == 429


def test_a_prompt_that_is_too_long_is_the_callers_matter():
    error = status_error(400, {"error": {"message": "x", "code": "context_length_exceeded"}})
    assert isinstance(error, errors.ContextLengthExceeded)
    assert told(error).body["error"]["code"] == "context_length_exceeded"
    assert told(error).status == 400


def test_errors_that_are_no_api_errors():
    assert told(ConfigurationError("the prompt is empty")).status == 400
    assert told(errors.LengthFinishReasonError(completion=None)).status == 502
    assert told(errors.APIError("made elsewhere")).status == 502


def test_the_gateways_own_no_says_what_it_says():
    answer = told(Refusal(503, "full", Retry_After="1"))
    assert (answer.status, answer.headers) == (503, {"Retry-After": "1"})
    assert answer.body["error"]["message"] == "full"
    assert told(Refusal(401, "x")).body["error"]["type"] == "authentication_error"
