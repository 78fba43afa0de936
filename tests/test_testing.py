"""The fake server itself, met with raw sockets, http.client, asyncio streams and aiohttp."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
from importlib.metadata import entry_points

import aiohttp
import pytest

from rawllm.testing import FakeServer, Raw, Reply, Stream

CHAT = "/chat/completions"
HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


def chat(content="Hi there", **more):
    return {"model": "m", "messages": [{"role": "user", "content": content}], **more}


def request_bytes(path="/v1/chat/completions", body=None, *, method="POST", headers=""):
    body = json.dumps(chat() if body is None else body).encode()
    start = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return start.encode() + body


def events_of(text):
    """The payloads of an SSE body, `[DONE]` as the string it is."""
    blocks = [block for block in text.split("\n\n") if block]
    assert all(block.startswith("data: ") for block in blocks)
    return [block[6:] if block == "data: [DONE]" else json.loads(block[6:]) for block in blocks]


async def call(session, server, body, path=CHAT, **options):
    async with session.post(server.url + path, json=body, **options) as response:
        return await response.json()


async def stream(session, server, body, path=CHAT):
    async with session.post(server.url + path, json={**body, "stream": True}) as response:
        assert response.content_type == "text/event-stream"
        return events_of(await response.text())


async def exchange(server, data=None):
    """Sends raw bytes, reads until the server ends the connection: (bytes, the error or None)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes() if data is None else data)
    got = b""
    error = None
    try:
        while piece := await reader.read(65536):
            got += piece
    except ConnectionError as problem:
        error = problem
    writer.close()
    return got, error


@pytest.fixture
async def server():
    async with FakeServer() as server:
        yield server


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


# Good answers


async def test_a_reply_looks_like_a_chat_completion(server, session):
    server.reply("Hello there")
    assert await call(session, server, chat()) == {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m",
        "system_fingerprint": "fp_fake",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
    }


async def test_a_streamed_reply_has_role_content_finish_usage_and_done(server, session):
    server.reply("Hello there")
    body = chat(stream_options={"include_usage": True})
    *chunks, done = await stream(session, server, body)
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {("chatcmpl-0", "m")}
    usage = chunks.pop()
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": ""},
        {"content": "Hello"},
        {"content": " there"},
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, "stop"]


async def test_a_stream_has_no_usage_chunk_unless_asked_for(server, session):
    chunks = await stream(session, server, chat())
    assert all(chunk["choices"] for chunk in chunks[:-1])


async def test_an_unscripted_server_echoes_so_that_each_answer_is_in_its_place(server, session):
    answers = await asyncio.gather(*(call(session, server, chat(f"p{i}")) for i in range(50)))
    texts = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert texts == [f"echo: p{i}" for i in range(50)]


async def test_an_echo_takes_the_text_of_the_last_user_message(server, session):
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    messages = [{"role": "user", "content": "no"}, {"role": "user", "content": parts}]
    messages.append({"role": "assistant", "content": "x"})
    answer = await call(session, server, {"messages": messages})
    assert answer["choices"][0]["message"]["content"] == "echo: ab"
    assert answer["model"] == "fake"


async def test_n_is_honoured_whole_and_streamed(server, session):
    server.reply("a b", times=2)
    whole = await call(session, server, chat(n=2))
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    chunks = (await stream(session, server, chat(n=2)))[:-1]
    texts = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == {0: "a b", 1: "a b"}


@pytest.mark.parametrize("text", ["", " ", "a", " lead", "trail \n", "é ü 漢字 🎉", "\ud83d"])
async def test_the_pieces_of_a_stream_are_the_text(server, session, text):
    server.reply(text, times=2)
    whole = await call(session, server, chat())
    assert whole["choices"][0]["message"]["content"] == text
    chunks = (await stream(session, server, chat()))[:-1]
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(pieces) == text


