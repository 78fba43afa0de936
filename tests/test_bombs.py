"""What a broken or hostile server can make of the client's memory: each bomb meets a client in a
process of its own, whose peak is measured by the system."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import pytest

from rawllm import Client, RawLLMError
from rawllm.testing import Answer, FakeServer, Raw, Stream

MIB = 1024 * 1024
BODY, EVENT = 64 * MIB, 16 * MIB  # what Limits has where nothing is said

HEAD = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%b\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"


def size_of(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """So much of them, or as much as there is."""
    for piece in pieces:
        yield piece
        size -= len(piece)
        if size <= 0:
            return


def again(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


@cache
def gzip_of(start: bytes) -> bytes:
    """300 MB that begin with `start`, in 300 kB."""
    squeeze = zlib.compressobj(wbits=31)
    pieces = [squeeze.compress(start)]
    pieces += [squeeze.compress(b"a" * 1_000_000) for _ in range(300)]
    whole = b"".join(pieces) + squeeze.flush()
    assert len(whole) < 310_000
    return whole


def gzipped(start: bytes, status: bytes = b"200 OK") -> Answer:
    body = gzip_of(start)
    encoded = b"content-encoding: gzip\r\ncontent-length: %d\r\n" % len(body)
    return Raw([HEAD % (status, encoded), body], end="keep")


def body(fields: bytes, status: bytes = b"200 OK", size: int = 2_000_000_000) -> Answer:
    """A body that begins as JSON does and goes on and on."""
    blanks = again(b" " * 65536)
    if fields == CHUNKED:
        blanks = again(b"10000\r\n" + b" " * 65536 + b"\r\n")

    def parts() -> Iterator[bytes]:
        yield HEAD % (status, fields)
        yield from size_of(blanks, size)

    return Raw(parts())


def sse(start: bytes, piece: bytes, size: int = 80_000_000) -> Answer:
    def parts() -> Iterator[bytes]:
        yield start
        yield from size_of(again(piece), size)
        yield from END

    return Stream(parts())


def chunk(content: str, finish: str | None = None, padding: int = 0) -> bytes:
    said = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "padding": "p" * padding,
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(said).encode() + b"\n\n"


END = [chunk("!", "stop"), b"data: [DONE]\n\n"]


def head(start: bytes, piece: bytes) -> Answer:
    """80 MB of head, and then an answer as it should be."""

    def parts() -> Iterator[bytes]:
        yield start
        yield from size_of(again(piece), 80_000_000)
        yield HEAD.partition(b"\r\n")[2] % b"content-length: 2\r\n" + b"{}"

    return Raw(parts())


class Bomb(NamedTuple):
    """verb: how it is asked for. end: the error, or the text of an answer. limit: what the client's
    memory grows by is less than twice this. closed: whether its connection must not be used again.
    """

    answer: Callable[[], Answer]
    verb: str
    end: str
    limit: int
    closed: bool = True


LINES = b"data: " + b"a" * 1000 + b"\n"
PADDED = chunk("x", padding=2000) * 30
MANY = "x" * 30 * -(-80_000_000 // len(PADDED)) + "!"

BOMBS = {
    "300 MB of JSON in 300 kB of gzip": Bomb(
        lambda: gzipped(b'{"choices": "'), "whole", "LimitExceeded", BODY
    ),
    "300 MB of gzip in an error": Bomb(
        lambda: gzipped(b'{"error": "', b"400 No"), "whole", "BadRequestError", EVENT
    ),
    "300 MB of gzip for a stream, which asked for none": Bomb(
        lambda: gzipped(b"data: "), "stream", "LimitExceeded", EVENT
    ),
    "a body that announces 2 GB": Bomb(
        lambda: body(b"content-length: 2000000000\r\n"), "whole", "LimitExceeded", EVENT
    ),
    "a body of 2 GB in chunks": Bomb(lambda: body(CHUNKED), "whole", "LimitExceeded", BODY),
    "a body without an end": Bomb(lambda: body(b""), "whole", "LimitExceeded", BODY),
    "an error that announces 2 GB": Bomb(
        lambda: body(b"content-length: 2000000000\r\n", b"500 Oh"),
        "whole",
        "InternalServerError",
        EVENT,
    ),
    "an error without an end": Bomb(lambda: body(b"", b"404 No"), "stream", "NotFoundError", EVENT),
    "a data line of 80 MB": Bomb(
        lambda: sse(b"data: ", b"a" * 65536), "stream", "LimitExceeded", EVENT
    ),
    "a comment of 80 MB": Bomb(lambda: sse(b": ", b"a" * 65536), "stream", "LimitExceeded", EVENT),
    "an event of 80 MB in short lines": Bomb(
        lambda: sse(b"", LINES * 60), "stream", "LimitExceeded", EVENT
    ),
    "a data line of 80 MB in mid-stream": Bomb(
        lambda: sse(chunk("x") + b"data: ", b"a" * 65536), "stream", "LimitExceeded", EVENT
    ),
    "a header line of 80 MB": Bomb(
        lambda: head(b"HTTP/1.1 200 OK\r\nx: ", b"a" * 65536), "whole", "LimitExceeded", EVENT
    ),
    "80 MB of headers": Bomb(
        lambda: head(b"HTTP/1.1 200 OK\r\n", b"x-y: z\r\n" * 6000), "whole", "LimitExceeded", EVENT
    ),
    "80 MB of chunks without output, which are held for the first": Bomb(
        lambda: sse(b"", chunk("", padding=2000) * 30), "stream", "LimitExceeded", EVENT
    ),
    # No bombs, but large: the memory is bounded, and the answer is right.
    "80 MB of events": Bomb(lambda: sse(b"", PADDED), "stream", MANY, EVENT // 2, closed=False),
    "80 MB of pings": Bomb(
        lambda: sse(b"", b": ping %b\n\n" % (b"." * 90) * 600),
        "stream",
        "!",
        EVENT // 2,
        closed=False,
    ),
    "80 MB of events for a slow reader": Bomb(
        lambda: sse(b"", PADDED), "slowly", MANY, EVENT // 2, closed=False
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_less_than_twice_its_limit_and_a_large_stream_nothing(name):
    bomb = BOMBS[name]
    with FakeServer() as server:
        server.handler = lambda request: bomb.answer() if request.prompts == ["bomb"] else "fine"
        child = subprocess.run(
            [sys.executable, "-W", "error", __file__, server.url, bomb.verb],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert child.stderr == ""
    found = json.loads(child.stdout)
    print(name, found["end"][:50], f"{found['growth'] / MIB:.1f} MiB of {2 * bomb.limit / MIB:g}")

    assert found["end"] == bomb.end
    assert found["growth"] < 2 * bomb.limit
    assert found["in_flight"] == 0
    assert found["next"] == "fine"
    # The bomb came on the connection that the call before it had opened.
    assert server.connections == (2 if bomb.closed else 1)


async def meet(url: str, verb: str) -> None:
    """In the other process: a good call, the bomb, a good call."""
    async with Client(url, model="m", max_retries=0) as llm:
        await llm.complete("hello")
        before = memory("VmRSS")
        try:
            end = await ask(llm, verb)
        except RawLLMError as error:
            end = type(error).__name__
        growth = memory("VmHWM") - before
        in_flight = llm._endpoint.limiter().in_flight
        text = (await llm.complete("hello")).text
    print(json.dumps({"end": end, "growth": growth, "in_flight": in_flight, "next": text}))


async def ask(llm: Client, verb: str) -> str:
    if verb == "whole":
        return (await llm.complete("bomb")).text
    async with llm.stream("bomb") as stream:
        if verb == "slowly":
            await anext(stream)
            # Time for the server to send far more than the sockets' buffers hold. Where it does
            # not get that far, the test proves less and still passes.
            await asyncio.sleep(0.3)
        return (await stream.result()).text


def memory(field: str) -> int:
    """Bytes. Not getrusage's ru_maxrss: a new process inherits the peak of the one that started
    it, and pytest's would hide whatever happens here."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    asyncio.run(meet(*sys.argv[1:]))
