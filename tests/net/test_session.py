"""The pooled sessions: one set a loop, closed with it, never shared over a fork; and proxies."""

import asyncio
import gc
import os
import signal
import sys
import threading
import warnings

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from rawllm import Client
from rawllm.net.session import KEEPALIVE, Sessions, proxy_for
from rawllm.net.slot import Slot, current
from rawllm.testing import FakeServer


async def models(sessions, server, *, fresh=False):
    """One request → what the connector told of its connection."""
    slot = Slot(asyncio.get_running_loop().time())
    token = current.set(slot)
    try:
        url = getattr(server, "url", server)
        async with sessions.get(fresh=fresh).get(f"{url}/models") as response:
            assert response.status == 200
            await response.read()
    finally:
        current.reset(token)
    return slot.connection


def ordinary():
    async def listed(request):
        return web.json_response({"data": []})

    app = web.Application()
    app.router.add_get("/v1/models", listed)
    return app


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture
def sessions():
    return Sessions()


def complaints(function):
    """What is warned of and logged while it runs and its rests are collected."""
    unraisable = []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function()
            gc.collect()
    finally:
        sys.unraisablehook = hook
    return [str(warning.message) for warning in caught] + [str(one) for one in unraisable]


# ── the pool ──────────────────────────────────────────────────────────────────────────────────


async def test_connections_are_kept_counted_and_their_opening_timed(aiohttp_server):
    url = str((await aiohttp_server(ordinary())).make_url("/v1"))
    sessions = Sessions()
    first = await models(sessions, url)
    assert first.uses == 1
    second = await models(sessions, url)
    assert second is first
    assert first.uses == 2
    assert 0.0 < first.opening < 5.0
    await sessions.close()


async def test_fresh_connections_serve_one_request_each():
    async with FakeServer() as server:
        sessions = Sessions()
        for _ in range(3):
            assert (await models(sessions, server, fresh=True)).uses == 1
        assert server.connections == 3
        await models(sessions, server)
        await models(sessions, server)
        assert server.connections == 4
        await sessions.close()


async def test_bytes_are_heard_of_through_the_buffer_of_asyncios_loops():
    sessions = Sessions()
    handler = sessions.get().connector._factory()
    handler.data_received(b"")  # aiohttp's own, when reading goes on
    assert not handler.known.heard
    handler.get_buffer(-1)[:4] = b"HTTP"
    handler.buffer_updated(4)
    assert handler.known.heard
    assert handler._tail == b"HTTP"
    await sessions.close()


async def test_bytes_are_heard_of_in_other_loops_too(monkeypatch):
    """uvloop takes what is an asyncio.Protocol for one, a BufferedProtocol or not. What was heard
    of is not sent again for free."""
    monkeypatch.setattr(asyncio, "BaseEventLoop", type("Other", (), {}))
    sessions = Sessions()
    handler = sessions.get().connector._factory()
    assert not isinstance(handler, asyncio.BufferedProtocol)
    handler.data_received(b"")
    assert not handler.known.heard
    handler.data_received(b"HTTP")
    assert handler.known.heard
    assert handler._tail == b"HTTP"
    await sessions.close()


async def test_the_pool_has_no_limit_of_its_own_and_no_clock():
    sessions = Sessions()
    for fresh in (False, True):
        session = sessions.get(fresh=fresh)
        assert session.connector.limit == session.connector.limit_per_host == 0
        assert session.timeout.total is None
        assert session.trust_env is False
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
    # Below the 5 s after which uvicorn closes.
    assert sessions.get().connector._keepalive_timeout == KEEPALIVE < 5.0
    assert sessions.get(fresh=True).connector.force_close
    await sessions.close()


async def test_idle_connections_are_dropped_before_servers_drop_them(monkeypatch):
    monkeypatch.setattr("rawllm.net.session.KEEPALIVE", 0.0)
    async with FakeServer() as server:
        sessions = Sessions()
        for _ in range(3):
            await models(sessions, server)
            await asyncio.sleep(0.001)
        assert server.connections == 3
        await sessions.close()