async def test_tokens_usage_finish_reason_headers_and_status_are_as_scripted(server, session):
    server.reply(
        tokens=["H", "i"],
        usage={"prompt_tokens": 7},
        finish_reason=None,
        headers={"X-RateLimit-Remaining-Requests": "5", "x-request-id": "mine"},
        status=201,
    )
    async with session.post(server.url + CHAT, json=chat()) as response:
        answer = await response.json()
    assert response.status == 201
    assert response.headers["x-ratelimit-remaining-requests"] == "5"
    assert response.headers.getall("x-request-id") == ["mine"]
    assert answer["choices"][0]["message"]["content"] == "Hi"
    assert answer["choices"][0]["finish_reason"] is None
    assert answer["usage"] == {"prompt_tokens": 7}


async def test_usage_and_done_can_be_left_out(server, session):
    server.reply("x", usage=False, done=False, times=2)
    assert "usage" not in await call(session, server, chat())
    chunks = await stream(session, server, chat(stream_options={"include_usage": True}))
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_tool_calls_come_whole_and_in_fragments(server, session):
    calls = [
        {"name": "f", "arguments": {"city": "Köln"}},
        {"name": "g", "arguments": "{", "id": "x"},
    ]
    server.reply(tool_calls=calls, times=2)
    choice = (await call(session, server, chat()))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {
            "id": "call_0",
            "type": "function",
            "function": {"name": "f", "arguments": '{"city":"Köln"}'},
        },
        {"id": "x", "type": "function", "function": {"name": "g", "arguments": "{"}},
    ]
    arguments = {0: "", 1: ""}
    chunks = (await stream(session, server, chat()))[:-1]
    for chunk in chunks:
        for fragment in chunk["choices"][0]["delta"].get("tool_calls", ()):
            arguments[fragment["index"]] += fragment["function"]["arguments"]
    assert arguments == {0: '{"city":"Köln"}', 1: "{"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_reasoning_comes_before_the_text(server, session):
    server.reply("42", reasoning="let me see", times=2)
    message = (await call(session, server, chat()))["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("let me see", "42")
    chunks = (await stream(session, server, chat()))[1:-2]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [{"reasoning_content": t} for t in ("let", " me", " see")] + [
        {"content": "42"}
    ]


async def test_delays_part_the_tokens(server, session):
    server.reply(tokens=["a", "b", "c"], first_delay=0.001, delay=0.001)
    chunks = (await stream(session, server, chat()))[:-1]
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == [
        "", "a", "b", "c", None,
    ]  # fmt: skip


async def test_the_role_chunk_comes_before_the_first_delay(server):
    server.reply("late", first_delay=3600)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes(body=chat(stream=True)))
    assert b'"role":"assistant"' in await reader.readuntil(b"\n\n")
    assert server.in_flight == 1
    writer.close()


async def test_completions_answer_every_prompt_n_times(server, session):
    body = {"model": "m", "prompt": ["a", "b"], "n": 2}
    answer = await call(session, server, body, "/completions")
    assert answer["object"] == "text_completion"
    assert [(one["index"], one["text"]) for one in answer["choices"]] == [
        (0, "echo: a"), (1, "echo: a"), (2, "echo: b"), (3, "echo: b"),
    ]  # fmt: skip
    chunks = (await stream(session, server, body, "/completions"))[:-1]
    texts = dict.fromkeys(range(4), "")
    for chunk in chunks:
        assert chunk["object"] == "text_completion"
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert list(texts.values()) == ["echo: a", "echo: a", "echo: b", "echo: b"]


async def test_embeddings_are_deterministic_and_the_same_in_base64(server, session):
    body = {"model": "m", "input": ["a", "b", "a"], "dimensions": 4}
    answer = await call(session, server, body, "/embeddings")
    a, b, again = (one["embedding"] for one in answer["data"])
    assert len(a) == 4
    assert a == again != b
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    packed = await call(session, server, {**body, "encoding_format": "base64"}, "/embeddings")
    raw = base64.b64decode(packed["data"][1]["embedding"])
    assert list(struct.unpack("<4f", raw)) == b


@pytest.mark.parametrize("given", ["text", [1, 2, 3]])
async def test_one_input_gives_one_embedding_of_eight_numbers(server, session, given):
    answer = await call(session, server, {"input": given}, "/embeddings")
    assert [len(one["embedding"]) for one in answer["data"]] == [8]


async def test_models_are_listed_and_found(server, session):
    server.models = ["one", "org/two"]
    async with session.get(server.url + "/models") as response:
        listed = await response.json()
    assert [model["id"] for model in listed["data"]] == ["one", "org/two"]
    async with session.get(server.url + "/models/org/two") as response:
        assert (await response.json())["id"] == "org/two"
    async with session.get(server.url + "/models/three") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("POST", "/v1/nothing", b"{}", 404),
        ("GET", "/v1/chat/completions", b"", 404),
        ("POST", "/chat/completions", b"{}", 404),
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", b"[]", 400),
    ],
)
async def test_what_the_server_cannot_do_is_an_openai_error(
    server, session, method, path, data, status
):
    url = server.url.removesuffix("/v1") + path
    async with session.request(method, url, data=data) as response:
        error = (await response.json())["error"]
    assert response.status == status
    assert set(error) == {"message", "type", "param", "code"}


