"""Request → open response; aiohttp's errors → ours; size limits.

The one place that knows aiohttp's exceptions. Retries nothing but the one thing that is no retry:
a request that died on a reused connection, which the server had closed before it saw it.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from functools import cache
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

_REFUSED = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENOENT,  # a unix socket that is not there yet
}


class Response:
    """An open response. status: int. connection: what is known of its connection, or None."""

    __slots__ = ("_content", "_raw", "connection", "headers", "status")

    def __init__(self, raw: aiohttp.ClientResponse, connection: Connection | None) -> None:
        self._raw = raw
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
        except Exception as exception:
            failure = exception
        raise _body_error(failure)

    async def read(self, clock: Clock, *, idle: float | None, limit: int) -> bytes:
        """The whole body. Raises LimitExceeded above `limit` bytes, counted after decompression:
        200 kB of gzip can hold 200 MB."""
        length = self._raw.content_length
        if length is not None and length > limit:
            raise _too_large(limit)
        pieces: list[bytes] = []
        size = 0
        while True:
            with clock.run("idle", idle):
                piece = await self.readany()
            if clock.expired:
                raise clock.error()
            if not piece:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)

    async def drain(self, clock: Clock) -> None:
        """Read the little that follows a stream's end, so that the connection goes back to the
        pool; close it where the server does not come to an end."""
        size = 0
        try:
            while not self._content.at_eof():
                with clock.run("idle", DRAIN_SECONDS):
                    piece = await self.readany()
                if clock.expired:
                    clock.error()
                    break
                size += len(piece)
                if not piece or size > DRAIN_BYTES:
                    break
        except APIError:
            pass  # the answer was complete: what is wrong with its tail is of no interest
        if self._content.at_eof() and self.connection is not None:
            self.connection.drained_at = asyncio.get_running_loop().time()
        self._raw.close()  # of no effect on a connection that went back at the end of the body

    def close(self) -> None:
        """Close the connection if the body is not at its end: that aborts the work upstream."""
        self._raw.close()


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
    ) -> Response:
        """The response, its body unread. Raises our errors; a status is not one."""
        loop = asyncio.get_running_loop()
        fresh = stream and self._manners.closes(loop.time())
        while True:
            slot = Slot()
            token = current.set(slot)
            started = loop.time()
            try:
                session = self._sessions.get(fresh=fresh)
                raw = await session.request(
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
                return Response(raw, slot.connection)
            finally:
                current.reset(token)
            connection = slot.connection
            if fresh or not _was_stale(failure, connection, loop.time() - started):
                raise _open_error(failure, url, self._proxy is not None)
            # On the connector that never reuses: ten dead connections in the pool would otherwise
            # need ten tries.
            assert connection is not None
            self._manners.died(loop.time(), connection.drained_at)
            fresh = True


@cache
def _client_timeout(connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=connect)


def _was_stale(failure: Exception, connection: Connection | None, elapsed: float) -> bool:
    """Whether a request died because its pooled connection was already dead. No byte of a response
    came back (that would be another exception), and it failed at once."""
    return (
        connection is not None
        and connection.uses > 1
        and elapsed < STALE_WITHIN
        and isinstance(failure, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError))
        and not isinstance(failure, aiohttp.ClientConnectorError)
    )


def _open_error(failure: Exception, url: URL, proxied: bool) -> APIError:
    """aiohttp's exception before a response → ours."""
    where = f"{url.host}:{url.port}" if url.host != "unix" else "the unix socket"
    if isinstance(failure, aiohttp.ClientHttpProxyError):
        return fault(
            "proxy",
            f"the proxy refused to connect to {where}: HTTP {failure.status}"
            + (
                " (its user name and password belong into the URL)" if failure.status == 407 else ""
            ),
            sent=False,
        )
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return fault("dns", f"cannot resolve the host name {url.host!r}", sent=False)
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        return fault(
            "tls",
            f"the certificate of {where} was not accepted: {_reason(failure.certificate_error)}",
            sent=False,
        )
    if isinstance(failure, aiohttp.ClientConnectorError):
        return _connect_error(failure, where, url.scheme, proxied)
    if isinstance(failure, aiohttp.ServerTimeoutError):
        return fault("connect_timeout", f"no connection to {where} in time", sent=False)
    if isinstance(failure, aiohttp.ServerFingerprintMismatch):
        return fault("tls", f"the certificate of {where} has another fingerprint", sent=False)
    if isinstance(failure, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        return fault("lost", f"{where} closed the connection without an answer")
    if isinstance(failure, aiohttp.ClientResponseError):
        return _malformed(failure, where)
    if isinstance(failure, (aiohttp.ClientConnectionError, RuntimeError)):
        return fault("closed", f"the client was closed: {_reason(failure)}", sent=False)
    if isinstance(failure, (aiohttp.ClientError, OSError)):
        return fault("lost", f"the exchange with {where} failed: {type(failure).__name__}")
    raise failure


def _connect_error(
    failure: aiohttp.ClientConnectorError, where: str, scheme: str, proxied: bool
) -> APIError:
    cause = failure.os_error
    if isinstance(failure, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        hint = "; does it speak plain http://?" if scheme == "https" else ""
        return fault("tls", f"no TLS with {where}: {_reason(cause)}{hint}", sent=False)
    if scheme == "https" and isinstance(cause, ConnectionResetError):
        return fault(
            "tls", f"{where} dropped the TLS handshake; does it speak plain http://?", sent=False
        )
    if proxied:
        where = f"the proxy for {where}"
    reason = _reason(cause)
    if cause.errno in _REFUSED or isinstance(cause, ConnectionRefusedError):
        return fault("refused", f"cannot connect to {where}: {reason}", sent=False)
    return fault("connect", f"cannot connect to {where}: {reason}", sent=False)


def _malformed(failure: aiohttp.ClientResponseError, where: str) -> APIError:
    """What came was no HTTP. aiohttp's status, 400, is made up: no server sent it."""
    text = str(failure.message)
    cause = failure.__cause__
    if isinstance(cause, http_exceptions.LineTooLong) or "Too many headers" in text:
        return fault("limit", f"{where} sent headers over the limit of 8190 bytes or 128 lines")
    if "content-encoding" in text.lower():
        return fault("encoding", f"{where} sent a content-encoding that was not asked for")
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
    if isinstance(failure, OSError) and failure.strerror:
        return failure.strerror
    return type(failure).__name__
