import asyncio
import json

import pytest

import rawllm
from rawllm import (
    APIError,
    BadRequestError,
    Client,
    ConfigurationError,
    IdleTimeout,
    IncompleteStreamError,
    InternalServerError,
    LimitExceeded,
    Limits,
)
from rawllm.hooks import CallFailed, CallFinished
from rawllm.testing import Raw, Reply

MESSAGES = [{"role": "user", "content": "one two"}]


@pytest.fixture
async def llm(server):
    # One at a time: what is not given back is missed by the next call.
    async with Client(
        server.url, model="m", max_retries=0, timeout=5, limits=Limits(concurrency=1)
    ) as client:
        yield client


CALLS = {
    "chat": (lambda c: c.chat.completions, "create", {"messages": MESSAGES}),
    "parse": (
        lambda c: c.chat.completions,
        "parse",
        {"messages": MESSAGES, "response_format": {"type": "json_object"}},
    ),
    "completions": (lambda c: c.completions, "create", {"prompt": "one two"}),
    "embeddings": (lambda c: c.embeddings, "create", {"input": ["one", "two"]}),
    "list": (lambda c: c.models, "list", {}),
    "retrieve": (lambda c: c.models, "retrieve", {"model": "fake"}),
}
calls = pytest.mark.parametrize(("resource", "method", "params"), CALLS.values(), ids=CALLS)


@calls
async def test_every_method_gives_its_response_and_its_answer(
    server, llm, resource, method, params
):
    plain = await getattr(resource(llm), method)(**params)
    raw = await getattr(resource(llm).with_raw_response, method)(**params)
    assert raw.status_code == 200
    assert raw.headers["Content-Type"].startswith("application/json")
    assert raw.headers["content-type"] == raw.http_response.headers["CONTENT-TYPE"]
    assert raw.url.startswith(server.url)
    assert raw.method == server.requests[-1].method
    assert raw.retries_taken == 0
    assert type(raw.parse()) is type(plain)
    assert raw.parse() is raw.parse()
    assert raw.json() == json.loads(raw.text) == json.loads(raw.content)
    assert raw.json().keys() == plain.raw.keys()


@calls
async def test_every_method_leaves_its_body_to_be_read(server, llm, resource, method, params):
    plain = await getattr(resource(llm), method)(**params)
    asked = getattr(resource(llm).with_streaming_response, method)
    async with asked(**params) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("application/json")
        parsed = await response.parse()
        assert type(parsed) is type(plain)
        assert await response.parse() is parsed
    async with asked(**params) as response:
        assert (await response.json()).keys() == plain.raw.keys()
        assert json.loads(await response.text()).keys() == plain.raw.keys()
        assert response.is_closed
    assert len(server.requests) == 3


async def test_what_comes_from_the_headers_is_there_before_the_body(server, llm):
    server.reply("hi", headers={"x-request-id": "r1", "x-ratelimit-remaining-tokens": "7"})
    raw = await llm.chat.completions.with_raw_response.create(messages=MESSAGES)
    assert raw.request_id == raw.parse()._request_id == "r1"
    assert raw.headers.get("X-RateLimit-Remaining-Tokens") == "7"
    server.reply("hi", headers={"x-request-id": "r2"})
    async with llm.chat.completions.with_streaming_response.create(messages=MESSAGES) as response:
        assert response.request_id == "r2"


async def test_retries_are_made_as_ever_and_counted(server):
    async with Client(server.url, model="m", max_retries=2) as llm:
        server.fail(500, headers={"retry-after-ms": "1"})
        raw = await llm.completions.with_raw_response.create(prompt="a")
        assert raw.retries_taken == 1
        server.fail(500, headers={"retry-after-ms": "1"})
        async with llm.completions.with_streaming_response.create(prompt="a") as response:
            assert response.retries_taken == 1
            assert (await response.parse()).text == "echo: a"


async def test_a_status_is_raised_when_it_comes(server, llm):
    server.fail(400)
    with pytest.raises(BadRequestError):
        await llm.chat.completions.with_raw_response.create(messages=MESSAGES)
    server.fail(500)
    with pytest.raises(InternalServerError):
        async with llm.chat.completions.with_streaming_response.create(messages=MESSAGES):
            raise AssertionError("entered")
    assert (await llm.complete("a")).text == "echo: a"