async def test_a_missing_or_wrong_key_is_401(session):
    async with FakeServer(api_key="sk-right") as server:
        for key, status in (("sk-wrong", 401), ("sk-right", 200)):
            headers = {"Authorization": f"Bearer {key}"}
            async with session.get(server.url + "/models", headers=headers) as response:
                assert response.status == status
        async with session.get(server.url + "/models") as response:
            assert response.status == 401
            assert (await response.json())["error"]["type"] == "authentication_error"


# The script


async def test_answers_are_given_in_the_order_they_were_queued(server, session):
    server.fail(503, times=2)
    server.reply("one")
    seen = []
    for _ in range(4):
        async with session.post(server.url + CHAT, json=chat("x")) as response:
            body = await response.json()
            seen.append(
                body["choices"][0]["message"]["content"] if response.ok else response.status
            )
    assert seen == [503, 503, "one", "echo: x"]


@pytest.mark.parametrize(
    ("body", "sent"),
    [({"error": "x"}, b'{"error":"x"}'), ("<html>", b"<html>"), (b"\xff", b"\xff"), (b"", b"")],
)
async def test_a_failure_has_the_headers_and_body_it_was_given(server, session, body, sent):
    server.fail(429, headers={"Retry-After": "1"}, body=body)
    async with session.post(server.url + CHAT, json=chat()) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "1"
        assert await response.read() == sent


async def test_a_failure_without_a_body_is_an_openai_error_whatever_its_status(server, session):
    for status, kind in ((400, "invalid_request_error"), (529, "server_error")):
        server.fail(status)
        async with session.post(server.url + CHAT, json=chat(stream=True)) as response:
            assert response.status == status
            assert (await response.json())["error"]["type"] == kind


async def test_a_queued_reply_waits_for_a_request_it_can_answer(server, session):
    server.reply("for the chat")
    async with session.get(server.url + "/models") as response:
        assert (await response.json())["object"] == "list"
    answer = await call(session, server, chat())
    assert answer["choices"][0]["message"]["content"] == "for the chat"


async def test_a_reply_with_a_body_answers_any_endpoint(server, session):
    server.reply(body={"object": "response"})
    assert await call(session, server, {}, "/responses") == {"object": "response"}


async def test_a_failure_meets_the_next_request_of_any_kind(server, session):
    server.fail(500)
    async with session.get(server.url + "/models") as response:
        assert response.status == 500


async def test_the_default_can_be_changed(server, session):
    server.default = "always"
    assert (await call(session, server, chat()))["choices"][0]["message"]["content"] == "always"
    server.default = Reply(status=503)
    async with session.post(server.url + CHAT, json=chat()) as response:
        assert response.status == 503


async def test_a_handler_decides_by_request(server, session):
    answers = {"reply": Reply("r"), "text": "t", "stream": Stream(["s"]), "none": None}
    server.handler = lambda request: answers[request.json["messages"][0]["content"]]
    texts = [
        (await call(session, server, chat(name)))["choices"][0]["message"]["content"]
        for name in ("reply", "text", "none")
    ]
    assert texts == ["r", "t", "echo: none"]
    assert (await stream(session, server, chat("stream")))[-1] == "[DONE]"


