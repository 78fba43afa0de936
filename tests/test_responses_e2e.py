"""`client.responses` against the real embedded model: llama.cpp's server answers /v1/responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
import pytest
from real_model import gguf

from rawllm import Client, ContextLengthExceeded, OpenAI
from rawllm.local import LocalServer

pytestmark = pytest.mark.real_model

ASKED = {"input": "Say hi.", "max_output_tokens": 8, "temperature": 0}


class Ball(msgspec.Struct):
    colour: Literal["red", "green"]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(gguf(), slots=1) as local:
        yield local


async def test_whole_and_streamed_are_the_same_and_go_on(server: LocalServer) -> None:
    async with Client(server.base_url, api_key=server.api_key) as llm:
        whole = await llm.responses.create(**ASKED)
        assert whole.output_text
        assert whole.usage is not None
        assert whole.usage.output_tokens == 8
        stream = await llm.responses.create(**ASKED, stream=True)
        deltas = [e.delta async for e in stream if e.type == "response.output_text.delta"]
        assert "".join(deltas) == stream.completion.output_text == whole.output_text
        assert stream.timing is not None
        async with llm.responses.stream(**ASKED) as events:
            kinds = "response.output_text.delta"
            snapshots = [e.snapshot async for e in events if e.type == kinds]
        assert snapshots[-1] == whole.output_text
        asked = [{"role": "user", "content": "Say hi."}, *whole.output]
        asked.append({"role": "user", "content": "And bye."})
        following = await llm.responses.create(input=asked, max_output_tokens=4)
        assert following.usage is not None
        assert following.usage.input_tokens > whole.usage.total_tokens


async def test_a_typed_answer_comes_although_the_server_ignores_text_format(
    server: LocalServer,
) -> None:
    async with Client(server.base_url, api_key=server.api_key) as llm:
        parsed = await llm.responses.parse(
            input="Is grass red or green?", text_format=Ball, max_output_tokens=60, temperature=0
        )
        assert parsed.output_parsed is not None
        assert parsed.output_parsed.colour in ("red", "green")


def test_without_await_and_too_long(server: LocalServer) -> None:
    with OpenAI(base_url=server.base_url, api_key=server.api_key) as llm:
        assert llm.responses.create(**ASKED).output_text
        with pytest.raises(ContextLengthExceeded):
            llm.responses.create(input="x " * 40_000, stream=True)
