"""Typed answers: parse, and the events of chat.completions.stream."""

import json

import openai
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

HI = [{"role": "user", "content": "hi"}]
PARIS = {"name": "Weather", "arguments": {"city": "Paris"}, "id": "call_p"}


class Step(BaseModel):
    explanation: str
    output: str | None = None


class Solution(BaseModel):
    """How it is done."""

    steps: list[Step]
    answer: float = Field(description="The result.")


class Weather(BaseModel):
    city: str


SOLVED = json.dumps({"steps": [{"explanation": "add", "output": None}], "answer": 2})


def chunk(delta, finish=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


async def parse(server):
    server.reply(SOLVED)
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.parse(
            model="m", messages=HI, response_format=Solution
        )
    message = answer.choices[0].message
    print("parsed:", repr(message.parsed))
    print("kind:", type(message.parsed) is Solution, type(message.parsed.steps[0]) is Step)
    print("content:", message.content == SOLVED)
    print("refusal:", message.refusal, message.tool_calls)
    print("usage:", answer.usage.total_tokens)


async def parse_in_beta(server):
    """Where parse stood before."""
    server.reply(SOLVED)
    async with AsyncOpenAI() as client:
        answer = await client.beta.chat.completions.parse(
            model="m", messages=HI, response_format=Solution
        )
    print("parsed:", answer.choices[0].message.parsed.answer)


async def parse_a_dataclass(server):
    from dataclasses import dataclass

    @dataclass
    class Point:
        x: int
        y: int

    server.reply('{"x": 1, "y": 2}')
    async with AsyncOpenAI() as client:
        try:
            answer = await client.chat.completions.parse(
                model="m", messages=HI, response_format=Point
            )
            print("parsed:", answer.choices[0].message.parsed)
        except TypeError as error:
            print("parsed:", type(error).__name__)


async def parse_nothing(server):
    """parse without a type, and with a dict, is create."""
    server.reply("It is sunny.")
    server.reply(SOLVED)
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.parse(model="m", messages=HI)
        print("parsed:", answer.choices[0].message.parsed, answer.choices[0].message.content)
        answer = await client.chat.completions.parse(
            model="m", messages=HI, response_format={"type": "json_object"}
        )
        print("parsed:", answer.choices[0].message.parsed)


async def parse_a_refusal(server):
    message = {"role": "assistant", "content": None, "refusal": "I will not."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    server.reply(body={"id": "1", "created": 1, "model": "m", "choices": [choice]})
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.parse(
            model="m", messages=HI, response_format=Solution
        )
    print("refusal:", answer.choices[0].message.refusal)
    print("parsed:", answer.choices[0].message.parsed)


async def parse_what_was_cut(server):
    server.reply('{"steps": [', finish_reason="length")
    server.reply("", finish_reason="content_filter")
    async with AsyncOpenAI() as client:
        try:
            await client.chat.completions.parse(model="m", messages=HI, response_format=Solution)
        except openai.LengthFinishReasonError as error:
            print("length:", error.completion.choices[0].message.content)
            print("usage:", error.completion.usage.total_tokens)
            print(
                "kind:", isinstance(error, openai.OpenAIError), isinstance(error, openai.APIError)
            )
        try:
            await client.chat.completions.parse(model="m", messages=HI, response_format=Solution)
        except openai.ContentFilterFinishReasonError as error:
            print("filter:", error.completion.choices[0].finish_reason)


async def parse_what_does_not_fit(server):
    from pydantic import ValidationError

    server.default = '{"steps": 7}'
    async with AsyncOpenAI() as client:
        try:
            await client.chat.completions.parse(model="m", messages=HI, response_format=Solution)
        except ValidationError:
            print("raised: pydantic.ValidationError")
        except ValueError as error:
            print("raised:", type(error).__name__)
            print("cause:", type(error.__cause__).__name__)


async def parsed_dumped(server):
    server.reply(SOLVED)
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.parse(
            model="m", messages=HI, response_format=Solution
        )
        message = answer.choices[0].message
        print("dump:", sorted(message.model_dump(exclude_none=True)))
        await client.chat.completions.create(model="m", messages=[*HI, message])
    print("back:", json.dumps(server.requests[1].json["messages"][1], sort_keys=True))
    server.requests.clear()


async def events(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(model="m", messages=HI) as stream:
            async for event in stream:
                print("event:", event.type)
                if event.type == "content.delta":
                    print("delta:", repr(event.delta), repr(event.snapshot), event.parsed)
                elif event.type == "content.done":
                    print("done:", event.content, event.parsed)
                elif event.type == "chunk":
                    print("chunk:", event.chunk.choices[0].finish_reason)
                    print("snapshot:", event.snapshot.choices[0].message.content)
        final = await stream.get_final_completion()
    print("final:", final.choices[0].message.content, final.choices[0].finish_reason)
    print("ids:", final.id, final.model, final.created, final.object)
    print("usage:", final.usage)


async def events_of_a_type(server):
    server.reply(
        tokens=['{"steps": [{"expl', 'anation": "add", "output": null}], ', '"answer": 2}']
    )
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(
            model="m", messages=HI, response_format=Solution, stream_options={"include_usage": True}
        ) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    print("parsed:", event.parsed)
                elif event.type == "content.done":
                    print("done:", repr(event.parsed))
            final = await stream.get_final_completion()
    print("final:", repr(final.choices[0].message.parsed))
    print("usage:", final.usage.total_tokens)


async def events_of_tools(server):
    server.reply(tool_calls=[PARIS, {**PARIS, "id": "call_q", "arguments": {"city": "Rome"}}])
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(
            model="m", messages=HI, tools=[openai.pydantic_function_tool(Weather)]
        ) as stream:
            async for event in stream:
                if event.type == "tool_calls.function.arguments.delta":
                    print("delta:", event.name, event.index, event.arguments_delta)
                    print("so far:", event.arguments, event.parsed_arguments)
                elif event.type == "tool_calls.function.arguments.done":
                    print("done:", event.name, event.index, event.arguments)
                    print("parsed:", repr(event.parsed_arguments))
                else:
                    print("event:", event.type)
        final = await stream.get_final_completion()
    for call in final.choices[0].message.tool_calls:
        print("call:", call.id, call.type, call.function.name, repr(call.function.parsed_arguments))


async def events_of_a_refusal(server):
    server.stream(
        [
            chunk({"role": "assistant", "refusal": "I "}),
            chunk({"refusal": "will not."}),
            chunk({}, "stop"),
        ]
    )
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(
            model="m", messages=HI, response_format=Solution
        ) as stream:
            async for event in stream:
                if event.type == "refusal.delta":
                    print("delta:", repr(event.delta), repr(event.snapshot))
                elif event.type == "refusal.done":
                    print("done:", event.refusal)
            final = await stream.get_final_completion()
    print("final:", final.choices[0].message.refusal, final.choices[0].message.parsed)


async def events_of_logprobs(server):
    def told(token):
        one = {"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []}
        return {"logprobs": {"content": [one], "refusal": None}}

    server.stream(
        [
            chunk({"role": "assistant", "content": "It "}, **told("It ")),
            chunk({"content": "is."}, **told("is.")),
            chunk({}, "stop"),
        ]
    )
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(model="m", messages=HI, logprobs=True) as stream:
            async for event in stream:
                if event.type == "logprobs.content.delta":
                    print("delta:", [one.token for one in event.content])
                    print("snapshot:", [one.token for one in event.snapshot])
                elif event.type == "logprobs.content.done":
                    print("done:", [one.token for one in event.content])
            final = await stream.get_final_completion()
    print("final:", [one.token for one in final.choices[0].logprobs.content])


async def events_of_two_choices(server):
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(model="m", messages=HI, n=2) as stream:
            print(
                "done:", [event.content async for event in stream if event.type == "content.done"]
            )
            final = await stream.get_final_completion()
    print("final:", [(one.index, one.message.content) for one in final.choices])


async def until_done_and_snapshot(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(model="m", messages=HI) as stream:
            async for event in stream:
                if event.type == "content.delta" and event.delta.strip() == "is":
                    break
            now = stream.current_completion_snapshot
            print("now:", now.choices[0].message.content, now.choices[0].finish_reason)
            print("same:", await stream.until_done() is stream)
            now = stream.current_completion_snapshot
            print("then:", now.choices[0].message.content, now.choices[0].finish_reason)


async def events_left_early(server):
    server.stream(["It ", "is ", 30, "sunny."])
    async with AsyncOpenAI() as client:
        async with client.chat.completions.stream(model="m", messages=HI) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    print("delta:", event.delta)
                    break
        await server.wait_for(lambda: server.aborted == 1)
    print("aborted:", server.aborted)


async def events_cut_by_length(server):
    server.reply(tokens=['{"steps": [', "{"], finish_reason="length")
    async with AsyncOpenAI() as client:
        try:
            async with client.chat.completions.stream(
                model="m", messages=HI, response_format=Solution
            ) as stream:
                async for event in stream:
                    if event.type == "content.delta":
                        print("delta:", event.delta)
        except openai.LengthFinishReasonError as error:
            print("cut:", error.completion.choices[0].message.content)