async def test_an_async_handler_can_hold_answers_back(server, session):
    gate = asyncio.Event()

    async def handler(request):
        await gate.wait()

    server.handler = handler
    calls = [asyncio.create_task(call(session, server, chat(str(i)))) for i in range(5)]
    await server.wait_for(lambda: server.in_flight == 5)
    gate.set()
    await asyncio.gather(*calls)
    assert (server.in_flight, server.max_in_flight, server.aborted) == (0, 5, 0)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_a_handler_raises_is_a_500_that_says_so(server, session, caplog, asynchronous):
    def fails(request):
        raise KeyError("oops")

    async def fails_later(request):
        raise KeyError("oops")

    server.handler = fails_later if asynchronous else fails
    async with session.post(server.url + CHAT, json=chat()) as response:
        assert response.status == 500
        assert "KeyError('oops')" in (await response.json())["error"]["message"]
    assert "could not answer" in caplog.text


async def test_a_stream_takes_bytes_texts_objects_and_waits(server, session):
    server.stream([b'data: {"a":1}\n\n', "tok", 0.0, {"b": 2}, b""], headers={"x-a": "b"})
    async with session.post(server.url + CHAT, json=chat()) as response:
        assert response.headers["x-a"] == "b"
        first, chunk, last, done = events_of(await response.text())
    assert (first, last, done) == ({"a": 1}, {"b": 2}, "[DONE]")
    assert chunk["choices"][0]["delta"] == {"content": "tok"}


async def test_a_scripted_done_is_not_doubled_and_eof_sends_none(server, session):
    server.stream(["x", b"data: [DONE]\n\n"])
    assert (await stream(session, server, chat())).count("[DONE]") == 1
    server.stream(["x"], end="eof")
    assert len(await stream(session, server, chat())) == 1
    assert server.connections == 1


# Broken HTTP


@pytest.mark.parametrize(
    ("script", "sent", "reset"),
    [
        (Raw(b"garbage"), b"garbage", False),
        (Raw(), b"", False),
        (Raw(end="reset"), b"", True),
        (Raw([b"HTTP/1.1 200 OK\r\n", 0.01], end="reset"), b"HTTP/1.1 200 OK\r\n", True),
        (Raw([HINTS, 0.01, OK]), HINTS + OK, False),
        (Raw(OK, split=1), OK, False),
        (Raw(part for part in (b"a", 0, b"b")), b"ab", False),
    ],
)  # fmt: skip
async def test_raw_sends_these_bytes_and_ends_so(server, script, sent, reset):
    server.handler = lambda request: script
    got, error = await exchange(server)
    assert got == sent
    assert isinstance(error, ConnectionResetError) == reset
    await server.wait_for(lambda: not server.open_connections)
    assert (server.in_flight, server.aborted) == (0, 0)


def responded(text):
    """The events of a streamed response: (type, data)."""
    found = []
    for block in text.split("\n\n"):
        if block:
            name, data = block.split("\n", 1)
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def respond(session, server, **body):
    async with session.post(f"{server.url}/responses", json=body) as response:
        text = await response.text()
    if not body.get("stream"):
        return json.loads(text)
    events = responded(text)
    assert all(name == data["type"] for name, data in events)
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    return events


@pytest.mark.parametrize(
    "given",
    [
        "Hi there",
        [{"role": "developer", "content": "x"}, {"role": "user", "content": "Hi there"}],
        [{"role": "user", "content": [{"type": "input_text", "text": "Hi there"}]}],
    ],
)
async def test_a_response_echoes_the_last_user_message(server, session, given):
    whole = await respond(session, server, input=given)
    assert whole["output"][0]["content"][0]["text"] == "echo: Hi there"
    assert whole["status"] == "completed"
    events = await respond(session, server, input=given, stream=True)
    deltas = [data["delta"] for name, data in events if name == "response.output_text.delta"]
    assert deltas == ["echo:", " Hi", " there"]
    name, last = events[-1]
    assert name == "response.completed"
    assert last["response"] == {**whole, "id": "resp-1", "output": last["response"]["output"]}


