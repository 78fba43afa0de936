"""`client.responses`: what goes out, and what comes back whole."""

import msgspec
import pytest

from rawllm import (
    BadRequestError,
    Client,
    ConfigurationError,
    InternalServerError,
    LengthFinishReasonError,
    Limits,
    RawLLMError,
    Retry,
    StructuredOutputError,
    omit,
    pydantic_function_tool,
)
from rawllm.sansio.responses_parsed import text_param
from rawllm.sansio.schema import form_of


class City(msgspec.Struct):
    name: str


class Even(msgspec.Struct):
    n: int

    def __post_init__(self):
        if self.n % 2:
            raise ValueError("it is odd")


def look(city: str) -> str:
    """Look at a city."""
    return city


@pytest.fixture
async def llm(server):
    async with Client(server.url, model="m", max_retries=0) as client:
        yield client


@pytest.fixture
def responses(llm):
    return llm.responses


async def test_a_response_has_its_text_usage_timing_and_request_id(server, responses):
    found = await responses.create(input="one two", instructions="be brief", top_k=5)
    assert found.output_text == "echo: one two"
    assert (found.usage.input_tokens, found.usage.total_tokens) == (4, 7)
    assert found.timing.attempts == 1
    assert found._request_id == "req-0"
    assert server.requests[0].path == "/v1/responses"
    assert server.requests[0].json == {
        "model": "m",
        "input": "one two",
        "instructions": "be brief",
        "top_k": 5,
    }


async def test_arguments_that_are_not_given_are_left_out_and_none_is_sent(server, responses):
    await responses.create(input="a", stream=False, tools=omit, temperature=None, user=omit)
    assert server.requests[0].json == {
        "model": "m",
        "input": "a",
        "stream": False,
        "temperature": None,
    }
    await responses.create(previous_response_id="r", extra_body={"x": 1})
    assert server.requests[1].json == {"model": "m", "previous_response_id": "r", "x": 1}


async def test_a_conversation_takes_an_earlier_output_as_it_is(server, responses):
    server.reply(reasoning="so", tool_calls=[{"name": "look", "arguments": {"city": "Rome"}}])
    first = await responses.create(input="Rome?", tools=[look])
    call = first.output[1]
    told = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    asked = [{"role": "user", "content": "Rome?"}, *first.output, told]
    second = await responses.create(input=asked)
    assert second.output_text == "echo: Rome?"
    assert server.requests[1].json["input"] == [asked[0], *first.raw["output"], told]


async def test_functions_are_tools_in_this_apis_shape(server, responses):
    tool = {"type": "web_search"}
    await responses.create(input="a", tools=[look, tool, pydantic_function_tool(City)])
    function, other, typed = server.requests[0].json["tools"]
    assert (function["type"], function["name"]) == ("function", "look")
    assert function["parameters"]["required"] == ["city"]
    assert other == tool
    assert typed == {
        "type": "function",
        "name": "City",
        "strict": True,
        "parameters": form_of(City).schema,
        **({"description": City.__doc__} if City.__doc__ else {}),
    }


async def test_a_response_that_failed_is_an_error_and_may_be_retried(server):
    body = {
        "id": "r",
        "object": "response",
        "status": "failed",
        "output": [],
        "error": {"code": "server_error", "message": "boo"},
    }
    async with Client(server.url, model="m", retry=Retry(attempts=2, base=0.001)) as llm:
        server.reply(body=body)
        assert (await llm.responses.create(input="a")).output_text == "echo: a"
        server.reply(body=body, times=2)
        with pytest.raises(InternalServerError, match="boo") as caught:
            await llm.responses.create(input="a")
    assert caught.value.partial.status == "failed"
    assert server.attempts == 4


async def test_usage_settles_the_estimate_and_max_output_tokens_makes_it(server):
    async with Client(
        server.url, model="m", limits=Limits(tokens_per_minute=60_000, burst=None)
    ) as llm:
        bucket = llm._endpoint.limiter()
        seen = []
        settle = bucket.settle
        bucket.settle = lambda estimated, used: (
            seen.append((estimated, used)),
            settle(estimated, used),
        )
        await llm.responses.create(input="one two", max_output_tokens=7)
        stream = await llm.responses.create(input="one two", stream=True)
        await stream.result()
    sizes = [len(request.body) for request in server.requests]
    estimate = llm._endpoint.estimate
    assert [used for _, used in seen] == [5.0, 5.0]
    assert seen[0][0] == sizes[0] / 4 + 7
    assert 200 < seen[1][0] - sizes[1] / 4 < 256  # the mean, which the first answer has moved
    assert estimate.output < 256


