"""Code as users write it, read by mypy --strict and never run."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import aiohttp

from rawllm import (
    NOT_GIVEN,
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    Client,
    Completion,
    CreateEmbeddingResponse,
    Event,
    IncompleteStreamError,
    Limits,
    OpenAI,
    OpenAIError,
    RateLimitError,
    Retry,
    SyncClient,
    SyncStream,
    Timeout,
    Timing,
    Usage,
    __version__,
    retry,
)
from rawllm.sansio.types import Model, ModelList


async def key() -> str:
    return "sk-…"


def watch(event: Event) -> None:
    assert_type(event.call_id, int)
    assert_type(event.model, str | None)


def clients() -> None:
    assert_type(__version__, str)
    assert_type(Client(), Client)
    assert_type(AsyncOpenAI(api_key="sk-…"), Client)
    Client("http://localhost:8000/v1", api_key=key, model="m", timeout=30)
    Client("unix:///run/llm.sock", api_key=lambda: "sk-…", timeout=None, hooks=watch)
    Client(
        base_url="https://llm.test/v1",
        timeout=Timeout(connect=5, first_token=None, idle=30.5),
        retry=Retry(attempts=5),
        limits=Limits(concurrency=64, requests_per_minute=600),
        default_headers={"X-A": "1"},
        default_query={"api-version": 1},
        proxy="http://proxy:3128",
        ssl=ssl.create_default_context(),
        hooks=[watch, print],
        connector=aiohttp.TCPConnector(),
        organization=None,
    )
    Client(ssl=False, timeout=NOT_GIVEN, max_retries=0)
    assert_type(Client().with_options(timeout=5), Client)
    assert_type(Client().copy(max_retries=1), Client)
    assert_type(Client().base_url, str)
    assert_type(Client().is_closed(), bool)


async def whole() -> None:
    async with Client("http://localhost:8000/v1") as llm:
        assert_type(llm, Client)
        answer = await llm.complete("hi", system="be brief", temperature=0, top_k=5, timeout=3)
        assert_type(answer, ChatCompletion)
        assert_type(answer.text, str)
        assert_type(answer.reasoning, str | None)
        assert_type(answer.usage, Usage | None)
        assert_type(answer.timing, Timing | None)
        assert_type(answer.raw, dict[str, Any])
        assert_type(answer.model_dump(exclude_none=True), dict[str, Any])
        assert_type(answer.choices[0].message.content, str | None)
        assert_type(answer.choices[0].finish_reason, str | None)
        await llm.complete([{"role": "user", "content": "hi"}, answer.choices[0].message])
        for call in answer.choices[0].message.tool_calls or []:
            assert_type(call.function.arguments, str)


async def streamed(llm: Client) -> AsyncIterator[str]:
    async with llm.stream("hi", strict=True, max_tokens=5) as stream:
        assert_type(stream, ChatStream[ChatCompletionChunk, ChatCompletion])
        async for chunk in stream:
            assert_type(chunk, ChatCompletionChunk)
            yield chunk.text
        assert_type(stream.completion, ChatCompletion)
        assert_type(stream.timing, Timing | None)
        assert_type(stream.done_seen, bool)
        assert_type(stream.response.headers, dict[str, str])
        assert_type(await stream.result(), ChatCompletion)
    async for chunk in llm.stream("hi"):
        yield chunk.choices[0].delta.content or ""
    assert_type(await llm.stream("hi"), ChatStream[ChatCompletionChunk, ChatCompletion])


async def resources(client: AsyncOpenAI, stream: bool) -> None:
    messages = [{"role": "user", "content": "hi"}]
    create = client.chat.completions.create
    assert_type(await create(model="m", messages=messages), ChatCompletion)
    assert_type(await create(messages=messages, stream=False, extra_body={}), ChatCompletion)
    assert_type(await create(messages=messages, stream=NOT_GIVEN), ChatCompletion)
    chunks = await create(messages=messages, stream=True, n=2, extra_headers={"X-A": "1"})
    assert_type(chunks, ChatStream[ChatCompletionChunk, ChatCompletion])
    async for chunk in chunks:
        assert_type(chunk.usage, Usage | None)
    assert_type(await client.completions.create(prompt="x"), Completion)
    texts = await client.completions.create(prompt=["x"], stream=True)
    assert_type(texts, ChatStream[Completion, Completion])
    async for text in texts:
        assert_type(text.choices[0].text, str)
    vectors = await client.embeddings.create(model="m", input=["x"])
    assert_type(vectors, CreateEmbeddingResponse)
    assert_type((await client.embed("x", dimensions=3)).vectors, list[list[float]])
    assert_type(await client.models.list(), ModelList)
    assert_type(await client.models.retrieve("m"), Model)


def synchronous() -> Iterator[str]:
    messages = [{"role": "user", "content": "hi"}]
    assert_type(OpenAI(api_key=lambda: "sk-…", limits=Limits(concurrency=4)), SyncClient)
    with SyncClient("http://localhost:8000/v1", model="m", timeout=30) as llm:
        assert_type(llm, SyncClient)
        assert_type(llm.complete("hi", system="be brief", top_k=5), ChatCompletion)
        with llm.stream("hi", strict=True) as stream:
            assert_type(stream, SyncStream[ChatCompletionChunk, ChatCompletion])
            assert_type(stream.completion, ChatCompletion)
            assert_type(stream.result(), ChatCompletion)
        for chunk in llm.stream("hi"):
            assert_type(chunk, ChatCompletionChunk)
            yield chunk.text
        assert_type(llm.complete("hi", response_type=int).choices[0].message.parsed, int | None)
        for item in llm.map(["hi"], concurrency=4, on_error="raise", temperature=0):
            assert_type(item.completion, ChatCompletion | None)
        assert_type(llm.embed(iter("abc"), batch_size=2), CreateEmbeddingResponse)
        create = llm.chat.completions.create
        assert_type(create(model="m", messages=messages), ChatCompletion)
        chunks = create(messages=messages, stream=True)
        assert_type(chunks, SyncStream[ChatCompletionChunk, ChatCompletion])
        assert_type(llm.completions.create(prompt="x"), Completion)
        texts = llm.completions.create(prompt="x", stream=True)
        assert_type(texts, SyncStream[Completion, Completion])
        assert_type(llm.embeddings.create(input=["x"]), CreateEmbeddingResponse)
        assert_type(llm.models.list(), ModelList)
        assert_type(llm.models.retrieve("m"), Model)
        assert_type(llm.with_options(timeout=5).copy(model="n"), SyncClient)
        # What the asynchronous methods refuse is refused here: an unused ignore is an error.
        SyncClient(modell="m")  # type: ignore[call-arg]
        llm.complete("hi", system=3)  # type: ignore[call-overload]
        llm.map(aiter(streamed(Client())))  # type: ignore[arg-type]


async def failures(client: Client) -> None:
    try:
        await client.complete("hi")
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except APIStatusError as error:
        assert_type(error.status_code, int | None)
        assert_type(error.response.headers, dict[str, str])
    except IncompleteStreamError as error:
        print(error.partial.text)
    except APIConnectionError as error:
        assert_type(error.sent, bool)
    except APIError as error:
        assert_type(error.message, str)
    except OpenAIError:
        raise


@retry
async def fetch(prompt: str) -> int:
    return len(prompt)


@retry(Retry(attempts=5))
async def fetch_patiently(prompt: str, *, loud: bool = False) -> str:
    return prompt.upper() if loud else prompt


async def retried() -> None:
    assert_type(await fetch("hi"), int)
    assert_type(await fetch_patiently("hi", loud=True), str)