async def test_a_response_counts_words_and_says_why_it_was_cut(server, session):
    server.reply("a b", reasoning="c", finish_reason="length")
    found = await respond(session, server, input="one two", instructions="be brief")
    assert found["usage"] == {
        "input_tokens": 4,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 7,
    }
    assert found["status"] == "incomplete"
    assert found["incomplete_details"] == {"reason": "max_output_tokens"}
    server.reply("a", usage={"x": 1}, finish_reason="content_filter")
    events = await respond(session, server, input="a", stream=True)
    assert events[-1][0] == "response.incomplete"
    assert events[-1][1]["response"]["usage"] == {"x": 1}
    server.reply("a", usage=False)
    assert (await respond(session, server, input="a"))["usage"] is None


async def test_a_scripted_text_is_a_response_with_its_beginning_and_end(server, session):
    server.stream(["Hel", "lo"])
    events = await respond(session, server, input="a", stream=True)
    assert [name for name, _ in events][-5:] == [
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert events[-1][1]["response"]["output"][0]["content"][0]["text"] == "Hello"
    server.stream(["Hel"], end="eof")
    cut = await respond(session, server, input="a", stream=True)
    assert cut[-1][0] == "response.output_text.delta"
    server.stream([{"type": "x"}])
    async with session.post(f"{server.url}/responses", json={"input": "a"}) as response:
        assert await response.text() == 'data: {"type":"x"}\n\n'


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_stream_can_be_cut(server, session, end):
    server.stream(["Hel", 0.01, "lo", 0.01], end=end)
    got, error = await exchange(server)
    assert got.count(b"data: ") == 2
    assert b"DONE" not in got
    assert not got.endswith(b"0\r\n\r\n")
    assert (error is not None) == (end == "reset")


@pytest.mark.parametrize("method", ["raw", "stream"])
async def test_a_hang_lasts_until_the_client_leaves_and_is_counted_as_aborted(server, method):
    getattr(server, method)([b"data: x\n\n"], end="hang")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes())
    await reader.readuntil(b"data: x")
    assert server.in_flight == 1
    writer.close()
    await server.wait_for(lambda: server.aborted == 1)
    assert (server.in_flight, server.open_connections) == (0, 0)


async def test_raw_can_keep_the_connection(server):
    server.raw(OK, end="keep", times=2)
    server.raw(OK)
    got, _ = await exchange(server, request_bytes() * 3)
    assert got == OK * 3
    assert (server.connections, server.attempts) == (1, 3)


async def test_a_scripted_header_may_lie(server):
    server.reply(body="short", headers={"Content-Length": "999"})
    server.raw()
    got, _ = await exchange(server, request_bytes() * 2)
    assert b"content-length: 999\r\n" in got
    assert got.endswith(b"\r\n\r\nshort")


@pytest.mark.parametrize("headers", [{"x-big": "x" * 20_000}, {f"x-{i}": "1" for i in range(1000)}])
async def test_headers_may_be_huge_or_many(server, headers):
    server.reply("x", headers=headers)
    got, _ = await exchange(server, request_bytes(headers="Connection: close\r\n"))
    assert all(f"\r\n{name}: {value}\r\n".encode() in got for name, value in headers.items())


