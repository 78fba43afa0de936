"""Typed answers of the real embedded model: llama.cpp holds it to the schema by a grammar."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Literal, NamedTuple, TypedDict

import msgspec
import pytest
import pytest_asyncio

from rawllm import Client
from rawllm.local import LocalServer, installed, model_path

pytestmark = [
    pytest.mark.real_model,
    pytest.mark.skipif(not installed(), reason="needs rawllm[local]"),
]

Colour = Literal["red", "green"]


class Ball(msgspec.Struct):
    colour: Colour
    weight: Literal[1, 2]


@dataclasses.dataclass
class Box:
    ball: Ball
    full: bool = False


class Bag(TypedDict):
    colour: Colour


class Pair(NamedTuple):
    left: Colour
    right: bool


SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}}}

ASKED = {"max_tokens": 120, "temperature": 0, "seed": 1}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(model_path(), slots=2) as running:
        yield running


@pytest_asyncio.fixture
async def llm(server: LocalServer) -> AsyncIterator[Client]:
    async with Client(server.base_url, api_key=server.api_key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("kind", [Ball, Box, Pair, bool, Colour, Ball | None])
async def test_an_answer_is_one_of_its_type(llm: Client, kind: type) -> None:
    answer = await llm.complete("Pick a ball.", response_type=kind, **ASKED)
    assert msgspec.convert(msgspec.to_builtins(answer.parsed), kind) == answer.parsed
    assert answer.timing is not None
    assert answer.timing.attempts == 1


@pytest.mark.parametrize("kind", [Bag, SCHEMA])
async def test_a_dict_has_what_was_asked_for(llm: Client, kind: type) -> None:
    answer = await llm.complete("Pick a ball.", response_type=kind, **ASKED)
    assert answer.parsed in ({"colour": "red"}, {"colour": "green"})


async def test_a_pydantic_model_is_one(llm: Client) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Toy", colour=(Colour, ...), weight=(int | None, None))
    answer = await llm.chat.completions.parse(
        messages=[{"role": "user", "content": "Pick a ball."}], response_format=model, **ASKED
    )
    assert isinstance(answer.parsed, model)


async def test_an_object_grows_while_it_is_streamed(llm: Client) -> None:
    messages = [{"role": "user", "content": "Pick a ball."}]
    async with llm.chat.completions.stream(
        messages=messages, response_format=Ball, **ASKED
    ) as stream:
        parts = [event.parsed async for event in stream if event.type.startswith("content.")]
        final = await stream.get_final_completion()
    assert parts[-1] == final.parsed
    assert isinstance(final.parsed, Ball)
    whole = msgspec.to_builtins(final.parsed)
    assert {} in parts
    assert all(part.items() <= whole.items() for part in parts[:-1] if part)
