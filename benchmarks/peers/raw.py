"""HTTP over a bare asyncio.Protocol: the floor, for what pure Python on asyncio can cost at least.

Does what the canned server needs and no more: no errors, no redirects, no TLS.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Raw"]


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got.append(data)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(exc or ConnectionResetError())

    async def read(self) -> bytes:
        """What has come, at least one byte."""
        if not self.got:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        data = b"".join(self.got)
        self.got.clear()
        return data


class Raw:
    """A pool of connections to one address."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Authorization: Bearer key\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()
        self._free: list[_Connection] = []

    async def _open(self, payload: dict[str, Any]) -> tuple[_Connection, bytes, bytes]:
        """The connection, the answer's head and what has come of its body."""
        if self._free:
            connection = self._free.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Connection, self._host, self._port)
        body = json.dumps(payload).encode()
        connection.transport.write(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
        data = await connection.read()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += await connection.read()
        return connection, data[:end], data[end + 4 :]

    async def call(self, payload: dict[str, Any]) -> Any:
        """The answer's JSON."""
        connection, head, body = await self._open(payload)
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += await connection.read()
        self._free.append(connection)
        return json.loads(body)

    async def stream(self, payload: dict[str, Any]) -> int:
        """How many events had a text."""
        connection, _, rest = await self._open(payload)
        events = b""
        found = 0
        size = -1
        while True:
            while (end := rest.find(b"\r\n")) >= 0:
                size = int(rest[:end], 16)
                if len(rest) < end + size + 4:
                    size = -1
                    break
                events += rest[end + 2 : end + 2 + size]
                rest = rest[end + 4 + size :]
            *whole, events = events.split(b"\n\n")
            for event in whole:
                if event != b"data: [DONE]":
                    chunk = json.loads(event[6:])
                    if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                        found += 1
            if size == 0:
                self._free.append(connection)
                return found
            rest += await connection.read()

    def close(self) -> None:
        for connection in self._free:
            connection.transport.close()
