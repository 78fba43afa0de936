"""aiohttp's request and response, less what JSON in one piece never needs.

For every request aiohttp's own merge headers, wrap the body, make a stream writer and a task that
writes, and a response that remembers all of it: a fifth of what a call costs. `request_class=` is
aiohttp's own way to do without. Its session, pool, proxies, TLS and parser stay as they are.

Decides nothing and knows no errors of ours.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from .slot import Headers, current

if TYPE_CHECKING:
    from aiohttp.connector import Connection

__all__ = ["Request", "unsent"]

#: Bytes up to which a body is copied behind its head, so that both leave in one packet.
ONE_PIECE = 64 * 1024


def unsent(transport: Any) -> int:
    """Bytes that were written and that the system has not taken yet."""
    size: int = transport.get_write_buffer_size()
    # asyncio's TLS counts only what it has not passed on, and it passes on all of a body at once.
    tls = getattr(transport, "_ssl_protocol", None)
    below = None if tls is None else getattr(tls, "_transport", None)
    return size if below is None else size + unsent(below)


class Request(aiohttp.ClientRequest):
    """A request with a body of bytes, or with none. Takes what aiohttp's session passes, and leaves
    out what rawllm's never asks of it: cookies, auth, compression, chunks, `Expect`, traces."""

    def __init__(
        self,
        method: str,
        url: URL,
        *,
        data: bytes | None,
        loop: asyncio.AbstractEventLoop,
        session: aiohttp.ClientSession,
        ssl: Any,
        proxy: URL | None,
        proxy_auth: Any,
        proxy_headers: Any,
        server_hostname: str | None,
        timer: Any,
        **_: Any,
    ) -> None:
        self.method = method
        self.url = self.original_url = url
        slot = current.get()
        self._head = (slot.headers if slot is not None else Headers()).head()
        # What the connector asks for, and adds where there is a proxy.
        self.headers = CIMultiDict({hdrs.HOST: url.host_port_subcomponent or ""})
        self.headers.update(self._head.apart)
        self.loop = loop
        self.data = data
        # For the connector:
        self.proxy = proxy
        self.proxy_auth = proxy_auth
        self.proxy_headers = proxy_headers
        self.server_hostname = server_hostname
        self._ssl = ssl
        # For the response:
        self._session = session
        self._timer = timer

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        url, data = self.url, self.data
        target = str(url) if self.proxy is not None and not self.is_ssl() else url.raw_path_qs
        head = f"{self.method} {target} HTTP/1.1\r\n"
        for name, value in self.headers.items():
            head += f"{name}: {value}\r\n"
        if data is not None:
            head += f"Content-Length: {len(data)}\r\n"
        if conn._connector.force_close:
            head += "Connection: close\r\n"
        request = b"%b%b\r\n" % (head.encode(), self._head.lines)
        transport = conn.transport
        if transport is None or transport.is_closing():  # it would swallow what is written
            raise aiohttp.ClientOSError(errno.ECONNRESET, "the connection is closing")
        if data is None or len(data) <= ONE_PIECE:
            transport.write(request + (data or b""))
        else:
            transport.write(request)
            transport.write(data)
        return _Response(self)


class _Response(aiohttp.ClientResponse):
    _traces: list[Any] = []  # nobody traces  # noqa: RUF012

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self._real_url = self._url = request.url
        self._timer = request._timer
        self._cache = {}
        self._loop = request.loop
        self._session = request._session

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head. Raises what the protocol raises, HttpProcessingError included."""
        self._closed = False
        self._connection = connection
        protocol = self._protocol = connection.protocol
        assert protocol is not None
        while True:
            message, payload = await protocol.read()
            if not 100 <= message.code < 200 or message.code == 101:
                break  # else it is one that only announces the answer
        payload.on_eof(self._response_eof)
        self.version = message.version
        self.status = message.code
        self.reason = message.reason
        self._headers = message.headers
        self._raw_headers = message.raw_headers
        self.content = payload
        return self

    def _response_eof(self) -> None:
        """The body is whole: the connection goes back to the pool."""
        if self._closed:
            return
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        transport = connection.transport
        # An answer that came before the request was sent: what is left of it would stand before
        # the next one.
        if transport is None or unsent(transport):
            connection.close()
        else:
            connection.release()
