"""Streamed responses: `responses.create(stream=True)` and `responses.stream`."""

import json
from pathlib import Path

import msgspec
import pytest

from rawllm import (
    APIError,
    APIResponseValidationError,
    BadRequestError,
    Client,
    ConfigurationError,
    IdleTimeout,
    IncompleteStreamError,
    InternalServerError,
    LengthFinishReasonError,
    Limits,
    RateLimitError,
    Retry,
    StructuredOutputError,
    Timeout,
)
from rawllm.sansio.responses_parsed import ParsedResponse, text_param
from rawllm.sansio.schema import form_of
from rawllm.testing import Reply

SAMPLES = Path(__file__).parents[1] / "samples" / "responses"

TEXT = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    *["response.output_text.delta"] * 2,
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


class City(msgspec.Struct):
    name: str


@pytest.fixture
async def llm(server):
    async with Client(server.url, model="m", max_retries=0, limits=Limits(concurrency=1)) as client:
        yield client


@pytest.fixture
def responses(llm):
    return llm.responses


def sse(kind, **fields):
    data = {"type": kind, **fields}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


CREATED = sse("response.created", response={"id": "r", "status": "in_progress"})
DELTA = sse("response.output_text.delta", item_id="m", delta="Hel")
FAILED = sse(
    "response.failed",
    response={
        "id": "r",
        "status": "failed",
        "error": {"code": "server_error", "message": "boo"},
    },
)
ERROR = sse("error", code="rate_limit_exceeded", message="slow")


async def test_events_come_as_they_were_sent_and_then_the_response_is_whole(server, responses):
    stream = await responses.create(input="one", stream=True, top_k=5)
    events = [event async for event in stream]
    assert [event.type for event in events] == TEXT
    assert [event.sequence_number for event in events] == list(range(len(TEXT)))
    assert stream.completion is events[-1].response
    assert stream.completion.output_text == "echo: one"
    assert stream.completion.timing.attempts == 1
    assert stream.completion._request_id == "req-0"
    assert stream.response.status_code == 200
    assert not stream.done_seen
    assert server.requests[0].json == {"model": "m", "input": "one", "top_k": 5, "stream": True}
    # Read to its end, it gives the connection back.
    await responses.create(input="two")
    assert server.connections == 1


async def test_a_done_after_the_last_word_is_taken_and_one_without_it_is_a_loss(server, responses):
    whole = sse("response.completed", response={"id": "r", "output": []})
    server.stream([CREATED, DELTA, whole, b"data: [DONE]\n\n"])
    stream = await responses.create(input="a", stream=True)
    assert (await stream.result()).output_text == "Hel"
    assert stream.done_seen
    server.stream([CREATED, DELTA, b"data: [DONE]\n\n"])
    stream = await responses.create(input="a", stream=True)
    with pytest.raises(IncompleteStreamError, match=r"neither response\.completed nor") as caught:
        await stream.result()
    assert caught.value.partial.output_text == "Hel"


@pytest.mark.parametrize("end", ["eof", "close", "reset"])
async def test_a_cut_stream_is_an_error_with_what_had_arrived(server, responses, end):
    server.stream(["Hel", "lo", 0.01], end=end)
    stream = await responses.create(input="a", stream=True)
    with pytest.raises(IncompleteStreamError, match=r"neither response\.completed nor") as caught:
        async for _ in stream:
            pass
    assert caught.value.partial.output_text == "Hello"
    assert caught.value.partial.status == "in_progress"


@pytest.mark.parametrize("end", ["close", "reset", "hang"])
async def test_nothing_is_missing_after_the_last_word(server, responses, end, monkeypatch):
    monkeypatch.setattr("rawllm.stream.SILENCE", 0.01)
    whole = sse("response.incomplete", response={"id": "r", "status": "incomplete", "output": []})
    server.stream([CREATED, DELTA, whole, 0.01], end=end)
    stream = await responses.create(input="a", stream=True)
    found = await stream.result()
    assert (found.output_text, found.status) == ("Hel", "incomplete")


async def test_a_failure_after_output_is_handed_out_and_then_raised(server, responses):
    for told, error, partial in (
        (FAILED, InternalServerError, "failed"),
        (ERROR, RateLimitError, "in_progress"),
        (ERROR.replace(b"event: error\n", b""), RateLimitError, "in_progress"),
    ):
        server.stream([CREATED, DELTA, told])
        stream = await responses.create(input="a", stream=True)
        first, second, last = [await anext(stream) for _ in range(3)]
        with pytest.raises(APIError) as caught:
            await anext(stream)
        assert type(caught.value) is error
        assert (first.type, second.delta) == ("response.created", "Hel")
        assert last.type in ("response.failed", "error")
        assert (caught.value.partial.status, caught.value.partial.output_text) == (partial, "Hel")


