"""The transport against real sockets: each failure's class, what errors must not hold, the free
second attempt on a dead connection, and what is read of a body."""

import asyncio
import contextlib
import gzip
import pickle
import re
import socket
import traceback
import warnings

import aiohttp
import pytest
from aiohttp import web
from net.certificates import of_a_stranger, self_signed, serving, trusting, wrong_host
from yarl import URL

import rawllm
from rawllm import APIConnectionError, APIError, Client, ConnectTimeout, LimitExceeded
from rawllm.net import aiohttp_errors
from rawllm.net import response as response_module
from rawllm.net.clocks import Clock
from rawllm.net.response import DRAIN_BYTES
from rawllm.net.session import Sessions
from rawllm.net.slot import Headers, Slot
from rawllm.net.transport import Transport
from rawllm.sansio.manners import StreamManners
from rawllm.testing import FakeServer, Stream

KEY = "sk-" + "hidden"  # not as one word, or it would stand in a traceback's source lines
BODY = b'{"messages":[{"role":"user","content":"hi"}]}'
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


class Wire:
    """A transport of its own, closed at the end."""

    def __init__(self, *, proxy=None, **options):
        self.sessions = Sessions(**options)
        self.manners = StreamManners()
        self.transport = Transport(self.sessions, proxy=proxy, manners=self.manners)
        self.slot = Slot(asyncio.get_running_loop().time())
        self.responses = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        for response in self.responses:
            response.close()
        await self.sessions.close()

    async def open(self, url, *, stream=False, connect=5.0, body=BODY):
        self.slot = Slot(asyncio.get_running_loop().time())
        headers = Headers({"Authorization": rawllm.options.Secret(f"Bearer {KEY}")})
        headers["Content-Type"] = "application/json"
        response = await self.transport.open(
            "POST",
            URL(url) / "chat" / "completions",
            headers,
            body,
            stream=stream,
            connect=connect,
            slot=self.slot,
        )
        self.responses.append(response)
        return response

    async def read(self, url, *, limit=10**6, **options):
        """Open and read → the body."""
        response = await self.open(url, **options)
        clock = Clock(asyncio.get_running_loop(), 10.0, asyncio.get_running_loop().time())
        try:
            return await response.read(clock, idle=None, limit=limit)
        finally:
            clock.stop()


def reachable(error):
    """The error and all that hang on to it."""
    found = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__]
    return found


def check_clean(error):
    """Neither the key nor an object of aiohttp's is to be had from an error of ours, not even by
    way of the locals that debuggers and error trackers show."""
    for one in reachable(error):
        assert not type(one).__module__.startswith("aiohttp")
        data = [*one.args, *vars(one).values()]
        assert KEY not in repr((one, data))
        assert not any(type(item).__module__.startswith("aiohttp") for item in data)
        for frame, _ in traceback.walk_tb(one.__traceback__):
            file = frame.f_code.co_filename
            assert "aiohttp" not in file
            if "rawllm/" in file and "tests/" not in file:
                for name, value in frame.f_locals.items():
                    assert KEY not in repr(value), name
                    if name != "self":
                        assert not type(value).__module__.startswith("aiohttp"), name
    if isinstance(error, APIError):
        assert KEY.encode() not in pickle.dumps(error)
        assert pickle.loads(pickle.dumps(error)).kind == error.kind


async def failure(wire, url, **options):
    with pytest.raises(APIError) as caught:
        await wire.read(url, **options)
    check_clean(caught.value)
    return caught.value


