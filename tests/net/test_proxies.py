"""Proxies and unix sockets: the client against a real proxy, and the server behind it.

Hosts are called llm.test, a name that only the proxy knows: the environment's proxies are never
used for loopback, and everything here listens there.
"""

import asyncio
import base64
import logging
import pickle
import socket
import tempfile
import traceback
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from net.certificates import serving, trusting
from net.proxy import Proxy, Relay
from yarl import URL

from rawllm import (
    APIConnectionError,
    APIError,
    APIStatusError,
    Client,
    ConfigurationError,
    ConnectTimeout,
    IncompleteStreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    Retry,
    Timeout,
)
from rawllm.net.session import proxy_for
from rawllm.testing import FakeServer

KEY = "sk-secret-key"
PASSWORD = "s3cret-word"
LOGIN = f"ann:{PASSWORD}@"
FAST = Retry(base=0.001, cap=0.002)


class Target:
    """A server, and the name by which only the proxy reaches it."""

    def __init__(self, scheme, server):
        self.scheme = scheme
        self.server = server
        self.where = f"llm.test:{server.port}"
        self.url = f"{scheme}://{self.where}/v1"

    def client(self, **options):
        options = {"ssl": trusting(), "retry": FAST, **options}
        return Client(self.url, api_key=KEY, model="m", **options)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


@pytest.fixture
async def http():
    async with FakeServer() as server:
        yield Target("http", server)


@pytest.fixture
async def https():
    async with FakeServer(ssl=serving()) as server:
        yield Target("https", server)


