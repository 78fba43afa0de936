"""The pooled aiohttp sessions: one set an event loop, never shared over a fork.

Sends nothing itself. Its connectors tell, for each request, whether the connection was a reused
one: only then may a request that died without an answer be sent again for free.
"""

from __future__ import annotations

import asyncio
import os
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from ..errors import ConfigurationError
from ..options import Secret
from .address import check_proxy
from .request import Request, unsent
from .slot import Connection, current

__all__ = ["Sessions", "proxy_for"]

#: Seconds an idle connection is kept: below the 5 s after which uvicorn, and so vLLM, closes it.
#: aiohttp's own 15 s make every tenth call meet a dead connection (NeMo-Gym#1555, vllm#41567).
KEEPALIVE = 4.0

#: Bytes read at once at most, as asyncio does. With 64 KiB a fast stream costs a tenth more.
READ = 256 * 1024


class _Handler(ResponseHandler):
    """Tells what aiohttp's does not: that bytes came (its errors are the same for half a response
    head as for none), and, to who reads a body, that its framing broke (3.14.5 tells nobody: the
    reader would wait until a clock ends it)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.known = Connection()

    def data_received(self, data: bytes) -> None:
        if data:  # aiohttp calls it with none, to go on with what it holds
            self.known.heard = True
        super().data_received(data)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        super().set_exception(exc, *cause)
        self._tell_reader(self._payload, exc)

    def close(self) -> None:
        transport = self.transport
        if transport is not None and unsent(transport):
            # It would first send the rest of a request that nobody waits for any more: to a server
            # that hangs, and so for ever.
            self.abort()
            return
        body = self._payload  # forgotten by the next line, and its reader would wait for ever
        super().close()
        self._tell_reader(body, aiohttp.ClientConnectionError("Connection closed"))

    def abort(self) -> None:
        body = self._payload
        super().abort()
        self._tell_reader(body, aiohttp.ClientConnectionError("Connection closed"))

    @staticmethod
    def _tell_reader(body: aiohttp.StreamReader | None, exc: BaseException) -> None:
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(exc)


class _Buffered(_Handler, asyncio.BufferedProtocol):
    """For asyncio's own loops. An asyncio.Protocol is handed bytes that they allocate 256 KiB for,
    on every read: that is a mapping of memory made, faulted in and thrown away for each piece. All
    connections of a loop can share one buffer, since what stands there is copied before the next
    one is read.

    Not for uvloop: it looks for asyncio.Protocol first, which aiohttp's handler is too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, buffer: memoryview) -> None:
        super().__init__(loop)
        self._shared = buffer

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared

    def buffer_updated(self, nbytes: int) -> None:
        self.known.heard = True
        ResponseHandler.data_received(self, self._shared[:nbytes].tobytes())

    data_received = ResponseHandler.data_received


