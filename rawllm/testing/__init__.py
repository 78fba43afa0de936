"""A scripted OpenAI-compatible server for tests: good answers, slow answers, broken HTTP.

Needs the standard library only, listens on loopback only, and imports nothing else of rawllm.

    async with FakeServer() as server:      # in the running event loop
    with FakeServer() as server:            # in a background thread; the `fake_server` fixture
        server.reply("Hello")               # the next answer, whole or streamed as the request asks
        server.fail(429, headers={"Retry-After": "1"})
        server.stream(["Hel", 0.1, "lo"], end="reset")
        server.raw([b"HTTP/1.1 200 OK", 0.1, b"garbage"], end="close")
        client = Client(server.url)
"""

from __future__ import annotations

from .answers import Answer, Raw, Reply, Stream
from .request import Request
from .server import FakeServer

__all__ = ["Answer", "FakeServer", "Raw", "Reply", "Request", "Stream"]
