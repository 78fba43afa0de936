"""A handler for FakeServer that does what it is asked: calls tools, fills schemas, else echoes.

Understands nothing: integers and quoted words of the last user message become arguments, in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rawllm.testing import Reply, Request

__all__ = ["answer"]


def answer(request: Request) -> Reply | None:
    """What a model that follows instructions would say. None: the server's own answer, an echo."""
    asked = request.arguments
    if not request.generates or asked is None or "messages" not in asked:
        return None
    prompt = request.prompts[0]
    if asked.get("tools") and asked["messages"][-1]["role"] != "tool":
        choice = asked.get("tool_choice")
        functions = {tool["function"]["name"]: tool["function"] for tool in asked["tools"]}
        name = choice["function"]["name"] if isinstance(choice, dict) else next(iter(functions))
        arguments = _filled(functions[name].get("parameters", {}), prompt)
        return Reply(tool_calls=[{"name": name, "arguments": arguments}])
    form = asked.get("response_format") or {}
    if form.get("type") == "json_schema":
        return Reply(json.dumps(_filled(form["json_schema"]["schema"], prompt)))
    if form.get("type") == "json_object":
        return Reply(json.dumps(dict.fromkeys(re.findall(r"'(\w+)'", prompt), "words")))
    return None


def _filled(schema: Mapping[str, Any], prompt: str) -> Any:
    numbers = iter([int(found) for found in re.findall(r"\d+", prompt)])
    quoted = iter(re.findall(r"'([^']+)'", prompt))
    return _value(schema, schema.get("$defs", {}), numbers, quoted)


def _value(
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    numbers: Iterator[int],
    quoted: Iterator[str],
) -> Any:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {}).items()
            return {name: _value(inner, definitions, numbers, quoted) for name, inner in properties}
        case "integer" | "number":
            return next(numbers, 1)
        case _:
            return next(quoted, "words")