async def test_an_early_answer_comes_before_the_body_and_leaves_it_unread(server):
    server.fail(429, early=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n{")
    assert (await reader.readline()) == b"HTTP/1.1 429 Too Many Requests\r\n"
    assert b"connection: close\r\n" in await reader.read()
    writer.close()
    assert server.attempts == 1


async def test_a_large_answer_is_sent_as_fast_as_the_client_reads(server):
    sent = 0

    def parts():
        nonlocal sent
        for _ in range(1000):
            sent += 65536
            yield b"x" * 65536

    server.raw(parts())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes())
    await reader.read(1)
    before = sent
    assert before < 1000 * 65536
    while await reader.read(1 << 20):
        pass
    assert sent == 1000 * 65536
    writer.close()


async def test_an_answer_whose_parts_raise_ends_the_connection(server, caplog):
    server.raw([b"ab", object()])
    got, _ = await exchange(server)
    assert got in (b"", b"ab")
    assert "parts of an answer raised" in caplog.text


# Connections


async def test_connections_are_kept_and_reused(server, session):
    for i in range(3):
        await call(session, server, chat())
        await stream(session, server, chat(str(i)))
    assert (server.connections, server.open_connections, server.attempts) == (1, 1, 6)
    assert {request.connection for request in server.requests} == {0}


async def test_without_keep_alive_each_answer_announces_its_close(session):
    async with FakeServer(keep_alive=False) as server:
        for _ in range(2):
            async with session.post(server.url + CHAT, json=chat()) as response:
                assert response.headers["Connection"] == "close"
                await response.read()
        assert server.connections == 2


@pytest.mark.parametrize(
    ("body", "status", "closed"),
    [(chat(stream=True), 200, True), (chat(), 500, True), (chat(), 200, False)],
)
async def test_streams_and_errors_can_close_without_a_word(body, status, closed):
    async with FakeServer(close_after_stream=True) as server:
        server.reply("x", status=status)
        server.raw()  # ends the connection where the first answer did not
        got, _ = await exchange(server, request_bytes(body=body) * 2)
        assert b"connection: close" not in got.lower()
        assert server.attempts == (1 if closed else 2)


async def test_an_idle_connection_is_closed_after_the_keep_alive_timeout():
    async with FakeServer(keep_alive_timeout=0.01) as server:
        got, error = await exchange(server)
        assert got.startswith(b"HTTP/1.1 200")
        assert error is None


async def test_idle_connections_can_be_closed_at_will(server):
    server.reply("x")
    server.raw(b"busy", end="hang")
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", server.port)
    idle_writer.write(request_bytes())
    await idle.readuntil(b"\r\n\r\n")
    busy, busy_writer = await asyncio.open_connection("127.0.0.1", server.port)
    busy_writer.write(request_bytes())
    await busy.readexactly(4)
    server.close_idle()
    await idle.read()
    await server.wait_for(lambda: server.open_connections == 1)
    assert server.in_flight == 1
    idle_writer.close()
    busy_writer.close()


async def test_a_refusing_server_refuses_and_listens_again_on_the_same_port(server, session):
    await call(session, server, chat())
    url = server.url
    server.refuse()
    server.refuse()
    with pytest.raises(aiohttp.ClientConnectionError):
        await call(session, server, chat())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    assert server.open_connections == 0
    server.accept()
    server.accept()
    assert server.url == url
    await call(session, server, chat("back"))
    assert server.aborted == 0


async def test_refusing_and_accepting_need_no_turn_of_the_loop_between(server, session):
    for _ in range(3):
        server.refuse()
        server.accept()
    server.refuse()
    server.accept()
    assert (await call(session, server, chat()))["model"] == "m"


async def test_pipelined_requests_are_answered_in_order(server):
    server.reply("slow", first_delay=0.01)
    server.reply("fast")
    server.raw()
    got, _ = await exchange(server, request_bytes() * 3)
    assert got.index(b"slow") < got.index(b"fast")


def chunked_request_bytes():
    body = json.dumps(chat()).encode()
    pieces = [body[start : start + 5] for start in range(0, len(body), 5)] + [b""]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks


@pytest.mark.parametrize("data", [request_bytes(), chunked_request_bytes()])
@pytest.mark.parametrize("step", [1, 10_000])
async def test_a_request_may_come_in_any_pieces(server, data, step):
    server.raw(OK)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await asyncio.sleep(0)
    assert await reader.read() == OK
    writer.close()
    assert server.requests[0].json == chat()


async def test_a_client_that_expects_100_is_told_to_continue(server, session):
    answer = await call(session, server, chat("x" * 100_000), expect100=True)
    assert len(answer["choices"][0]["message"]["content"]) == 100_006


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
async def test_what_is_no_request_gets_400_and_is_not_recorded(server, sent):
    got, _ = await exchange(server, sent)
    assert got.startswith(b"HTTP/1.1 400")
    assert server.attempts == 0


# What is recorded


async def test_a_request_is_recorded_as_it_arrived():
    moments = iter([10.0, 10.5])
    async with FakeServer(clock=lambda: next(moments)) as server:
        server.reply("x", headers={"Connection": "keep-alive"})
        server.raw()
        data = request_bytes("/v1/chat/completions?a=b", headers="X-Two: 1\r\nx-two: 2\r\n")
        await exchange(server, data + request_bytes())
        first, second = server.requests
    assert (first.method, first.path, first.query) == ("POST", "/v1/chat/completions", "a=b")
    assert first.headers["x-two"] == "1, 2"
    assert first.json == chat()
    assert json.loads(first.body) == chat()
    assert [(one.index, one.connection, one.arrived) for one in (first, second)] == [
        (0, 0, 10.0),
        (1, 0, 10.5),
    ]


async def test_no_repr_shows_a_key(server, session):
    names = ("api-key", "X-Api-Key", "x-goog-api-key", "X-Auth-Token", "Proxy-Authorization")
    headers = {"Authorization": "Bearer sk-secret", **dict.fromkeys(names, "sk-secret")}
    await call(session, server, chat(), headers=headers, params={"key": "sk-secret"})
    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in f"{request!r} {request.headers!r} {server!r}"


async def test_small_pieces_of_an_answer_do_not_wait_for_the_clients_ack(server, session):
    server.stream(["a"], end="hang")
    async with session.post(f"{server.url}/chat/completions", json=chat()):
        (connection,) = server._open
        plain = connection._transport.get_extra_info("socket")
        assert plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_server_that_does_not_record_still_counts(session):
    async with FakeServer(record=False) as server:
        await call(session, server, chat())
        assert (server.attempts, server.requests) == (1, [])


async def test_waiting_for_what_never_comes_fails_and_says_how_things_stand(server):
    with pytest.raises(AssertionError, match=r"0 requests, 0 connections \(0 open\)"):
        await server.wait_for(lambda: server.attempts == 1, timeout=0.01)
    with pytest.raises(AssertionError, match="still false"):
        server.wait(lambda: False, timeout=0.01)


# The rate limit


async def test_the_rate_limit_counts_honestly_and_tells_when_to_come_back(session):
    now = 0.0
    async with FakeServer(requests_per_minute=60, burst=2, clock=lambda: now) as server:
        server.fail(500)  # stays queued while requests are turned away

        async def attempt():
            async with session.post(server.url + CHAT, json=chat()) as response:
                return response.status, response.headers

        now = 100.0  # an idle time fills the bucket no further than the burst
        statuses = [(await attempt())[0] for _ in range(3)]
        assert statuses == [500, 200, 429]
        now += 0.75
        status, headers = await attempt()
        assert status == 429
        assert (headers["Retry-After"], headers["retry-after-ms"]) == ("1", "250")
        assert headers["x-ratelimit-limit-requests"] == "60"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert headers["x-ratelimit-reset-requests"] == "1.250s"
        now += 0.25
        status, headers = await attempt()
        assert status == 200
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert server.limited == 2


async def test_the_burst_defaults_to_one_second_but_at_least_one(session):
    for rate, at_once in ((1, 1), (300, 5)):
        async with FakeServer(requests_per_minute=rate, clock=lambda: 0.0) as server:
            for _ in range(at_once + 1):
                async with session.get(server.url + "/models") as response:
                    await response.read()
            assert server.limited == 1


# Threads, loops and the end


def test_it_serves_synchronous_tests_from_a_thread():
    threads = threading.active_count()
    with FakeServer() as server:
        server.reply("Hello")
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/v1/chat/completions", json.dumps(chat()))
        answer = json.loads(connection.getresponse().read())
        assert answer["choices"][0]["message"]["content"] == "Hello"
        server.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
        server.accept()
        connection.close()
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 200
        server.wait(lambda: server.in_flight == 0)
        assert server.attempts == 2
        connection.close()
    assert threading.active_count() == threads


async def test_the_threaded_server_can_be_used_and_awaited_in_an_async_test(session):
    with FakeServer() as server:
        server.raw(end="hang")
        waiting = asyncio.create_task(call(session, server, chat()))
        await server.wait_for(lambda: server.in_flight == 1)
        waiting.cancel()
        await server.wait_for(lambda: server.aborted == 1)


def test_a_port_that_cannot_be_bound_is_an_error_at_once():
    with FakeServer() as server:
        other = FakeServer()
        other.port = server.port
        with pytest.raises(OSError, match="in use"):
            other.__enter__()


async def test_the_end_leaves_no_task_and_no_connection():
    before = asyncio.all_tasks()

    async def never(request):
        await asyncio.Event().wait()

    async with FakeServer() as server:
        writers = []
        for script in (Raw(end="hang"), Reply("x", first_delay=3600), None):
            server.handler = never if script is None else lambda _, script=script: script
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request_bytes())
            writers.append(writer)
            await server.wait_for(lambda: server.in_flight == len(writers))
        # Connected, but not accepted yet:
        late = socket.create_connection(("127.0.0.1", server.port))
    assert asyncio.all_tasks() == before
    assert (server.open_connections, server.in_flight, server.aborted) == (0, 0, 0)
    late.close()
    for writer in writers:
        writer.close()


