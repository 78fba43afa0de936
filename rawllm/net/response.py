"""An open response: its body in pieces or whole, within its clocks and size limits.

Opens nothing; transport.py does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import aiohttp

from ..errors import APIError
from .aiohttp_errors import body_error, closed, too_large
from .clocks import Clock
from .session import Sessions
from .slot import Connection

__all__ = ["Response"]

#: What is read of the body after a stream's end to get the connection back: bytes, seconds.
DRAIN_BYTES, DRAIN_SECONDS = 64 * 1024, 0.25


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
            raise too_large(limit)
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
                raise too_large(limit)
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
        return closed() if self._sessions.closed else body_error(failure)

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