async def test_hooks_are_told_of_tokens_and_of_why_it_ended(server):
    events = []
    async with Client(server.url, model="m", hooks=[events.append]) as llm:
        server.reply("a b", finish_reason="length")
        await llm.responses.create(input="one")
        stream = await llm.responses.create(input="one two", stream=True)
        await stream.result()
    whole, streamed = (event for event in events if type(event).__name__ == "CallFinished")
    assert (whole.prompt_tokens, whole.completion_tokens) == (1, 2)
    assert whole.finish_reason == "max_output_tokens"
    assert (streamed.prompt_tokens, streamed.completion_tokens) == (2, 3)
    assert streamed.finish_reason == "completed"


# ── parse ────────────────────────────────────────────────────────────────────────────────────


async def test_parse_asks_with_the_schema_and_gives_the_object(server, responses):
    server.reply('{"name": "Rome"}')
    found = await responses.parse(input="Which?", text_format=City, text={"verbosity": "low"})
    assert found.output_parsed == City("Rome")
    assert found.timing.attempts == 1
    assert server.requests[0].json["text"] == {
        "verbosity": "low",
        "format": text_param(form_of(City)),
    }


async def test_parse_without_a_type_reads_the_calls_of_tools(server, responses):
    strict = {"type": "function", "name": "g", "strict": True, "parameters": {}}
    plain = {"type": "function", "name": "h", "parameters": {}}
    typed = pydantic_function_tool(City)
    calls = [
        {"name": "look", "arguments": {"city": "Rome"}},
        {"name": "City", "arguments": {"name": "Rome"}},
        {"name": "g", "arguments": {"a": 1}},
        {"name": "h", "arguments": {"a": 1}},
    ]
    server.reply(tool_calls=calls)
    found = await responses.parse(input="a", tools=[look, typed, strict, plain])
    assert [item.parsed_arguments for item in found.output] == [
        {"city": "Rome"},
        City("Rome"),
        {"a": 1},
        None,
    ]
    assert found.output_parsed is None


async def test_a_server_that_ignores_the_schema_is_asked_by_chats_name_and_remembered(
    server, responses
):
    def answer(request):
        return '{"name": "Rome"}' if "response_format" in request.json else "It is Rome."

    server.handler = answer
    for _ in range(2):
        found = await responses.parse(input="Which?", text_format=City)
        assert found.output_parsed == City("Rome")
    async with responses.stream(input="Which?", text_format=City) as stream:
        assert (await stream.get_final_response()).output_parsed == City("Rome")
    formats = [request.json.get("response_format") for request in server.requests]
    assert formats == [None, *[form_of(City).response_format] * 3]
    assert all("format" in request.json["text"] for request in server.requests)


async def test_a_server_that_knows_neither_says_what_it_said(server, responses):
    server.reply("prose")
    server.fail(400)
    with pytest.raises(StructuredOutputError) as caught:
        await responses.parse(input="a", text_format=City)
    assert caught.value.raw == "prose"
    server.reply("prose", times=2)
    with pytest.raises(StructuredOutputError):
        await responses.parse(input="a", text_format=City)
    assert server.attempts == 4
    # It has the schema's shape: the server looked at it, and asking otherwise helps nobody.
    server.reply('{"n": 3}')
    with pytest.raises(StructuredOutputError, match="odd"):
        await responses.parse(input="a", text_format=Even)
    server.reply("", tool_calls=[{"name": "look", "arguments": "{"}])
    with pytest.raises(StructuredOutputError, match="tool 'look'"):
        await responses.parse(input="a", tools=[look])
    assert server.attempts == 6


async def test_a_cut_answer_is_no_object(server, responses):
    server.reply('{"name": "Ro', finish_reason="length")
    with pytest.raises(LengthFinishReasonError) as caught:
        await responses.parse(input="a", text_format=City)
    assert caught.value.completion.incomplete_details.reason == "max_output_tokens"
    server.reply("cut", finish_reason="length")
    assert (await responses.create(input="a")).status == "incomplete"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"stream": True}, "comes whole"),
        ({"text_format": City, "text": {"format": {"type": "text"}}}, "leave one"),
        ({"text_format": object()}, "a typed answer"),
    ],
)
async def test_what_cannot_be_parsed_is_refused_before_it_is_sent(
    server, responses, arguments, says
):
    with pytest.raises(ConfigurationError, match=says):
        await responses.parse(input="a", **arguments)
    assert server.attempts == 0