async def test_hundreds_of_connections_at_once_are_all_served():
    async with FakeServer() as server:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            gate = asyncio.Event()

            async def handler(request):
                await gate.wait()

            server.handler = handler
            calls = [asyncio.create_task(call(session, server, chat(str(i)))) for i in range(400)]
            await server.wait_for(lambda: server.in_flight == 400, timeout=30)
            gate.set()
            answers = await asyncio.gather(*calls)
        texts = [answer["choices"][0]["message"]["content"] for answer in answers]
        assert texts == [f"echo: {i}" for i in range(400)]
        assert (server.connections, server.max_in_flight) == (400, 400)


@pytest.fixture
def certificate(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificate with openssl")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


async def test_it_speaks_tls_with_the_context_it_is_given(certificate, session):
    key, cert = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    async with FakeServer(ssl=context) as server:
        assert server.url.startswith("https://")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await call(session, server, chat())
        assert server.attempts == 0
        trusting = ssl.create_default_context(cafile=cert)
        answer = await call(session, server, chat(), ssl=trusting)
        assert answer["choices"][0]["message"]["content"] == "echo: Hi there"


def imported_by(statement):
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_it_loads_the_standard_library_only():
    loaded = imported_by("import rawllm.testing")
    assert "rawllm.testing.server" in loaded
    foreign = {name.split(".")[0] for name in loaded} - sys.stdlib_module_names
    assert {name for name in foreign if not name.startswith("_")} == {"rawllm"}


def test_importing_the_plugin_loads_pytest_and_nothing_of_the_server():
    loaded = imported_by("import pytest\nbefore = set(sys.modules)\nimport rawllm.pytest_plugin")
    ours = {name for name in loaded if name.startswith("rawllm.")}
    assert ours == {"rawllm._version", "rawllm.pytest_plugin"}
    assert not loaded & {"aiohttp", "msgspec", "backoff"}


def test_the_plugin_gives_a_fake_server_to_sync_and_async_tests(tmp_path):
    (tmp_path / "test_user.py").write_text(
        "import asyncio, urllib.request\n"
        "def test_sync(fake_server):\n"
        "    urllib.request.urlopen(fake_server.url + '/models').close()\n"
        "    assert fake_server.attempts == 1\n"
        "def test_async(fake_server):\n"
        "    async def main():\n"
        "        _, writer = await asyncio.open_connection('127.0.0.1', fake_server.port)\n"
        "        await fake_server.wait_for(lambda: fake_server.open_connections == 1)\n"
        "        writer.close()\n"
        "    asyncio.run(main())\n"
    )
    plugins = ["-p", "no:asyncio", "-p", "no:aiohttp"]
    if not entry_points(group="pytest11", name="rawllm"):  # run from a tree, not installed
        plugins += ["-p", "rawllm.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugins, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
