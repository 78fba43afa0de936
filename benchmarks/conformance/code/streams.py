"""Streams: chunks as they come, usage, leaving early, and what goes wrong in the midst."""

import asyncio

import openai
from openai import AsyncOpenAI

HI = [{"role": "user", "content": "hi"}]
USAGE = {"include_usage": True}


def event(delta, finish=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


async def stream(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        async for chunk in answer:
            choice = chunk.choices[0]
            print("delta:", choice.delta.role, repr(choice.delta.content), choice.finish_reason)
            print("chunk:", chunk.id, chunk.object, chunk.created, chunk.model, choice.index)
            print("none:", choice.delta.tool_calls, choice.delta.refusal, chunk.usage)


async def stream_with_usage(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="m", messages=HI, stream=True, stream_options=USAGE
        )
        async for chunk in answer:
            if chunk.usage is not None:
                print("usage:", chunk.usage.total_tokens, chunk.usage.prompt_tokens)
                print("choices:", chunk.choices)
            else:
                print("content:", repr(chunk.choices[0].delta.content))


async def stream_of_two_choices(server):
    texts = {0: "", 1: ""}
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True, n=2)
        async for chunk in answer:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
    print("texts:", texts)


async def stream_in_with(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        opening = await client.chat.completions.create(model="m", messages=HI, stream=True)
        async with opening as answer:
            print("same:", answer is opening)
            print("status:", answer.response.status_code)
            print("type:", answer.response.headers["Content-Type"])
            print("request id:", answer.response.headers.get("x-request-id"))
            pieces = [chunk.choices[0].delta.content async for chunk in answer]
    print("pieces:", pieces)
    print("kind:", isinstance(answer, openai.AsyncStream))


async def stream_by_anext(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        first = await anext(answer)
        print("first:", first.choices[0].delta.role)
        second = await answer.__anext__()
        print("second:", second.choices[0].delta.content)
        rest = [chunk.choices[0].delta.content async for chunk in answer]
        print("rest:", rest)
        try:
            await anext(answer)
        except StopAsyncIteration:
            print("end: StopAsyncIteration")


async def stream_left_early(server):
    """The connection of a stream that is closed half-read cannot be used again."""
    server.stream(["It ", "is ", 30, "sunny."])
    server.reply("It rains.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        async for chunk in answer:
            print("content:", chunk.choices[0].delta.content)
            break
        await answer.close()
        await server.wait_for(lambda: server.aborted == 1)
        again = await client.chat.completions.create(model="m", messages=HI)
        print("again:", again.choices[0].message.content)
    print("aborted:", server.aborted)


async def stream_and_connection_reuse(server):
    async with AsyncOpenAI() as client:
        for _ in range(3):
            answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in answer])
            print("text:", text)
        await client.chat.completions.create(model="m", messages=HI)
    print("connections:", server.connections)


async def two_streams_at_once(server):
    server.stream(["a", 0.02, "b", event({}, "stop")])
    server.stream(["c", 0.02, "d", event({}, "stop")])
    async with AsyncOpenAI() as client:

        async def read():
            answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])

        print("texts:", sorted(await asyncio.gather(read(), read())))


async def stream_of_nothing_but_a_role(server):
    server.stream([event({"role": "assistant", "content": ""}), event({}, "stop")])
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        async for chunk in answer:
            print("delta:", chunk.choices[0].delta.model_dump(exclude_none=True))
            print("unset:", chunk.choices[0].delta.to_dict())
            print("finish:", chunk.choices[0].finish_reason)


async def error_in_a_stream(server):
    error = {"message": "The engine died.", "type": "server_error", "code": "dead", "param": None}
    server.stream(["It ", {"error": error}], end="eof")
    async with AsyncOpenAI(max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        try:
            async for chunk in answer:
                print("content:", chunk.choices[0].delta.content)
        except openai.APIError as error:
            print("class:", type(error).__name__)
            print("message:", error.message)
            print("str:", error)
            print("code:", error.code, error.type, error.param)
            print("body:", error.body)


async def error_before_a_stream(server):
    server.fail(400)
    async with AsyncOpenAI() as client:
        try:
            await client.chat.completions.create(model="m", messages=HI, stream=True)
        except openai.BadRequestError as error:
            print("status:", error.status_code)


async def stream_cut_off(server):
    server.stream(["It ", "is "], end="eof")
    async with AsyncOpenAI(max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        try:
            async for chunk in answer:
                print("content:", chunk.choices[0].delta.content)
            print("end: none")
        except openai.APIConnectionError as error:
            print("end:", type(error).__name__)


async def stream_connection_lost(server):
    server.stream(["It ", 0.05], end="reset")
    async with AsyncOpenAI(max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        try:
            async for chunk in answer:
                print("content:", chunk.choices[0].delta.content)
            print("end: none")
        except openai.APIConnectionError:
            print("end: an APIConnectionError")
        except Exception as error:
            print("end:", f"{type(error).__module__}.{type(error).__name__}")


async def stream_never_read(server):
    """As a program does that fails between opening and reading."""
    server.reply("It is sunny.", delay=0.01)
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        await answer.close()
        print("closed:", True)
    print("client:", client.is_closed())


async def reasoning_asked_for_by_hasattr(server):
    """As vLLM's documentation has it: a delta brings the one or the other."""
    server.reply("It is sunny.", reasoning="Look out.")
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        for _ in range(2):
            answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
            async for chunk in answer:
                if hasattr(chunk.choices[0].delta, "reasoning_content"):
                    print("reasoning:", repr(chunk.choices[0].delta.reasoning_content))
                elif hasattr(chunk.choices[0].delta, "content"):
                    print("content:", repr(chunk.choices[0].delta.content))


async def deltas_with_reasoning(server):
    server.reply("It is sunny.", reasoning="Look out.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        async for chunk in answer:
            delta = chunk.choices[0].delta
            if getattr(delta, "reasoning_content", None):
                print("reasoning:", repr(delta.reasoning_content))
            elif delta.content:
                print("content:", repr(delta.content))