class Resolver(aiohttp.abc.AbstractResolver):
    """Knows one address, or fails as the system's does."""

    def __init__(self, port=None):
        self.port = port

    async def resolve(self, host, port=0, family=socket.AF_INET):
        if self.port is None:
            raise OSError(None, "Name or service not known")
        if self.port == 0:
            await asyncio.sleep(1000)
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": self.port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self):
        pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def full_backlog():
    """A port that neither accepts nor refuses: its queue is full."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filling.connect(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


# ── before a connection ───────────────────────────────────────────────────────────────────────


async def test_a_refused_connection():
    port = free_port()
    async with Wire() as wire:
        error = await failure(wire, f"http://127.0.0.1:{port}/v1")
    assert (error.kind, error.sent) == ("refused", False)
    assert type(error) is APIConnectionError
    assert str(error) == f"cannot connect to 127.0.0.1:{port}: Connection refused"


async def test_a_unix_socket_that_is_not_there_yet(tmp_path):
    async with Wire(unix_path=str(tmp_path / "none.sock")) as wire:
        error = await failure(wire, "http://unix/v1")
    assert (error.kind, error.sent) == ("refused", False)
    assert "the unix socket" in str(error)


async def test_a_name_that_nobody_knows():
    connector = aiohttp.TCPConnector(resolver=Resolver())
    async with Wire(connector=connector) as wire:
        error = await failure(wire, "http://no-such-host.invalid/v1")
    assert (error.kind, error.sent) == ("dns", False)
    assert str(error) == "cannot resolve the host name 'no-such-host.invalid'"
    await connector.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_connection_in_time(scheme):
    with full_backlog() as url:
        async with Wire() as wire:
            error = await failure(wire, url.replace("http", scheme), connect=0.05)
    assert (type(error), error.kind, error.sent) == (ConnectTimeout, "connect_timeout", False)
    assert str(error).endswith("within 0.05 s (Timeout.connect)")


async def test_a_name_that_is_looked_up_for_ever_counts_into_connect():
    connector = aiohttp.TCPConnector(resolver=Resolver(0))
    async with Wire(connector=connector) as wire:
        error = await failure(wire, "http://llm.lan/v1", connect=0.05)
    assert (type(error), error.kind) == (ConnectTimeout, "connect_timeout")
    await connector.close()


async def test_a_handshake_that_does_not_come_counts_into_connect():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        async with Wire() as wire:
            url = f"https://127.0.0.1:{listening.getsockname()[1]}/v1"
            error = await failure(wire, url, connect=0.05)
    assert error.kind == "connect_timeout"


@pytest.mark.parametrize("certificate", [self_signed, wrong_host, of_a_stranger])
async def test_a_bad_certificate_is_no_connect_error_to_be_retried(certificate):
    async with FakeServer(ssl=serving(certificate())) as server:
        async with Wire(ssl=trusting()) as wire:
            error = await failure(wire, server.url)
        assert (error.kind, error.sent) == ("tls", False)
        assert "certificate of 127.0.0.1" in str(error)
        assert not rawllm.sansio.failures.of(error).retried
        assert server.attempts == 0


async def test_https_to_a_port_that_speaks_plain_http(server):
    async with Wire() as wire:
        error = await failure(wire, server.url.replace("http", "https"))
    assert (error.kind, error.sent) == ("tls", False)
    assert "does it speak plain http://?" in str(error)


async def test_a_proxy_that_nobody_runs():
    async with Wire(proxy=f"http://127.0.0.1:{free_port()}") as wire:
        error = await failure(wire, "http://llm.lan/v1")
    assert (error.kind, error.sent) == ("refused", False)
    assert "the proxy for llm.lan" in str(error)


async def test_a_proxy_that_refuses(server):
    server.handler = lambda request: rawllm.testing.Reply(status=407, body="")
    async with Wire(proxy=server.url.removesuffix("/v1")) as wire:
        error = await failure(wire, "https://llm.lan/v1")
    assert (error.kind, error.sent) == ("proxy", False)
    assert "HTTP 407" in str(error)


async def test_a_client_that_was_closed(server):
    wire = Wire()
    await wire.read(server.url)
    await wire.sessions.close()
    error = await failure(wire, server.url)
    assert (error.kind, error.sent) == ("closed", False)
    assert str(error) == "the client was closed before the request was sent"
    assert server.attempts == 1


# ── before a response ─────────────────────────────────────────────────────────────────────────

MANY = b"".join(b"x-%d: a\r\n" % number for number in range(1000))

NOT_HTTP = [
    ("closed at once", [], "close", "lost"),
    ("reset at once", [0.01], "reset", "lost"),
    ("half a head", [HEAD], "close", "lost"),
    ("half a head, reset", [HEAD, 0.02], "reset", "lost"),
    ("100 and no more", [b"HTTP/1.1 100 Continue\r\n\r\n"], "close", "lost"),
    ("garbage", [b"\x00\x01garbage\r\n\r\n"], "close", "protocol"),
    ("ssh", [b"SSH-2.0-OpenSSH_9.2\r\n"], "close", "protocol"),
    ("http/0.9", [b"hello there"], "close", "protocol"),
    ("status 0", [b"HTTP/1.1 0 OK\r\n\r\n"], "close", "protocol"),
    (
        "two lengths",
        [HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nhi"],
        "close",
        "protocol",
    ),
    ("a negative length", [HEAD + b"content-length: -2\r\n\r\nhi"], "close", "protocol"),
    ("a bad chunk size", [CHUNKED + b"zz\r\nhi\r\n0\r\n\r\n"], "close", "protocol"),
    ("a header of 20 kB", [HEAD + b"x: " + b"a" * 20_000 + b"\r\n\r\n"], "close", "limit"),
    ("1000 headers", [HEAD + MANY + b"\r\n"], "close", "limit"),
    (
        "br",
        [HEAD + b"content-encoding: br\r\ncontent-length: 2\r\n\r\nhi"],
        "close",
        "encoding",
    ),
]


@pytest.mark.parametrize(
    ("parts", "end", "kind"), [row[1:] for row in NOT_HTTP], ids=[row[0] for row in NOT_HTTP]
)
async def test_what_is_no_response(server, parts, end, kind):
    server.raw(parts, end=end)
    async with Wire() as wire:
        error = await failure(wire, server.url)
    assert error.kind == kind
    assert type(error) is (LimitExceeded if kind == "limit" else APIConnectionError)
    assert error.sent
    assert error.status_code is None  # aiohttp's 400 is made up
    assert server.attempts == 1


async def test_a_server_that_closes_before_it_has_read_the_request(server):
    server.fail(413, early=True)
    async with Wire() as wire:
        with contextlib.suppress(APIConnectionError):
            response = await wire.open(server.url, body=b"x" * 8_000_000)
            assert response.status == 413


# ── within a body ─────────────────────────────────────────────────────────────────────────────

ZIPPED = gzip.compress(b"hello world " * 100)
ZIP_HEAD = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
NOT_WHOLE = [
    ("cut by a close", [HEAD + b"content-length: 20\r\n\r\nhi"], "close", "body_cut"),
    ("cut by a reset", [HEAD + b"content-length: 20\r\n\r\nhi", 0.02], "reset", "body_cut"),
    ("cut within a chunk", [CHUNKED + b"5\r\nhi"], "close", "body_cut"),
    ("no last chunk", [CHUNKED + b"2\r\nhi\r\n"], "close", "body_cut"),
    # aiohttp (3.14.5) wakes no reader here: this one ran until the idle clock's end.
    ("a bad second chunk", [CHUNKED + b"2\r\nhi\r\n", 0.02, b"zz\r\n"], "hang", "protocol"),
    ("corrupt gzip", [ZIP_HEAD % len(ZIPPED) + b"XX" + ZIPPED[2:]], "keep", "body_cut"),
    (
        "gzip that turns corrupt",
        [ZIP_HEAD % len(ZIPPED) + ZIPPED[:15], 0.02, bytes(len(ZIPPED) - 15)],
        "keep",
        "body_cut",
    ),
]


@pytest.mark.parametrize(
    ("parts", "end", "kind"), [row[1:] for row in NOT_WHOLE], ids=[row[0] for row in NOT_WHOLE]
)
async def test_a_body_that_is_not_whole(server, parts, end, kind):
    server.raw(parts, end=end)
    async with Wire() as wire:
        error = await failure(wire, server.url)
    assert (type(error), error.kind) == (APIConnectionError, kind)
    assert server.attempts == 1


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ([HEAD + b"content-length: 2\r\n\r\nhi"], b"hi"),
        ([CHUNKED + b"1\r\nh\r\n", 0.01, b"1\r\ni\r\n0\r\n\r\n"], b"hi"),
        ([ZIP_HEAD % len(ZIPPED) + ZIPPED], b"hello world " * 100),
        # These two aiohttp cannot tell from whole ones: JSON and the stream's end must.
        ([HEAD + b"\r\nhi"], b"hi"),
        ([ZIP_HEAD % (len(ZIPPED) - 8) + ZIPPED[:-8]], b"hello world " * 100),
        ([HEAD + b"content-length: 0\r\n\r\n"], b""),
    ],
)
async def test_a_body_that_is_whole_or_looks_so(server, parts, body):
    server.raw(parts)
    async with Wire() as wire:
        assert await wire.read(server.url) == body


async def test_silence_within_a_body_ends_with_the_idle_clock(server):
    server.raw([HEAD + b"content-length: 20\r\n\r\nhi"], end="hang")
    async with Wire() as wire:
        response = await wire.open(server.url)
        clock = Clock(asyncio.get_running_loop(), None, 0.0)
        with pytest.raises(rawllm.IdleTimeout) as caught:
            await response.read(clock, idle=0.05, limit=100)
        check_clean(caught.value)
        clock.stop()


async def test_an_ordinary_server(aiohttp_server):
    async def echo(request):
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        return web.Response(body=await request.read(), headers={"X-Twice": "1"})

    app = web.Application(client_max_size=16 * 2**20)
    app.router.add_post("/v1/chat/completions", echo)
    url = str((await aiohttp_server(app)).make_url("/v1"))
    async with Wire() as wire:
        response = await wire.open(url)
        assert response.status == 200
        assert response.plain_headers()["x-twice"] == "1"
        clock = Clock(asyncio.get_running_loop(), None, 0.0)
        assert await response.read(clock, idle=None, limit=1000) == BODY
        clock.stop()


async def test_a_large_prompt_goes_out_without_a_warning(server):
    """aiohttp warns of more than 1 MiB of bytes, and images in a prompt are that."""
    large = b'{"messages":[{"role":"user","content":"%b"}]}' % (b"x" * 3_000_000)
    async with Wire() as wire:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await wire.read(server.url, body=large, limit=10**7)
    assert server.requests[0].body == large
    assert server.requests[0].headers["content-length"] == str(len(large))
    assert server.requests[0].headers["content-type"] == "application/json"


# ── cancellation ──────────────────────────────────────────────────────────────────────────────


async def cancelled(coroutine, until):
    """Run it, cancel it once `until()` is true → the CancelledError, checked."""

    async def work():
        try:
            await coroutine
        except asyncio.CancelledError as error:
            seen.append(error)
            raise

    seen = []
    task = asyncio.create_task(work())
    async with asyncio.timeout(5.0):
        while not until():
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    check_clean(seen[0])


async def test_cancelled_while_connecting_nothing_was_sent():
    with full_backlog() as url:
        async with Wire() as wire:
            await cancelled(wire.open(url), lambda: wire.slot.connecting)
            assert wire.slot.connecting


@pytest.mark.parametrize("fresh", [True, False])
async def test_cancelled_before_the_response_the_connection_is_closed(server, fresh):
    async with Wire() as wire:
        if not fresh:
            await wire.read(server.url)
        attempts = server.attempts
        server.raw([], end="hang")
        await cancelled(wire.open(server.url), lambda: server.attempts > attempts)
        assert not wire.slot.connecting
        await server.wait_for(lambda: server.aborted == 1 and server.open_connections == 0)


async def test_cancelled_within_the_body_the_connection_is_closed(server):
    server.raw([HEAD + b"content-length: 20\r\n\r\nhi"], end="hang")
    async with Wire() as wire:
        response = await wire.open(server.url)
        assert await response.readany() == b"hi"
        await cancelled(response.readany(), lambda: response._content._waiter is not None)
        response.close()
        await server.wait_for(lambda: server.aborted == 1 and server.open_connections == 0)


# ── the second attempt that is free ───────────────────────────────────────────────────────────


class Dying:
    """A server that answers the first request of each connection, and then does to the second, as
    it arrives, what `death` says. connections: how many of that kind; then it is an honest one."""

    def __init__(self, death, *, connections=10**9, answer=b"ok"):
        self.death = death
        self.left = connections
        self.answer = HEAD + b"content-length: %d\r\n\r\n" % len(answer) + answer
        self.requests = []  # the number of the connection each came on

    async def __aenter__(self):
        self._writers = []
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *error):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader, writer):
        number = len(self._writers)
        self._writers.append(writer)
        dies = self.left > 0
        self.left -= 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]))
                self.requests.append(number)
                if dies and self.requests.count(number) == 2:
                    await self.death(writer)
                    return
                writer.write(self.answer)


async def closes(writer):
    writer.close()


async def resets(writer):
    linger = b"\1\0\0\0\0\0\0\0"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def says_a_little_and_closes(writer):
    writer.write(b"HTTP/1.1 2")
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.close()


async def says_a_little_and_resets(writer):
    writer.write(b"HTTP/1.1 2")
    await asyncio.sleep(0.02)
    await resets(writer)


@pytest.mark.parametrize("death", [closes, resets])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_reused_connection_that_dies_as_the_request_arrives_costs_one_more(death, stream):
    async with Dying(death) as server, Wire() as wire:
        assert await wire.read(server.url) == b"ok"
        assert await wire.read(server.url, stream=stream) == b"ok"
        assert server.requests == [0, 0, 1]  # one more, on a connection of its own


async def test_a_fresh_connection_that_dies_costs_none(server):
    server.raw([], times=9)
    async with Wire() as wire:
        error = await failure(wire, server.url)
    assert (error.kind, server.attempts) == ("lost", 1)


@pytest.mark.parametrize("death", [says_a_little_and_closes, says_a_little_and_resets])
async def test_after_a_byte_of_a_response_nothing_is_sent_again(death):
    async with Dying(death) as server, Wire() as wire:
        await wire.read(server.url)
        error = await failure(wire, server.url)
        assert (error.kind, server.requests) == ("lost", [0, 0])


@pytest.mark.parametrize(("within", "requests"), [(0.04, [0, 0]), (10.0, [0, 0, 1])])
async def test_after_a_second_nothing_is_sent_again(monkeypatch, within, requests):
    """A long prefill that crashed the server must not crash it again unasked."""

    async def works_and_closes(writer):
        await asyncio.sleep(0.05)
        writer.close()

    monkeypatch.setattr(aiohttp_errors, "STALE_WITHIN", within)
    async with Dying(works_and_closes) as server, Wire() as wire:
        await wire.read(server.url)
        with contextlib.suppress(APIConnectionError):
            await wire.read(server.url)
        assert server.requests == requests


async def test_the_second_attempt_can_fail_and_that_is_the_end(server):
    async with Wire() as wire:
        await wire.read(server.url)
        server.raw([], times=9)
        error = await failure(wire, server.url)
    assert (error.kind, server.attempts) == ("lost", 3)


async def test_ten_dead_connections_in_the_pool_are_survived():
    async with Dying(closes, connections=10) as server, Wire() as wire:
        bodies = await asyncio.gather(*[wire.read(server.url) for _ in range(10)])
        assert bodies == [b"ok"] * 10
        assert sorted(server.requests) == list(range(10))
        for number in range(1, 11):
            assert await wire.read(server.url) == b"ok"
            assert len(server.requests) == 10 + 2 * number  # one more each, and not ten


async def test_a_connector_of_the_users_own_tells_nothing_so_nothing_is_sent_again():
    connector = aiohttp.TCPConnector()
    async with Dying(closes) as server, Wire(connector=connector) as wire:
        await wire.read(server.url)
        error = await failure(wire, server.url)
        assert (error.kind, server.requests) == ("lost", [0, 0])
    await connector.close()


# ── connections of streams ────────────────────────────────────────────────────────────────────


EVENTS = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


async def test_after_two_streams_met_a_dying_connection_the_others_get_their_own():
    async with Dying(closes, answer=EVENTS) as server:
        async with Client(server.url, model="m", max_retries=0) as llm:
            for _ in range(50):
                async with llm.stream("hi") as stream:
                    assert (await stream.result()).text == "hi"
                    assert stream.timing.attempts == 1
        assert len(server.requests) == 52


async def test_the_habit_of_closing_after_streams_is_learned():
    """llama.cpp's server: 200 streams back to back without a retry, and 3 second attempts."""
    async with FakeServer(close_after_stream=True) as server:
        async with Client(server.url, model="m", max_retries=0) as llm:
            for number in range(200):
                async with llm.stream(f"prompt {number}") as stream:
                    assert (await stream.result()).text == f"echo: prompt {number}"
                assert stream.timing.attempts == 1
        assert 200 <= server.attempts <= 203


