"""An app under a real uvicorn on a real socket, in the test's own loop, and callers who leave."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def serving(app: FastAPI, http: str = "auto") -> AsyncIterator[str]:
    """The URL of the app. http: which of uvicorn's parsers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app,
            http=http,
            log_config=None,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=2,  # a test that fails leaves requests running
        )
        server = uvicorn.Server(config)
        # As uvicorn's serve() does, less its signals and the tenth of a second that it sleeps.
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listening])
        assert server.started
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            await server.shutdown(sockets=[listening])


class Caller:
    """One request over a socket of its own, read as it comes, and left at will."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def post(cls, url: str, path: str, body: Any, **headers: str) -> Caller:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {
            "host": "127.0.0.1",
            "content-type": "application/json",
            "content-length": str(len(data)),
            "connection": "close",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + data)
        await writer.drain()
        return cls(reader, writer)

    def leave(self) -> None:
        self._writer.close()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body)."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            body = await self.reader.read()
        status, *lines = head.strip().split("\r\n")
        fields = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in fields}
        self.leave()
        if headers.get("transfer-encoding") == "chunked":
            body = _unchunked(body)
        return int(status.split()[1]), headers, body


def _unchunked(wire: bytes) -> bytes:
    """The body, where it came to its proper end."""
    body = b""
    while True:
        size, _, rest = wire.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body
        body += rest[:length]
        wire = rest[length + 2 :]


def events(body: bytes) -> list[Any]:
    """The payloads of an event stream: objects, and "[DONE]"."""
    blocks = [block.removeprefix("data: ") for block in body.decode().split("\n\n")[:-1]]
    return [block if block == "[DONE]" else json.loads(block) for block in blocks]