# ── stored responses ─────────────────────────────────────────────────────────────────────────


STORED = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}


async def test_a_stored_response_is_retrieved_cancelled_and_deleted(server, responses):
    failed = {**STORED, "status": "failed", "error": {"code": "server_error", "message": "boo"}}
    server.reply(body=failed)
    found = await responses.retrieve("resp_1", include=["a", "b"], extra_query={"x": "1"})
    assert (found.status, found.error.message) == ("failed", "boo")
    server.reply(body={**STORED, "status": "cancelled"})
    assert (await responses.cancel("resp_1")).status == "cancelled"
    server.reply(body={"id": "resp_1", "object": "response", "deleted": True})
    assert await responses.delete("resp_1") is None
    seen = [(request.method, request.path, request.query) for request in server.requests]
    assert seen == [
        ("GET", "/v1/responses/resp_1", "include%5B%5D=a&include%5B%5D=b&x=1"),
        ("POST", "/v1/responses/resp_1/cancel", ""),
        ("DELETE", "/v1/responses/resp_1", ""),
    ]
    assert [request.body for request in server.requests] == [b""] * 3


async def test_a_body_that_is_no_stored_response_is_an_error(server, responses):
    server.reply(body={"error": {"code": 400, "message": "boo"}})
    with pytest.raises(BadRequestError, match="boo"):
        await responses.retrieve("resp_1")


@pytest.mark.parametrize("method", ["retrieve", "cancel", "delete"])
@pytest.mark.parametrize("name", ["", None, "a/b", ".."])
async def test_an_id_that_leads_elsewhere_is_refused(server, responses, method, name):
    with pytest.raises(ConfigurationError, match=rf"responses\.{method}\(\)"):
        await getattr(responses, method)(name)
    assert server.attempts == 0


# ── responses beside answers ─────────────────────────────────────────────────────────────────


async def test_raw_responses(server, responses):
    raw = await responses.with_raw_response.create(input="a b")
    assert raw.parse().output_text == raw.json()["output"][0]["content"][0]["text"] == "echo: a b"
    raw = await responses.with_raw_response.create(input="a b", stream=True)
    assert (await raw.parse().result()).output_text == "echo: a b"
    async with responses.with_streaming_response.create(input="a b", stream=True) as response:
        lines = [line async for line in response.iter_lines()]
    assert lines[0] == "event: response.created"
    server.reply('{"name": "Rome"}')
    raw = await responses.with_raw_response.parse(input="a", text_format=City)
    assert raw.parse().output_parsed == City("Rome")
    server.reply(body={"id": "r", "deleted": True})
    raw = await responses.with_raw_response.delete("r")
    assert (raw.parse(), raw.json()["deleted"]) == (None, True)
    server.reply(body=STORED)
    assert (await responses.with_raw_response.retrieve("resp_1")).parse().id == "resp_1"
    faces = responses._client.with_raw_response
    assert (await faces.responses.create(input="a b")).parse().output_text == "echo: a b"


KEY = "s3cret-k3y"
REFUSED = {"extra_headers": {"X-Key": KEY, "bad\n": ""}}


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.create(input="a", **REFUSED),
        lambda r: r.create(input="a", stream=True, **REFUSED),
        lambda r: r.parse(input="a", **REFUSED),
        lambda r: r.stream(input="a", **REFUSED).__aenter__(),
        lambda r: r.retrieve("r", include=["x"], extra_query={"k": KEY}),
        lambda r: r.retrieve("r", stream=True, extra_query={"k": KEY}),
        lambda r: r.cancel("r", **REFUSED),
        lambda r: r.delete("r", **REFUSED),
        lambda r: r.input_items.list("r", limit=3, extra_query={"k": KEY}),
    ],
)
async def test_keys_are_hidden_in_what_fails(responses, call):
    with pytest.raises(RawLLMError) as caught:
        await call(responses)
    traceback = caught.value.__traceback__.tb_next
    while traceback is not None:
        frame = traceback.tb_frame
        if "rawllm/" in frame.f_code.co_filename:
            assert KEY not in repr(frame.f_locals)
        traceback = traceback.tb_next
