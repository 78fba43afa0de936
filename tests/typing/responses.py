"""`client.responses` as code written for openai-python uses it, read by mypy --strict and never
run."""

from __future__ import annotations

from typing import Any, assert_type

from rawllm import AsyncOpenAI, OpenAI, RawResponse
from rawllm.types.responses import (
    FunctionToolParam,
    ParsedResponse,
    Response,
    ResponseFunctionToolCall,
    ResponseInputParam,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
    ResponseUsage,
)


class City:
    name: str


tools: list[FunctionToolParam] = [
    {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
]

conversation: ResponseInputParam = [
    {"role": "user", "content": "hi"},
    {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
]


def shown(event: ResponseStreamEvent) -> str:
    if event.type == "response.output_text.delta":
        return event.delta
    if event.type == "response.completed":
        return event.response.output_text
    if event.type == "response.output_item.added" and event.item.type == "function_call":
        return str(event.item.name)
    if event.type == "response.web_search_call.searching":
        return str(event.item_id)
    return ""


async def asynchronous(client: AsyncOpenAI) -> None:
    answer = await client.responses.create(model="m", input=conversation, tools=tools)
    assert_type(answer, Response)
    assert_type(answer.output_text, str)
    assert_type(answer.usage, ResponseUsage | None)
    for item in answer.output:
        if isinstance(item, ResponseFunctionToolCall):
            assert_type(item.arguments, str)
        elif isinstance(item, ResponseReasoningItem):
            assert_type(item.summary[0].text, str)
        elif isinstance(item, ResponseOutputMessage):
            for part in item.content:
                if isinstance(part, ResponseOutputText):
                    assert_type(part.text, str)
    conversation.extend(answer.output)
    conversation.append({"type": "function_call_output", "call_id": "c", "output": "4"})
    stream = await client.responses.create(model="m", input="hi", stream=True)
    async for event in stream:
        assert_type(event, ResponseStreamEvent)
        print(shown(event))
    assert_type(stream.completion, Response)
    async with client.responses.stream(model="m", input="hi", text_format=City) as events:
        async for event in events:
            if isinstance(event, ResponseTextDeltaEvent):
                assert_type(event.snapshot, str)
        assert_type((await events.get_final_response()).output_parsed, City | None)
    parsed = await client.responses.parse(model="m", input="hi", text_format=City)
    assert_type(parsed, ParsedResponse[City])
    untyped = await client.responses.parse(model="m", input="hi", tools=tools)
    assert_type(untyped, ParsedResponse[Any])
    raw = await client.responses.with_raw_response.create(model="m", input="hi")
    assert_type(raw, RawResponse[Response])
    assert_type(await client.responses.retrieve("r"), Response)
    await client.responses.delete("r")
    async for found in client.responses.input_items.list("r"):
        print(found)


def synchronous(client: OpenAI) -> None:
    assert_type(client.responses.create(model="m", input="hi"), Response)
    with client.responses.create(model="m", input="hi", stream=True) as stream:
        for event in stream:
            assert_type(event, ResponseStreamEvent)
        assert_type(stream.result(), Response)
    with client.responses.stream(model="m", input="hi", text_format=City) as events:
        assert_type(events.get_final_response().output_parsed, City | None)
    assert_type(client.responses.parse(input="hi", text_format=City).output_parsed, City | None)
    assert_type(client.responses.cancel("r"), Response)
