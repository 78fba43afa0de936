"""Streams through a real uvicorn, and what becomes of upstream when a caller leaves."""

import asyncio
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")

from fastapi import BackgroundTasks, FastAPI, Request
from integrations.serving import Caller, events, serving

from rawllm import Client, Limits
from rawllm.integrations.fastapi import (
    LLM,
    cancel_on_disconnect,
    gateway,
    generate_router,
    install_error_handlers,
    lifespan,
    openai_router,
    relay,
    sse_response,
)
from rawllm.testing import Reply

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi there"}]}
STREAM = {**CHAT, "stream": True}
PATH = "/v1/chat/completions"


async def chat(llm: LLM, request: Request):
    await request.body()
    return await sse_response(request, llm.stream("hi", model="m"))


async def ask(llm: LLM, request: Request):
    await request.body()
    return (await cancel_on_disconnect(request, llm.complete("hi", model="m"))).text


def application(client):
    app = FastAPI(lifespan=lifespan(client))
    app.include_router(openai_router())
    app.include_router(generate_router())
    app.add_api_route("/own/stream", chat, methods=["POST"], response_model=None)
    app.add_api_route("/own/whole", ask, methods=["POST"], response_model=None)
    install_error_handlers(app)
    return app


@pytest.fixture
def client(server):
    return Client(server.url, max_retries=0)


@pytest.fixture
def one_at_once(server):
    return Client(server.url, max_retries=0, limits=Limits(concurrency=1))


@pytest.fixture
async def url(client):
    async with serving(application(client)) as address:
        yield address


async def streamed(url, body=STREAM):
    status, headers, wire = await (await Caller.post(url, PATH, body)).answer()
    return status, headers, events(wire)


def text(told):
    return "".join(
        choice["delta"].get("content") or ""
        for event in told
        if isinstance(event, dict)
        for choice in event.get("choices", ())
    )


async def test_a_stream_passes_through(server, url):
    server.reply("one two three")
    status, headers, told = await streamed(url)
    assert (status, text(told), told[-1]) == (200, "one two three", "[DONE]")
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"


async def test_a_chunks_json_comes_byte_for_byte(server, url):
    chunk = b'{"choices" : [{"index":0,"delta":{"content":"\\u00e9"},"z":1e2}], "mine":{"a":1}}'
    end = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    server.stream([b"data:" + chunk + b"\r\n\r\n: ping\r\n\r\ndata: " + end + b"\r\n\r\n"])
    caller = await Caller.post(url, PATH, STREAM)
    _, _, wire = await caller.answer()
    assert wire == b"data: %b\n\ndata: %b\n\ndata: [DONE]\n\n" % (chunk, end)


async def test_json_over_several_lines_stays_one_event(server, url):
    server.stream([b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"x"}}]}\n\n'])
    caller = await Caller.post(url, PATH, STREAM)
    _, _, wire = await caller.answer()
    assert wire.startswith(b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"x"}}]}\n\n')


async def test_tokens_go_out_as_they_come(server, url):
    server.stream(["first", 0.01, "second"], end="hang")
    caller = await Caller.post(url, PATH, STREAM)
    await caller.reader.readuntil(b"first")
    await caller.reader.readuntil(b"second")  # and the rest is not there yet
    caller.leave()
    await server.wait_for(lambda: server.aborted == 1)


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["eof", "close", "reset"])
async def test_a_stream_that_is_cut_ends_with_an_error_and_without_done(server, url, end):
    server.stream(["one", 0.01], end=end)
    status, _, told = await streamed(url)
    assert (status, text(told)) == (200, "one")
    assert told[-1]["error"]["message"] == "the upstream server's answer broke off"
    assert "[DONE]" not in told


