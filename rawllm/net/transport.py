"""Request → open response.

Retries nothing but the one thing that is no retry: a request that died on a reused connection,
which the server had closed before it saw it.
"""

from __future__ import annotations

import asyncio
import math
from functools import lru_cache

import aiohttp
from yarl import URL

from ..sansio.manners import StreamManners
from .aiohttp_errors import closed, open_error, was_stale
from .response import Response
from .session import Sessions
from .slot import Headers, Slot, current

__all__ = ["Transport"]


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
        headers: Headers,
        body: bytes | None,
        *,
        stream: bool,
        connect: float | None,
        slot: Slot,
    ) -> Response:
        """The response, its body unread. slot: empty, told of the connection. Raises our errors; a
        status is not one."""
        slot.headers = headers
        fresh = stream and self._manners.closes(slot.since)
        while True:
            token = current.set(slot)
            try:
                # _request and not request: that one wraps it for `async with`, 5 % of a call.
                raw = await self._sessions.get(fresh=fresh)._request(
                    method,
                    url,
                    data=body,
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
                raise closed(sent=slot.connection is not None and not slot.connecting)
            connection = slot.connection
            now = asyncio.get_running_loop().time()
            if fresh or not was_stale(failure, connection, now - slot.since):
                error = open_error(failure, url, self._proxy is not None, connect, slot.connecting)
                del failure  # it holds our headers, and the traceback this frame
                raise error
            # On the connector that never reuses: ten dead connections in the pool would otherwise
            # need ten tries.
            assert connection is not None
            self._manners.died(now, connection.drained_at)
            fresh = True
            slot.since = now


@lru_cache(maxsize=16)  # people pass few values, or each call its own
def _client_timeout(connect: float | None) -> aiohttp.ClientTimeout:
    # Not sock_connect: that one leaves out DNS, and starts anew for each address of the host.
    # aiohttp would round times above 5 s up to whole seconds.
    return aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=math.inf)
