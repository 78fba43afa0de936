"""One connection of the fake server: bytes → requests, answers → bytes, waits, and how it ends.

Decides no answer and knows no OpenAI object. Callbacks on a protocol, not a task a connection:
a raw socket can then be broken at any byte, and nothing is left to cancel.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING, Final, cast

from .answers import Answer, End, Part, failure, sliced
from .request import Headers, Request

if TYPE_CHECKING:
    from .server import FakeServer

_log = logging.getLogger("rawllm.testing")

_MAX_HEAD: Final = 1024 * 1024
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_WRITE_SIZE: Final = 64 * 1024
# Seconds 0 with linger on: close() sends RST. Windows packs the two numbers as shorts.
_LINGER: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class _BadRequest(Exception):
    """What came is not HTTP."""


class Connection(asyncio.Protocol):
    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._head: tuple[str, str, str, Headers] | None = None
        self._chunks = bytearray()  # of a chunked request body
        self._answering = False
        self._paused = False
        self._leaving = False  # we end it, so the client did not go away
        self._closing = False  # close after this answer
        self._parts: Iterator[Part] = iter(())
        self._end: End = "keep"
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._number = -1
        self._transport: asyncio.Transport

    # The connection's life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Paused while anything is unsent: "finished" then means that the kernel has it all, and
        # a reset cannot overtake bytes of ours.
        # A TLS transport pauses at its limit and not above: at 0 it would pause with nothing to
        # send, and never resume.
        tls = transport.get_extra_info("ssl_object") is not None
        self._transport.set_write_buffer_limits(high=1 if tls else 0, low=0)
        self._number = self._server._opened(self)
        self._idle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._still()
        if self._answering:
            self._answering = False
            self._server.in_flight -= 1
            self._server.aborted += not self._leaving
        self._server._gone(self)

    def drop(self) -> None:
        """Closes at once, whatever is going on."""
        self._leaving = True
        self._still()
        self._transport.abort()

    def close_if_idle(self) -> None:
        if not self._answering and not self._buffer and self._head is None:
            self._transport.close()

    def _still(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
        self._parts = iter(())

    def _idle(self) -> None:
        seconds = self._server.keep_alive_timeout
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self._transport.close)

    # Bytes → requests

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._answering:
            self._read()

    def _read(self) -> None:
        try:
            while self._buffer and not self._answering and not self._transport.is_closing():
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                if self._head is None and not self._read_head():
                    return
                if self._head is None:  # answered early
                    return
                body = self._read_body(self._head[3])
                if body is None:
                    return
                self._begin(body)
        except _BadRequest:  # not recorded: it is no request (a TLS hello, for one)
            self._transport.write(_BAD_REQUEST)
            self._transport.close()

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD or not self._buffer[:1].isalpha():
                raise _BadRequest
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        try:
            method, target, version = first.split(" ")
        except ValueError:
            raise _BadRequest from None
        headers = Headers()
        for line in lines:
            name, _, value = line.partition(":")
            name = name.lower()
            value = value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._closing = (
            not self._server.keep_alive
            or version != "HTTP/1.1"
            or headers.get("connection", "").lower() == "close"
        )
        path, _, query = target.partition("?")
        self._head = method, path, query, headers
        if (early := self._server._early()) is not None:
            self._transport.pause_reading()  # unread bytes, as a server leaves them that gives up
            self._closing = True
            self._begin(bytes(self._buffer), answer=early)
        elif headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _read_body(self, headers: Headers) -> bytes | None:
        """The whole body, or None while some of it is missing."""
        try:
            if headers.get("transfer-encoding", "").lower() == "chunked":
                return self._read_chunks()
            length = int(headers.get("content-length", "0"))
        except ValueError:
            raise _BadRequest from None
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _read_chunks(self) -> bytes | None:
        while (line_end := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:line_end], 16)
            end = line_end + 2 + size + 2
            if len(self._buffer) < end:
                return None
            self._chunks += self._buffer[line_end + 2 : end - 2]
            del self._buffer[:end]
            if size == 0:  # trailers are not read: no client here sends them
                body = bytes(self._chunks)
                self._chunks.clear()
                return body
        return None

    # Answers → bytes

    def _begin(self, body: bytes, answer: Answer | None = None) -> None:
        assert self._head is not None
        method, path, query, headers = self._head
        self._head = None
        self._answering = True
        request = self._server._arrived(method, path, query, headers, body, connection=self._number)
        fields: dict[str, str] = {}
        try:
            chosen: Answer | Awaitable[Answer] | None = answer
            if chosen is None:
                chosen, fields = self._server._decide(request)
            if isinstance(chosen, Answer):
                self._play(request, chosen, fields)
            else:
                self._task = self._loop.create_task(self._wait(request, chosen, fields))
        except Exception as error:
            self._explain(request, error)

    async def _wait(
        self, request: Request, answer: Awaitable[Answer], fields: dict[str, str]
    ) -> None:
        try:
            found = await answer
            self._task = None
            self._play(request, found, fields)
        except Exception as error:
            self._task = None
            self._explain(request, error)

    def _explain(self, request: Request, error: Exception) -> None:
        _log.error("FakeServer could not answer", exc_info=error)
        self._play(request, failure(500, f"FakeServer could not answer: {error!r}"), {})

    def _play(self, request: Request, answer: Answer, fields: dict[str, str]) -> None:
        if self._closing:
            fields = {**fields, "connection": "close"}
        parts, self._end, loose = answer.play(request, fields)
        if self._end == "keep" and (self._closing or (loose and self._server.close_after_stream)):
            self._end = "close"
        self._parts = iter(parts if answer.split is None else sliced(parts, answer.split))
        self._advance()

    def _advance(self) -> None:
        """Sends up to the next wait; called again by the timer or when the buffer has emptied."""
        self._timer = None
        out: list[bytes] = []
        size = 0
        try:
            for part in self._parts:
                if isinstance(part, bytes):
                    out.append(part)
                    size += len(part)
                    if size < _WRITE_SIZE:
                        continue
                self._transport.write(b"".join(out))
                out = []
                size = 0
                if not isinstance(part, bytes):
                    self._timer = self._loop.call_later(part, self._advance)
                    return
                if self._paused:
                    return
        except Exception:
            _log.exception("FakeServer: the parts of an answer raised")
            self.drop()
            return
        if out:
            self._transport.write(b"".join(out))
        if not self._paused:
            self._finish()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        # Not from here: asyncio ends a connection twice that is closed within this callback, and a
        # TLS transport calls it within write(), when `_advance` is under way.
        self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._answering and not self._paused and self._timer is None and self._task is None:
            self._advance()

    def _finish(self) -> None:
        if self._end == "hang":
            return
        self._answering = False
        self._leaving = self._end != "keep"
        self._server.in_flight -= 1
        if self._end == "close":
            self._transport.close()
        elif self._end == "reset":
            plain = self._transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self._transport.abort()
        else:
            self._idle()
            if self._buffer:  # pipelined; not from here, or the stack grows with each request
                self._loop.call_soon(self._read)