async def test_a_connector_of_the_users_own_is_used_as_it_is_and_not_closed():
    async with FakeServer() as server:
        connector = aiohttp.TCPConnector()
        sessions = Sessions(connector=connector)
        assert sessions.get() is sessions.get(fresh=True)
        assert await models(sessions, server) is None  # nothing is known of it
        assert await models(sessions, server) is None
        assert server.connections == 1
        await sessions.close()
        assert not connector.closed
        await connector.close()


async def test_a_unix_socket(tmp_path):
    runner = web.AppRunner(ordinary())
    await runner.setup()
    path = str(tmp_path / "llm.sock")
    await web.UnixSite(runner, path).start()
    sessions = Sessions(unix_path=path)
    assert (await models(sessions, "http://unix/v1")).uses == 1
    assert (await models(sessions, "http://unix/v1")).uses == 2
    assert (await models(sessions, "http://unix/v1", fresh=True)).uses == 1
    await sessions.close()
    await runner.cleanup()


# ── closing ───────────────────────────────────────────────────────────────────────────────────


async def test_close_closes_every_connection_and_the_client_stays_closed():
    async with FakeServer() as server:
        sessions = Sessions()
        await asyncio.gather(*[models(sessions, server) for _ in range(5)])
        session = sessions.get()
        await asyncio.gather(sessions.close(), sessions.close())
        await sessions.close()
        assert session.closed
        assert sessions.closed
        await server.wait_for(lambda: server.open_connections == 0)
        with pytest.raises(RuntimeError, match="closed"):
            sessions.get()


def test_sessions_that_nobody_closed_are_closed_with_their_loop(server):
    def main():
        sessions = Sessions()
        for _ in range(3):
            asyncio.run(models(sessions, server))
            server.wait(lambda: server.open_connections == 0)
        assert server.connections == 3

    assert complaints(main) == []


def test_a_script_that_never_closes_its_client_ends_without_a_complaint(server):
    async def script():
        client = Client(server.url, model="m")
        assert (await client.complete("hi")).text == "echo: hi"

    assert complaints(lambda: asyncio.run(script())) == []
    server.wait(lambda: server.open_connections == 0)


def test_a_loop_closed_by_hand_is_forgotten_by_the_next(server, sessions):
    def main():
        for _ in range(2):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(models(sessions, server))
            loop.close()
        asyncio.run(models(sessions, server))
        assert len(sessions._by_loop) == 1

    # asyncio's own words for the sockets that such a loop leaves open, and none of aiohttp's.
    assert all("transport" in one or "socket" in one for one in complaints(main))


def test_a_connector_of_the_users_own_survives_a_loop_closed_by_hand():
    async def connector():
        return aiohttp.TCPConnector()

    async def use():
        sessions.get()

    loop = asyncio.new_event_loop()
    own = loop.run_until_complete(connector())
    sessions = Sessions(connector=own)
    loop.run_until_complete(use())
    loop.close()
    asyncio.run(use())
    assert len(sessions._by_loop) == 1
    assert not own.closed


def test_closing_from_another_loop_lets_each_loop_close_its_own(server, sessions):
    used, stop = threading.Event(), threading.Event()

    async def elsewhere():
        await models(sessions, server)
        used.set()
        await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))

    async def here():
        await models(sessions, server)
        assert server.open_connections == 2
        await sessions.close()
        await server.wait_for(lambda: server.open_connections == 0)  # while that loop still runs
        stop.set()

    def main():
        thread.start()
        used.wait()
        asyncio.run(here())
        thread.join()

    assert complaints(main) == []


