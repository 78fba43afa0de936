"""Typed answers, tools and content parts as users write them; read by mypy --strict, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict, assert_type

import msgspec

import rawllm
from rawllm import (
    AsyncOpenAI,
    ChatCompletion,
    Client,
    ParsedChatCompletion,
    StructuredOutputError,
    Tool,
    ToolRoundsExceeded,
    ToolRun,
)


class City(msgspec.Struct):
    name: str


class Row(TypedDict):
    n: int


def weather(city: str) -> str:
    return city


async def typed(llm: Client) -> None:
    assert_type(await llm.complete("hi", temperature=0), ChatCompletion)
    answer = await llm.complete("hi", response_type=City, repair=True, temperature=0)
    assert_type(answer, ParsedChatCompletion[City])
    assert_type(answer.parsed, City)
    assert_type(answer.choices[0].message.parsed, City | None)
    assert_type((await llm.complete("hi", response_type=Row)).parsed, Row)
    assert_type((await llm.complete("hi", response_type=list[int])).parsed, list[int])
    schema = {"type": "object", "properties": {}}
    assert_type(await llm.complete("hi", response_type=schema), ParsedChatCompletion[Any])


async def openais(client: AsyncOpenAI) -> None:
    parsed = await client.chat.completions.parse(
        model="m", messages=[{"role": "user", "content": "hi"}], response_format=City
    )
    assert_type(parsed.choices[0].message.parsed, City | None)
    if parsed.choices[0].message.tool_calls:
        assert_type(parsed.choices[0].message.tool_calls[0].function.parsed_arguments, Any)
    async with client.chat.completions.stream(
        model="m", messages=[{"role": "user", "content": "hi"}], response_format=City
    ) as stream:
        async for event in stream:
            if event.type == "content.delta":
                assert_type(event.delta, str)
            elif event.type == "tool_calls.function.arguments.done":
                assert_type(event.arguments, str)
        final = await stream.get_final_completion()
        assert_type(final.choices[0].message.parsed, City | None)


async def tools(llm: Client) -> None:
    try:
        run = await llm.run_tools("hi", tools=[weather, Tool(weather)], max_rounds=3)
        assert_type(run, ToolRun)
        assert_type(run.text, str)
        assert_type(run.completion, ChatCompletion)
    except ToolRoundsExceeded as error:
        assert_type(error.messages, list[Any])
    except StructuredOutputError as error:
        assert_type(error.raw, str)


def parts() -> None:
    assert_type(rawllm.image(Path("a.png"), detail="low"), dict[str, Any])
    assert_type(rawllm.audio(b"RIFF"), dict[str, Any])
    assert_type(rawllm.file("a.pdf", filename="b.pdf"), dict[str, Any])
