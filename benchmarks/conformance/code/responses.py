"""The Responses API: whole, streamed, typed, with tools, and items that go back."""

import json

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

TIME = {
    "type": "function",
    "name": "time",
    "description": "The time in a zone.",
    "parameters": {
        "type": "object",
        "properties": {"zone": {"type": "string"}},
        "required": ["zone"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Point(BaseModel):
    x: int
    y: int


def response(*output, **more):
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 1},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": 5,
        },
        **more,
    }


def message(*content):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": list(content),
    }


def text(value):
    return {"type": "output_text", "text": value, "annotations": []}


CALL = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "time",
    "arguments": '{"zone": "CET"}',
}
THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Look at the clock."}],
    "encrypted_content": "gAAA",
}


async def response_whole(server):
    server.reply(body=response(message(text("It is "), text("noon."))))
    async with AsyncOpenAI() as client:
        answer = await client.responses.create(
            model="m", input="hi", instructions="Be brief.", max_output_tokens=5, temperature=0
        )
    print("text:", answer.output_text)
    print("answer:", answer.id, answer.object, answer.status, answer.model, answer.created_at)
    print(
        "usage:", answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens
    )
    print("cached:", answer.usage.input_tokens_details.cached_tokens)
    print("reasoning:", answer.usage.output_tokens_details.reasoning_tokens)
    item = answer.output[0]
    print("item:", item.type, item.role, item.id, item.status, type(item).__name__)
    for part in item.content:
        print("part:", part.type, part.text, part.annotations)
    print("none:", answer.error, answer.incomplete_details)
    print("request id:", answer._request_id)


async def response_of_messages(server):
    async with AsyncOpenAI() as client:
        answer = await client.responses.create(
            model="m",
            input=[
                {"role": "developer", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "What is this?"},
                        {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
                    ],
                },
            ],
            store=False,
            previous_response_id="resp_0",
            reasoning={"effort": "low", "summary": "auto"},
            include=["reasoning.encrypted_content"],
            metadata={"job": "7"},
            extra_headers={"X-Trace": "1"},
            extra_body={"top_k": 3},
        )
    print("text:", answer.output_text != "")


async def response_with_a_tool_loop(server):
    """The items of `output` go back into `input` as they are."""
    server.reply(body=response(THOUGHT, CALL))
    server.reply(body=response(message(text("It is noon."))))
    history = [{"role": "user", "content": "What time is it?"}]
    async with AsyncOpenAI() as client:
        answer = await client.responses.create(model="m", input=history, tools=[TIME], store=False)
        history += answer.output
        for item in answer.output:
            print("item:", item.type, item.id)
            if item.type == "reasoning":
                print("summary:", [part.text for part in item.summary])
            if item.type == "function_call":
                print("call:", item.name, item.call_id, json.loads(item.arguments))
                history.append(
                    {"type": "function_call_output", "call_id": item.call_id, "output": "12:00"}
                )
        answer = await client.responses.create(model="m", input=history, tools=[TIME], store=False)
    print("text:", answer.output_text)


async def response_that_was_refused(server):
    server.reply(body=response(message({"type": "refusal", "refusal": "I will not."})))
    async with AsyncOpenAI() as client:
        answer = await client.responses.create(model="m", input="hi")
    print("text:", repr(answer.output_text))
    print("refusal:", answer.output[0].content[0].refusal, answer.output[0].content[0].type)


async def response_that_is_incomplete(server):
    server.reply(
        body=response(
            message(text("It is")),
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        )
    )
    async with AsyncOpenAI() as client:
        answer = await client.responses.create(model="m", input="hi", max_output_tokens=2)
    print("status:", answer.status, answer.incomplete_details.reason)
    print("text:", answer.output_text)


async def response_that_failed(server):
    server.reply(
        body=response(
            status="failed", error={"code": "server_error", "message": "The engine died."}
        )
    )
    async with AsyncOpenAI(max_retries=0) as client:
        try:
            answer = await client.responses.create(model="m", input="hi")
            print("status:", answer.status, answer.error.code, answer.error.message)
        except openai.APIError as error:
            print("status:", error.partial.status, error.code, type(error).__name__)


async def response_streamed(server):
    server.reply("It is noon.")
    async with AsyncOpenAI() as client:
        stream = await client.responses.create(model="m", input="hi", stream=True)
        async for event in stream:
            print("event:", event.type, type(event).__name__)
            if event.type == "response.output_text.delta":
                print("delta:", repr(event.delta), event.output_index, event.content_index)
            elif event.type == "response.output_text.done":
                print("done:", event.text)
            elif event.type == "response.completed":
                print("completed:", event.response.output_text, event.response.usage.total_tokens)


async def response_stream_events(server):
    server.reply("It is noon.")
    async with AsyncOpenAI() as client:
        async with client.responses.stream(model="m", input="hi") as stream:
            async for event in stream:
                print("event:", event.type)
                if event.type == "response.output_text.delta":
                    print("snapshot:", event.snapshot)
            final = await stream.get_final_response()
    print("final:", final.output_text, final.status)