def test_loops_in_threads_have_sessions_of_their_own(server, sessions):
    barrier = threading.Barrier(4)
    seen = []

    async def call():
        await asyncio.to_thread(barrier.wait)
        seen.append((await models(sessions, server), sessions.get()))
        await asyncio.to_thread(barrier.wait)

    threads = [threading.Thread(target=lambda: asyncio.run(call())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(session) for _, session in seen}) == server.connections == 4


# ── fork ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("closes", [False, True])
def test_after_a_fork_the_child_makes_its_own_connection_and_the_parents_lives_on(server, closes):
    sessions = Sessions()

    async def child():
        await models(sessions, server)
        # Forgotten, or close() would reach into the parent's loop.
        assert list(sessions._by_loop) == [asyncio.get_running_loop()]
        if closes:
            await sessions.close()

    with asyncio.Runner() as runner:
        connection = runner.run(models(sessions, server))
        pid = os.fork()
        if pid == 0:  # nothing of pytest's may run here, not even at its end
            signal.alarm(20)
            status = 1
            try:
                asyncio.run(child())
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert server.connections == 2
        assert runner.run(models(sessions, server)) is connection
        assert (connection.uses, server.connections) == (2, 2)
        runner.run(sessions.close())


# ── proxies ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


BOTH = {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://s:2"}


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("http://llm.lan/v1", {}, None),
        ("http://llm.lan/v1", BOTH, "http://p:1"),
        ("https://llm.lan/v1", BOTH, "http://s:2"),
        ("https://llm.lan/v1", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://llm.lan/v1", {"http_proxy": "http://low:1"}, "http://low:1"),
        ("http://llm.lan/v1", {"HTTP_PROXY": "p:1"}, "http://p:1"),
        ("http://llm.lan/v1", {"HTTP_PROXY": ""}, None),
        ("http://llm.lan/v1", {"ALL_PROXY": "http://a:1"}, "http://a:1"),
        ("https://llm.lan/v1", {"HTTPS_PROXY": "https://me:pw@s:2"}, "https://me:pw@s:2"),
        ("http://llm.lan/v1", {**BOTH, "NO_PROXY": "*"}, None),
        ("http://llm.lan/v1", {**BOTH, "NO_PROXY": "lan"}, None),
        ("http://llm.lan/v1", {**BOTH, "NO_PROXY": ".lan"}, None),
        ("http://llm.lan/v1", {**BOTH, "NO_PROXY": "other.lan"}, "http://p:1"),
        ("http://llm.lan:8000/v1", {**BOTH, "NO_PROXY": "llm.lan:8000"}, None),
        ("http://llm.lan:8001/v1", {**BOTH, "NO_PROXY": "llm.lan:8000"}, "http://p:1"),
        ("http://10.0.0.5:8000/v1", BOTH, "http://p:1"),
        ("http://127.llm.lan/v1", BOTH, "http://p:1"),
        ("http://localhost:8000/v1", BOTH, None),
        ("http://LOCALHOST:8000/v1", BOTH, None),
        ("http://127.0.0.1:8000/v1", BOTH, None),
        ("http://127.1.2.3:8000/v1", BOTH, None),
        ("https://[::1]:8000/v1", BOTH, None),
        ("http://unix/v1", BOTH, None),
    ],
)
def test_proxies_come_from_the_environment_and_never_for_loopback(
    environment, url, variables, expected
):
    environment(**variables)
    assert proxy_for(URL(url), None) == expected


def test_a_proxy_that_was_given_wins(environment):
    environment(**BOTH, NO_PROXY="*")
    assert proxy_for(URL("http://llm.lan/v1"), "http://given:3") == "http://given:3"
    assert proxy_for(URL("http://127.0.0.1/v1"), "http://given:3") == "http://given:3"


def test_a_socks_proxy_in_the_environment_is_refused_without_its_password(environment):
    environment(ALL_PROXY="socks5://me:secret@p:1")
    with pytest.raises(ValueError, match=r"socks5 proxy for llm\.lan") as caught:
        proxy_for(URL("http://llm.lan/v1"), None)
    assert "secret" not in str(caught.value)