@pytest.mark.parametrize("together", [True, False])
async def test_an_error_event_from_upstream_keeps_what_came_before_and_hides_the_key(
    server, together
):
    parts = [
        b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n',
        b'data: {"error":{"message":"bad key sk-secret-1","code":500}}\n\ndata: [DONE]\n\n',
    ]
    server.stream([b"".join(parts)] if together else [parts[0], 0.01, parts[1]])
    async with serving(gateway(Client(server.url, api_key="sk-secret-1", max_retries=0))) as url:
        status, _, told = await streamed(url)
    assert status == 200
    assert text(told) == "one"
    assert told[-1]["error"]["message"] == "the upstream server failed"
    assert "sk-secret" not in str(told)
    assert "[DONE]" not in told


async def test_half_an_event_is_never_passed_on(server, url):
    server.stream(["one", b'data: {"choices":[{"ind', 0.01], end="close")
    _, _, told = await streamed(url)
    assert text(told) == "one"
    assert "error" in told[-1]


async def test_a_stream_without_done_whose_choices_have_finished_is_whole(server, url):
    server.reply("one", done=False)
    _, _, told = await streamed(url)
    assert (text(told), told[-1]) == ("one", "[DONE]")


@pytest.mark.parametrize("path", [PATH, "/own/stream"])
async def test_an_error_before_the_first_output_has_a_status_of_its_own(server, url, path):
    server.fail(429, headers={"retry-after": "7"})
    status, headers, _ = await (await Caller.post(url, path, STREAM)).answer()
    assert (status, headers["retry-after"]) == (429, "7")


async def test_an_error_in_the_stream_before_the_first_output_has_one_too(server, url):
    server.stream([{"error": {"message": "x", "code": 400}}])
    status, _, body = await (await Caller.post(url, PATH, STREAM)).answer()
    assert (status, b'"message":"x"' in body) == (400, True)


# ── who leaves ────────────────────────────────────────────────────────────────────────────────

MID_STREAM = Reply("one two", delay=3600.0)
SILENT = Reply("one", first_delay=3600.0)


def leaving(path, body, reply, name):
    return pytest.param(path, body, reply, id=name)


MATRIX = [
    leaving(PATH, STREAM, MID_STREAM, "mid-stream"),
    leaving(PATH, STREAM, SILENT, "before the first byte"),
    leaving(PATH, CHAT, SILENT, "whole answer"),
    leaving("/generate", {"prompt": "hi", "model": "m"}, SILENT, "generate"),
    leaving("/own/stream", {}, MID_STREAM, "mid-stream of an own endpoint"),
    leaving("/own/stream", {}, SILENT, "before the first byte of an own endpoint"),
    leaving("/own/whole", {}, SILENT, "whole answer of an own endpoint"),
]


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(("path", "body", "reply"), MATRIX)
async def test_a_caller_who_leaves_ends_the_work_upstream(server, client, http, path, body, reply):
    pytest.importorskip(http)
    server.default = reply
    async with serving(application(client), http) as url:
        caller = await Caller.post(url, path, body)
        if reply is MID_STREAM:
            await caller.reader.readuntil(b'"one"')
        else:
            await server.wait_for(lambda: server.in_flight == 1)
        assert server.aborted == 0
        caller.leave()
        await server.wait_for(lambda: server.aborted == 1 and server.in_flight == 0)


@asynccontextmanager
async def _announcing_asgi_24(app):
    """Servers that announce it raise in `send` when the caller has gone, and Starlette looks at
    nothing else: a silent upstream would never be noticed."""

    async def wrapped(scope, receive, send):
        if scope["type"] == "http":
            scope = {**scope, "asgi": {**scope["asgi"], "spec_version": "2.4"}}
        await app(scope, receive, send)

    async with serving(wrapped) as url:
        yield url


async def test_it_does_so_under_servers_of_asgi_24(server, client):
    server.default = MID_STREAM
    async with _announcing_asgi_24(application(client)) as url:
        caller = await Caller.post(url, PATH, STREAM)
        await caller.reader.readuntil(b'"one"')
        caller.leave()
        await server.wait_for(lambda: server.aborted == 1)