async def test_a_raw_stream_is_parsed_to_the_stream(llm):
    create = llm.chat.completions.with_raw_response.create
    raw = await create(messages=MESSAGES, stream=True)
    assert raw.headers["content-type"].startswith("text/event-stream")
    with pytest.raises(ConfigurationError, match="with_streaming_response"):
        _ = raw.text
    assert (await raw.parse().result()).text == "echo: one two"
    raw = await llm.completions.with_raw_response.create(prompt="a", stream=True)
    assert "".join([chunk.text async for chunk in raw.parse()]) == "echo: a"


async def test_a_streaming_response_is_parsed_to_the_stream(server, llm):
    create = llm.chat.completions.with_streaming_response.create
    async with create(messages=MESSAGES, stream=True) as response:
        stream = await response.parse()
        assert "".join([chunk.text async for chunk in stream]) == "echo: one two"
    async with create(messages=MESSAGES, stream=True) as response:
        stream = await response.parse()
        server.reply(tokens=["a", "b"], delay=30)
    async with create(messages=MESSAGES, stream=True) as response:
        stream = await response.parse()
        assert not response.is_closed
    assert response.is_closed
    with pytest.raises(IncompleteStreamError):
        await stream.result()
    assert (await llm.complete("a")).text == "echo: a"


async def test_the_lines_of_a_stream_are_those_on_the_wire(llm):
    create = llm.chat.completions.with_streaming_response.create
    async with create(messages=MESSAGES, stream=True) as response:
        lines = [line async for line in response.iter_lines()]
    assert lines[-2:] == ["data: [DONE]", ""]
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in told) == (
        "echo: one two"
    )


BODY = "a\r\nb\rc\n\nd\u2028e — ü".encode()


@pytest.mark.parametrize("size", [1, 2, 3, len(BODY), 1000])
@pytest.mark.parametrize("body", [BODY, BODY + b"\r\n"])
async def test_pieces_text_and_lines_do_not_depend_on_where_the_body_was_cut(
    server, llm, size, body
):
    server.default = Reply(body=body)
    create = llm.completions.with_streaming_response.create
    async with create(prompt="a") as response:
        pieces = [piece async for piece in response.iter_bytes(size)]
    assert b"".join(pieces) == body
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert len(pieces[-1]) <= size
    async with create(prompt="a") as response:
        assert "".join([text async for text in response.iter_text(size)]) == body.decode()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    server.default = Raw([head, *(part for piece in cut for part in (0.0, piece))])
    async with create(prompt="a") as response:
        lines = [line async for line in response.iter_lines()]
    assert lines == ["a", "b", "c", "", "d\u2028e — ü"]


@pytest.mark.parametrize(
    ("body", "lines"),
    [(b"a\xc3", ["a\ufffd"]), (b"a\r", ["a"]), (b"", []), (b"\n", [""]), (b"a\n\r", ["a", ""])],
)
async def test_the_end_of_a_body_may_be_half_a_character_or_line_end(server, llm, body, lines):
    server.default = Reply(body=body)
    async with llm.completions.with_streaming_response.create(prompt="a") as response:
        assert [line async for line in response.iter_lines()] == lines


async def test_a_number_bounds_the_opening_of_a_stream_and_not_all_of_it(llm):
    create = llm.completions.with_streaming_response.create
    async with create(prompt="a", stream=True, timeout=5) as response:
        clock = response._attempt.call.clock
        assert clock.deadline is not None
        await anext(response.iter_bytes())
        assert clock.deadline is None


async def test_a_body_can_be_read_once(llm):
    async with llm.completions.with_streaming_response.create(prompt="a") as response:
        first = await response.read()
        assert await response.read() is first
        for reading in (response.parse(), anext(response.iter_lines())):
            with pytest.raises(ConfigurationError, match="once"):
                await reading
    async with llm.completions.with_streaming_response.create(prompt="a", stream=True) as response:
        await anext(response.iter_bytes(1))
        with pytest.raises(ConfigurationError, match="once"):
            await response.read()
    async with llm.completions.with_streaming_response.create(prompt="a") as response:
        pass
    with pytest.raises(ConfigurationError, match="once"):
        await response.read()
    with pytest.raises(ConfigurationError, match="chunk_size"):
        await anext(response.iter_bytes(0))


async def test_a_body_that_nobody_reads_is_closed_and_gives_its_place_back(server):
    told = []
    async with Client(
        server.url, model="m", limits=Limits(concurrency=1), hooks=told.append, max_retries=0
    ) as llm:
        server.reply(tokens=["a", "b"], delay=30)
        create = llm.chat.completions.with_streaming_response.create
        async with create(messages=MESSAGES, stream=True) as response:
            async for _ in response.iter_lines():
                break
            assert not response.is_closed
        assert response.is_closed
        assert [type(event) for event in told if isinstance(event, (CallFailed, CallFinished))] == [
            CallFailed
        ]
        assert told[-1].error == "StreamClosed"
        await server.wait_for(lambda: server.aborted == 1)
        async with create(messages=MESSAGES) as response:
            await response.read()
        assert type(told[-1]) is CallFinished
        assert (await llm.complete("a")).text == "echo: a"