class _Watching(aiohttp.BaseConnector):
    """Notes which connection a request got."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Any:
        slot = current.get()
        if slot is not None:
            slot.connecting = True
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if slot is not None and isinstance(protocol, _Handler):
            slot.connecting = False
            known = slot.connection = protocol.known
            if not known.uses:
                known.opening = self._loop.time() - slot.since
            known.uses += 1
            known.heard = False
        return connection


class _WatchingTCP(_Watching, aiohttp.TCPConnector):
    pass


class _WatchingUnix(_Watching, aiohttp.UnixConnector):
    pass


class _OfLoop:
    """The sessions of one event loop: one that keeps connections, one that never does.

    They are closed with their loop at the latest: no coroutine can run in a closed loop, so that
    connections left there would only complain when collected. What a loop does end before it
    closes (`asyncio.run` and its kin do) are its asynchronous generators.
    """

    def __init__(self, pooled: aiohttp.ClientSession, fresh: aiohttp.ClientSession) -> None:
        self.pooled = pooled
        self.fresh = fresh
        self._end = _until_the_end(pooled, fresh)
        with suppress(StopIteration):
            self._end.asend(None).send(None)  # to its yield: from now on the loop knows of it

    async def close(self) -> None:
        await self._end.aclose()

    def abandon(self) -> None:
        """Close them without a coroutine, which nobody may be there to run."""
        for session in (self.pooled, self.fresh):
            connector = session.connector
            session.detach()
            if connector is not None and session.connector_owner:
                connector._close()  # close() would start a task
        self._disarm()

    def disown(self) -> None:
        """Let go of them without touching a socket: nothing of theirs is closed, now or when it is
        collected."""
        for session in (self.pooled, self.fresh):
            connector = session.connector
            session.detach()
            if connector is not None and session.connector_owner:
                connector._closed = True
        self._disarm()

    def _disarm(self) -> None:
        # Collected unfinished, it would ask its loop to end it.
        with suppress(StopIteration, RuntimeError):  # RuntimeError: it is being ended
            self._end.aclose().send(None)


async def _until_the_end(*sessions: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        for session in sessions:
            await session.close()


_ByLoop = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop]


def _dropped(by_loop: _ByLoop) -> None:
    """The client was collected, or the interpreter ends, and nobody closed it."""
    left = [(loop, sessions) for loop, sessions in by_loop.items() if not sessions.pooled.closed]
    for loop, sessions in left:
        # The collector may run in any thread; sockets belong to the loop's.
        if loop.is_running() and loop is not asyncio._get_running_loop():
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(sessions.abandon)
        else:
            sessions.abandon()
    if left:
        warnings.warn(
            "a rawllm.Client was dropped with its connections open: use it as "
            "`async with Client(…) as client:`, or `await client.close()` before you let go of it",
            ResourceWarning,
            stacklevel=1,
        )


class Sessions:
    """Gives the sessions for the running loop, and closes them.

    unix_path: str or None. ssl: SSLContext or None for aiohttp's default. connector: a connector of
    the user's own, which is used as it is and never closed here; a request on it that dies is not
    repeated for free, since nothing tells whether its connection was a reused one.
    """

    def __init__(
        self,
        *,
        unix_path: str | None = None,
        ssl: Any = None,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        self._unix_path = unix_path
        self._ssl = ssl
        self._connector = connector
        self._by_loop: _ByLoop = weakref.WeakKeyDictionary()
        # Not __del__: in a cycle (a client is in one) the sessions' own could come first, with
        # aiohttp's complaints, and at the interpreter's end it could come too late.
        weakref.finalize(self, _dropped, self._by_loop)
        _all.add(self)
        self.closed = False

    @property
    def room(self) -> int | None:
        """How many connections there can be, None where the connectors are ours."""
        if self._connector is None:
            return None
        bounds = (self._connector.limit, self._connector.limit_per_host)
        return min((bound for bound in bounds if bound), default=None)

    def get(self, *, fresh: bool = False) -> aiohttp.ClientSession:
        """The running loop's session. fresh: the one whose connections serve one request each.
        Raises RuntimeError, as aiohttp's sessions do, once the client was closed."""
        if self.closed:
            raise RuntimeError("the client was closed")
        loop = asyncio.get_running_loop()
        sessions = self._by_loop.get(loop)
        if sessions is None:
            sessions = self._by_loop[loop] = self._open(loop)
        return sessions.fresh if fresh else sessions.pooled

    def _open(self, loop: asyncio.AbstractEventLoop) -> _OfLoop:
        # Loops that were closed by hand, in mid-flight as it were, leave sessions behind.
        for old in [known for known in self._by_loop if known.is_closed()]:
            self._by_loop.pop(old).abandon()
        if self._connector is not None:
            session = self._session(self._connector, owner=False)
            return _OfLoop(session, session)
        factory: Callable[[], _Handler] = partial(_Handler, loop)
        if isinstance(loop, asyncio.BaseEventLoop):
            factory = partial(_Buffered, loop, memoryview(bytearray(READ)))
        return _OfLoop(
            self._session(self._new_connector(factory, fresh=False)),
            self._session(self._new_connector(factory, fresh=True)),
        )

    def _new_connector(
        self, factory: Callable[[], _Handler], *, fresh: bool
    ) -> aiohttp.BaseConnector:
        options: dict[str, Any] = {"limit": 0}  # our limiter is the only queue
        if fresh:
            options["force_close"] = True
        else:
            options["keepalive_timeout"] = KEEPALIVE
        connector: _Watching
        if self._unix_path is not None:
            connector = _WatchingUnix(self._unix_path, **options)
        else:
            if self._ssl is not None:
                options["ssl"] = self._ssl
            connector = _WatchingTCP(limit_per_host=0, **options)
        connector._factory = factory  # type: ignore[assignment]  # of a subclass
        return connector

    def _session(
        self, connector: aiohttp.BaseConnector, *, owner: bool = True
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=owner,
            request_class=Request,
            # The clocks are ours. total=None must be said: aiohttp's default of 300 s counts the
            # time in the queue, and a later release may bring it back where it is left out.
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection. Sessions of other loops that still run are closed by those."""
        self.closed = True
        here = asyncio.get_running_loop()
        found = list(self._by_loop.items())
        self._by_loop.clear()
        for loop, sessions in found:
            if loop is here:
                await sessions.close()
            elif not loop.is_running():
                sessions.abandon()
            else:
                asyncio.run_coroutine_threadsafe(sessions.close(), loop)


_all: weakref.WeakSet[Sessions] = weakref.WeakSet()

#: What a forked child inherited of them, kept for ever: the transports' end is the parent's.
_inherited: list[_OfLoop] = []


def _forked() -> None:
    # At once and not when the child first asks for a session: it may as well never do so, and the
    # destructors of what it inherited would take the parent's sockets out of the epoll that both
    # share. The parent would then wait for an answer until a clock ends it.
    for sessions in _all:
        for of_loop in sessions._by_loop.values():
            of_loop.disown()
            _inherited.append(of_loop)
        sessions._by_loop.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forked)


def proxy_for(url: URL, given: str | None) -> str | None:
    """The proxy (URL, str) for requests to `url`: the one that was given, else the environment's
    HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Never one for loopback: the prompt to a local server has
    no business at a proxy.

    Read here and not by aiohttp's trust_env, which also reads ~/.netrc and then fails beside our
    own Authorization header.
    """
    host = url.host or ""
    if given is not None:
        return given
    if _is_here(host):
        return None
    # Secret: a traceback may show this frame's locals.
    proxy = Secret(getproxies().get(url.scheme) or getproxies().get("all") or "")
    if not proxy or proxy_bypass(f"{host}:{url.port}" if url.port else host):
        return None
    if "://" not in proxy:
        proxy = Secret(f"http://{proxy}")
    scheme = proxy.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        raise ConfigurationError(
            f"the environment names a {scheme} proxy for {host}; rawllm speaks to http and https "
            "proxies. Set NO_PROXY, or proxy="
        )
    try:
        check_proxy(proxy)
    except ConfigurationError as error:
        raise ConfigurationError(f"the environment's proxy cannot be used: {error}") from None
    return proxy


def _is_here(host: str) -> bool:
    """Loopback, or the name that stands for a unix socket in our URLs. 0.0.0.0 is where servers
    say that they listen, and what people then copy."""
    try:
        found = ip_address(host)
    except ValueError:
        return host in ("localhost", "unix")
    return found.is_loopback or found.is_unspecified