async def test_streams_that_are_read_to_their_end_share_one_connection(server):
    async with Client(server.url, model="m") as llm:
        for _ in range(20):
            async with llm.stream("hi") as stream:
                assert (await stream.result()).text == "echo: hi"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("tail", "end", "kept"),
    [
        ([], "eof", True),
        ([0.01], "eof", True),
        ([b": bye\n\n" * 100], "eof", True),
        ([b"x" * 100 * DRAIN_BYTES], "eof", False),
        ([], "reset", False),
        ([0.01], "close", False),
    ],
    ids=["whole", "late", "small", "large", "reset", "cut"],
)
async def test_what_follows_a_streams_end_is_drained_or_cut(server, tail, end, kept):
    server.stream([b"data: [DONE]\n\n", *tail], end=end)
    loop = asyncio.get_running_loop()
    async with Wire() as wire:
        response = await wire.open(server.url, stream=True)
        assert b"[DONE]" in await response.readany()
        clock = Clock(loop, None, 0.0)
        await response.drain(clock)
        clock.stop()
        assert not clock.expired
        assert (wire.slot.connection.drained_at is not None) is kept
        await wire.read(server.url)
    assert server.connections == (1 if kept else 2)


@pytest.mark.parametrize("tail", [[], [b": ping\n\n", 0.02] * 1000], ids=["silent", "dribbling"])
async def test_a_tail_without_an_end_is_cut(monkeypatch, server, tail):
    """0.25 s in all, and not 0.25 s for every ping."""
    monkeypatch.setattr(response_module, "DRAIN_SECONDS", 0.1)
    server.stream([b"data: [DONE]\n\n", *tail], end="hang")
    async with Wire() as wire:
        response = await wire.open(server.url, stream=True)
        await response.readany()
        clock = Clock(asyncio.get_running_loop(), None, 0.0)
        async with asyncio.timeout(5.0):
            await response.drain(clock)
        assert not clock.expired
        clock.stop()
        await server.wait_for(lambda: server.aborted == 1)
        assert wire.slot.connection.drained_at is None


