"""A response whose body is unread: what `with_streaming_response` gives.

Reads the body once, as bytes, text, lines or the answer, and sends nothing.
"""

from __future__ import annotations

import asyncio
import codecs
import io
import json
from collections.abc import AsyncGenerator
from typing import Any, Generic, TypeVar

from ..errors import APIError, ConfigurationError
from ..net.attempt import Attempt
from ..net.call import failed
from ..sansio.failures import fault
from ..stream import ChatStream
from .raw_response import Head

__all__ = ["AsyncAPIResponse", "give_up"]

T = TypeVar("T")


class AsyncAPIResponse(Head, Generic[T]):
    """A response whose body is unread. Read it once: as bytes, text or lines, or by `parse()`.

    Raises, while it is read, what the method itself would have raised; nothing is tried again.
    """

    def __init__(
        self, attempt: Attempt, wanted: asyncio.Future[None], task: asyncio.Task[T]
    ) -> None:
        super().__init__(attempt)
        self._attempt = attempt
        self._wanted = wanted
        self._task = task
        self._begun = False
        self._content: bytes | None = None

    async def parse(self) -> T:
        """The answer; with stream=True the `ChatStream`. The same object each time."""
        if not self._wanted.done():
            self._begin()
            self._wanted.set_result(None)
        return await self._task

    async def read(self) -> bytes:
        """The whole body. Raises LimitExceeded above `Limits.max_response_bytes`."""
        if self._content is None:
            limit = self._attempt.endpoint.limits.max_response_bytes
            pieces: list[bytes] = []
            size = 0
            async for piece in self.iter_bytes():
                size += len(piece)
                if size > limit:
                    error = fault("limit", f"the body is larger than {limit} bytes")
                    give_up(self._attempt, error)
                    raise error
                pieces.append(piece)
            self._content = b"".join(pieces)
        return self._content

    async def text(self) -> str:
        return (await self.read()).decode("utf-8", "replace")

    async def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(await self.read())

    async def iter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        """The body as it comes, or in pieces of chunk_size (int bytes; the last may be smaller)."""
        if chunk_size is not None and chunk_size < 1:
            raise ConfigurationError("chunk_size= takes a whole number, 1 or more")
        self._begin()
        held = b""
        while piece := await self._piece():
            if chunk_size is None:
                yield piece
                continue
            held += piece
            while len(held) >= chunk_size:
                yield held[:chunk_size]
                held = held[chunk_size:]
        if held:
            yield held

    async def iter_text(self, chunk_size: int | None = None) -> AsyncGenerator[str, None]:
        """The body's text as it comes. chunk_size: int bytes."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for piece in self.iter_bytes(chunk_size):
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    async def iter_lines(self) -> AsyncGenerator[str, None]:
        """The body's lines without their ends. They end where an event stream's do: not at U+2028,
        which may stand within JSON."""
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        held = ""
        async for text in self.iter_text():
            *lines, held = (held + newlines.decode(text)).split("\n")
            for line in lines:
                yield line
        *lines, held = (held + newlines.decode("", final=True)).split("\n")
        for line in [*lines, held] if held else lines:
            yield line

    @property
    def is_closed(self) -> bool:
        return self._attempt.ended

    async def close(self) -> None:
        """End it here: the connection of a body that is not read is closed, which aborts the work
        upstream."""
        task = self._task
        if not task.done():
            give_up(self._attempt, GeneratorExit())
            self._wanted.cancel()  # and so the task, where nobody wants its answer
            await asyncio.wait([task])
        answer = None if task.cancelled() or task.exception() is not None else task.result()
        if isinstance(answer, ChatStream):
            await answer.close()

    def _begin(self) -> None:
        if self._begun or self.is_closed:
            raise ConfigurationError("the body of a response can be read once")
        self._begun = True

    async def _piece(self) -> bytes:
        """What has come, b"" at the end."""
        attempt = self._attempt
        call = attempt.call
        first = call.first_token is None
        kind, seconds = (
            ("first_token", call.clocks.first_token) if first else ("idle", call.clocks.idle)
        )
        try:
            with call.clock.run(kind, seconds, since=call.sent_at if first else None):
                piece = await attempt.response.readany()
            if call.clock.expired:
                raise call.clock.error()
        except BaseException as error:
            give_up(attempt, error)
            raise
        if not piece:
            attempt.end()
            attempt.finished(attempt.timing(), None, None)
        elif first:
            attempt.output()
            if call.stream:  # which has had its opening's time until here
                call.clock.bound(call.clocks.total, call.started)
        return piece


def give_up(attempt: Attempt, error: BaseException) -> None:
    """Slot and connection back from an answer that is not whole. Never waits."""
    if attempt.ended:
        return
    attempt.response.close()
    attempt.call.clock.stop()
    attempt.end()
    if isinstance(error, APIError):
        error.with_traceback(None)  # the frames that read the body hold it
    failed(attempt.call, error, attempt.limiter.now())
