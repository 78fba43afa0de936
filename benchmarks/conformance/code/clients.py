"""Clients: their arguments, the environment, headers, options, and how they end."""

import os

import openai
from openai import AsyncOpenAI, OpenAI

HI = [{"role": "user", "content": "hi"}]


async def ask(client, **arguments):
    answer = await client.chat.completions.create(model="m", messages=HI, **arguments)
    return answer.choices[0].message.content


async def key_and_address(server):
    url = os.environ.pop("OPENAI_BASE_URL")
    del os.environ["OPENAI_API_KEY"]
    for base_url in (url, url + "/"):
        async with AsyncOpenAI(api_key="sk-mine", base_url=base_url) as client:
            print("content:", await ask(client))
            print("base url:", client.base_url)
            print("key:", client.api_key)


async def no_key(server):
    del os.environ["OPENAI_API_KEY"], os.environ["OPENAI_BASE_URL"]
    try:
        AsyncOpenAI()
        print("raised: nothing")
    except openai.OpenAIError:
        print("raised: an OpenAIError")


async def no_key_needed(server):
    del os.environ["OPENAI_API_KEY"]
    try:
        async with AsyncOpenAI() as client:
            print("content:", await ask(client))
    except openai.OpenAIError:
        print("content:", "an OpenAIError")


async def environment(server):
    os.environ["OPENAI_ORG_ID"] = "org-e"
    os.environ["OPENAI_PROJECT_ID"] = "proj-e"
    os.environ["OPENAI_CUSTOM_HEADERS"] = "X-One: 1\nX-Two: 2"
    async with AsyncOpenAI() as client:
        print("content:", await ask(client))
        print("ids:", client.organization, client.project)


async def arguments_win_over_the_environment(server):
    os.environ["OPENAI_ORG_ID"] = "org-e"
    os.environ["OPENAI_PROJECT_ID"] = "proj-e"
    async with AsyncOpenAI(api_key="sk-a", organization="org-a", project="proj-a") as client:
        await ask(client)
        print("ids:", client.organization, client.project, client.api_key)


async def default_headers_and_query(server):
    async with AsyncOpenAI(
        default_headers={"X-App": "test", "X-Level": "client"},
        default_query={"api-version": "7", "list": "x"},
    ) as client:
        await ask(client)
        await ask(client, extra_headers={"X-Level": "call"}, extra_query={"list": "y", "n": 3})
        print("headers:", client.default_headers["X-App"])
        print("query:", client.default_query["api-version"], sorted(client.default_query))


async def extra_of_everything(server):
    async with AsyncOpenAI() as client:
        content = await ask(
            client,
            extra_headers={"X-Trace": "t-1", "Authorization": "Bearer other"},
            extra_query={"debug": "true", "tags": "a b"},
            extra_body={"top_k": 5, "model": "other", "chat_template_kwargs": {"think": False}},
        )
    print("content:", content)


async def queries(server):
    async with AsyncOpenAI() as client:
        for query in (
            {"yes": True, "no": False},
            {"number": 1.5},
            {"none": None},
            {"text": "ü & ="},
        ):
            await ask(client, extra_query=query)
            print("query:", query)


async def queries_of_lists_and_dicts(server):
    async with AsyncOpenAI() as client:
        for query in ({"many": ["a", "b"]}, {"nested": {"a": 1}}):
            try:
                await ask(client, extra_query=query)
                print("query:", query, server.requests[-1].query)
            except ValueError as error:
                print("query:", query, type(error).__name__)
    server.requests.clear()


async def header_left_out(server):
    """omit as a header's value takes a default away."""
    async with AsyncOpenAI(default_headers={"X-App": "test"}) as client:
        await ask(client, extra_headers={"X-App": openai.omit})
        await ask(client, extra_headers={"Authorization": openai.omit})
    print("requests:", server.attempts)


async def with_options(server):
    async with AsyncOpenAI(default_headers={"X-App": "test"}, max_retries=5) as client:
        other = client.with_options(
            api_key="sk-other", default_headers={"X-More": "1"}, max_retries=1
        )
        await ask(other)
        await ask(client)
        copied = client.copy(set_default_headers={"X-Only": "1"}, organization="org-c")
        await ask(copied)
        print("retries:", client.max_retries, other.max_retries, copied.max_retries)
        print("keys:", client.api_key, other.api_key, copied.api_key)
        print("organization:", client.organization, copied.organization)


