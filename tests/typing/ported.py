"""A program written for openai-python, in which "openai" was replaced by "rawllm" and nothing else.
Read by mypy --strict, with either name, and never run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import rawllm
from rawllm import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    AsyncStream,
    BadRequestError,
    LengthFinishReasonError,
    OpenAI,
    RateLimitError,
    Stream,
    pydantic_function_tool,
)
from rawllm.pagination import AsyncPage, SyncPage
from rawllm.types import Completion, CompletionUsage, CreateEmbeddingResponse, Model
from rawllm.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from rawllm.types.chat.chat_completion import Choice
from rawllm.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall
from rawllm.types.chat.chat_completion_message_param import ChatCompletionMessageParam as Message
from rawllm.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from rawllm.types.responses import Response, ResponseTextDeltaEvent
from rawllm.types.shared_params import FunctionDefinition, ResponseFormatJSONSchema

weather: FunctionDefinition = {
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
tools: list[ChatCompletionToolParam] = [{"type": "function", "function": weather}]
as_json: ResponseFormatJSONSchema = {
    "type": "json_schema",
    "json_schema": {"name": "City", "schema": {"type": "object"}, "strict": True},
}
asked: CompletionCreateParamsNonStreaming = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
    "temperature": 0,
}


class City:
    name: str


def clients() -> tuple[AsyncOpenAI, OpenAI]:
    patient = rawllm.AsyncOpenAI(timeout=rawllm.Timeout(60.0, connect=5.0), max_retries=0)
    return patient.with_options(max_retries=3), OpenAI(
        base_url="http://localhost:8000/v1",
        api_key="none",
        default_headers={"X-Team": "a"},
        timeout=rawllm.DEFAULT_TIMEOUT,
    )


async def chat(client: AsyncOpenAI, history: list[ChatCompletionMessageParam]) -> str:
    system: Message = {"role": "system", "content": "be brief"}
    completion = await client.chat.completions.create(
        model="m",
        messages=[system, *history],
        temperature=0.2,
        stop=rawllm.omit,
        extra_body={"top_k": 5},
        timeout=10,
    )
    choice: Choice = completion.choices[0]
    usage: CompletionUsage | None = completion.usage
    if usage is not None and usage.prompt_tokens_details is not None:
        print(usage.total_tokens, usage.prompt_tokens_details.cached_tokens)
    if choice.logprobs and choice.logprobs.content:
        print([(token.token, token.logprob) for token in choice.logprobs.content])
    print(completion.model_dump_json(indent=2), completion._request_id)
    return choice.message.content or ""


async def typed_dicts(client: AsyncOpenAI) -> ChatCompletion:
    return await client.chat.completions.create(**asked)


def content(delta: ChoiceDelta) -> str:
    calls: list[ChoiceDeltaToolCall] = delta.tool_calls or []
    written = [call.function.arguments or "" for call in calls if call.function]
    return (delta.content or "") + "".join(written)


async def streamed(client: AsyncOpenAI) -> AsyncIterator[str]:
    stream: AsyncStream[ChatCompletionChunk] = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], stream=True
    )
    async with stream:
        async for chunk in stream:
            if chunk.choices:
                yield content(chunk.choices[0].delta)


def as_told(client: OpenAI, stream: bool) -> str:
    answer = client.chat.completions.create(model="m", messages=[], stream=stream)
    if isinstance(answer, Stream):
        return "".join(content(chunk.choices[0].delta) for chunk in answer)
    return answer.choices[0].message.content or ""


def streamed_synchronously(client: OpenAI) -> Iterator[str]:
    stream: Stream[ChatCompletionChunk] = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], stream=True
    )
    for chunk in stream:
        yield content(chunk.choices[0].delta)


async def events(client: AsyncOpenAI) -> ChatCompletionMessage:
    async with client.chat.completions.stream(
        model="m", messages=[{"role": "user", "content": "hi"}]
    ) as stream:
        async for event in stream:
            if event.type == "content.delta":
                print(event.delta)
            elif event.type == "tool_calls.function.arguments.done":
                print(event.name, event.parsed_arguments)
        final = await stream.get_final_completion()
    return final.choices[0].message


async def tool_loop(client: AsyncOpenAI) -> str | None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Weather?"}]
    while True:
        completion = await client.chat.completions.create(
            model="m", messages=messages, tools=tools, tool_choice="auto", response_format=as_json
        )
        message = completion.choices[0].message
        if not message.tool_calls:
            return message.content
        called: list[Any] = [call for call in message.tool_calls if call.type == "function"]
        messages.append(
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {
                            "name": call.function.name,
                            "arguments": call.function.arguments,
                        },
                    }
                    for call in called
                ],
            }
        )
        for call in called:
            arguments = json.loads(call.function.arguments)
            messages.append(
                {"role": "tool", "tool_call_id": call.id, "content": json.dumps(arguments)}
            )


def vision(client: OpenAI) -> str | None:
    completion = client.chat.completions.create(
        model="m",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": "data:…", "detail": "low"}},
                ],
            }
        ],
    )
    return completion.choices[0].message.content


async def parsed(client: AsyncOpenAI) -> City | None:
    completion = await client.chat.completions.parse(
        model="m", messages=[{"role": "user", "content": "Rome?"}], response_format=City
    )
    message = completion.choices[0].message
    if message.refusal:
        raise ValueError(message.refusal)
    return message.parsed


async def responses(client: AsyncOpenAI) -> str:
    response: Response = await client.responses.create(model="m", input="hi", instructions="brief")
    async with client.responses.stream(model="m", input="hi") as stream:
        async for event in stream:
            if isinstance(event, ResponseTextDeltaEvent):
                print(event.delta)
    for item in response.output:
        if item.type == "message":
            for part in item.content:
                if part.type == "output_text":
                    print(part.text.upper())
        elif item.type == "function_call":
            print(item.call_id, json.loads(item.arguments))
        elif item.type == "web_search_call":
            print(item.status)
    return response.output_text


def vectors(client: OpenAI) -> list[list[float]]:
    answer: CreateEmbeddingResponse = client.embeddings.create(
        model="m", input=["a", "b"], encoding_format="float", dimensions=3
    )
    text: Completion = client.completions.create(model="m", prompt="Once")
    print(text.choices[0].text)
    return [list(item.embedding) for item in answer.data]


async def models(client: AsyncOpenAI, other: OpenAI) -> list[str]:
    page: AsyncPage[Model] = await client.models.list()
    assert not page.has_next_page()
    async for further in page.iter_pages():
        print(len(further.data))
    there: SyncPage[Model] = other.models.list()
    async for model in client.models.list():
        print(model.owned_by)
    return [model.id for model in there]


async def raw(client: AsyncOpenAI, other: OpenAI) -> ChatCompletion:
    response = await client.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "hi"}]
    )
    print(response.headers.get("x-request-id"), response.status_code, response.retries_taken)
    with other.chat.completions.with_streaming_response.create(
        model="m", messages=[{"role": "user", "content": "hi"}]
    ) as unread:
        for line in unread.iter_lines():
            print(line)
    await client.with_raw_response.models.list()
    return response.parse()


def errors(client: OpenAI) -> str:
    try:
        client.chat.completions.create(model="m", messages=[])
    except RateLimitError as error:
        return error.response.headers.get("retry-after", "")
    except BadRequestError as error:
        return f"{error.code} {error.param} {error.type} {error.body}"
    except APIStatusError as error:
        return f"{error.status_code} {error.request_id} {error.message} {error.response.text}"
    except APITimeoutError as error:
        return str(error.request.url)
    except APIConnectionError as error:
        return str(error.__cause__)
    except LengthFinishReasonError as error:
        return str(error.completion.usage)
    except rawllm.OpenAIError:
        raise
    return ""


def tool_of_a_type(model: Any) -> ChatCompletionToolParam:
    return pydantic_function_tool(model, name="city")
