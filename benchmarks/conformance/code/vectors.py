"""Embeddings, the older completions, models, moderation-like lists: and their pages."""

import openai
from openai import AsyncOpenAI


async def embeddings(server):
    async with AsyncOpenAI() as client:
        answer = await client.embeddings.create(
            model="e", input=["one", "two"], encoding_format="float", dimensions=4, user="u"
        )
    for one in answer.data:
        print("vector:", one.index, one.object, one.embedding)
    print("answer:", answer.object, answer.model)
    print("usage:", answer.usage.prompt_tokens, answer.usage.total_tokens)
    print("dump:", sorted(answer.model_dump()), answer.model_dump()["usage"])


async def embeddings_by_default(server):
    async with AsyncOpenAI() as client:
        answer = await client.embeddings.create(model="e", input="one")
    print("vector:", type(answer.data[0].embedding).__name__, answer.data[0].embedding)


async def embeddings_in_base64(server):
    async with AsyncOpenAI() as client:
        answer = await client.embeddings.create(model="e", input="one", encoding_format="base64")
    print("vector:", answer.data[0].embedding)


async def embeddings_of_tokens(server):
    async with AsyncOpenAI() as client:
        answer = await client.embeddings.create(
            model="e", input=[[1, 2], [3]], encoding_format="float"
        )
        print("vectors:", len(answer.data))
        answer = await client.embeddings.create(model="e", input=[1, 2], encoding_format="float")
        print("vector:", len(answer.data))


async def no_embeddings(server):
    server.reply(body={"object": "list", "model": "e", "data": []})
    async with AsyncOpenAI(max_retries=0) as client:
        try:
            answer = await client.embeddings.create(model="e", input="one", encoding_format="float")
            print("vectors:", len(answer.data))
        except (ValueError, openai.APIError) as error:
            print("vectors:", type(error).__name__)


async def completions(server):
    server.reply(" sunny.")
    async with AsyncOpenAI() as client:
        answer = await client.completions.create(
            model="m", prompt="It is", max_tokens=3, temperature=0, stop=["\n"], echo=False
        )
    choice = answer.choices[0]
    print("text:", repr(choice.text), choice.finish_reason, choice.index, choice.logprobs)
    print("answer:", answer.object, answer.id, answer.usage.total_tokens)


async def completions_of_many_prompts(server):
    async with AsyncOpenAI() as client:
        answer = await client.completions.create(model="m", prompt=["one", "two"], n=2)
    print("texts:", [(choice.index, choice.text) for choice in answer.choices])


async def completions_streamed(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        stream = await client.completions.create(model="m", prompt="hi", stream=True)
        async for chunk in stream:
            print("text:", repr(chunk.choices[0].text), chunk.choices[0].finish_reason)
            print("chunk:", chunk.object, type(chunk).__name__)


async def completions_with_logprobs(server):
    told = {
        "tokens": ["It", " is"],
        "token_logprobs": [None, -0.5],
        "top_logprobs": [None, {" is": -0.5}],
        "text_offset": [0, 2],
    }
    choice = {"text": "It is", "index": 0, "logprobs": told, "finish_reason": "length"}
    server.reply(
        body={
            "id": "1",
            "object": "text_completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
    )
    async with AsyncOpenAI() as client:
        answer = await client.completions.create(model="m", prompt="", logprobs=1)
    logprobs = answer.choices[0].logprobs
    print("tokens:", logprobs.tokens, logprobs.token_logprobs, logprobs.text_offset)
    print("top:", logprobs.top_logprobs)


async def models(server):
    server.models = ("a", "b", "org/c")
    async with AsyncOpenAI() as client:
        async for model in client.models.list():
            print("each:", model.id, model.object, model.created, model.owned_by)
        page = await client.models.list()
        print("page:", [model.id for model in page.data], page.object)
        print("again:", [model.id async for model in page])
        print("next:", page.has_next_page(), page.next_page_info())
        print("type:", type(page.data[0]).__name__)


async def pages_of_models(server):
    server.models = ("a", "b")
    async with AsyncOpenAI() as client:
        page = await client.models.list()
        async for one in page.iter_pages():
            print("page:", [model.id for model in one.data])
        try:
            await page.get_next_page()
        except RuntimeError as error:
            print("next:", type(error).__name__)


async def one_model(server):
    server.reply(body={"id": "a", "object": "model", "created": 1, "owned_by": "me"})
    async with AsyncOpenAI() as client:
        model = await client.models.retrieve("a")
        print("model:", model.id, model.owned_by, model.created)


async def model_of_an_organization(server):
    server.reply(body={"id": "org/c", "object": "model", "created": 1, "owned_by": "me"})
    async with AsyncOpenAI() as client:
        print("model:", (await client.models.retrieve("org/c")).id)


async def no_such_model(server):
    server.fail(
        404, body={"error": {"message": "There is no model 'x'.", "code": "model_not_found"}}
    )
    async with AsyncOpenAI() as client:
        try:
            await client.models.retrieve("x")
        except openai.NotFoundError as error:
            print("error:", error.code, error.status_code)
        try:
            await client.models.retrieve("")
        except ValueError as error:
            print("no name:", isinstance(error, ValueError))
