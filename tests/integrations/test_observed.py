import pytest

from rawllm.hooks import CallFinished
from rawllm.integrations.observed import Place, place_of, seconds_a_token

PLACES = {
    "http://127.0.0.1:8000/v1/chat/completions": ("chat", "127.0.0.1", 8000),
    "http://gpu/v1/completions": ("text_completion", "gpu", 80),
    "https://api.test/v1/embeddings": ("embeddings", "api.test", 443),
    "http://[::1]:8000/v1/models/chat": ("other", "::1", 8000),
}


@pytest.mark.parametrize("endpoint", PLACES)
def test_an_endpoint_is_an_operation_and_a_server(endpoint):
    assert place_of(endpoint) == Place(*PLACES[endpoint])


TOKENS = {
    "four tokens": ({}, 0.5),
    "one token": ({"completion_tokens": 1}, None),
    "no usage": ({"completion_tokens": None}, None),
    "no stream": ({"stream": False}, None),
    "no output": ({"first_token": None}, None),
    "a clock that rounds": ({"total": 2.9}, 0.0),
}


@pytest.mark.parametrize("name", TOKENS)
def test_the_seconds_of_a_token_are_those_after_the_first(name):
    changed, expected = TOKENS[name]
    fields = {
        "call_id": 1,
        "method": "POST",
        "endpoint": "http://a/v1",
        "stream": True,
        "attempts": 1,
        "queued": 1.0,
        "first_token": 2.0,
        "total": 4.5,
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "finish_reason": "stop",
        "request_id": None,
        "status_code": 200,
        **changed,
    }
    assert seconds_a_token(CallFinished(**fields)) == expected
