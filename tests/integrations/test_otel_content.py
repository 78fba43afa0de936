import json

import msgspec
import pytest

from rawllm.integrations.otel_content import asked_for, input_messages, output_messages
from rawllm.sansio.types import ChatCompletion, Completion

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.mark.parametrize("value", ["true", "True", " SPAN_ONLY ", "span_and_event"])
def test_the_environment_can_ask_for_content(value):
    assert asked_for({VARIABLE: value})


@pytest.mark.parametrize("value", ["", "false", "NO_CONTENT", "event_only", "1", "yes", "perhaps"])
def test_what_does_not_ask_for_it_on_spans_asks_for_nothing(value):
    assert not asked_for({VARIABLE: value})
    assert not asked_for({})


def text(content):
    return {"type": "text", "content": content}


#: A request → its messages in OpenTelemetry's words.
REQUESTS = {
    "plain texts, the system's in its place": (
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
            ]
        },
        [{"role": "system", "parts": [text("Be brief.")]}, {"role": "user", "parts": [text("Hi")]}],
    ),
    "a picture is named and left out": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    ],
                }
            ]
        },
        [{"role": "user", "parts": [text("What is it?"), {"type": "image_url"}]}],
    ),
    "a tool that was called, and what it gave": (
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}},
                        {"id": "c2", "function": {"name": "add", "arguments": '{"a'}},
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "2"},
            ]
        },
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}},
                    {"type": "tool_call", "id": "c2", "name": "add", "arguments": '{"a'},
                ],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "c1", "response": "2"}],
            },
        ],
    ),
    "a prompt": ({"prompt": "Once"}, [{"role": "user", "parts": [text("Once")]}]),
    "prompts": (
        {"prompt": ["a", "b"]},
        [{"role": "user", "parts": [text("a")]}, {"role": "user", "parts": [text("b")]}],
    ),
    "tokens": ({"prompt": [1, 2]}, None),
    "an embedding's input": ({"input": ["a"]}, None),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_in_the_words_of_opentelemetry(name):
    request, expected = REQUESTS[name]
    found = input_messages(json.dumps(request).encode())
    assert (None if found is None else json.loads(found)) == expected


def test_no_body_has_no_messages():
    assert input_messages(None) is None


def chat(**message):
    choices = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}]
    return msgspec.convert({"id": "x", "model": "m", "choices": choices}, ChatCompletion)


def said(*parts):
    return [{"role": "assistant", "parts": list(parts), "finish_reason": "stop"}]


#: An answer → its messages in OpenTelemetry's words.
ANSWERS = {
    "a text": (chat(content="Hello"), said(text("Hello"))),
    "reasoning before it": (
        chat(content="4", reasoning_content="2 + 2"),
        said({"type": "reasoning", "content": "2 + 2"}, text("4")),
    ),
    "a refusal": (chat(refusal="No."), said({"type": "refusal", "content": "No."})),
    "a tool called": (
        chat(
            tool_calls=[
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ]
        ),
        said({"type": "tool_call", "id": "c", "name": "f", "arguments": {}}),
    ),
    "a text completion": (
        msgspec.convert(
            {"choices": [{"index": 0, "text": "upon", "finish_reason": "stop"}]}, Completion
        ),
        said(text("upon")),
    ),
    "nothing": (None, None),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_in_the_words_of_opentelemetry(name):
    answer, expected = ANSWERS[name]
    found = output_messages(answer)
    assert (None if found is None else json.loads(found)) == expected
