"""A response: its fields, what it counts, and the errors it may be."""

import copy
import json
import pickle
from pathlib import Path

import msgspec
import pytest
from sansio.response_items import CALL, MESSAGE, REASONING, SEARCH

from rawllm import (
    APIError,
    APIResponseValidationError,
    BadRequestError,
    ContextLengthExceeded,
    InternalServerError,
    RateLimitError,
)
from rawllm.sansio.decode import decode
from rawllm.sansio.responses import Response, ResponseUsage, failure_of, read_created, read_response
from rawllm.sansio.responses_items import (
    ResponseOutputMessage,
)

SAMPLES = Path(__file__).parents[1] / "samples" / "responses"


def response(*items, **fields):
    document = {"id": "resp_1", "object": "response", "output": list(items), **fields}
    return decode(msgspec.json.encode(document), Response)


def test_an_answer_keeps_what_is_not_declared():
    found = response(
        MESSAGE,
        new={"a": 1},
        text={"format": {"type": "text"}, "verbosity": "low"},
        reasoning={"effort": "high", "mode": "x"},
        conversation={"id": "c"},
        tools=[{"type": "function", "name": "f"}],
        tool_choice={"type": "function", "name": "f"},
    )
    assert found.new == {"a": 1}
    assert (found.text.format.type, found.text.verbosity) == ("text", "low")
    assert (found.reasoning.effort, found.reasoning.mode) == ("high", "x")
    assert found.conversation.id == "c"
    assert found.tools[0].name == found.tool_choice.name == "f"
    dumped = found.model_dump()
    assert dumped["new"] == {"a": 1}
    assert dumped["output"][0]["sent_back"] == MESSAGE["sent_back"]
    assert dumped["reasoning"]["mode"] == "x"
    assert found.raw["output"] == [MESSAGE]


def test_all_text_of_all_messages_is_the_text():
    other = {"type": "message", "content": [{"type": "output_text", "text": " there"}]}
    assert response(REASONING, MESSAGE, SEARCH, other).output_text == "Hi there"
    assert response(CALL).output_text == ""
    assert response({"type": "message", "content": None}).output_text == ""


def test_usage_is_counted_by_the_names_of_limits_and_hooks():
    found = response(
        usage={
            "input_tokens": 3,
            "output_tokens": 4,
            "total_tokens": 7,
            "input_tokens_details": {"cached_tokens": 1},
            "output_tokens_details": {"reasoning_tokens": 2},
        }
    )
    assert type(found.usage) is ResponseUsage
    assert found.usage.input_tokens_details.cached_tokens == 1
    counted = found._counted
    assert (counted.prompt_tokens, counted.completion_tokens, counted.total_tokens) == (3, 4, 7)
    assert counted.prompt_tokens_details.cached_tokens == 1
    assert counted.completion_tokens_details.reasoning_tokens == 2
    assert response()._counted is None
    assert response(usage={"input_tokens": "3"})._counted.prompt_tokens == 0
    assert response(usage="none")._counted is None


def test_why_it_ended_is_in_the_servers_words():
    assert response(status="completed")._finish_reason == "completed"
    cut = response(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert cut._finish_reason == cut.incomplete_details.reason == "max_output_tokens"


def test_it_survives_pickle_and_copy():
    found = response(MESSAGE, CALL, SEARCH, usage={"input_tokens": 1})
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other == found
        assert other.output[2].action.queries[0].q == "a"


def test_it_is_made_of_a_dict_too():
    assert Response.model_validate({"id": "r", "output": [SEARCH]}).output[0].id == "ws_1"
    assert ResponseOutputMessage.model_validate(MESSAGE).to_dict() == MESSAGE
    with pytest.raises(ValueError, match="made of a dict, not of list"):
        ResponseUsage.model_validate([])


# ── errors ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("details", "error", "kind"),
    [
        ({"code": "server_error", "message": "boo"}, InternalServerError, "500"),
        ({"code": "rate_limit_exceeded", "message": "boo"}, RateLimitError, "429"),
        ({"code": "insufficient_quota", "message": "boo"}, RateLimitError, "insufficient_quota"),
        ({"code": "vector_store_timeout", "message": "boo"}, InternalServerError, "504"),
        ({"code": "invalid_prompt", "message": "boo"}, BadRequestError, "400"),
        (
            {"code": "context_length_exceeded", "message": "boo"},
            ContextLengthExceeded,
            "context_length",
        ),
        ({"code": 503, "message": "boo"}, InternalServerError, "503"),
        ({"code": "image_too_small", "message": "boo"}, APIError, "error"),
        ({"code": None, "message": "boo"}, APIError, "error"),
    ],
    ids=lambda value: str(value["code"]) if isinstance(value, dict) else "",
)
def test_a_code_has_its_row_in_the_table_of_failures(details, error, kind):
    found = failure_of(details, status=200)
    assert type(found) is error
    assert (found.kind, found.status_code, found.body) == (kind, 200, details)
    assert str(found) == "The server reported an error: boo"


@pytest.mark.parametrize("details", [None, {}, 3, []])
def test_a_failure_without_details_is_one_all_the_same(details):
    assert str(failure_of(details)) == "The server reported an error: no explanation"


def created(document):
    return read_created(json.dumps(document).encode(), Response, status=200)


def test_a_created_response_that_failed_is_an_error_and_a_retrieved_one_is_not():
    failed = {
        "id": "r",
        "object": "response",
        "status": "failed",
        "output": [],
        "error": {"code": "server_error", "message": "boo"},
    }
    with pytest.raises(InternalServerError, match="boo") as caught:
        created(failed)
    assert caught.value.partial.error.code == "server_error"
    assert read_response(json.dumps(failed).encode(), Response).error.message == "boo"
    assert created({**failed, "status": "completed", "error": None}).error is None


def test_a_success_that_is_no_response_is_an_error():
    chat = {"id": "c", "object": "chat.completion", "choices": []}
    for document in (chat, {}, {"id": "r"}, {"output": [MESSAGE]}):
        with pytest.raises(APIResponseValidationError, match="no response"):
            created(document)
    assert created({"id": "r", "output": [MESSAGE]}).output_text == "Hi"
    for error in ("boo", {"message": "boo"}):
        with pytest.raises(APIError, match="reported an error: boo"):
            created({"error": error})


def test_what_llama_cpp_sends_is_a_response():
    found = read_created((SAMPLES / "llamacpp_whole.json").read_bytes(), Response)
    assert found.output_text == "Hello there! I'm here"
    assert found._counted.total_tokens == found.usage.total_tokens == 39
    assert found.to_dict() == {
        "tools": [],
        **json.loads((SAMPLES / "llamacpp_whole.json").read_bytes()),
    }


def test_a_servers_quirks_are_bent():
    found = response(MESSAGE, created_at="1.5", metadata=[], parallel_tool_calls="x", model=None)
    assert (found.created_at, found.output_text, found.model) == (1.5, "Hi", "")
    assert response(output=None).output == []
    half = {"id": "r", "output": [{"type": "message", "content": [{"text": "a\ud83d"}]}]}
    half["output"][0]["content"][0]["type"] = "output_text"
    found = decode(json.dumps(half).encode(), Response)
    assert found.output_text == "a\ufffd"
    assert found.output[0].to_dict()["content"][0]["text"] == "a\ufffd"
