"""Code written for openai-python with its imports changed, read by mypy --strict and never run."""

from __future__ import annotations

from typing import assert_type

from rawllm import NOT_GIVEN, APIResponse, AsyncAPIResponse, AsyncOpenAI, OpenAI, RawResponse, omit
from rawllm.sansio.types import Model, ModelList
from rawllm.types import Completion, CompletionUsage, CreateEmbeddingResponse
from rawllm.types.chat import (
    ChatCompletion,
    ChatCompletionMessageParam,
    ChatCompletionMessageToolCall,
    ChatCompletionToolParam,
)

messages: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    {"role": "assistant", "content": None, "tool_calls": []},
    {"role": "tool", "tool_call_id": "1", "content": "4"},
]

tools: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
]


def called(call: ChatCompletionMessageToolCall) -> str:
    return call.function.arguments


async def asynchronous(client: AsyncOpenAI) -> None:
    create = client.chat.completions.create
    answer = await create(model="m", messages=messages, tools=tools, stop=NOT_GIVEN, seed=omit)
    assert_type(answer, ChatCompletion)
    assert_type(answer.usage, CompletionUsage | None)
    vectors: CreateEmbeddingResponse = await client.embeddings.create(model="m", input="a")
    print(vectors.data)
    raw = await client.completions.with_raw_response.create(model="m", prompt="a")
    assert_type(raw, RawResponse[Completion])
    assert_type(raw.headers.get("x-request-id"), str | None)
    async with client.completions.with_streaming_response.create(model="m", prompt="a") as response:
        assert_type(response, AsyncAPIResponse[Completion])
        async for line in response.iter_lines():
            assert_type(line, str)
    async for model in client.models.list():
        assert_type(model, Model)
    assert_type(await client.models.list(), ModelList)


def synchronous(client: OpenAI) -> None:
    raw = client.completions.with_raw_response.create(prompt="a")
    assert_type(raw, RawResponse[Completion])
    assert_type(raw.parse(), Completion)
    with client.completions.with_streaming_response.create(prompt="a") as response:
        assert_type(response, APIResponse[Completion])
        assert_type(response.read(), bytes)
    with client.chat.completions.stream(messages=messages, response_format=int) as stream:
        assert_type(stream.get_final_completion().choices[0].message.parsed, int | None)
    for model in client.models.list():
        assert_type(model, Model)
