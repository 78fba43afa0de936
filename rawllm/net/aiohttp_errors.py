"""aiohttp's exceptions → our errors: the one place that knows them.

Raises nothing but what is no fault of the network's, and decides nothing: sansio/failures.py has
the table of what an error means for the call.
"""

from __future__ import annotations

import errno
import os
import ssl
from typing import Any

import aiohttp
from aiohttp import http_exceptions
from yarl import URL

from ..errors import APIError
from ..sansio.failures import fault
from .slot import Connection

__all__ = ["PROXY_LOGIN", "body_error", "closed", "open_error", "too_large", "was_stale"]

#: A reused connection that fails within this many seconds of the request was dead before it. Later
#: it may have been a long prefill that crashed the server: not to be repeated unasked.
STALE_WITHIN = 1.0

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


def was_stale(failure: Exception, connection: Connection | None, elapsed: float) -> bool:
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


def open_error(
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


def body_error(failure: Exception) -> APIError:
    """aiohttp's exception while a body is read → ours."""
    if isinstance(failure, aiohttp.ClientPayloadError):
        return fault("body_cut", "the body ended before it was complete")
    if isinstance(failure, (aiohttp.ClientResponseError, http_exceptions.HttpProcessingError)):
        return fault("protocol", "the body broke HTTP's framing")
    if isinstance(failure, (aiohttp.ClientError, OSError, RuntimeError)):
        return fault("body_cut", f"the connection was lost within the body: {_reason(failure)}")
    raise failure


def closed(*, sent: bool = True) -> APIError:
    reached = "the answer was complete" if sent else "the request was sent"
    return fault("closed", f"the client was closed before {reached}", sent=sent)


def too_large(limit: int) -> APIError:
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