def test_the_tail_is_given_a_quarter_of_a_second():
    assert response_module.DRAIN_SECONDS == 0.25
    assert aiohttp_errors.STALE_WITHIN == 1.0


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [999, 1000])
async def test_a_body_up_to_the_limit_is_read(server, size):
    server.raw(HEAD + b"content-length: %d\r\n\r\n" % size + b"x" * size)
    async with Wire() as wire:
        assert len(await wire.read(server.url, limit=1000)) == size


async def test_a_body_that_announces_too_much_is_not_read_at_all(server, monkeypatch):
    server.raw(HEAD + b"content-length: 1001\r\n\r\n", end="hang")
    async with Wire() as wire:
        error = await failure(wire, server.url, limit=1000)
    assert type(error) is LimitExceeded
    assert "larger than 1000 bytes; Limits(max_response_bytes=…)" in str(error)


BOMB = gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"\r\n", *[b"x" * 50_000] * 1000],
        [CHUNKED, *[b"c350\r\n" + b"x" * 50_000 + b"\r\n"] * 1000],
        [ZIP_HEAD % len(BOMB) + BOMB],
    ],
    ids=["without a length", "chunked", "a gzip bomb"],
)
async def test_a_body_that_turns_out_too_large_is_cut_soon(server, monkeypatch, parts):
    sizes = []
    readany = response_module.Response.readany

    async def counting(response):
        piece = await readany(response)
        sizes.append(len(piece))
        return piece

    buffered = response_module.Response._buffered

    def counting_buffered(response):
        piece = buffered(response)
        sizes.append(len(piece))
        return piece

    monkeypatch.setattr(response_module.Response, "readany", counting)
    monkeypatch.setattr(response_module.Response, "_buffered", counting_buffered)
    server.raw(parts)
    async with Wire() as wire:
        error = await failure(wire, server.url, limit=1_000_000)
    assert type(error) is LimitExceeded
    # Not one piece may be out of bounds: it was in memory before it could be counted.
    assert sum(sizes) <= 1_000_000 + max(sizes)
    assert max(sizes) <= 2_000_000