async def response_stream_of_tools(server):
    server.reply(tool_calls=[{"name": "time", "arguments": {"zone": "CET"}, "id": "call_1"}])
    async with AsyncOpenAI() as client:
        async with client.responses.stream(model="m", input="hi", tools=[TIME]) as stream:
            async for event in stream:
                if event.type == "response.function_call_arguments.delta":
                    print("delta:", event.delta, event.snapshot)
                elif event.type == "response.function_call_arguments.done":
                    print("done:", event.arguments)
            final = await stream.get_final_response()
    print("call:", final.output[0].name, final.output[0].parsed_arguments)


async def response_parsed(server):
    server.reply(body=response(message(text('{"x": 1, "y": 2}'))))
    async with AsyncOpenAI() as client:
        answer = await client.responses.parse(model="m", input="hi", text_format=Point)
    print("parsed:", repr(answer.output_parsed))
    print("text:", answer.output_text)
    print("part:", repr(answer.output[0].content[0].parsed))


async def response_stream_parsed(server):
    server.reply(tokens=['{"x": 1,', ' "y": 2}'])
    async with AsyncOpenAI() as client:
        async with client.responses.stream(model="m", input="hi", text_format=Point) as stream:
            async for event in stream:
                if event.type == "response.output_text.done":
                    print("done:", repr(event.parsed))
            final = await stream.get_final_response()
    print("parsed:", repr(final.output_parsed))


async def response_with_a_schema(server):
    server.reply(body=response(message(text('{"x": 1}'))))
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    async with AsyncOpenAI() as client:
        answer = await client.responses.create(
            model="m",
            input="hi",
            text={"format": {"type": "json_schema", "name": "p", "schema": schema}},
        )
    print("text:", answer.output_text)


async def response_dumped(server):
    server.reply(body=response(message(text("noon")), CALL))
    async with AsyncOpenAI() as client:
        answer = await client.responses.create(model="m", input="hi")
    print("set:", json.dumps(answer.to_dict(), sort_keys=True))
    print("item:", json.dumps(answer.output[1].to_dict(), sort_keys=True))
    print("not none:", json.dumps(answer.output[0].model_dump(exclude_none=True), sort_keys=True))
    print("json:", json.loads(answer.model_dump_json(exclude_unset=True)) == answer.to_dict())


async def response_raw(server):
    async with AsyncOpenAI() as client:
        raw = await client.responses.with_raw_response.create(model="m", input="hi")
        print("status:", raw.status_code, raw.request_id, raw.parse().output_text != "")


async def response_by_its_id(server):
    server.reply(body=response(message(text("noon"))))
    server.reply(body=response(message(text("noon")), status="cancelled"))
    server.reply(body={"id": "resp_1", "object": "response", "deleted": True})
    async with AsyncOpenAI() as client:
        print("retrieved:", (await client.responses.retrieve("resp_1")).output_text)
        print("cancelled:", (await client.responses.cancel("resp_1")).status)
        await client.responses.delete("resp_1")


async def response_input_items(server):
    item = {"id": "msg_0", "type": "message", "role": "user", "status": "completed"}
    item["content"] = [{"type": "input_text", "text": "hi"}]
    page = {"object": "list", "data": [item], "has_more": False}
    server.reply(body={**page, "first_id": "msg_0", "last_id": "msg_0"}, times=2)
    async with AsyncOpenAI() as client:
        async for one in client.responses.input_items.list("resp_1", limit=5):
            print("item:", one.id, one.role, one.content[0].text)
        found = await client.responses.input_items.list("resp_1")
        print("page:", len(found.data), found.has_next_page())


async def response_errors(server):
    server.fail(400, body={"error": {"message": "No such model.", "param": "model", "code": "x"}})
    async with AsyncOpenAI() as client:
        try:
            await client.responses.create(model="m", input="hi")
        except openai.BadRequestError as error:
            print("error:", error.param, error.code)
        try:
            await client.responses.retrieve("")
        except ValueError as error:
            print("no id:", isinstance(error, ValueError))


async def response_stream_error(server):
    failed = {"type": "error", "code": "server_error", "message": "boom", "param": None}
    server.stream(
        [b"event: error\ndata: " + json.dumps({**failed, "sequence_number": 1}).encode() + b"\n\n"]
    )
    async with AsyncOpenAI(max_retries=0) as client:
        try:
            async for event in await client.responses.create(model="m", input="hi", stream=True):
                print("event:", event.type, event.code, event.message)
        except openai.APIError as error:
            print("raised:", "boom" in error.message)


def response_plain(server):
    server.reply(body=response(message(text("It is noon."))))
    with OpenAI() as client:
        print("text:", client.responses.create(model="m", input="hi").output_text)
        server.reply("It is one.")
        for event in client.responses.create(model="m", input="hi", stream=True):
            if event.type == "response.output_text.delta":
                print("delta:", event.delta)
        server.reply("It is two.")
        with client.responses.stream(model="m", input="hi") as stream:
            for event in stream:
                if event.type == "response.output_text.done":
                    print("done:", event.text)
            print("final:", stream.get_final_response().output_text)
