"""Waiting: timeouts, retries and what the server sees of them, cancellation."""

import asyncio
import time

import openai
from openai import AsyncOpenAI

HI = [{"role": "user", "content": "hi"}]
SOON = {"retry-after-ms": "5"}


async def ask(client, **arguments):
    answer = await client.chat.completions.create(model="m", messages=HI, **arguments)
    return answer.choices[0].message.content


async def retried_until_it_works(server):
    server.fail(500, headers=SOON)
    server.fail(429, headers=SOON)
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        print("content:", await ask(client))
    print("requests:", server.attempts)


async def retries_given_up(server):
    server.fail(503, headers=SOON, times=9)
    async with AsyncOpenAI() as client:
        try:
            await ask(client)
        except openai.InternalServerError as error:
            print("status:", error.status_code)
    print("requests:", server.attempts)


async def no_retries(server):
    server.fail(500, headers=SOON)
    async with AsyncOpenAI(max_retries=0) as client:
        try:
            await ask(client)
        except openai.InternalServerError as error:
            print("status:", error.status_code)
    print("requests:", server.attempts)


async def retries_of_one_call(server):
    async with AsyncOpenAI() as client:
        for retries in (0, 1, 2):
            before = server.attempts
            server.fail(500, headers=SOON, times=retries + 1)
            try:
                await ask(client.with_options(max_retries=retries))
            except openai.InternalServerError:
                print("requests:", server.attempts - before)
        print("client:", client.max_retries, client.with_options(max_retries=7).max_retries)


async def what_is_retried(server):
    async with AsyncOpenAI(max_retries=1) as client:
        for status in (400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504):
            before = server.attempts
            server.fail(status, headers=SOON)
            server.reply("fine")
            try:
                await ask(client)
            except openai.APIStatusError:
                server.default = "rest"
                await ask(client)  # takes what is queued
                print("given up:", status)
            else:
                print("retried:", status, server.attempts - before)


async def retry_after(server):
    server.fail(429, headers={"Retry-After": "0.2"})
    async with AsyncOpenAI() as client:
        before = time.monotonic()
        await ask(client)
    print("waited:", 0.19 < time.monotonic() - before < 5)


async def retry_after_too_long(server):
    server.fail(429, headers={"Retry-After": "600"})
    async with AsyncOpenAI() as client:
        try:
            await ask(client)
        except openai.RateLimitError as error:
            print("asked to wait:", error.response.headers["retry-after"])
    print("requests:", server.attempts)


async def should_retry_header(server):
    async with AsyncOpenAI(max_retries=1) as client:
        server.fail(500, headers={"x-should-retry": "false"})
        try:
            await ask(client)
        except openai.InternalServerError:
            print("false:", server.attempts)
        server.fail(400, headers={"x-should-retry": "true", **SOON})
        print("true:", await ask(client), server.attempts)


async def lost_connection_retried(server):
    server.raw(b"", end="close")
    async with AsyncOpenAI(max_retries=1) as client:
        print("content:", await ask(client))
    print("requests:", server.attempts)


async def timeout_in_seconds(server):
    server.reply("late", first_delay=5)
    async with AsyncOpenAI(timeout=0.3, max_retries=0) as client:
        try:
            await ask(client)
        except openai.APITimeoutError as error:
            print("class:", isinstance(error, openai.APIConnectionError))
            print("body:", error.body)
            print("message:", error.message)


async def timeout_of_one_call(server):
    server.reply("late", first_delay=5, times=2)
    async with AsyncOpenAI(max_retries=0) as client:
        for how in (
            lambda: ask(client, timeout=0.3),
            lambda: ask(client.with_options(timeout=0.3)),
        ):
            try:
                await how()
            except openai.APITimeoutError:
                print("raised: APITimeoutError")
        print("client:", await ask(client, timeout=None))


async def timeout_object(server):
    server.reply("late", first_delay=5)
    async with AsyncOpenAI(timeout=openai.Timeout(0.3, connect=5.0), max_retries=0) as client:
        try:
            await ask(client)
        except openai.APITimeoutError:
            print("raised: APITimeoutError")


async def timeout_object_of_four(server):
    timeout = openai.Timeout(connect=1.0, read=0.3, write=1.0, pool=1.0)
    server.reply("late", first_delay=5)
    async with AsyncOpenAI(max_retries=0) as client:
        try:
            await ask(client, timeout=timeout)
        except openai.APITimeoutError:
            print("raised: APITimeoutError")


async def timeout_of_a_stream(server):
    server.stream(["It ", 5, "is."])
    async with AsyncOpenAI(timeout=0.5, max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        try:
            async for chunk in answer:
                print("content:", chunk.choices[0].delta.content)
        except openai.APITimeoutError:
            print("raised: APITimeoutError")
        except Exception as error:
            print("raised:", f"{type(error).__module__}.{type(error).__name__}")


async def slow_but_steady_stream(server):
    """Longer in all than the timeout, which bounds each wait."""
    server.reply("It is a sunny day.", delay=0.15)
    async with AsyncOpenAI(timeout=0.5) as client:
        answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in answer])
    print("text:", text)


async def timeouts_retried(server):
    server.reply("late", first_delay=5)
    server.reply("in time")
    async with AsyncOpenAI(timeout=0.5, max_retries=1) as client:
        try:
            print("content:", await ask(client))
        except openai.APITimeoutError:
            print("content:", "none")


async def default_timeout(server):
    async with AsyncOpenAI() as client:
        print("client:", client.timeout)
        print("retries:", client.max_retries)
        print("other:", client.with_options(timeout=3).timeout, AsyncOpenAI(timeout=None).timeout)


async def cancelled(server):
    server.reply("late", first_delay=5)
    async with AsyncOpenAI() as client:
        task = asyncio.create_task(ask(client))
        await server.wait_for(lambda: server.in_flight == 1)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            print("raised: CancelledError")
        await server.wait_for(lambda: server.aborted == 1)
        print("then:", await ask(client))
    print("aborted:", server.aborted)


async def wait_for_a_call(server):
    server.reply("late", first_delay=5)
    async with AsyncOpenAI() as client:
        try:
            await asyncio.wait_for(ask(client), 0.4)
        except TimeoutError as error:
            print("raised:", type(error) is TimeoutError)
        await server.wait_for(lambda: server.aborted == 1)
    print("requests:", server.attempts)


async def stream_cancelled(server):
    server.stream(["It ", 5, "is."])
    async with AsyncOpenAI() as client:

        async def read():
            answer = await client.chat.completions.create(model="m", messages=HI, stream=True)
            async for chunk in answer:
                print("content:", chunk.choices[0].delta.content)

        try:
            async with asyncio.timeout(0.6):
                await read()
        except TimeoutError:
            print("raised: TimeoutError")
        print("then:", await ask(client))


async def one_of_many_fails(server):
    server.handler = lambda request: None
    async with AsyncOpenAI(max_retries=0) as client:
        server.fail(400)
        first = await asyncio.gather(ask(client), return_exceptions=True)
        rest = await asyncio.gather(ask(client), ask(client), return_exceptions=True)
    print("first:", [type(one).__name__ for one in first])
    print("rest:", rest)