async def test_events_without_end_are_not_kept_by_the_transport(server):
    """A stream has no limit of its own; what is handed on is let go."""
    server.default = Stream([b"data: x\n\n" * 1000] * 50)
    async with Wire() as wire:
        response = await wire.open(server.url, stream=True)
        total = 0
        while piece := await response.readany():
            total += len(piece)
        assert total == 9 * 1000 * 50 + len(b"data: [DONE]\n\n")
        assert response._content.total_bytes == total


# ── what is not for us to translate ───────────────────────────────────────────────────────────


def test_an_error_of_no_known_kind_comes_out_as_it_is():
    bug = KeyError("a bug")
    with pytest.raises(KeyError) as caught:
        aiohttp_errors.open_error(bug, URL("http://llm.lan/v1"), False, None)
    assert caught.value is bug
    with pytest.raises(KeyError):
        aiohttp_errors.body_error(bug)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (aiohttp.ServerFingerprintMismatch(b"a", b"b", "llm.lan", 80), "tls"),
        (aiohttp.ClientConnectionError("Connector is closed."), "closed"),
        (aiohttp.ClientError("odd"), "lost"),
        (OSError("odd"), "lost"),
        (aiohttp.ConnectionTimeoutError("the resolver's own"), "connect_timeout"),
    ],
    ids=repr,
)
def test_the_rare_ones(failure, kind):
    error = aiohttp_errors.open_error(failure, URL("http://llm.lan/v1"), False, None)
    assert error.kind == kind
