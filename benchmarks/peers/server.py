"""A canned server: one answer per URL, prepared beforehand, so that the client is what is measured.

    python -m benchmarks.peers.server        # prints its address, serves until its stdin closes

Looks at nothing but the request's path and length. The path's first part says what comes back, so
that any SDK can be pointed at it by its base URL:

    /text=600/v1                     a whole answer with a text of 600 characters
    /events=64,write=16/v1           a stream of 64 tokens, 16 in each HTTP chunk and write
    /events=64,write=1,pace=5/v1     one token every 5 ms
    /text=600,park=1000/v1           held back until 1,000 requests are held, or none came for
                                     1.5 s; a stream is held half-way
    /stats                           CPU seconds of the server so far, as JSON
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time

__all__ = ["Behaviour", "event", "words"]

#: As many headers as a hosted API sends, with rate limits that never bind.
_HEAD = b"".join(
    b"%s: %s\r\n" % header
    for header in (
        (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT"),
        (b"server", b"uvicorn"),
        (b"access-control-expose-headers", b"X-Request-ID"),
        (b"openai-organization", b"benchmarks"),
        (b"openai-processing-ms", b"412"),
        (b"openai-version", b"2020-10-01"),
        (b"x-ratelimit-limit-requests", b"10000000"),
        (b"x-ratelimit-limit-tokens", b"10000000000"),
        (b"x-ratelimit-remaining-requests", b"9999999"),
        (b"x-ratelimit-remaining-tokens", b"9999999999"),
        (b"x-ratelimit-reset-requests", b"6ms"),
        (b"x-ratelimit-reset-tokens", b"0s"),
        (b"x-request-id", b"req_0123456789abcdef0123456789abcdef"),
        (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Origin"),
    )
)

#: A parked request is let go after so many seconds without another one: a client that keeps some of
#: its calls back would otherwise wait for ever.
_PATIENCE = 1.5


def words(length: int) -> str:
    """A text of so many characters."""
    return ("The sky is blue because air scatters short waves more. " * (length // 55 + 1))[:length]


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 60, "completion_tokens": tokens, "total_tokens": 60 + tokens}


def _whole(length: int) -> bytes:
    message = {"role": "assistant", "content": words(length), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _bytes(
        {
            "id": "chatcmpl-0123456789abcdefghijklmnopqrs",
            "object": "chat.completion",
            "created": 1767225600,
            "model": "m",
            "choices": [choice],
            "usage": _usage(length // 4),
            "system_fingerprint": "fp_0123456789",
        }
    )


def event(delta: dict[str, str] | None, finish: str | None = None, tokens: int = 0) -> bytes:
    """One event of a stream. delta: None for the one with the usage, of so many tokens."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    chunk = {
        "id": "chatcmpl-0123456789abcdefghijklmnopqrs",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "some-model-of-usual-name",
        "system_fingerprint": "fp_0123456789",
        "choices": [] if delta is None else [choice],
        "usage": _usage(tokens) if tokens else None,
        "obfuscation": "0123456789abcdef",
    }
    return b"data: " + _bytes(chunk) + b"\n\n"


def _bytes(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload)


class Behaviour:
    """What a path asks for, as the bytes to write, one item a write.

    head: bytes up to the first token. pieces: the writes after it.
    """

    def __init__(self, spec: str) -> None:
        asked = dict(part.split("=") for part in spec.split(","))
        self.pace = int(asked.get("pace", 0)) / 1000
        self.park = int(asked.get("park", 0))
        self.parked: list[Connection] = []
        self.timer: asyncio.TimerHandle | None = None
        if "text" in asked:
            body = _whole(int(asked["text"]))
            head = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            self.head = b""
            self.pieces = [b"HTTP/1.1 200 OK\r\n" + _HEAD + head + body]
            self.before = 0
            return
        events, write = int(asked["events"]), int(asked.get("write", 1))
        head = b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        begin = _chunk(event({"role": "assistant", "content": ""}))
        self.head = b"HTTP/1.1 200 OK\r\n" + _HEAD + head + begin
        # Two in turn: litellm takes a hundred equal ones for a model that has gone astray.
        tokens = [event({"content": " token" if at % 2 else " words"}) for at in range(events)]
        starts = range(0, events, write)
        self.pieces = [_chunk(b"".join(tokens[at : at + write])) for at in starts]
        last = event({}, "stop") + event(None, None, events) + b"data: [DONE]\n\n"
        self.pieces.append(_chunk(last) + b"0\r\n\r\n")
        self.before = len(self.pieces) // 2  # how many come before a stream is parked

    def hold(self, connection: Connection) -> None:
        """Keep it back; the last one lets all go."""
        self.parked.append(connection)
        if self.timer is not None:
            self.timer.cancel()
        if len(self.parked) >= self.park:
            self.release()
        else:
            self.timer = asyncio.get_running_loop().call_later(_PATIENCE, self.release)

    def release(self) -> None:
        held, self.parked = self.parked, []
        for connection in held:
            connection.write(self.pieces[self.before :])


_behaviours: dict[bytes, Behaviour] = {}


class Connection(asyncio.Protocol):
    """One keep-alive connection; a request at a time."""

    def __init__(self) -> None:
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got = data = self._got + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        lower = data[:end].lower()
        at = lower.find(b"\r\ncontent-length:")
        length = int(lower[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(data) < end + 4 + length:
            return
        self._got = b""
        self._answer(data.split(b"/", 2)[1].partition(b" ")[0])

    def _answer(self, spec: bytes) -> None:
        if spec == b"stats":
            body = _bytes({"cpu": time.process_time()})
            head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(head % len(body) + body)
            self._transport.close()
            return
        behaviour = _behaviours.get(spec)
        if behaviour is None:
            behaviour = _behaviours[spec] = Behaviour(spec.decode())
        if behaviour.head:
            self._transport.write(behaviour.head)
        if behaviour.park:
            self.write(behaviour.pieces[: behaviour.before])
            behaviour.hold(self)
        elif behaviour.pace:
            self._pace(behaviour, 0)
        else:
            self.write(behaviour.pieces)

    def write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._transport.write(piece)

    def _pace(self, behaviour: Behaviour, number: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(behaviour.pieces[number])
        if number + 1 < len(behaviour.pieces):
            loop = asyncio.get_running_loop()
            loop.call_later(behaviour.pace, self._pace, behaviour, number + 1)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=65535)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)  # connections may be open, and nobody minds


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])  # the clients get the first
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
