"""`chat.completions.stream`."""

import msgspec
import pytest

from rawllm import (
    BadRequestError,
    Client,
    IncompleteStreamError,
    LengthFinishReasonError,
    ParsedChatCompletion,
)
from rawllm.sansio.schema import form_of


class City(msgspec.Struct):
    name: str


MESSAGES = [{"role": "user", "content": "Which?"}]


@pytest.fixture
async def completions(server):
    async with Client(server.url, model="m", max_retries=0) as llm:
        yield llm.chat.completions


async def test_events_and_then_the_whole_answer(server, completions):
    server.reply(tokens=['{"name": ', '"Rome"}'])
    async with completions.stream(messages=MESSAGES, response_format=City, top_k=5) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_completion()
    assert [event.type for event in events if event.type != "chunk"] == [
        *("content.delta", "content.delta"),
        *("content.delta", "content.done"),
    ]
    assert events[-1].parsed == City("Rome")
    assert type(final) is ParsedChatCompletion
    assert final.parsed == City("Rome")
    assert final.timing.attempts == 1
    assert final._request_id == "req-0"
    assert stream.response.status_code == 200
    assert server.requests[0].json == {
        "model": "m",
        "messages": MESSAGES,
        "stream": True,
        "response_format": form_of(City).response_format,
        "top_k": 5,
    }


async def test_the_answer_can_be_had_without_looking_at_events(server, completions):
    async with completions.stream(messages=iter(MESSAGES)) as stream:
        assert stream.current_completion_snapshot.choices == []
        assert await stream.until_done() is stream
        assert stream.current_completion_snapshot.text == "echo: Which?"
        assert (await stream.get_final_completion()).choices[0].message.parsed is None
    assert server.attempts == 1


async def test_leaving_the_loop_keeps_the_rest_and_leaving_the_with_ends_it(server, completions):
    server.reply(tokens=["a", "b", "c"])
    async with completions.stream(messages=MESSAGES) as stream:
        async for event in stream:
            if event.type == "content.delta" and event.delta == "a":
                break
        rest = [event.delta async for event in stream if event.type == "content.delta"]
        assert rest == ["b", "c"]
    server.reply(tokens=["a", "b"], delay=60)
    async with completions.stream(messages=MESSAGES) as stream:
        await anext(stream)
    with pytest.raises(IncompleteStreamError, match="closed before its end"):
        await stream.until_done()
    await server.wait_for(lambda: server.aborted == 1)


async def test_functions_are_tools_and_their_arguments_are_read(server, completions):
    def look(city: str) -> str:
        return city

    server.reply(tool_calls=[{"name": "look", "arguments": {"city": "Rome"}}])
    async with completions.stream(messages=MESSAGES, tools=[look]) as stream:
        done = [event async for event in stream if event.type.endswith("arguments.done")]
        final = await stream.get_final_completion()
    assert [(event.name, event.parsed_arguments) for event in done] == [("look", {"city": "Rome"})]
    [call] = final.choices[0].message.tool_calls
    assert call.function.parsed_arguments == {"city": "Rome"}


async def test_a_server_that_refuses_schemas_is_asked_in_words(server, completions):
    body = {"error": {"message": "response_format.type must be 'text'"}}
    server.fail(400, body=body, times=2)
    server.reply('{"name": "Rome"}')
    async with completions.stream(messages=MESSAGES, response_format=City) as stream:
        assert (await stream.get_final_completion()).parsed == City("Rome")
    assert [r.json.get("response_format", {}).get("type") for r in server.requests] == [
        *("json_schema", "json_object"),
        None,
    ]
    # A dict is the user's own: what the server says of it is theirs to know.
    server.fail(400, body=body)
    with pytest.raises(BadRequestError):
        async with completions.stream(messages=MESSAGES, response_format={"type": "x"}):
            pass


async def test_errors_come_out_of_the_loop(server, completions):
    server.reply('{"name": ', finish_reason="length")
    async with completions.stream(messages=MESSAGES, response_format=City) as stream:
        with pytest.raises(LengthFinishReasonError):
            await stream.until_done()
    server.stream(["Ro", 0.01], end="reset")
    async with completions.stream(messages=MESSAGES) as stream:
        with pytest.raises(IncompleteStreamError) as caught:
            await stream.until_done()
    assert caught.value.partial.text == "Ro"
    server.fail(400)
    with pytest.raises(BadRequestError):
        await completions.stream(messages=MESSAGES).__aenter__()
