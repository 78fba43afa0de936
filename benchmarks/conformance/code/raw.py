"""The HTTP response beside the answer: with_raw_response and with_streaming_response."""

import json

import openai
from openai import AsyncOpenAI

HI = [{"role": "user", "content": "hi"}]


async def raw_response(server):
    server.reply("It is sunny.", headers={"X-RateLimit-Remaining": "7"})
    async with AsyncOpenAI() as client:
        raw = await client.chat.completions.with_raw_response.create(model="m", messages=HI)
        print("status:", raw.status_code)
        print("header:", raw.headers.get("x-ratelimit-remaining"), raw.headers["Content-Type"])
        print("request:", raw.method, raw.url)
        print("request id:", raw.request_id)
        print("retries:", raw.retries_taken)
        answer = raw.parse()
        print("parsed:", type(answer).__name__, answer.choices[0].message.content)
        print("request id of it:", answer._request_id)
        print("same:", raw.parse() is answer)
        print("http:", raw.http_response.status_code)
        print("text:", json.loads(raw.text)["object"], type(raw.content).__name__)
        print("json:", raw.http_response.json()["model"])


async def raw_response_after_a_retry(server):
    server.fail(500, headers={"retry-after-ms": "5"})
    async with AsyncOpenAI() as client:
        raw = await client.chat.completions.with_raw_response.create(model="m", messages=HI)
    print("retries:", raw.retries_taken, raw.request_id)


async def raw_response_of_an_error(server):
    server.fail(404, headers={"x-request-id": "req_9"})
    async with AsyncOpenAI() as client:
        try:
            await client.chat.completions.with_raw_response.create(model="m", messages=HI)
        except openai.NotFoundError as error:
            print("raised:", error.status_code, error.response.headers["x-request-id"])


async def raw_response_of_a_stream(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="m", messages=HI, stream=True
        )
        print("status:", raw.status_code, raw.headers["content-type"])
        stream = raw.parse()
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    print("text:", text)


async def raw_responses_of_others(server):
    server.models = ("a", "b")
    async with AsyncOpenAI() as client:
        raw = await client.embeddings.with_raw_response.create(
            model="e", input="one", encoding_format="float"
        )
        print("embeddings:", len(raw.parse().data[0].embedding))
        raw = await client.completions.with_raw_response.create(model="m", prompt="one")
        print("completions:", raw.parse().choices[0].text)
        raw = await client.models.with_raw_response.list()
        print("models:", [model.id for model in raw.parse().data])
        raw = await client.chat.completions.with_raw_response.parse(model="m", messages=HI)
        print("parse:", raw.parse().choices[0].message.content)


async def raw_response_of_the_client(server):
    """The same, begun at the client."""
    async with AsyncOpenAI() as client:
        raw = await client.with_raw_response.chat.completions.create(model="m", messages=HI)
        print("status:", raw.status_code, raw.parse().choices[0].message.content)
        async with client.with_streaming_response.chat.completions.create(
            model="m", messages=HI
        ) as response:
            print("streaming:", (await response.parse()).choices[0].message.content)


async def streaming_response(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        streaming = client.chat.completions.with_streaming_response
        async with streaming.create(model="m", messages=HI) as response:
            print("status:", response.status_code, response.headers["content-type"])
            print("request:", response.method, response.url, response.request_id)
            answer = await response.parse()
            print("parsed:", answer.choices[0].message.content)
            print("again:", await response.parse() is answer)
        print("closed:", response.is_closed)


async def streaming_response_in_pieces(server):
    async with AsyncOpenAI() as client:
        streaming = client.chat.completions.with_streaming_response
        async with streaming.create(model="m", messages=HI) as response:
            print("json:", (await response.json())["model"])
        async with streaming.create(model="m", messages=HI) as response:
            print("text:", json.loads(await response.text())["object"])
        async with streaming.create(model="m", messages=HI) as response:
            print("read:", json.loads(await response.read())["object"])
        async with streaming.create(model="m", messages=HI) as response:
            body = b"".join([piece async for piece in response.iter_bytes(7)])
            print("bytes:", json.loads(body)["object"])
        async with streaming.create(model="m", messages=HI) as response:
            body = "".join([piece async for piece in response.iter_text()])
            print("pieces:", json.loads(body)["object"])


async def streaming_response_lines(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        streaming = client.chat.completions.with_streaming_response
        async with streaming.create(model="m", messages=HI, stream=True) as response:
            async for line in response.iter_lines():
                print("line:", line)


async def streaming_response_of_a_stream(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        streaming = client.chat.completions.with_streaming_response
        async with streaming.create(model="m", messages=HI, stream=True) as response:
            async for chunk in await response.parse():
                print("content:", chunk.choices[0].delta.content)


async def read_and_then_parsed(server):
    async with AsyncOpenAI() as client:
        streaming = client.chat.completions.with_streaming_response
        async with streaming.create(model="m", messages=HI) as response:
            body = await response.read()
            try:
                answer = await response.parse()
                print("parsed:", answer.choices[0].message.content)
            except openai.OpenAIError as error:
                print("parsed:", type(error).__name__)
            print("twice:", await response.read() == body)
