"""Answers as objects: dumped, copied, pickled, compared, walked through, made by hand."""

import copy
import json
import pickle

from openai import AsyncOpenAI

HI = [{"role": "user", "content": "hi"}]


async def answered(**arguments):
    async with AsyncOpenAI() as client:
        return await client.chat.completions.create(model="m", messages=HI, **arguments)


async def dumped(server):
    answer = await answered()
    print("message:", json.dumps(answer.model_dump()["choices"][0], sort_keys=True))
    print("usage:", json.dumps(answer.model_dump()["usage"], sort_keys=True))
    print("set:", json.dumps(answer.model_dump(exclude_unset=True), sort_keys=True))
    print("not none:", json.dumps(answer.model_dump(exclude_none=True), sort_keys=True))
    print(
        "no defaults:", "tool_calls" in answer.choices[0].message.model_dump(exclude_defaults=True)
    )
    print("names:", sorted(answer.model_dump()))
    print("mode:", answer.model_dump(mode="json") == answer.model_dump())


async def dumped_in_part(server):
    answer = await answered()
    print("include:", answer.model_dump(include={"id", "model"}))
    print("exclude:", sorted(answer.model_dump(exclude={"usage"}, exclude_none=True)))
    print("deep:", answer.model_dump(include={"choices": {0: {"finish_reason"}}}))


async def dumped_as_json(server):
    answer = await answered()
    print("same:", json.loads(answer.model_dump_json()) == answer.model_dump())
    print("lines:", len(answer.model_dump_json(indent=2, exclude_none=True).splitlines()))
    print("compact:", " " in answer.usage.model_dump_json())
    print("unset:", answer.choices[0].message.model_dump_json(exclude_none=True))
    print("to_json:", sorted(answer.usage.to_json().splitlines()))
    print("in one line:", answer.choices[0].message.to_json(indent=None))


async def to_dict(server):
    answer = await answered()
    print("dict:", json.dumps(answer.to_dict(), sort_keys=True))
    print("message:", answer.choices[0].message.to_dict())


async def chunks_dumped(server):
    async with AsyncOpenAI() as client:
        stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
        async for chunk in stream:
            print("choice:", json.dumps(chunk.model_dump()["choices"][0]["delta"], sort_keys=True))
            print("set:", json.dumps(json.loads(chunk.to_json()), sort_keys=True))


async def copied(server):
    answer = await answered()
    for again in (copy.copy(answer), copy.deepcopy(answer), answer.model_copy()):
        print("equal:", again == answer, again is answer)
        print("content:", again.choices[0].message.content)
    deep = answer.model_copy(deep=True, update={"model": "other"})
    deep.choices[0].message.content = "changed"
    print("update:", deep.model, answer.model, answer.choices[0].message.content)


async def pickled(server):
    answer = await answered()
    again = pickle.loads(pickle.dumps(answer))
    print("equal:", again == answer, again.choices[0].message.content, again._request_id)


async def changed(server):
    answer = await answered()
    answer.choices[0].message.content = "changed"
    print("content:", answer.choices[0].message.content)
    print("dump:", answer.model_dump()["choices"][0]["message"]["content"])
    print("json:", "changed" in answer.model_dump_json())
    print("dict:", answer.to_dict()["choices"][0]["message"]["content"])


async def shown(server):
    answer = await answered()
    print("repr:", repr(answer))
    print("str:", str(answer.usage))
    print("message:", answer.choices[0].message)


async def walked(server):
    """Iterating over an object gives its fields."""
    usage = (await answered()).usage
    print("pairs:", sorted(dict(usage).items()))
    print("names:", sorted(name for name, _ in usage))


async def equal_and_hashed(server):
    answer = await answered()
    print("usage:", answer.usage == answer.usage.model_copy(), answer.usage == 3)
    again = type(answer).model_validate(answer.model_dump())
    print("read again:", again == answer, again.choices == answer.choices)
    try:
        print("hash:", hash(answer.usage) is not None)
    except TypeError:
        print("hash: TypeError")


async def made_by_hand(server):
    """As tests do that hand a fake answer to the code under test."""
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletion, ChatCompletionMessage

    message = ChatCompletionMessage(role="assistant", content="Made.")
    usage = CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    answer = ChatCompletion.model_validate(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message.model_dump(), "finish_reason": "stop"}],
            "usage": usage.model_dump(),
        }
    )
    print("content:", answer.choices[0].message.content, answer.usage.total_tokens)
    again = ChatCompletion.model_validate_json(answer.model_dump_json())
    print("again:", again.choices[0].message.content)
    unpacked = ChatCompletion(**json.loads(answer.model_dump_json()))
    print("unpacked:", unpacked.choices[0].message.content, unpacked == answer)
    made = ChatCompletion.construct(id="2", choices=[])
    print("constructed:", made.id, made.choices)
    print("message:", message.content, message.tool_calls)


async def fields_set(server):
    answer = await answered()
    print("set:", sorted(answer.choices[0].message.model_fields_set))
    print("extra:", answer.model_extra)


async def matched(server):
    match await answered():
        case object(choices=[object(message=object(content=content))]):
            print("content:", content)
