"""Chat answers, whole: what is sent, and what is read of the answer."""

import openai
from openai import AsyncOpenAI

HI = [{"role": "user", "content": "hi"}]


async def whole(server):
    server.reply("It is sunny.")
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI)
    print("content:", answer.choices[0].message.content)
    print("role:", answer.choices[0].message.role)
    print("finish:", answer.choices[0].finish_reason, answer.choices[0].index)
    print("id:", answer.id, answer.object, answer.created, answer.model)
    print("fingerprint:", answer.system_fingerprint)
    usage = answer.usage
    print("usage:", usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    print("nothing:", answer.choices[0].message.tool_calls, answer.choices[0].message.refusal)
    print("unsent:", answer.service_tier, answer.choices[0].logprobs)
    print("request id:", answer._request_id)


async def all_parameters(server):
    async with AsyncOpenAI() as client:
        await client.chat.completions.create(
            model="m",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "system", "content": "Be kind.", "name": "rules"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "hello"},
                {"role": "user", "content": "who are you?"},
            ],
            frequency_penalty=0.5,
            logit_bias={"50256": -100},
            max_completion_tokens=10,
            max_tokens=12,
            metadata={"job": "7"},
            n=1,
            parallel_tool_calls=False,
            presence_penalty=0.25,
            prompt_cache_key="k",
            reasoning_effort="low",
            response_format={"type": "json_object"},
            seed=7,
            service_tier="auto",
            stop=["\n", "END"],
            store=False,
            stream=False,
            temperature=0,
            top_p=0.9,
            user="u-1",
            verbosity="low",
        )
    print("sent:", len(server.requests))


async def not_given(server):
    async with AsyncOpenAI() as client:
        await client.chat.completions.create(
            model="m",
            messages=HI,
            temperature=openai.NOT_GIVEN,
            stop=openai.omit,
            seed=openai.not_given,
            top_p=None,
            timeout=openai.NOT_GIVEN,
        )
    print("false:", bool(openai.NOT_GIVEN), bool(openai.not_given))
    print("kind:", isinstance(openai.NOT_GIVEN, openai.NotGiven))
    print("omit:", isinstance(openai.omit, openai.Omit))
    print("keys:", sorted(server.requests[0].json))


async def two_choices(server):
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI, n=2)
    for choice in answer.choices:
        print("choice:", choice.index, choice.message.content, choice.finish_reason)


async def logprobs(server):
    told = [
        {
            "token": token,
            "logprob": -0.5,
            "bytes": list(token.encode()),
            "top_logprobs": [{"token": token, "logprob": -0.5, "bytes": list(token.encode())}],
        }
        for token in ("It", " ☀")
    ]
    message = {"role": "assistant", "content": "It ☀", "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": told, "refusal": None},
        "finish_reason": "stop",
    }
    server.reply(
        body={
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
    )
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="m", messages=HI, logprobs=True, top_logprobs=1
        )
    for one in answer.choices[0].logprobs.content:
        print("token:", repr(one.token), one.logprob, one.bytes)
        print("top:", [(top.token, top.logprob) for top in one.top_logprobs])
    print("refusal:", answer.choices[0].logprobs.refusal)
    print("usage:", answer.usage)


async def images_and_audio(server):
    picture = "data:image/png;base64,iVBORw0KGgo="
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="m",
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
                        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
                        {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBE"}},
                    ],
                }
            ],
        )
    print("content:", answer.choices[0].message.content)


async def refusal_and_filter(server):
    for message, finish in (
        ({"role": "assistant", "content": None, "refusal": "I will not."}, "stop"),
        ({"role": "assistant", "content": ""}, "content_filter"),
        ({"role": "assistant", "content": "It is"}, "length"),
    ):
        choice = {"index": 0, "message": message, "finish_reason": finish}
        server.reply(body={"id": "1", "created": 1, "model": "m", "choices": [choice]})
    async with AsyncOpenAI() as client:
        for _ in range(3):
            answer = await client.chat.completions.create(model="m", messages=HI)
            choice = answer.choices[0]
            print("refusal:", choice.message.refusal)
            print("content:", repr(choice.message.content), choice.finish_reason)


async def token_details(server):
    server.reply(
        "It is sunny.",
        usage={
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    )
    async with AsyncOpenAI() as client:
        usage = (await client.chat.completions.create(model="m", messages=HI)).usage
    print("cached:", usage.prompt_tokens_details.cached_tokens)
    print("reasoning:", usage.completion_tokens_details.reasoning_tokens)
    print("unsent:", usage.completion_tokens_details.audio_tokens)


async def fields_of_other_servers(server):
    """vLLM, llama.cpp and gateways add fields; people read them off the objects."""
    server.reply(
        body={
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "provider": "somebody",
            "timings": {"predicted_ms": 12.5},
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "It is sunny.",
                        "reasoning_content": "Look out.",
                        "mood": "fine",
                    },
                    "finish_reason": "stop",
                    "stop_reason": 7,
                }
            ],
            "usage": {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "total_tokens": 3,
                "cost": 0.5,
            },
        }
    )
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="m", messages=HI)
    message = answer.choices[0].message
    print("provider:", answer.provider)
    print("timings:", answer.timings["predicted_ms"])
    print("extra:", sorted(answer.model_extra))
    print("reasoning:", message.reasoning_content)
    print("mood:", message.mood, getattr(message, "nothing", "none"))
    print("within:", answer.choices[0].stop_reason, answer.usage.cost)
    print("message extra:", message.model_extra["mood"])
    print("message:", sorted(message.to_dict()))
    print("dumped:", answer.model_dump()["choices"][0]["message"]["mood"])
    print("dumped:", answer.model_dump()["usage"]["cost"])
    try:
        print("missing:", answer.missing)
    except AttributeError as error:
        print("missing:", error)


async def many_at_once(server):
    import asyncio

    async with AsyncOpenAI() as client:

        async def ask(number):
            messages = [{"role": "user", "content": f"number {number}"}]
            answer = await client.chat.completions.create(model="m", messages=messages)
            return answer.choices[0].message.content

        for content in await asyncio.gather(*[ask(number) for number in range(20)]):
            print("content:", content)
    server.requests.clear()  # in whatever order they came


async def model_missing(server):
    async with AsyncOpenAI() as client:
        try:
            await client.chat.completions.create(messages=HI)
            print("model: not asked for")
        except TypeError:
            print("model: TypeError")
        try:
            await client.chat.completions.create(model="m")
            print("messages: not asked for")
        except TypeError:
            print("messages: TypeError")


async def unknown_argument(server):
    async with AsyncOpenAI() as client:
        try:
            await client.chat.completions.create(model="m", messages=HI, top_k=5)
            print("top_k:", server.requests[0].json.get("top_k"))
        except TypeError as error:
            print("top_k:", type(error).__name__)