@pytest.fixture(params=["http", "https"])
def target(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def proxy():
    async with Proxy() as running:
        yield running


@pytest.fixture
async def nobody():
    """The port of a proxy that is down."""
    async with Proxy() as gone:
        pass
    return gone.port


async def streamed(client):
    async with client.stream("hi") as stream:
        return "".join([chunk.text async for chunk in stream])


def everything(error, caplog):
    """Whatever a log, a crash reporter or a worker pool may show of an error."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join(
        [
            repr(error),
            str(error),
            repr(error.args),
            repr(vars(error)),
            repr(pickle.dumps(error)),
            "".join(shown.format()),
            caplog.text,
        ]
    )


def assert_hidden(text):
    assert PASSWORD not in text
    assert base64.b64encode(LOGIN.removesuffix("@").encode()).decode() not in text
    assert KEY not in text


# ── what goes by way of the proxy, and how ───────────────────────────────────────────────────


async def test_http_goes_to_the_proxy_in_absolute_form(http, proxy):
    async with http.client(proxy=proxy.url) as client:
        assert (await client.complete("hi")).text == "echo: hi"

    (seen,) = proxy.seen
    assert (seen.method, seen.target) == ("POST", f"{http.url}/chat/completions")
    assert seen.headers["host"] == http.where
    assert http.server.requests[0].path == "/v1/chat/completions"


async def test_https_goes_through_a_tunnel_that_hides_everything(https, proxy):
    async with https.client(proxy=proxy.url) as client:
        assert (await client.complete("hi")).text == "echo: hi"

    (seen,) = proxy.seen
    assert (seen.method, seen.target) == ("CONNECT", https.where)
    assert "authorization" not in seen.headers
    assert KEY.encode() not in proxy.heard
    assert https.server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_only_a_proxy_for_plain_http_sees_the_key(http, proxy):
    async with http.client(proxy=proxy.url) as client:
        await client.complete("hi")

    assert proxy.seen[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_stream_comes_through_whole(target, proxy):
    target.server.stream(["Hel", 0.01, "lo"])
    async with target.client(proxy=proxy.url) as client, client.stream("hi") as stream:
        texts = [chunk.text async for chunk in stream if chunk.text]

    assert texts == ["Hel", "lo"]
    assert stream.done_seen
    assert len(proxy.seen) == 1


async def test_a_stream_that_breaks_off_behind_the_proxy_is_incomplete(target, proxy):
    target.server.stream(["Hel"], end="reset")
    async with target.client(proxy=proxy.url) as client:
        with pytest.raises(IncompleteStreamError) as caught:
            await streamed(client)
        assert caught.value.partial.text == "Hel"
        assert target.server.attempts == 1
        assert (await client.complete("again")).text == "echo: again"


async def test_a_stream_that_is_left_is_aborted_behind_the_proxy(target, proxy):
    target.server.stream(["Hel", 60, "lo"])
    async with target.client(proxy=proxy.url) as client:
        async with client.stream("hi") as stream:
            async for chunk in stream:
                if chunk.text:
                    break
        await target.server.wait_for(lambda: target.server.aborted == 1)
        await target.server.wait_for(lambda: proxy.open == 0)


async def test_connections_through_the_proxy_are_kept(target, proxy):
    async with target.client(proxy=proxy.url) as client:
        for _ in range(3):
            await client.complete("hi")

    assert proxy.connections == 1
    assert target.server.connections == 1


async def test_many_calls_at_once_get_each_its_own_answer(target, proxy):
    async with target.client(proxy=proxy.url) as client:
        answers = await asyncio.gather(*(client.complete(str(n)) for n in range(20)))

    assert [answer.text for answer in answers] == [f"echo: {n}" for n in range(20)]


async def test_a_kept_connection_that_died_behind_the_proxy_costs_no_attempt(target, proxy):
    async with target.client(proxy=proxy.url, max_retries=0, retry=None) as client:
        await client.complete("hi")
        target.server.close_idle()
        answer = await client.complete("again")

    assert answer.timing.attempts == 1


async def test_a_proxy_may_itself_speak_tls(target):
    async with (
        Proxy(ssl=serving(), user="ann", password=PASSWORD) as proxy,
        target.client(proxy=proxy.url_for(LOGIN)) as client,
    ):
        assert (await client.complete("hi")).text == "echo: hi"
    assert len(proxy.seen) == 1


async def test_the_targets_certificate_is_checked_through_the_tunnel(https, proxy):
    async with https.client(proxy=proxy.url, ssl=None) as client:
        with pytest.raises(APIConnectionError, match="unable to get local issuer") as caught:
            await client.complete("hi")

    assert caught.value.kind == "tls"
    assert f"{https.where} (through the proxy)" in str(caught.value)
    assert len(proxy.seen) == 1
    assert https.server.requests == []


# ── which proxy ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["{}_PROXY", "{}_proxy", "ALL_PROXY"])
async def test_the_environments_proxy_is_used(target, proxy, monkeypatch, name):
    monkeypatch.setenv(name.format(target.scheme.upper()), proxy.url)
    async with target.client() as client:
        await client.complete("hi")
        assert await streamed(client) == "echo: hi"

    assert proxy.seen != []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_environments_proxy_is_never_used_for_loopback(http, proxy, monkeypatch, host):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    async with Client(f"http://{host}:{http.server.port}/v1", model="m") as client:
        await client.complete("hi")

    assert proxy.connections == 0


async def test_a_proxy_that_was_given_is_used_for_loopback_too(http, proxy):
    async with Client(http.server.url, model="m", proxy=proxy.url) as client:
        await client.complete("hi")

    assert len(proxy.seen) == 1


async def test_a_proxy_that_was_given_wins_over_the_environment(target, proxy, monkeypatch, nobody):
    monkeypatch.setenv(f"{target.scheme}_proxy", f"http://127.0.0.1:{nobody}")
    monkeypatch.setenv("no_proxy", "*")
    async with target.client(proxy=proxy.url) as client:
        await client.complete("hi")

    assert len(proxy.seen) == 1


class Here(AbstractResolver):
    """Finds every host at 127.0.0.1."""

    async def resolve(self, host, port=0, family=0):
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": family,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self):
        pass


class Nowhere(Here):
    """Finds none."""

    async def resolve(self, host, port=0, family=0):
        raise OSError(socket.EAI_NONAME, "Name or service not known")


async def test_hosts_of_no_proxy_are_reached_directly(target, proxy, monkeypatch):
    monkeypatch.setenv(f"{target.scheme}_proxy", proxy.url)
    monkeypatch.setenv("NO_PROXY", "other.test, .test")
    async with (
        aiohttp.TCPConnector(resolver=Here(), ssl=trusting()) as connector,
        target.client(connector=connector, ssl=None) as client,
    ):
        assert (await client.complete("hi")).text == "echo: hi"

    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("http://llm.test", {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://q:1"}, "http://p:1"),
        ("http://llm.test", {"HTTP_PROXY": "HTTP://p:1"}, "HTTP://p:1"),
        ("http://llm.test", {"HTTP_PROXY": "me:pw@p:1"}, "http://me:pw@p:1"),
        ("http://llm.test", {"HTTP_PROXY": "https://p"}, "https://p"),
        # Of a CGI script, where the header `Proxy:` of whoever asks becomes HTTP_PROXY.
        ("http://llm.test", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("http://0.0.0.0", {"HTTP_PROXY": "http://p:1"}, None),  # what servers print
        ("http://[::]", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://localhost", {"HTTP_PROXY": "socks5://p:1"}, None),
        ("http://localhost.test", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
    ],
)
def test_the_environments_proxies_that_are_easy_to_get_wrong(url, variables, expected, monkeypatch):
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert proxy_for(URL(url), None) == expected


# ── proxies that cannot be ───────────────────────────────────────────────────────────────────

IMPOSSIBLE = [
    (f"socks5://{LOGIN}p.test:1080", "socks5"),
    (f"ftp://{LOGIN}p.test:1080", "ftp"),
    (f"http://{LOGIN}p.test:notaport", "cannot be read"),
    (f"http://{LOGIN}p.test :1", "blank"),
    (f"http://ann:{PASSWORD}\n@p.test:1", "line break"),
    ("http://", "http://host:port"),
    (f"http://{LOGIN}", "cannot be read"),
    (f"http://ann:{PASSWORD}%E2%82%AC@p.test:1", "Latin-1"),  # the euro sign
    (f"http://a%3Anne:{PASSWORD}@p.test:1", "user name"),
]


@pytest.mark.parametrize(("url", "says"), IMPOSSIBLE)
def test_an_impossible_proxy_in_the_environment_is_refused_at_once(url, says, monkeypatch, caplog):
    monkeypatch.setenv("HTTP_PROXY", url)
    del url  # the traceback shows this frame too
    with pytest.raises(ConfigurationError) as caught:
        Client("http://llm.test/v1")

    assert says in str(caught.value)
    assert "environment" in str(caught.value)
    assert_hidden(everything(caught.value, caplog))


@pytest.mark.parametrize("row", range(len(IMPOSSIBLE)))
def test_an_impossible_proxy_that_was_given_is_refused_at_once(row, caplog):
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        Client("http://llm.test/v1", proxy=IMPOSSIBLE[row][0])

    assert_hidden(everything(caught.value, caplog))


@pytest.mark.parametrize("proxy", [8080, b"http://p:1", {"http": "http://p:1"}])
def test_a_proxy_is_text(proxy):
    with pytest.raises(ConfigurationError, match="proxy= is a str"):
        Client("http://llm.test/v1", proxy=proxy)


def test_what_else_is_wrong_does_not_show_the_proxys_password(caplog):
    with pytest.raises(ConfigurationError) as caught:
        Client("http://llm.test/v1", proxy=f"http://{LOGIN}p.test:1", limits=3)

    assert_hidden(everything(caught.value, caplog))


# ── names and passwords ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("user", "password", "login"),
    [
        ("ann", PASSWORD, LOGIN),
        ("ann", "p@ss:word/?#%", "ann:p%40ss%3Aword%2F%3F%23%25@"),
        ("ann", "", "ann@"),
    ],
)
async def test_the_proxys_user_and_password_are_taken_from_its_url(target, user, password, login):
    async with (
        Proxy(user=user, password=password) as proxy,
        target.client(proxy=proxy.url_for(login)) as client,
    ):
        for _ in range(2):  # the second on a connection that is kept
            assert (await client.complete("hi")).text == "echo: hi"

    assert proxy.connections == 1


async def test_they_are_taken_from_the_environments_url_too(target, monkeypatch):
    async with Proxy(user="ann", password=PASSWORD) as proxy:
        monkeypatch.setenv(f"{target.scheme}_proxy", proxy.url_for(LOGIN))
        async with target.client() as client:
            assert (await client.complete("hi")).text == "echo: hi"


async def test_the_server_behind_a_tunnel_never_sees_them(https):
    async with (
        Proxy(user="ann", password=PASSWORD) as proxy,
        https.client(proxy=proxy.url_for(LOGIN)) as client,
    ):
        await client.complete("hi")
        await client.complete("again")  # aiohttp takes another way for a kept connection

    for request in https.server.requests:
        assert "proxy-authorization" not in request.headers


async def test_a_header_of_the_users_own_is_not_sent_beside_them(http):
    async with (
        Proxy(user="ann", password=PASSWORD) as proxy,
        http.client(
            proxy=proxy.url_for(LOGIN), default_headers={"proxy-authorization": "Basic eDp5"}
        ) as client,
    ):
        for _ in range(2):
            assert (await client.complete("hi")).text == "echo: hi"


@pytest.mark.parametrize("login", ["", "ann:wrong@", "eve@"])
async def test_a_login_that_the_proxy_refuses_is_said_and_not_tried_again(target, login):
    async with (
        Proxy(user="ann", password=PASSWORD) as proxy,
        target.client(proxy=proxy.url_for(login)) as client,
    ):
        with pytest.raises(APIError, match="407") as caught:
            await client.complete("hi")

    assert isinstance(
        caught.value, APIStatusError if target.scheme == "http" else APIConnectionError
    )
    assert "user name and password" in str(caught.value)
    assert "proxy" in str(caught.value)
    assert caught.value.attempts == 1
    assert len(proxy.seen) == 1
    assert target.server.requests == []


FAULTS = {
    "a wrong password": {"user": "ann", "password": "another"},
    "a forbidden host": {"answer": b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"},
    "a bad gateway": {"answer": b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"},
    "a redirect": {
        "answer": b"HTTP/1.1 302 Found\r\nlocation: http://portal.test/\r\n"
        b"content-length: 0\r\n\r\n"
    },
    "no HTTP": {"answer": b"\x00\x01garbage\r\n\r\n"},
    "no answer": {"answer": b""},
    "silence": {"silent": True},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_failure_shows_the_proxys_password(target, fault, caplog):
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with Proxy(**FAULTS[fault]) as proxy:
        timeout = Timeout(connect=0.1, first_token=0.1)
        async with target.client(proxy=proxy.url_for(LOGIN), timeout=timeout) as client:
            with pytest.raises(APIError) as caught:
                await client.complete("hi")
            text = everything(caught.value, caplog)
            assert_hidden(text + repr(client) + repr(client.with_options(timeout=1)))


@pytest.mark.parametrize("given", [False, True])
async def test_a_proxy_that_is_down_does_not_show_it_either(
    target, nobody, given, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(f"{target.scheme}_proxy", f"http://{LOGIN}127.0.0.1:{nobody}")
    proxy = f"http://{LOGIN}127.0.0.1:{nobody}" if given else None
    async with target.client(proxy=proxy) as client:
        del proxy
        with pytest.raises(APIConnectionError) as caught:
            await client.complete("hi")

    assert_hidden(everything(caught.value, caplog))


async def test_a_refused_certificate_behind_the_proxy_does_not_show_it_either(https, caplog):
    caplog.set_level(logging.DEBUG)
    async with (
        Proxy(user="ann", password=PASSWORD) as proxy,
        https.client(proxy=proxy.url_for(LOGIN), ssl=None) as client,
    ):
        with pytest.raises(APIConnectionError, match="certificate") as caught:
            await client.complete("hi")

    assert_hidden(everything(caught.value, caplog))


async def test_a_call_cancelled_in_the_tunnels_opening_does_not_show_it_either(https, caplog):
    async with Proxy(silent=True) as proxy, https.client(proxy=proxy.url_for(LOGIN)) as client:
        task = asyncio.create_task(client.complete("hi"))
        await https.server.wait_for(lambda: proxy.seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        await https.server.wait_for(lambda: proxy.open == 0)

    assert_hidden(everything(caught.value, caplog))


# ── proxies that fail ────────────────────────────────────────────────────────────────────────


async def test_a_proxy_that_is_down_is_named_and_tried_again(target, nobody):
    async with target.client(proxy=f"http://127.0.0.1:{nobody}") as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.complete("hi")

    assert caught.value.kind == "refused"
    assert f"the proxy for {target.where} (127.0.0.1:{nobody})" in str(caught.value)
    assert caught.value.attempts == FAST.attempts
    assert caught.value.sent is False
    assert target.server.connections == 0


async def test_a_proxy_whose_name_nobody_knows_is_named(target):
    async with (
        aiohttp.TCPConnector(resolver=Nowhere()) as connector,
        target.client(proxy="http://p.test:3128", connector=connector, ssl=None) as client,
    ):
        with pytest.raises(APIConnectionError) as caught:
            await client.complete("hi")

    assert caught.value.kind == "dns"
    assert "host name 'p.test' of the proxy" in str(caught.value)
    assert caught.value.attempts == FAST.attempts


async def test_a_proxy_whose_certificate_is_refused_is_named(target):
    async with Proxy(ssl=serving()) as proxy, target.client(proxy=proxy.url, ssl=None) as client:
        with pytest.raises(APIConnectionError, match="unable to get local issuer") as caught:
            await client.complete("hi")

    assert caught.value.kind == "tls"
    assert f"the proxy for {target.where} (127.0.0.1:{proxy.port})" in str(caught.value)
    assert caught.value.attempts == 1


async def test_a_proxy_that_speaks_no_tls_is_named(target, proxy):
    url = proxy.url.replace("http://", "https://")
    async with target.client(proxy=url) as client:
        with pytest.raises(APIConnectionError, match="plain http://") as caught:
            await client.complete("hi")

    assert f"the proxy for {target.where} (127.0.0.1:{proxy.port})" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "attempts", "plain"),
    [
        (403, 1, PermissionDeniedError),
        (405, 1, APIStatusError),
        (429, 3, APIStatusError),
        (500, 3, InternalServerError),
        (501, 1, InternalServerError),
        (502, 3, InternalServerError),
        (503, 3, InternalServerError),
        (504, 3, InternalServerError),
    ],
)
async def test_a_tunnel_refused_is_tried_again_where_a_status_would_be(
    target, status, attempts, plain
):
    answer = b"HTTP/1.1 %d No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status
    async with Proxy(answer=answer) as proxy, target.client(proxy=proxy.url) as client:
        with pytest.raises(APIError, match=str(status)) as caught:
            await client.complete("hi")

    assert caught.value.attempts == len(proxy.seen) == attempts
    if target.scheme == "http":
        assert isinstance(caught.value, plain)
    else:
        assert type(caught.value) is APIConnectionError
        assert f"the proxy refused to connect to {target.where}" in str(caught.value)
        assert caught.value.sent is False


async def test_a_proxy_that_hangs_up_is_named_and_tried_again(target):
    async with Proxy(answer=b"") as proxy, target.client(proxy=proxy.url) as client:
        with pytest.raises(APIConnectionError, match="proxy") as caught:
            await client.complete("hi")

    assert caught.value.attempts == len(proxy.seen) == FAST.attempts
    assert caught.value.sent is (target.scheme == "http")


async def test_a_proxy_that_speaks_no_http_is_named_and_not_asked_again(https):
    async with Proxy(answer=b"what?\r\n\r\n") as proxy, https.client(proxy=proxy.url) as client:
        with pytest.raises(APIConnectionError, match="the proxy opened no tunnel") as caught:
            await client.complete("hi")

    assert (caught.value.kind, caught.value.sent) == ("proxy", False)
    assert caught.value.attempts == len(proxy.seen) == 1


async def test_a_proxy_that_never_opens_the_tunnel_is_a_connect_timeout(https):
    async with Proxy(silent=True) as proxy:
        options = {"timeout": Timeout(connect=0.05), "retry": Retry(attempts=1)}
        async with https.client(proxy=proxy.url, **options) as client:
            with pytest.raises(ConnectTimeout, match="proxy") as caught:
                await client.complete("hi")
            await https.server.wait_for(lambda: proxy.open == 0)

    assert caught.value.sent is False


async def test_after_a_proxys_failure_the_next_call_works(target):
    async with (
        Proxy(answer=b"") as proxy,
        target.client(proxy=proxy.url, retry=Retry(attempts=1)) as client,
    ):
        with pytest.raises(APIConnectionError):
            await client.complete("hi")
        proxy.answer = None
        assert (await client.complete("again")).text == "echo: again"


async def test_another_proxy_is_another_endpoint(target, proxy, nobody):
    async with target.client(proxy=f"http://127.0.0.1:{nobody}") as client:
        other = client.with_options(proxy=proxy.url)
        async with other:
            assert (await other.complete("hi")).text == "echo: hi"

    assert len(proxy.seen) == 1


# ── unix sockets ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def path():
    # Not tmp_path: a socket's path holds a hundred bytes or so.
    with tempfile.TemporaryDirectory(prefix="rawllm") as folder:
        yield str(Path(folder) / "s")


async def test_a_server_at_a_unix_socket_answers_whole_and_streamed(http, path):
    async with (
        Relay(http.server.port, path=path) as relay,
        Client(f"unix://{path}", api_key=KEY, model="m") as client,
    ):
        assert (await client.complete("hi")).text == "echo: hi"
        assert await streamed(client) == "echo: hi"

    assert relay.connections == 1
    assert {request.path for request in http.server.requests} == {"/v1/chat/completions"}


@pytest.mark.parametrize("proxy", ["http://ann:pw@127.0.0.1:1", "socks5://127.0.0.1:1"])
async def test_the_environments_proxy_is_not_for_a_unix_socket(http, path, monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    async with Relay(http.server.port, path=path), Client(f"unix://{path}", model="m") as client:
        for _ in range(2):
            assert (await client.complete("hi")).text == "echo: hi"

    assert "proxy-authorization" not in http.server.requests[1].headers


def test_a_unix_socket_and_a_proxy_exclude_each_other():
    with pytest.raises(ConfigurationError, match="proxy= cannot lead to a unix socket"):
        Client("unix:///run/llm.sock", proxy="http://127.0.0.1:3128")


async def test_a_404_at_a_unix_socket_misses_no_v1(http, path):
    http.server.fail(404)
    async with Relay(http.server.port, path=path), Client(f"unix://{path}", model="m") as client:
        with pytest.raises(NotFoundError) as caught:
            await client.complete("hi")

    assert "/v1" not in str(caught.value)  # there is no base URL that could lack it
    assert caught.value.attempts == 1


def left_behind(path):
    """A socket as a server leaves it that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)


@pytest.mark.parametrize("before", [lambda path: None, left_behind])
async def test_a_unix_socket_without_a_server_is_refused_and_tried_again(path, before):
    before(path)
    async with Client(f"unix://{path}", model="m", retry=FAST) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.complete("hi")

    assert caught.value.kind == "refused"
    assert path in str(caught.value)
    assert caught.value.attempts == FAST.attempts
    assert caught.value.sent is False


async def test_a_server_that_comes_to_its_unix_socket_late_is_found(http, path):
    once = Retry(attempts=1, base=0.001)
    async with Client(f"unix://{path}", model="m", retry=once) as client:
        with pytest.raises(APIConnectionError):
            await client.complete("hi")
        async with Relay(http.server.port, path=path):
            assert (await client.with_options(retry=FAST).complete("hi")).text == "echo: hi"