async def test_an_error_of_another_shape_is_one_too(server, responses):
    for told in (b'event: error\ndata: {"detail": "boo"}\n\n', b'data: {"error": "boo"}\n\n'):
        server.stream([CREATED, DELTA, told])
        stream = await responses.create(input="a", stream=True)
        with pytest.raises(APIError, match="boo"):
            await stream.result()
    server.stream([CREATED, DELTA, b"event: error\ndata: out of memory\n\n"])
    stream = await responses.create(input="a", stream=True)
    with pytest.raises(APIError, match=r"^The server reported an error: out of memory"):
        await stream.result()


async def test_before_any_output_a_failure_is_retried_and_after_it_nothing_is(server):
    retry = Retry(attempts=2, base=0.001)
    async with Client(server.url, model="m", retry=retry) as llm:
        for told in (FAILED, b""):  # said to have failed, or cut
            server.stream([CREATED, told], end="eof")
            stream = await llm.responses.create(input="a", stream=True)
            assert (await stream.result()).output_text == "echo: a"
        assert server.attempts == 4
        server.stream([CREATED, DELTA, FAILED])
        stream = await llm.responses.create(input="a", stream=True)
        with pytest.raises(InternalServerError):
            await stream.result()
        assert server.attempts == 5


async def test_a_body_that_is_no_stream_of_events_is_an_error(server, responses):
    server.reply(body="<html>")
    with pytest.raises(APIResponseValidationError, match="<html>"):
        await responses.create(input="a", stream=True)
    server.stream([b"data: [1]\n\n"])
    with pytest.raises(APIResponseValidationError, match="no event"):
        await responses.create(input="a", stream=True)
    server.fail(400)
    with pytest.raises(BadRequestError):
        await responses.create(input="a", stream=True)


async def test_a_response_that_is_queued_is_handed_out_at_once(server, responses):
    queued = sse("response.queued", response={"id": "r", "status": "queued"})
    server.stream([CREATED, queued], end="hang")
    async with await responses.create(input="a", background=True, stream=True) as stream:
        assert (await anext(stream)).response.id == "r"
        assert (await anext(stream)).type == "response.queued"


async def test_leaving_the_loop_gives_the_slot_back(server, responses):
    server.reply(tokens=["a", "b"], delay=60)
    async for event in await responses.create(input="a", stream=True):
        if event.type == "response.output_text.delta":
            break
    assert (await responses.create(input="a")).output_text == "echo: a"
    await server.wait_for(lambda: server.aborted == 1)


async def test_silence_is_an_idle_timeout_with_what_had_arrived(server, llm):
    quick = llm.with_options(timeout=Timeout(idle=0.05))
    server.stream(["Hel"], end="hang")
    stream = await quick.responses.create(input="a", stream=True)
    with pytest.raises(IdleTimeout) as caught:
        await stream.result()
    assert caught.value.partial.output_text == "Hel"


async def test_what_llama_cpp_sends_is_read_at_any_cut(server, responses):
    body = (SAMPLES / "llamacpp_stream.sse").read_bytes()
    for size in (1, 7, 4096):
        server.stream([body], end="eof", split=size)
        stream = await responses.create(input="a", stream=True)
        assert (await stream.result()).output_text == "Hello there! I'm here"
        assert stream.completion.usage.output_tokens == 6


async def test_a_background_response_is_taken_up_where_it_was_left(server, responses):
    whole = sse("response.completed", response={"id": "r", "output": []}, sequence_number=9)
    server.stream([DELTA, whole])
    stream = await responses.retrieve("r", stream=True, starting_after=7)
    assert [event.type async for event in stream] == [
        "response.output_text.delta",
        "response.completed",
    ]
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/v1/responses/r", b"")
    assert request.query == "stream=true&starting_after=7"


# ── responses.stream ─────────────────────────────────────────────────────────────────────────