async def key_from_a_function(server):
    keys = iter(["sk-1", "sk-2"])

    async def key():
        return next(keys)

    async with AsyncOpenAI(api_key=key) as client:
        await ask(client)
        await ask(client)
    print("requests:", server.attempts)


async def ended_by_with(server):
    async with AsyncOpenAI() as client:
        print("open:", client.is_closed())
        await ask(client)
    print("closed:", client.is_closed())
    await server.wait_for(lambda: server.open_connections == 0)
    print("connections:", server.open_connections)
    try:
        await ask(client)
        print("after: an answer")
    except openai.APIConnectionError:
        print("after: an APIConnectionError")
    except Exception as error:
        print("after:", type(error).__name__)


async def ended_by_close(server):
    client = AsyncOpenAI()
    await ask(client)
    await client.close()
    print("closed:", client.is_closed())
    await client.close()
    print("twice:", client.is_closed())


async def client_of_ones_own(server):
    """`http_client=` takes an httpx client, and rawllm has none."""
    try:
        async with AsyncOpenAI(http_client=openai.DefaultAsyncHttpxClient()) as client:
            print("content:", await ask(client))
    except AttributeError as error:
        print("content:", error)


async def http_client_refused(server):
    try:
        AsyncOpenAI(http_client=object())
    except Exception as error:
        print("raised:", type(error).__name__)


async def names_at_the_top(server):
    for name in (
        "OpenAI",
        "AsyncOpenAI",
        "Stream",
        "AsyncStream",
        "APIResponse",
        "AsyncAPIResponse",
        "NotGiven",
        "NOT_GIVEN",
        "not_given",
        "Omit",
        "omit",
        "Timeout",
        "DEFAULT_TIMEOUT",
        "DEFAULT_MAX_RETRIES",
        "BaseModel",
        "Client",
        "AsyncClient",
        "pydantic_function_tool",
        "types",
        "__version__",
        "AsyncAzureOpenAI",
    ):
        print(f"{name}:", hasattr(openai, name))


def module_level(server):
    """`openai.chat.completions.create(…)` with a key set on the module."""
    openai.api_key = "sk-module"
    openai.base_url = os.environ["OPENAI_BASE_URL"] + "/"
    try:
        answer = openai.chat.completions.create(model="m", messages=HI)
        print("content:", answer.choices[0].message.content)
    except AttributeError as error:
        print("content:", type(error).__name__)


async def types_for_annotations(server):
    from openai.types import CreateEmbeddingResponse
    from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
    from openai.types.chat import ChatCompletionMessageParam as Message

    messages: list[Message] = [{"role": "user", "content": "hi"}]
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=messages)
        print("answer:", isinstance(answer, ChatCompletion), type(answer).__name__)
        message = answer.choices[0].message
        print("message:", isinstance(message, ChatCompletionMessage), type(message).__name__)
        stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
        async for chunk in stream:
            print("chunk:", isinstance(chunk, ChatCompletionChunk), type(chunk).__name__)
        vectors = await client.embeddings.create(model="m", input="hi", encoding_format="float")
        print("vectors:", isinstance(vectors, CreateEmbeddingResponse))


async def deep_imports(server):
    try:
        from openai.types.chat.chat_completion import Choice
        from openai.types.chat.chat_completion_chunk import ChoiceDelta
        from openai.types.chat.chat_completion_message_tool_call import Function

        function = Function(name="time", arguments="{}")
        print("function:", function.name, function.arguments)
        print("names:", Choice.__name__, ChoiceDelta.__name__)
    except ImportError as error:
        print("names:", type(error).__name__)


async def requests_of_any_kind(server):
    """client.post and client.get, for endpoints that the library does not know."""
    server.reply(body={"score": 0.5})
    server.reply(body={"state": "fine"})
    async with AsyncOpenAI() as client:
        try:
            found = await client.post("/rerank", cast_to=object, body={"query": "hi"})
            print("post:", found)
            found = await client.get("/status", cast_to=object)
            print("get:", found)
        except AttributeError as error:
            print("post:", type(error).__name__)


def kinds(server):
    print("async:", issubclass(AsyncOpenAI, OpenAI))
    client = OpenAI()
    print("is:", isinstance(client, OpenAI), isinstance(client, AsyncOpenAI))
    print("key shown:", "sk-snippet" in repr(client))
