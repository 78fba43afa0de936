"""Asking for an answer of a type: what is sent for it, and what is done where a server or a model
does not go along.

Reads no answer itself; sansio/schema.py and sansio/parsed.py do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ..errors import (
    APIStatusError,
    BadRequestError,
    InternalServerError,
    StructuredOutputError,
    UnprocessableEntityError,
)
from ..sansio.parsed import ParsedChatCompletion, Reader, parsed_completion
from ..sansio.rung import OBJECT, SCHEMA, WORDS, Rung
from ..sansio.schema import Form
from ..sansio.types import ChatCompletion

__all__ = ["climb", "typed"]

R = TypeVar("R")

#: How servers name what they do not know, and how they say that the schema itself is wrong: the
#: caller's to know. (vLLM: "Grammar error", llama.cpp: "JSON schema error".)
_NAMED = re.compile(r"response_format|json_schema|json_object|structured.output", re.I)
_WRONG = re.compile(r"invalid.{0,10} schema", re.I)


async def climb(
    send: Callable[[dict[str, Any]], Awaitable[R]],
    params: Mapping[str, Any],
    form: Form,
    rung: Rung,
    least: int = SCHEMA,
) -> R:
    """Send with the best that the server takes. Raises what `send` raises, but where that is a
    refusal of the way it was asked."""
    while True:
        now = max(rung.value, least)
        try:
            return await send(_asking(params, form, now))
        except (BadRequestError, UnprocessableEntityError, InternalServerError) as error:
            if now == WORDS or not _refuses(error):
                raise
        rung.learn(now + 1)


def _refuses(error: APIStatusError) -> bool:
    told = f"{error.message} {error.param}"
    return _NAMED.search(told) is not None and _WRONG.search(told) is None


async def typed(
    send: Callable[[dict[str, Any]], Awaitable[ChatCompletion]],
    params: dict[str, Any],
    form: Form | None,
    tools: Mapping[str, Reader],
    rung: Rung,
    *,
    repair: bool,
) -> ParsedChatCompletion[Any]:
    """The answer as `form`. None: as it is, but for its tool calls.

    An answer that does not even have the schema's shape comes from a server that ignores it: that
    is asked once more, in words, and remembered. repair: a last time, the answer and what is wrong
    with it are sent back. Raises as parsed_completion, and what `send` raises.
    """
    if form is None:
        return parsed_completion(await send(params), None, tools)
    asked = rung.value
    answer = await climb(send, params, form, rung)
    try:
        return parsed_completion(answer, form, tools)
    except StructuredOutputError as error:
        failed = error
    if failed.raw not in [choice.message.content for choice in answer.choices]:
        raise failed  # it is a tool call's arguments that do not fit
    if asked == rung.value == SCHEMA and not form.follows(failed.raw):
        answer = await climb(send, params, form, rung, OBJECT)
        try:
            found = parsed_completion(answer, form, tools)
        except StructuredOutputError as error:
            failed = error
        else:
            rung.learn(OBJECT)
            return found
    if not repair:
        raise failed
    turn = [
        *params["messages"],
        {"role": "assistant", "content": failed.raw},
        {
            "role": "user",
            "content": f"{failed}. Answer again, with nothing but JSON that follows this JSON "
            f"schema:\n{_shown(form)}",
        },
    ]
    answer = await climb(send, {**params, "messages": turn}, form, rung)
    return parsed_completion(answer, form, tools)


def _asking(params: Mapping[str, Any], form: Form, rung: int) -> dict[str, Any]:
    if rung == SCHEMA:
        return {**params, "response_format": form.response_format}
    words = f"Answer with nothing but JSON that follows this JSON schema:\n{_shown(form)}"
    asking = {**params, "messages": _told(params["messages"], words)}
    if rung == OBJECT:
        asking["response_format"] = {"type": "json_object"}
    return asking


def _shown(form: Form) -> str:
    return json.dumps(form.schema, ensure_ascii=False)


def _told(messages: Any, words: str) -> list[Any]:
    """The words in the system message: many chat templates take only one, and that first."""
    first, others = next(iter(messages), None), messages[1:]
    if isinstance(first, Mapping) and first.get("role") in ("system", "developer"):
        content = first.get("content")
        if isinstance(content, str):
            return [{**first, "content": f"{content}\n\n{words}"}, *others]
        if isinstance(content, list):
            part = {"type": "text", "text": words}
            return [{**first, "content": [*content, part]}, *others]
    return [{"role": "system", "content": words}, *messages]