@pytest.mark.parametrize("body", [STREAM, CHAT])
async def test_a_caller_who_leaves_the_queue_is_never_sent_for(server, one_at_once, body):
    server.default = SILENT
    async with serving(application(one_at_once)) as url:
        limiter = one_at_once._endpoint.limiter()
        first = await Caller.post(url, PATH, CHAT)
        await server.wait_for(lambda: server.in_flight == 1)
        second = await Caller.post(url, PATH, body)
        await server.wait_for(lambda: limiter.waiting == 1)
        second.leave()
        await server.wait_for(lambda: limiter.waiting == 0)
        first.leave()
        server.default = Reply("ok")
        third = await Caller.post(url, PATH, CHAT)
        assert (await third.answer())[0] == 200
    assert server.attempts == 2


async def test_the_clients_slot_is_free_after_each_of_them(server, one_at_once):
    async with serving(application(one_at_once)) as url:
        for path, body, reply in (param.values for param in MATRIX):
            server.default = reply
            caller = await Caller.post(url, path, body)
            await server.wait_for(lambda: server.in_flight == 1)
            caller.leave()
            await server.wait_for(lambda: server.in_flight == 0)
        server.default = Reply("ok")
        assert (await (await Caller.post(url, PATH, CHAT)).answer())[0] == 200


async def test_a_caller_who_reads_nothing_and_leaves_ends_the_stream(server, url):
    server.stream(["x" * 100_000] * 300, end="hang")
    caller = await Caller.post(url, PATH, STREAM)
    await caller.reader.readuntil(b"\r\n\r\n")
    caller.leave()
    await server.wait_for(lambda: server.aborted == 1)


@pytest.mark.parametrize("patience", [0.01, 3600.0])
async def test_a_caller_who_takes_nothing_any_more_is_left_after_a_while(
    server, client, monkeypatch, patience
):
    monkeypatch.setattr(relay, "PATIENCE", patience)
    server.stream(["one", 0.05, "two"])
    sent = []

    async def send(message):
        sent.append(message)
        if message.get("more_body"):
            await asyncio.Event().wait()

    response = relay._Relay(await client.stream("hi", model="m"))
    sending = asyncio.create_task(response({}, asyncio.Event().wait, send))
    if patience == 0.01:
        await sending
        assert len(sent) == 2  # no end: the server sees that the response is not whole
    else:
        await server.wait_for(lambda: len(sent) == 2)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert response._stream._attempt.ended
    await client.close()


async def test_a_slow_upstream_is_no_slow_caller(server, client, monkeypatch):
    monkeypatch.setattr(relay, "PATIENCE", 0.01)
    server.stream(["one", 0.05, "two"])
    async with serving(application(client)) as url:
        _, _, told = await streamed(url)
    assert text(told) == "onetwo"


async def test_background_tasks_run_after_a_stream(client):
    ran = []

    async def chat(llm: LLM, request: Request, background: BackgroundTasks):
        background.add_task(ran.append, "it did")
        return await sse_response(request, llm.stream("hi", model="m"))

    app = application(client)
    app.add_api_route("/background", chat, methods=["POST"], response_model=None)
    async with serving(app) as url:
        await (await Caller.post(url, "/background", {})).answer()
    assert ran == ["it did"]


async def test_what_the_work_raises_comes_out_and_nothing_is_left_running(client):
    async def fails():
        raise LookupError("x")

    async def receive():
        await asyncio.Event().wait()

    request = Request({"type": "http"}, receive)
    with pytest.raises(LookupError):
        await cancel_on_disconnect(request, fails())
    assert len(asyncio.all_tasks()) == 1


async def test_who_is_cancelled_takes_the_work_along():
    stopped = asyncio.Event()

    async def works():
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def receive():
        await asyncio.Event().wait()

    task = asyncio.create_task(cancel_on_disconnect(Request({"type": "http"}, receive), works()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
