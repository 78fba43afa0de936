"""Python functions as tools, and the loop that calls them."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading

import msgspec
import pytest

import rawllm
from rawllm import Client, ConfigurationError, Tool, ToolRoundsExceeded, pydantic_function_tool
from rawllm.tools import readers, tool_params


def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


async def divide(a: int, b: int) -> float:
    return a / b


class City(msgspec.Struct):
    """A city to look at."""

    name: str


DICT = {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}}
STRICT = {"type": "function", "function": {"name": "firm", "strict": True, "parameters": {}}}


@pytest.fixture
async def llm(server):
    async with Client(server.url, model="m", max_retries=0) as client:
        yield client


def call(name, arguments, id="c1"):
    return {"name": name, "arguments": arguments, "id": id}


def sent_back(request):
    """Id → text, of the results in a request."""
    messages = request.json["messages"]
    return {m["tool_call_id"]: m["content"] for m in messages if m["role"] == "tool"}


def test_functions_become_dicts_and_dicts_stay():
    assert tool_params([add, Tool(add), DICT]) == [Tool(add).param, Tool(add).param, DICT]
    assert tool_params(None) is None
    assert tool_params(rawllm.NOT_GIVEN) is rawllm.NOT_GIVEN
    assert repr(Tool(add)) == "Tool(add)"


@pytest.mark.parametrize("tools", ["add", {"add": add}, 5])
def test_tools_are_a_list(tools):
    with pytest.raises(ConfigurationError, match="takes a list of functions or dicts"):
        tool_params(tools)


@pytest.mark.parametrize("stream", [False, True])
async def test_create_takes_functions(server, llm, stream):
    answer = await llm.chat.completions.create(
        messages=[{"role": "user", "content": "hi"}], tools=[add, DICT], stream=stream
    )
    if stream:
        await answer.result()
    assert server.requests[0].json["tools"] == [Tool(add).param, DICT]


async def test_complete_and_stream_take_functions(server, llm):
    await llm.complete("hi", tools=[add])
    async with llm.stream("hi", tools=[add]) as stream:
        await stream.result()
    assert [request.json["tools"] for request in server.requests] == [[Tool(add).param]] * 2


async def test_the_loop_goes_on_until_there_is_an_answer(server, llm):
    server.reply(tool_calls=[call("add", {"a": 2, "b": 3})])
    server.reply("It is 5.")
    run = await llm.run_tools("2 + 3?", tools=[add], system="Be brief.", temperature=0)
    assert (run.text, run.rounds) == ("It is 5.", 2)
    first, second = server.requests
    assert first.json["tools"] == second.json["tools"] == [Tool(add).param]
    assert second.json["temperature"] == 0
    assert run.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 3?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a":2,"b":3}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "5"},
        {"role": "assistant", "content": "It is 5."},
    ]
    assert second.json["messages"] == run.messages[:-1]


async def test_calls_of_one_answer_run_at_once(server, llm):
    meeting = asyncio.Barrier(2)
    threads = threading.Barrier(2, timeout=5)

    async def waits(n: int) -> int:
        await meeting.wait()
        return n

    def blocks(n: int) -> int:
        threads.wait()
        return n

    for name in ("waits", "blocks"):
        server.reply(tool_calls=[call(name, {"n": n}, f"c{n}") for n in (1, 2)])
        server.reply("done")
        await llm.run_tools("go", tools=[waits, blocks])
        assert sent_back(server.requests[-1]) == {"c1": "1", "c2": "2"}


async def test_what_goes_wrong_in_a_call_is_told_to_the_model(server, llm, caplog):
    caplog.set_level(logging.DEBUG, "rawllm")
    server.reply(
        tool_calls=[
            call("divide", {"a": 1, "b": 0}, "zero"),
            call("divide", '{"a": 1,', "cut"),
            call("divide", {"a": 1}, "few"),
            call("divide", {"a": "x", "b": 1}, "type"),
            call("multiply", {"a": 1, "b": 1}, "name"),
            call("divide", {"a": 1, "b": 2}, "good"),
        ]
    )
    server.reply("sorry")
    run = await llm.run_tools("1 / 0?", tools=[divide, add])
    assert run.text == "sorry"
    told = sent_back(server.requests[1])
    assert told["zero"] == "Error: ZeroDivisionError: division by zero"
    assert told["cut"].startswith("Error: the arguments are no JSON.")
    assert told["few"].startswith("Error: the argument 'b' is missing.")
    assert told["type"].startswith("Error: the argument 'a': Expected `int`, got `str`.")
    assert told["name"] == "Error: there is no tool 'multiply'. There are: divide, add"
    assert told["good"] == "0.5"
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.message == "the tool divide raised"
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_model_that_never_ends_is_stopped(server, llm):
    called = []

    def again(n: int) -> str:
        called.append(n)
        return "call me again"

    server.handler = lambda request: rawllm.testing.Reply(tool_calls=[call("again", {"n": 1})])
    with pytest.raises(ToolRoundsExceeded, match="max_rounds=3") as caught:
        await llm.run_tools("go", tools=[again], max_rounds=3)
    assert server.attempts == 3
    assert called == [1, 1]  # of the last answer nobody would have been told
    error = caught.value
    assert error.completion.choices[0].message.tool_calls
    assert [m["role"] for m in error.messages] == ["user", *["assistant", "tool"] * 2, "assistant"]


async def test_calls_without_an_id_get_one(server, llm):
    function = {"name": "add", "arguments": '{"a": 1}'}
    message = {"role": "assistant", "tool_calls": [{"function": function}] * 2}
    server.reply(body={"choices": [{"message": message}]})
    await llm.run_tools("go", tools=[add])
    messages = server.requests[1].json["messages"]
    ids = [made["id"] for made in messages[1]["tool_calls"]]
    assert len(set(ids)) == 2
    assert sent_back(server.requests[1]) == dict.fromkeys(ids, "2")


async def test_a_decorated_coroutine_function_is_awaited(server, llm):
    @functools.wraps(divide)
    def decorated(*args, **kwargs):
        return divide(*args, **kwargs)

    assert await Tool(decorated).call('{"a": 1, "b": 4}') == "0.25"


async def test_leaving_the_loop_cancels_the_tools(server, llm):
    entered, left = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    server.reply(tool_calls=[call("waits", {})])
    running = asyncio.create_task(llm.run_tools("go", tools=[waits]))
    await entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left.is_set()
    assert server.attempts == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tools": []}, "needs tools="),
        ({"tools": [DICT]}, "calls Python functions"),
        ({"tools": [add, Tool(add)]}, "two tools have the name 'add'"),
        ({"tools": [add], "max_rounds": 0}, "max_rounds= takes a whole number"),
    ],
)
async def test_the_loop_refuses_what_it_cannot_call(server, llm, options, said):
    with pytest.raises(ConfigurationError, match=said):
        await llm.run_tools("go", **options)
    assert server.attempts == 0


async def test_a_run_goes_on_with_its_messages(server, llm):
    run = await llm.run_tools("hi", tools=[add])
    run = await llm.run_tools([*run.messages, {"role": "user", "content": "more"}], tools=[add])
    assert [message["content"] for message in run.messages] == [
        *("hi", "echo: hi"),
        *("more", "echo: more"),
    ]


def test_a_type_is_a_tool_as_in_openai_python():
    tool = pydantic_function_tool(City)
    assert tool["type"] == "function"
    assert tool["function"] == {
        "name": "City",
        "description": "A city to look at.",
        "strict": True,
        "parameters": {
            "type": "object",
            "title": "City",
            "description": "A city to look at.",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        },
    }
    named = pydantic_function_tool(City, name="look", description="Look!")["function"]
    assert (named["name"], named["description"]) == ("look", "Look!")


def test_what_is_known_of_a_tool_reads_its_arguments():
    found = readers([add, pydantic_function_tool(City), DICT, STRICT])
    assert found.keys() == {"add", "City", "firm"}
    assert found["add"]('{"a": 1}') == {"a": 1}
    assert found["City"]('{"name": "Rome"}') == City("Rome")
    assert found["firm"]('{"x": 1}') == {"x": 1}
    assert readers(None) == readers(rawllm.NOT_GIVEN) == {}