async def test_an_answer_that_is_none_is_raised_by_parse_and_its_bytes_can_be_had(server, llm):
    server.reply(body=b"<html>")
    async with llm.completions.with_streaming_response.create(prompt="a") as response:
        assert await response.text() == "<html>"
        with pytest.raises(ValueError, match="Expecting value"):
            await response.json()
    server.reply(body=b"<html>")
    async with llm.completions.with_streaming_response.create(prompt="a") as response:
        with pytest.raises(rawllm.APIResponseValidationError):
            await response.parse()
        assert response.is_closed
    server.reply(body={"data": [], "object": "list"})
    async with llm.embeddings.with_streaming_response.create(input=["a", "b"]) as response:
        with pytest.raises(APIError):
            await response.parse()
    assert (await llm.complete("a")).text == "echo: a"


async def test_a_body_larger_than_the_limit_is_refused(server):
    limits = Limits(max_response_bytes=100_000)
    async with Client(server.url, model="m", limits=limits, max_retries=0) as llm:
        server.reply(body=b"x" * 200_000)
        async with llm.completions.with_streaming_response.create(prompt="a") as response:
            with pytest.raises(LimitExceeded, match="100000"):
                await response.read()
            assert response.is_closed


async def test_a_body_that_stops_coming_ends_with_the_idle_clock(server, llm):
    server.reply(tokens=["a", "b"], delay=30)
    asked = llm.chat.completions.with_streaming_response.create(
        messages=MESSAGES, stream=True, timeout=rawllm.Timeout(idle=0.05)
    )
    async with asked as response:
        with pytest.raises(IdleTimeout):
            await response.read()
        assert response.is_closed
    assert (await llm.complete("a")).text == "echo: a"


async def test_who_is_cancelled_while_it_opens_or_parses_leaves_nothing_behind(server, llm):
    async def whole(entered):
        async with llm.completions.with_streaming_response.create(prompt="a") as response:
            entered.set()
            await response.parse()

    for reply in (Reply("a", first_delay=30), Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")):
        server.default = reply
        entered = asyncio.Event()
        task = asyncio.create_task(whole(entered))
        if isinstance(reply, Raw):
            await entered.wait()
        else:
            await server.wait_for(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    server.default = Reply("ok")
    assert (await llm.complete("a")).text == "ok"
    assert not [task for task in asyncio.all_tasks() if "_over" in repr(task.get_coro())]


async def test_looking_the_model_up_is_none_of_the_responses(server):
    async with (
        Client(server.url, max_retries=0) as llm,
        llm.completions.with_streaming_response.create(prompt="a") as response,
    ):
        assert response.method == "POST"
        assert (await response.parse()).text == "echo: a"
    async with Client(server.url, max_retries=0) as llm:
        raw = await llm.completions.with_raw_response.create(prompt="a")
        assert raw.url.endswith("/completions")


async def test_what_is_learned_of_the_server_is_shared_with_the_plain_methods(server, llm):
    server.reply(body={"choices": [{"message": {"content": "no json"}, "finish_reason": "stop"}]})
    server.reply('{"n": 1}')
    parse = llm.chat.completions.with_raw_response.parse
    raw = await parse(messages=MESSAGES, response_format=dict[str, int])
    assert raw.parse().choices[0].message.parsed == {"n": 1}
    assert raw.json()["choices"][0]["message"]["content"] == '{"n": 1}'
    assert llm._endpoint.rung.value > 0


@pytest.mark.parametrize("face", ["with_raw_response", "with_streaming_response"])
def test_other_names_are_no_methods(face):
    completions = Client("http://x", model="m").chat.completions
    for name in ("stream", "_open", "nothing"):
        with pytest.raises(
            AttributeError, match=f"ChatCompletions gives no raw response of .{name}"
        ):
            getattr(getattr(completions, face), name)


async def test_keys_are_hidden_in_what_fails(server, llm):
    with pytest.raises(ConfigurationError) as caught:
        await llm.completions.with_raw_response.create(
            prompt="a", extra_headers={"X-Key": "s3cret-k3y", "bad\n": ""}
        )
    frames = [frame.f_locals for frame, _ in _walk(caught.value.__traceback__)][1:]
    assert "s3cret-k3y" not in repr(frames)


def _walk(traceback):
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next
