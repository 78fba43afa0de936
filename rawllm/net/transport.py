"""Request → open response; aiohttp's errors → ours; size limits.

The one place that knows aiohttp's exceptions. Retries nothing but the one thing that is no retry:
a request that died on a reused connection, which the server had closed before it saw it.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import aiohttp
from aiohttp import http_exceptions
from yarl import URL

from ..errors import APIError
from ..sansio.failures import fault
from ..sansio.manners import StreamManners
from .clocks import Clock
from .session import Connection, Sessions, Slot, current

__all__ = ["Response", "Transport"]

#: A reused connection that fails within this many seconds of the request was dead before it. Later
#: it may have been a long prefill that crashed the server: not to be repeated unasked.
STALE_WITHIN = 1.0

#: What is read of the body after a stream's end to get the connection back: bytes, seconds.
DRAIN_BYTES, DRAIN_SECONDS = 64 * 1024, 0.25

PROXY_LOGIN = " (the proxy wants a user name and password: http://user:password@host:port)"

#: Why a server ends a TLS connection that stood: with TLS 1.3 it judges the client's certificate
#: after the client's handshake is over.
_OUR_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")

_REFUSED = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENOENT,  # a unix socket that is not there yet
}


class Response:
    """An open response. status: int. connection: what is known of its connection, or None."""

    __slots__ = ("_content", "_raw", "_sessions", "connection", "headers", "status")

    def __init__(
        self, raw: aiohttp.ClientResponse, connection: Connection | None, sessions: Sessions
    ) -> None:
        self._raw = raw
        self._sessions = sessions
        self._content = raw.content
        self.status = raw.status
        self.headers = raw.headers
        self.connection = connection

    def plain_headers(self) -> dict[str, str]:
        """The headers as a dict with names in lower case; of a repeated one the last value."""
        return {name.lower(): value for name, value in self.headers.items()}

    async def readany(self) -> bytes:
        """What has arrived, or the next piece; b"" at the end of the body. Raises our errors."""
        try:
            return await self._content.readany()
        except asyncio.CancelledError as cancelled:
            raise cancelled.with_traceback(None) from None  # aiohttp's frames hold our headers
        except Exception as failure:
            error = self._error(failure)
        raise error  # out here, it carries none of aiohttp's along

    async def read(
        self,
        clock: Clock,
        *,
        idle: float | None,
        limit: int,
        first_token: float | None = None,
        sent_at: float | None = None,
        arrived: Callable[[], None] = lambda: None,
    ) -> bytes:
        """The whole body. `first_token` seconds from `sent_at` bound the wait for its first byte,
        of which `arrived` is told, and `idle` those for the next ones. Raises LimitExceeded above
        `limit` bytes, counted after decompression: 200 kB of gzip can hold 200 MB."""
        length = self._raw.content_length
        if length is not None and length > limit:
            raise _too_large(limit)
        pieces: list[bytes] = []
        size = 0
        while True:
            piece = self._buffered()  # mostly all of it, and then no clock need be set
            if not piece and not self._content.at_eof():
                first = None if pieces else sent_at
                kind, seconds = ("idle", idle) if pieces else ("first_token", first_token)
                with clock.run(kind, seconds, since=first):
                    piece = await self.readany()
                if clock.expired:
                    raise clock.error()
            if not piece:
                break
            if not pieces:
                arrived()
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
            if self._content.at_eof():
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _buffered(self) -> bytes:
        """What has arrived of the body, without waiting."""
        try:
            return self._content.read_nowait()
        except Exception as failure:
            error = self._error(failure)
        raise error

    def _error(self, failure: Exception) -> APIError:
        return _closed() if self._sessions.closed else _body_error(failure)

    async def drain(self, clock: Clock) -> None:
        """Read the little that follows a stream's end, so that the connection goes back to the
        pool; close it where the server does not come to an end."""
        with suppress(APIError):
            # The answer was complete: what is wrong with its tail is of no interest.
            size = len(self._buffered())
            if not self._content.at_eof():
                with clock.run("idle", DRAIN_SECONDS):
                    while size <= DRAIN_BYTES and (piece := await self.readany()):
                        size += len(piece)
        if clock.expired:
            clock.error()
        if self._content.at_eof() and self.connection is not None:
            self.connection.drained_at = asyncio.get_running_loop().time()
        self._raw.close()  # of no effect on a connection that went back at the end of the body

    def close(self) -> None:
        """Close the connection if the body is not at its end: that aborts the work upstream."""
        self._raw.close()
        connection = self._raw.connection
        if connection is not None:  # aiohttp's close() leaves it where its loop was closed before
            connection.close()


class Transport:
    """Sends requests to one endpoint. proxy: URL or None."""

    def __init__(self, sessions: Sessions, *, proxy: str | None, manners: StreamManners) -> None:
        self._sessions = sessions
        self._proxy = proxy
        self._manners = manners

    async def open(
        self,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: bytes | None,
        *,
        stream: bool,
        connect: float | None,
        slot: Slot,
    ) -> Response:
        """The response, its body unread. slot: empty, told of the connection. Raises our errors; a
        status is not one."""
        loop = asyncio.get_running_loop()
        fresh = stream and self._manners.closes(loop.time())
        while True:
            token = current.set(slot)
            started = loop.time()
            try:
                # _request and not request: that one wraps it for `async with`, 5 % of a call.
                raw = await self._sessions.get(fresh=fresh)._request(
                    method,
                    url,
                    data=body,
                    headers=headers,
                    # Followed, a redirect would carry `api-key` headers and the prompt to another
                    # host (aiohttp drops only Authorization and Cookie there).
                    allow_redirects=False,
                    proxy=self._proxy,
                    timeout=_client_timeout(connect),
                )
            except asyncio.CancelledError as cancelled:
                raise cancelled.with_traceback(None) from None  # aiohttp's frames hold our headers
            except Exception as exception:
                failure = exception
            else:
                return Response(raw, slot.connection, self._sessions)
            finally:
                current.reset(token)
            if self._sessions.closed:
                del failure
                raise _closed(sent=slot.connection is not None and not slot.connecting)
            connection = slot.connection
            if fresh or not _was_stale(failure, connection, loop.time() - started):
                error = _open_error(failure, url, self._proxy is not None, connect, slot.connecting)
                del failure  # it holds our headers, and the traceback this frame
                raise error
            # On the connector that never reuses: ten dead connections in the pool would otherwise
            # need ten tries.
            assert connection is not None
            self._manners.died(loop.time(), connection.drained_at)
            fresh = True


@lru_cache(maxsize=16)  # people pass few values, or each call its own
def _client_timeout(connect: float | None) -> aiohttp.ClientTimeout:
    # Not sock_connect: that one leaves out DNS, and starts anew for each address of the host.
    # aiohttp would round times above 5 s up to whole seconds.
    return aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=math.inf)


def _was_stale(failure: Exception, connection: Connection | None, elapsed: float) -> bool:
    """Whether a request died because its pooled connection was already dead: it failed at once, and
    no byte came back."""
    return (
        connection is not None
        and connection.uses > 1
        and not connection.heard
        and elapsed < STALE_WITHIN
        and isinstance(failure, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError))
        and not isinstance(failure, aiohttp.ClientConnectorError)
    )


def _open_error(
    failure: Exception, url: URL, proxied: bool, connect: float | None, connecting: bool = False
) -> APIError:
    """aiohttp's exception before a response → ours. connecting: no connection was there yet."""
    if isinstance(failure, aiohttp.ClientHttpProxyError):
        return _tunnel_error(failure.status, url)
    if isinstance(failure, aiohttp.ClientResponseError):  # only aiohttp's own CONNECT raises it
        return fault(
            "proxy",
            f"the proxy opened no tunnel to {url.host}:{url.port}: it did not answer in HTTP",
            sent=False,
        )
    where = _whom(failure, url, proxied)
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        whose = f" of {where}" if proxied else ""
        return fault("dns", f"cannot resolve the host name {failure.host!r}{whose}", sent=False)
    if isinstance(failure, aiohttp.ClientConnectorError):
        return _connect_error(failure, where, url.scheme)
    if isinstance(failure, aiohttp.ServerTimeoutError):
        # Without a bound of ours it is the resolver's own.
        bound = "in time" if connect is None else f"within {connect:g} s (Timeout.connect)"
        return fault("connect_timeout", f"no connection to {where} {bound}", sent=False)
    if isinstance(failure, aiohttp.ServerFingerprintMismatch):
        return fault("tls", f"the certificate of {where} has another fingerprint", sent=False)
    if isinstance(failure, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        if proxied and connecting:
            return fault(
                "connect",
                f"the proxy opened no tunnel to {url.host}:{url.port}: it closed the connection",
                sent=False,
            )
        reason = _reason(failure.__cause__)
        if isinstance(failure.__cause__, ssl.SSLError) and any(
            word in reason for word in _OUR_CERTIFICATE
        ):
            return fault("tls", f"{where} did not accept this client: {reason}", sent=False)
        return fault("lost", f"{where} closed the connection without an answer")
    if isinstance(failure, http_exceptions.HttpProcessingError):
        return _malformed(failure, where)
    if isinstance(failure, (aiohttp.ClientConnectionError, RuntimeError)):
        return fault("closed", f"the client was closed: {_reason(failure)}", sent=False)
    if isinstance(failure, (aiohttp.ClientError, OSError)):
        return fault("lost", f"the exchange with {where} failed: {type(failure).__name__}")
    raise failure


def _whom(failure: Exception, url: URL, proxied: bool) -> str:
    """Whom an error is about: the server, or the proxy before it."""
    if url.host == "unix":
        path = getattr(failure, "path", "")  # UnixClientConnectorError's
        return f"the unix socket {path}".rstrip()
    where = f"{url.host}:{url.port}"
    if not proxied:
        return where
    if isinstance(failure, aiohttp.ClientConnectorError) and (
        (failure.host, failure.port) != (url.raw_host, url.port)
    ):
        return f"the proxy for {where} ({failure.host}:{failure.port})"
    return f"{where} (through the proxy)"


def _tunnel_error(status: int, url: URL) -> APIError:
    """A proxy's refusal to open a tunnel. It may reach the server another time; what else it
    refuses it will refuse again."""
    return fault(
        "connect" if status in (429, 500, 502, 503, 504) else "proxy",
        f"the proxy refused to connect to {url.host}:{url.port}: HTTP {status}"
        + (PROXY_LOGIN if status == 407 else ""),
        sent=False,
    )


def _connect_error(failure: aiohttp.ClientConnectorError, where: str, scheme: str) -> APIError:
    cause = failure.os_error
    reason = _reason(cause)
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        return fault("tls", f"the certificate of {where} was not accepted: {reason}", sent=False)
    if isinstance(cause, ssl.SSLError):
        # Who sends an alert does speak TLS.
        hint = "" if "ALERT" in reason else "; does it speak plain http://?"
        return fault("tls", f"no TLS with {where}: {reason}{hint}", sent=False)
    if scheme == "https" and isinstance(cause, ConnectionResetError):
        # A server that does not know TLS, or one that is just going down.
        return fault(
            "connect",
            f"{where} dropped the TLS handshake; does it speak plain http://?",
            sent=False,
        )
    if cause.errno in _REFUSED or isinstance(cause, ConnectionRefusedError):
        return fault("refused", f"cannot connect to {where}: {reason}", sent=False)
    return fault("connect", f"cannot connect to {where}: {reason}", sent=False)


def _malformed(failure: http_exceptions.HttpProcessingError, where: str) -> APIError:
    """What came was no HTTP. aiohttp's status, 400, is made up: no server sent it."""
    text = str(failure.message)
    cause = failure.__cause__  # the parser's; this one is the protocol's
    if isinstance(cause, http_exceptions.LineTooLong) or "Too many headers" in text:
        return fault("limit", f"{where} sent headers over the limit of 8190 bytes or 128 lines")
    if "content-encoding" in text.lower():
        return fault("encoding", f"{where} sent a content-encoding that was not asked for")
    if r"\x15\x03" in text:  # a TLS alert
        return fault("tls", f"{where} speaks TLS: its base_url begins with https://", sent=False)
    return fault("protocol", f"{where} did not answer in HTTP")


def _body_error(failure: Exception) -> APIError:
    """aiohttp's exception while a body is read → ours."""
    if isinstance(failure, aiohttp.ClientPayloadError):
        return fault("body_cut", "the body ended before it was complete")
    if isinstance(failure, (aiohttp.ClientResponseError, http_exceptions.HttpProcessingError)):
        return fault("protocol", "the body broke HTTP's framing")
    if isinstance(failure, (aiohttp.ClientError, OSError, RuntimeError)):
        return fault("body_cut", f"the connection was lost within the body: {_reason(failure)}")
    raise failure


def _closed(*, sent: bool = True) -> APIError:
    return fault("closed", "the client was closed before the answer was complete", sent=sent)


def _too_large(limit: int) -> APIError:
    return fault(
        "limit",
        f"the answer is larger than {limit} bytes; Limits(max_response_bytes=…) sets this bound",
    )


def _reason(failure: Any) -> str:
    """What an OS or TLS error says, without what may hold our data."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return str(failure.verify_message or failure.reason)
    if isinstance(failure, ssl.SSLError):
        return str(failure.reason or "handshake failed")
    if isinstance(failure, OSError) and failure.errno and failure.errno in errno.errorcode:
        return os.strerror(failure.errno)  # asyncio's own text says no more than the address
    return type(failure).__name__
