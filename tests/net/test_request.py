"""The bytes that a request is, and when its connection may serve another."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from net import certificates

from rawllm import Client, ConfigurationError

ANSWER = b'{"choices": [{"message": {"content": "hi"}}]}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    ANSWER
)


class Server:
    """Answers each request with the next of `answers`, once `read` bytes of it are there."""

    def __init__(self, *answers, read=None, deaf=False):
        self.answers = list(answers)
        self.read = read
        self.deaf = deaf  # after its first answer it hears nothing more, and does not hang up
        self.requests = []
        self.connections = 0
        self.tasks = []

    async def serve(self, reader, writer):
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                body = await reader.readexactly(length if self.read is None else self.read)
                self.requests.append((head, body))
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.deaf:
                    await asyncio.Event().wait()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # cancelled: the test is over
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers, tls=False, **options):
    server = Server(*answers, **options)
    async with listening(server.serve, tls) as (client, port):
        yield server, client, port
        for task in server.tasks:
            task.cancel()


@asynccontextmanager
async def listening(serve, tls):
    """A client of who serves so, and the port."""
    context = certificates.serving() if tls else None
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(
            f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1",
            model="m",
            max_retries=0,
            ssl=certificates.trusting() if tls else None,
        ) as client:
            yield client, port


async def test_the_head_is_whole_and_its_host_comes_first():
    async with serving(OK + ANSWER) as (server, client, port):
        await client.complete("hi", extra_headers={"X-A": "1"})
    [(head, body)] = server.requests
    assert body == b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    lines = head.decode().split("\r\n")
    assert lines[:2] == ["POST /v1/chat/completions HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    assert lines[-2:] == ["", ""]
    names = [line.partition(":")[0].lower() for line in lines[1:-2]]
    assert len(names) == len(set(names))
    assert f"Content-Length: {len(body)}" in lines
    assert "X-A: 1" in lines
    assert "connection" not in names


async def test_a_get_has_no_body_and_says_no_length():
    listed = b'{"data": [{"id": "m"}]}'
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(listed)
    async with serving(head + listed) as (server, client, _):
        await client.models.list()
    assert server.requests[0][0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert b"content-length" not in server.requests[0][0].lower()


async def test_a_host_of_the_users_own_takes_the_place_of_ours():
    async with serving(OK + ANSWER) as (server, client, _):
        await client.complete("hi", extra_headers={"host": "llm.example"})
    head = server.requests[0][0].lower()
    assert head.count(b"host:") == 1
    assert b"\r\nhost: llm.example\r\n" in head


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
async def test_what_frames_the_body_cannot_be_given(name):
    with pytest.raises(ConfigurationError, match=f"{name} says where the body ends"):
        Client("http://h/v1", default_headers={name: "1"})


@pytest.mark.parametrize("size", [64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 3_000_000])
async def test_bodies_of_all_sizes_arrive_whole(size):
    async with serving(OK + ANSWER) as (server, client, _):
        around = len(b'{"model":"m","messages":[{"role":"user","content":""}]}')
        await client.complete("x" * (size - around))
    assert [len(body) for _, body in server.requests] == [size]


async def test_informational_responses_are_passed_over():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    async with serving(early + OK + ANSWER, OK + ANSWER) as (server, client, _):
        assert (await client.complete("hi")).text == "hi"
        assert (await client.complete("hi")).text == "hi"
    assert server.connections == 1


async def test_what_is_no_status_of_http_is_not_waited_behind():
    odd = (OK + ANSWER).replace(b"200 OK", b"099 Odd")
    async with serving(odd) as (_, client, _):
        assert (await client.complete("hi", timeout=5)).text == "hi"


@pytest.mark.parametrize("tls", [False, True])
async def test_a_connection_with_a_request_half_sent_serves_no_other(tls):
    # The server answers before it has read the body, and reads no more of it.
    options = {"read": 10, "deaf": True, "tls": tls}
    async with serving(OK + ANSWER, OK + ANSWER, **options) as (server, client, _):
        assert (await client.complete("x" * 30_000_000)).text == "hi"
        assert (await client.complete("hi", timeout=5)).text == "hi"
    assert server.connections == 2


@pytest.mark.parametrize("tls", [False, True])
async def test_a_request_that_nobody_waits_for_any_more_is_not_sent_to_its_end(tls):
    came, left, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    heard = 0

    async def serve(reader, writer):
        nonlocal heard
        await reader.readuntil(b"\r\n\r\n")
        came.set()
        await left.wait()
        try:
            while piece := await reader.read(1 << 16):
                heard += len(piece)
        except OSError:
            pass
        writer.close()
        over.set()

    async with listening(serve, tls) as (client, _):
        call = asyncio.create_task(client.complete("x" * 30_000_000))
        await came.wait()
        call.cancel()
        await asyncio.wait([call])
        left.set()
        await over.wait()
    assert heard < 30_000_000


async def test_a_connection_that_serves_one_request_says_so():
    async with serving(OK + ANSWER) as (server, client, port):
        session = client._endpoint.sessions.get(fresh=True)
        response = await session._request("POST", f"http://127.0.0.1:{port}/", data=b"{}")
        assert await response.read() == ANSWER
    assert b"\r\nConnection: close\r\n" in server.requests[0][0]
