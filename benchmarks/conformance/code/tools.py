"""Tool calls: one, two at once, streamed, and the loop that sends them back."""

import json

import openai
from openai import AsyncOpenAI

HI = [{"role": "user", "content": "Weather in Paris and Rome?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
PARIS = {"name": "weather", "arguments": {"city": "Paris"}, "id": "call_p"}
ROME = {"name": "weather", "arguments": {"city": "Rome"}, "id": "call_r"}


def weather(city):
    return f"{city}: sunny"


async def one_tool_call(server):
    server.reply(tool_calls=[PARIS])
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="m", messages=HI, tools=[WEATHER], tool_choice="auto"
        )
    message = answer.choices[0].message
    print("content:", message.content)
    print("finish:", answer.choices[0].finish_reason)
    for call in message.tool_calls:
        print("call:", call.id, call.type, call.function.name)
        print("arguments:", json.loads(call.function.arguments))


async def named_tool_choice(server):
    server.reply(tool_calls=[PARIS])
    async with AsyncOpenAI() as client:
        await client.chat.completions.create(
            model="m",
            messages=HI,
            tools=[WEATHER],
            tool_choice={"type": "function", "function": {"name": "weather"}},
            parallel_tool_calls=False,
        )
    print("choice:", server.requests[0].json["tool_choice"])


async def tool_loop(server):
    """The assistant's message object goes back into `messages` as it is."""
    server.reply(tool_calls=[PARIS, ROME])
    server.reply("Both are sunny.")
    messages = list(HI)
    async with AsyncOpenAI() as client:
        while True:
            answer = await client.chat.completions.create(
                model="m", messages=messages, tools=[WEATHER]
            )
            message = answer.choices[0].message
            messages.append(message)
            if not message.tool_calls:
                break
            for call in message.tool_calls:
                found = weather(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": found})
    print("content:", message.content)
    print("messages:", len(messages))


async def tool_loop_with_fields_of_the_servers_own(server):
    """Some servers want back what they sent: a signature of the thought behind a call."""
    call = {
        "id": "call_p",
        "type": "function",
        "function": {"name": "weather", "arguments": "{}"},
        "extra_content": {"signature": "s-1"},
    }
    said = {"role": "assistant", "content": None, "tool_calls": [call], "thought_id": "t-1"}
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls"}
    server.reply(body={"id": "1", "created": 1, "model": "m", "choices": [choice]})
    server.reply("Sunny.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, tools=[WEATHER])
        result = {"role": "tool", "tool_call_id": "call_p", "content": "sunny"}
        messages = [*HI, answer.choices[0].message, result]
        await client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
    print("thought:", answer.choices[0].message.thought_id)


async def tool_loop_of_dumps(server):
    """As people do who keep their history as JSON."""
    for dumped in (
        lambda message: message.model_dump(),
        lambda message: message.model_dump(exclude_none=True),
        lambda message: message.model_dump(exclude_unset=True),
        lambda message: message.to_dict(),
        lambda message: json.loads(message.model_dump_json()),
    ):
        server.requests.clear()
        server.reply(tool_calls=[PARIS])
        server.reply("Sunny.")
        async with AsyncOpenAI() as client:
            answer = await client.chat.completions.create(model="m", messages=HI, tools=[WEATHER])
            message = answer.choices[0].message
            history = [*HI, dumped(message)]
            history.append({"role": "tool", "tool_call_id": "call_p", "content": "sunny"})
            await client.chat.completions.create(model="m", messages=history, tools=[WEATHER])
        print("back:", json.dumps(server.requests[1].json["messages"][1], sort_keys=True))


async def streamed_tool_calls(server):
    server.reply(tool_calls=[PARIS, ROME])
    calls = {}
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="m", messages=HI, tools=[WEATHER], stream=True
        )
        async for chunk in answer:
            for piece in chunk.choices[0].delta.tool_calls or []:
                call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                print("piece:", piece.index, piece.id, piece.type, piece.function.name)
                if piece.id:
                    call["id"] = piece.id
                if piece.function.name:
                    call["name"] = piece.function.name
                call["arguments"] += piece.function.arguments or ""
            if chunk.choices[0].finish_reason:
                print("finish:", chunk.choices[0].finish_reason)
    print("calls:", calls)


async def functions_of_old(server):
    """`functions=` and `function_call`, which came before tools."""
    message = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": "weather", "arguments": '{"city": "Paris"}'},
    }
    choice = {"index": 0, "message": message, "finish_reason": "function_call"}
    server.reply(body={"id": "1", "created": 1, "model": "m", "choices": [choice]})
    server.reply("Sunny.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="m", messages=HI, functions=[WEATHER["function"]], function_call="auto"
        )
        said = answer.choices[0].message
        print("call:", said.function_call.name, said.function_call.arguments)
        result = {"role": "function", "name": "weather", "content": "sunny"}
        await client.chat.completions.create(model="m", messages=[*HI, said, result])
    print("back:", json.dumps(server.requests[1].json["messages"][1], sort_keys=True))


async def tool_from_a_model(server):
    from pydantic import BaseModel, Field

    class Weather(BaseModel):
        """The weather in a city."""

        city: str = Field(description="Its name.")
        days: int

    server.reply(tool_calls=[{"name": "Weather", "arguments": {"city": "Paris", "days": 2}}])
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.parse(
            model="m", messages=HI, tools=[openai.pydantic_function_tool(Weather)]
        )
    function = answer.choices[0].message.tool_calls[0].function
    print("parsed:", function.parsed_arguments)
    print("kind:", isinstance(function.parsed_arguments, Weather))
    print("arguments:", function.arguments)


async def strict_tool_parsed(server):
    strict = {
        "type": "function",
        "function": {
            **WEATHER["function"],
            "strict": True,
            "parameters": {
                **WEATHER["function"]["parameters"],
                "additionalProperties": False,
            },
        },
    }
    server.reply(tool_calls=[PARIS])
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.parse(model="m", messages=HI, tools=[strict])
    call = answer.choices[0].message.tool_calls[0]
    print("parsed:", call.function.parsed_arguments, answer.choices[0].message.parsed)


async def tools_that_cannot_be_parsed(server):
    server.reply(tool_calls=[PARIS])
    async with AsyncOpenAI() as client:
        try:
            answer = await client.chat.completions.parse(model="m", messages=HI, tools=[WEATHER])
            call = answer.choices[0].message.tool_calls[0]
            print("lax tool:", call.function.parsed_arguments)
        except ValueError as error:
            print("lax tool:", error)


async def custom_tool_call(server):
    """A tool call of a kind without a function."""
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    server.reply(body={"id": "1", "created": 1, "model": "m", "choices": [choice]})
    server.reply("Done.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="m", messages=HI, tools=[{"type": "custom", "custom": {"name": "sh"}}]
        )
        said = answer.choices[0].message
        call = said.tool_calls[0]
        print("call:", call.id, call.type, call.custom.name, call.custom.input)
        result = {"role": "tool", "tool_call_id": call.id, "content": "a b"}
        await client.chat.completions.create(model="m", messages=[*HI, said, result])
    print("back:", json.dumps(server.requests[1].json["messages"][1], sort_keys=True))
