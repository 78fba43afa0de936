"""The client's side: one program for rawllm and for openai-python, which differ in an import.

Judges nothing. Runs in the Python where that library is, and imports nothing else of this
repository:

    python probe.py rawllm        # one task a line on stdin, one outcome a line on stdout, as JSON
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import pickle
import sys
import time
from typing import Any

KEY = "sk-" + "conformance"
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def told(completion: Any) -> dict[str, Any]:
    """What people read of a whole answer, by the attributes that both libraries have."""
    choice = completion.choices[0]
    usage = completion.usage
    return {
        "text": choice.message.content or "",
        "finish": choice.finish_reason,
        "tools": [
            [call.id, call.function.name, call.function.arguments]
            for call in choice.message.tool_calls or ()
        ],
        "usage": usage and [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
    }


async def whole(client: Any) -> dict[str, Any]:
    return told(await client.chat.completions.create(**ASKED))


async def twice(client: Any) -> dict[str, Any]:
    await client.chat.completions.create(**ASKED)
    return await whole(client)


async def stream(client: Any) -> dict[str, Any]:
    """Chunk by chunk, as most programs read."""
    text, finish, usage = "", None, None
    async for chunk in await client.chat.completions.create(**ASKED, stream=True):
        if chunk.usage is not None:
            usage = chunk.usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    text.encode()  # half a character can be printed by nobody
    counted = usage and [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]
    return {"text": text, "finish": finish, "tools": [], "usage": counted}


async def accumulate(client: Any) -> dict[str, Any]:
    """By the library's own helper, which puts the pieces of a stream together."""
    if hasattr(client.chat.completions, "stream"):
        async with client.chat.completions.stream(**ASKED) as opened:
            return told(await opened.get_final_completion())
    async with client.stream(ASKED["messages"], model="m") as opened:
        return told(await opened.result())


VERBS = {verb.__name__: verb for verb in (whole, twice, stream, accumulate)}


async def carry_out(library: Any, task: dict[str, Any]) -> dict[str, Any]:
    options = {"timeout": task["timeout"], "max_retries": task["retries"]}
    if task["keyed"]:
        options["api_key"] = KEY
    async with library.AsyncOpenAI(base_url=task["url"], **options) as client:
        return await VERBS[task["verb"]](client)


async def outcome(library: Any, task: dict[str, Any]) -> dict[str, Any]:
    """error: the class's name or None. typed: it is one of the library's own. timeout: it is an
    APITimeoutError. leaks: its pickle holds the key. seconds: all in all."""
    started = time.monotonic()
    found: dict[str, Any] = {"error": None, "typed": False, "timeout": False, "leaks": False}
    try:
        found |= await asyncio.wait_for(carry_out(library, task), task["limit"])
    except TimeoutError as hung:
        found["error"] = "hangs" if type(hung) is TimeoutError else type(hung).__name__
    except Exception as error:
        found["error"] = type(error).__name__
        found["typed"] = isinstance(error, library.OpenAIError)
        found["timeout"] = isinstance(error, library.APITimeoutError)
        try:
            found["leaks"] = KEY.encode() in pickle.dumps(error)
        except Exception:  # what cannot be pickled holds no key for anybody
            found["leaks"] = False
    found["seconds"] = time.monotonic() - started
    return found


async def main(library: Any) -> None:
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(await outcome(library, json.loads(line))), flush=True)


if __name__ == "__main__":
    for name in list(os.environ):
        if name.startswith("OPENAI_"):
            del os.environ[name]  # neither a key nor an address of the developer's own
    library = importlib.import_module(sys.argv[1])
    print(json.dumps(f"{sys.argv[1]} {library.__version__}"), flush=True)
    asyncio.run(main(library))
