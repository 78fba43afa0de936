"""The client against the real embedded server: llama.cpp with SmolLM2-135M.

Asserts on structure and never on words, but where a JSON schema leaves the model no choice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from rawllm import AuthenticationError, Client
from rawllm.local import SYSTEM, LocalServer, installed, model_path

pytestmark = [
    pytest.mark.real_model,
    pytest.mark.skipif(not installed(), reason="needs rawllm[local]"),
]

SLOTS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(model_path(), slots=SLOTS) as running:
        yield running


@pytest_asyncio.fixture
async def llm(server: LocalServer) -> AsyncIterator[Client]:
    async with Client(server.base_url, api_key=server.api_key, max_retries=0) as client:
        yield client


async def test_a_whole_answer_has_text_usage_and_timing(llm: Client) -> None:
    answer = await llm.complete("Say hello!", system=SYSTEM, max_tokens=8, temperature=0)

    assert answer.text
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 8
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.timing is not None
    assert answer.timing.attempts == 1
    assert answer.timings["predicted_n"] == answer.usage.completion_tokens  # llama.cpp's own


async def test_a_stream_gives_the_same_text_piece_by_piece(llm: Client) -> None:
    asked = {"system": SYSTEM, "max_tokens": 12, "temperature": 0, "seed": 1}
    whole = await llm.complete("Say hello!", **asked)
    async with llm.stream("Say hello!", **asked) as stream:
        pieces = [chunk.text async for chunk in stream]

    assert len([piece for piece in pieces if piece]) > 2
    assert "".join(pieces) == stream.completion.text == whole.text
    assert stream.done_seen
    assert stream.completion.usage is not None


async def test_the_only_model_is_found(llm: Client) -> None:
    assert [model.id for model in await llm.models.list()] == ["smollm2"]

    answer = await llm.complete("Hi", system=SYSTEM, max_tokens=1)

    assert answer.model == "smollm2"


async def test_thirty_two_at_once_over_four_slots(llm: Client) -> None:
    answers = await asyncio.gather(
        *(
            llm.complete(f"Count to {i}.", system=SYSTEM, max_tokens=4, temperature=0)
            for i in range(32)
        )
    )

    assert len(answers) == 32
    assert all(answer.usage is not None for answer in answers)
    assert all(answer.usage.completion_tokens <= 4 for answer in answers)


async def test_embeddings(llm: Client) -> None:
    answer = await llm.embed(["a cat", "a dog", "a cat"])

    first, second, third = answer.vectors
    assert len(first) == len(second) == len(third) == 576  # SmolLM2-135M's hidden size
    assert first == pytest.approx(third, abs=1e-3)
    assert first != pytest.approx(second, abs=1e-3)


async def test_a_json_schema_is_kept(llm: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"const": "Reykjavík ☃"}, "visits": {"type": "integer"}},
        "required": ["city", "visits"],
        "additionalProperties": False,
    }
    answer = await llm.complete(
        "Where?",
        system=SYSTEM,
        max_tokens=64,
        temperature=0,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "place", "schema": schema, "strict": True},
        },
    )

    place = json.loads(answer.text)
    assert place["city"] == "Reykjavík ☃"
    assert isinstance(place["visits"], int)


async def test_a_wrong_key_is_an_authentication_error(server: LocalServer) -> None:
    async with Client(server.base_url, api_key="wrong", model="smollm2") as llm:
        with pytest.raises(AuthenticationError) as caught:
            await llm.complete("Hi")
        with pytest.raises(AuthenticationError):
            await llm.stream("Hi")

    assert caught.value.status_code == 401
    assert caught.value.attempts == 1


async def test_a_stream_left_in_the_middle_frees_its_slot(llm: Client) -> None:
    for _ in range(SLOTS * 2):
        async with llm.stream("Tell a long story.", system=SYSTEM, max_tokens=1500) as stream:
            async for chunk in stream:
                if chunk.text:
                    break

    # Were they still being written, these would wait for thousands of tokens.
    answers = await asyncio.wait_for(
        asyncio.gather(*(llm.complete("Hi", system=SYSTEM, max_tokens=2) for _ in range(SLOTS))),
        timeout=30,
    )
    assert len(answers) == SLOTS


async def test_a_cancelled_call_frees_its_slot(llm: Client) -> None:
    async def write() -> None:
        await llm.complete("Tell a long story.", system=SYSTEM, max_tokens=1500)

    tasks = [asyncio.create_task(write()) for _ in range(SLOTS)]
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(end, asyncio.CancelledError)
        for end in await asyncio.gather(*tasks, return_exceptions=True)
    )

    await asyncio.wait_for(llm.complete("Hi", system=SYSTEM, max_tokens=2), timeout=30)
    assert llm._endpoint.limiter().in_flight == 0


async def test_two_hundred_streams_back_to_back(
    llm: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp closes TCP after each of them while promising keep-alive. A plain session fails
    every second time; here two second attempts teach the client, and there are no more."""
    from rawllm.net import transport

    repeated = 0
    was_stale = transport.was_stale

    def counting(*arguments: object) -> bool:
        nonlocal repeated
        stale = was_stale(*arguments)
        repeated += stale
        return stale

    monkeypatch.setattr(transport, "was_stale", counting)
    for _ in range(200):
        async with llm.stream("Hi", system=SYSTEM, max_tokens=2, temperature=0) as stream:
            completion = await stream.result()
        assert completion.text
    assert repeated <= 3