async def test_events_with_what_had_come_before_them(server, responses):
    server.reply(tokens=['{"name": ', '"Rome"}'])
    async with responses.stream(input="Which?", text_format=City, top_k=5) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.type for event in events] == TEXT
    assert [e.snapshot for e in events if e.type == "response.output_text.delta"] == [
        '{"name": ',
        '{"name": "Rome"}',
    ]
    assert events[6].parsed == events[-1].response.output_parsed == City("Rome")
    assert type(final) is ParsedResponse
    assert final.output_parsed == City("Rome")
    assert final.timing.attempts == 1
    assert final._request_id == "req-0"
    assert stream.response.status_code == 200
    assert server.requests[0].json == {
        "model": "m",
        "input": "Which?",
        "stream": True,
        "top_k": 5,
        "text": {"format": text_param(form_of(City))},
    }


async def test_the_response_can_be_had_without_looking_at_events(server, responses):
    async with responses.stream(input="a") as stream:
        assert await stream.until_done() is stream
        final = await stream.get_final_response()
    assert (final.output_text, final.output_parsed) == ("echo: a", None)
    assert server.attempts == 1


async def test_calls_have_their_arguments_read(server, responses):
    def look(city: str) -> str:
        return city

    server.reply(tool_calls=[{"name": "look", "arguments": {"city": "Rome"}}])
    async with responses.stream(input="a", tools=[look]) as stream:
        snapshots = [event.snapshot async for event in stream if event.type.endswith("ts.delta")]
        final = await stream.get_final_response()
    assert snapshots == ['{"city"', '{"city":"Rome"}']
    assert final.output[0].parsed_arguments == {"city": "Rome"}


async def test_leaving_the_with_ends_the_stream(server, responses):
    server.reply(tokens=["a", "b"], delay=60)
    async with responses.stream(input="a") as stream:
        await anext(stream)
    with pytest.raises(IncompleteStreamError, match="closed before its end"):
        await stream.until_done()
    await server.wait_for(lambda: server.aborted == 1)


async def test_errors_come_out_of_the_loop(server, responses):
    server.reply('{"name": ', finish_reason="length")
    async with responses.stream(input="a", text_format=City) as stream:
        with pytest.raises(LengthFinishReasonError):
            await stream.until_done()
    server.reply("prose")
    async with responses.stream(input="a", text_format=City) as stream:
        with pytest.raises(StructuredOutputError):
            await stream.until_done()
    server.stream([CREATED, DELTA, FAILED])
    async with responses.stream(input="a") as stream:
        with pytest.raises(InternalServerError):
            await stream.get_final_response()
    server.fail(400)
    with pytest.raises(BadRequestError):
        await responses.stream(input="a").__aenter__()


async def test_an_incomplete_response_without_a_type_is_the_final_one(server, responses):
    server.reply("a b", finish_reason="length")
    async with responses.stream(input="a") as stream:
        final = await stream.get_final_response()
    assert (final.status, final.output_text) == ("incomplete", "a b")


async def test_a_background_response_is_streamed_from_the_number_asked_for(server, responses):
    async with responses.stream(input='{"name": "Rome"}') as stream:
        sent = [event.raw async for event in stream]
    server.stream([sse(event.pop("type"), **event) for event in sent])
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    async with responses.stream(response_id="r", starting_after=4, tools=tools) as stream:
        shown = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.sequence_number for event in shown] == list(range(5, 11))
    assert shown[0].snapshot == 'echo: {"name":'  # what came before was read
    assert final.output_text == 'echo: {"name": "Rome"}'
    assert server.requests[1].query == "stream=true"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"starting_after": 3, "input": "a"}, "response_id=, which is missing"),
        ({"response_id": "r", "input": "a"}, "not both"),
    ],
)
async def test_arguments_that_do_not_go_together_are_refused(server, responses, arguments, says):
    with pytest.raises(ConfigurationError, match=says):
        responses.stream(**arguments)
    assert server.attempts == 0


async def test_a_response_of_the_fake_server_has_all_kinds_of_items(server, responses):
    reply = Reply("a b", reasoning="so so", tool_calls=[{"name": "f", "arguments": {"x": 1}}])
    server.handler = lambda request: reply
    whole = await responses.create(input="a")
    stream = await responses.create(input="a", stream=True)
    streamed = await stream.result()
    for found in (whole, streamed):
        assert [item.type for item in found.output] == ["reasoning", "message", "function_call"]
        assert found.output[0].summary[0].text == "so so"
        assert found.output[2].arguments == '{"x":1}'
        assert found.usage.output_tokens_details.reasoning_tokens == 2
    strip = [dict(item, id="") for item in whole.raw["output"]]
    assert [dict(item, id="") for item in streamed.raw["output"]] == strip
