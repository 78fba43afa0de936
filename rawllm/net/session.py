"""The pooled aiohttp sessions: one set an event loop, never shared over a fork.

Sends nothing itself. Its connectors tell, for each request, whether the connection was a reused
one: only then may a request that died without an answer be sent again for free.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextvars import ContextVar
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from ..errors import ConfigurationError

__all__ = ["Connection", "Sessions", "current", "proxy_for"]

#: Seconds an idle connection is kept: below the 5 s after which uvicorn, and so vLLM, closes it.
#: aiohttp's own 15 s make every tenth call meet a dead connection (NeMo-Gym#1555, vllm#41567).
KEEPALIVE = 4.0


class Connection:
    """What is known of one connection. uses: int, requests it has carried. drained_at: loop time
    at which a stream on it was read to its end, or None. opening: float seconds it took."""

    __slots__ = ("drained_at", "opening", "uses")

    def __init__(self) -> None:
        self.uses = 0
        self.drained_at: float | None = None
        self.opening: float | None = None


class Slot:
    """Where the connector leaves the connection that a request got."""

    __slots__ = ("connection",)

    def __init__(self) -> None:
        self.connection: Connection | None = None


#: The request's slot. A context variable, since aiohttp passes nothing of ours through to its
#: connector, and trace configs, its own way, cost 15 % of a call.
current: ContextVar[Slot | None] = ContextVar("rawllm_slot", default=None)


class _Watching(aiohttp.BaseConnector):
    """Notes which connection a request got."""

    _known: weakref.WeakKeyDictionary[ResponseHandler, Connection]

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Any:
        started = self._loop.time()
        connection = await super().connect(req, traces, timeout)
        slot = current.get()
        protocol = connection.protocol
        if slot is not None and protocol is not None:
            known = self._known.get(protocol)
            if known is None:
                known = self._known[protocol] = Connection()
                known.opening = self._loop.time() - started
            known.uses += 1
            slot.connection = known
        return connection


class _WatchingTCP(_Watching, aiohttp.TCPConnector):
    pass


class _WatchingUnix(_Watching, aiohttp.UnixConnector):
    pass


class _OfLoop:
    """The sessions of one event loop: one that keeps connections, one that never does."""

    def __init__(self, pooled: aiohttp.ClientSession, fresh: aiohttp.ClientSession) -> None:
        self.pooled = pooled
        self.fresh = fresh

    async def close(self) -> None:
        await self.pooled.close()
        if self.fresh is not self.pooled:
            await self.fresh.close()


#: Sessions that a forked child inherited. Kept for ever and never touched: closing them, which
#: their destructors would do, writes into the parent's sockets.
_inherited: list[Any] = []


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
        self._pid = os.getpid()
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = (
            weakref.WeakKeyDictionary()
        )
        self.closed = False

    def get(self, *, fresh: bool = False) -> aiohttp.ClientSession:
        """The running loop's session. fresh: the one whose connections serve one request each."""
        if self._pid != os.getpid():
            _inherited.append(self._by_loop)
            self._by_loop = weakref.WeakKeyDictionary()
            self._pid = os.getpid()
        loop = asyncio.get_running_loop()
        sessions = self._by_loop.get(loop)
        if sessions is None:
            sessions = self._by_loop[loop] = self._open(loop)
        return sessions.fresh if fresh else sessions.pooled

    def _open(self, loop: asyncio.AbstractEventLoop) -> _OfLoop:
        # Loops that were closed without close() leave sessions behind that only wait to complain.
        for old in [known for known in self._by_loop if known.is_closed()]:
            self._abandon(self._by_loop.pop(old))
        if self._connector is not None:
            session = self._session(self._connector, owner=False)
            return _OfLoop(session, session)
        return _OfLoop(
            self._session(self._new_connector(fresh=False)),
            self._session(self._new_connector(fresh=True)),
        )

    def _new_connector(self, *, fresh: bool) -> aiohttp.BaseConnector:
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
        connector._known = weakref.WeakKeyDictionary()
        return connector

    def _session(
        self, connector: aiohttp.BaseConnector, *, owner: bool = True
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=owner,
            # The clocks are ours. total=None must be said: aiohttp's default of 300 s counts the
            # time in the queue, and a later release may bring it back where it is left out.
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    @staticmethod
    def _abandon(sessions: _OfLoop) -> None:
        """Let go of the sessions of a closed loop: no coroutine can run there any more."""
        for session in (sessions.pooled, sessions.fresh):
            connector = session.connector
            session.detach()
            if connector is not None and not connector.closed:
                connector._close()  # close() would start a task

    async def close(self) -> None:
        """Close every connection. Sessions of other loops that still run are closed by those."""
        self.closed = True
        here = asyncio.get_running_loop()
        for loop, sessions in list(self._by_loop.items()):
            if self._pid != os.getpid():
                _inherited.append(sessions)
            elif loop is here:
                await sessions.close()
            elif loop.is_closed():
                self._abandon(sessions)
            else:
                asyncio.run_coroutine_threadsafe(sessions.close(), loop)
        self._by_loop.clear()


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
    if host in ("localhost", "127.0.0.1", "::1") or host.startswith("127."):
        return None
    proxy = getproxies().get(url.scheme) or getproxies().get("all")
    if not proxy or proxy_bypass(f"{host}:{url.port}" if url.port else host):
        return None
    if not proxy.startswith(("http://", "https://")):
        if "://" in proxy:
            raise ConfigurationError(
                f"the environment names a {proxy.partition('://')[0]} proxy for {host}; "
                "rawllm speaks to http and https proxies. Set NO_PROXY, or proxy="
            )
        proxy = f"http://{proxy}"
    return proxy
