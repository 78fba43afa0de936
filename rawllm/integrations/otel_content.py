"""Prompts and answers in the words of OpenTelemetry: JSON texts for a span's attributes.

Knows no span and asks nobody whether it may: otel.py does. Images, audio and files are named and
left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from ..sansio.types import ChatCompletion, Completion

__all__ = ["asked_for", "input_messages", "output_messages"]

#: Asks for content on spans; its other values ask for none, or for events, of which we send none.
VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
ON_SPANS = {"true", "span_only", "span_and_event"}


def asked_for(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for content on spans."""
    return environment.get(VARIABLE, "").strip().lower() in ON_SPANS


def input_messages(body: bytes | None) -> str | None:
    """`gen_ai.input.messages` of a request. None where it has neither messages nor a prompt."""
    request: Any = msgspec.json.decode(body) if body else {}
    if "messages" in request:
        return _json([_asked(message) for message in request["messages"]])
    prompt = request.get("prompt")
    texts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None  # tokens
    return _json([{"role": "user", "parts": _text(text)} for text in texts])


def output_messages(answer: Any) -> str | None:
    """`gen_ai.output.messages` of an answer, or of what there is of one. None where nothing was
    said in words."""
    said: list[tuple[str, list[dict[str, Any]], str | None]]
    if isinstance(answer, Completion):
        said = [
            ("assistant", _text(choice.text), choice.finish_reason) for choice in answer.choices
        ]
    elif isinstance(answer, ChatCompletion):
        said = []
        for choice in answer.choices:
            message = choice.message
            parts = _text(message.reasoning, "reasoning") + _text(message.content)
            parts += _text(message.refusal, "refusal")
            parts += [_call(call.model_dump()) for call in message.tool_calls or ()]
            said.append((message.role, parts, choice.finish_reason))
    else:
        return None
    return _json(
        [{"role": role, "parts": parts, "finish_reason": reason} for role, parts, reason in said]
    )


def _asked(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if message.get("role") == "tool":
        response = {"id": message.get("tool_call_id"), "response": content}
        return {"role": "tool", "parts": [{"type": "tool_call_response", **response}]}
    parts = [_part(part) for part in content] if isinstance(content, list) else _text(content)
    parts += [_call(call) for call in message.get("tool_calls") or ()]
    return {"role": message.get("role"), "parts": parts}


def _part(part: Any) -> dict[str, Any]:
    kind = part.get("type")
    return {"type": "text", "content": part["text"]} if kind == "text" else {"type": kind}


def _text(text: str | None, kind: str = "text") -> list[dict[str, Any]]:
    return [{"type": kind, "content": text}] if text else []


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = function["arguments"]
    with suppress(msgspec.DecodeError):  # or the model's words as they are
        arguments = msgspec.json.decode(arguments)
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": function["name"],
        "arguments": arguments,
    }


def _json(messages: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(messages).decode()
