"""A streamed body's bytes → chunks, and what becomes of the stream.

Whether it is complete is lifecycle.py's to say. Waits for nothing and raises nothing: an error is
kept, to be raised once the chunks before it are handed out.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Generic, TypeVar

from ..errors import APIError
from . import failures
from .decode import ChunkDecoder, error_body, loads
from .deltas import Accumulator
from .lifecycle import Lifecycle, Signal, State
from .sse import Event, SSEParser
from .types import Payload

__all__ = ["ChunkReader"]

C = TypeVar("C", bound=Payload)

#: So much of a body that is no event stream is kept, for the error that shows it.
BEGINNING = 64 * 1024

BRACKET = ord("[")

#: How the lines of an event stream begin; a comment and a blank line are lines of one too.
_FIELD = re.compile(rb"(data|event|id|retry)?(:|$)")


class ChunkReader(Generic[C]):
    """Reads one stream.

    held: deque of chunks, read and not yet handed out.
    error: APIError, what broke the stream, or None.
    """

    def __init__(
        self,
        chunk: type[C],
        accumulator: Accumulator,
        *,
        expected: int,
        status: int,
        max_event_bytes: int,
        keep_usage_chunk: bool,
    ) -> None:
        """expected: choices asked for. status: the response's, for errors. max_event_bytes: bound
        on one event, and on what comes before the first output. keep_usage_chunk: hold a chunk
        without choices too."""
        self.held: deque[C] = deque()
        self.error: APIError | None = None
        self.accumulator = accumulator
        self.lifecycle = Lifecycle(expected)
        self._status = status
        self._parser = SSEParser(max_event_bytes)
        self._decoder = ChunkDecoder(chunk)
        self._keep_usage_chunk = keep_usage_chunk
        self._most = max_event_bytes
        self._output = False
        self._early = 0  # bytes without output: some servers send nothing but empty chunks
        self._beginning = b""  # a body without a single event is no stream: it shows itself

    def opening_error(self) -> APIError | None:
        """What the stream broke with before its first output, or None where it has opened. To be
        asked once: it forgets how the body began."""
        beginning, self._beginning = self._beginning, b""
        if self.error is None or self._output:
            return None
        return self._no_stream(beginning) or self.error

    def feed(self, data: bytes) -> None:
        """A piece of the body, b"" at its end: chunks into `held`, the state moved on."""
        if self.lifecycle.state is State.OPENING:
            self._before_output(data)
            if self.error is not None:
                return
        if not data:
            self._end_of_body()
            return
        try:
            events = self._parser.feed(data)
        except APIError as error:
            error.kind = "limit"
            self.fail(error)
            return
        self._events(events)
        if self._parser.error is not None and not self.lifecycle.ended:
            self._reported(self._parser.error)

    def lost(self, error: APIError) -> None:
        """The connection died."""
        if self.lifecycle.move(Signal.LOST) is State.BROKEN:
            self.fail(error)

    def fail(self, error: APIError | None) -> None:
        """It is broken. error: None where it ended too soon."""
        if self.lifecycle.state is not State.BROKEN:
            self.lifecycle.move(Signal.ERROR)
        if error is None or error.kind == "body_cut":
            error = failures.fault(
                "incomplete",
                "the stream ended before the answer was complete: neither [DONE] nor a "
                "finish_reason for every choice came"
                + ("" if self.accumulator.seen else " (nor anything else)"),
                status_code=self._status,
            )
        if self.accumulator.seen:
            error.partial = self.accumulator.completion()
        # As in exchange(): the frames that read the payload hold it.
        self.error = error.with_traceback(None)

    def _before_output(self, data: bytes) -> None:
        if not self.held:
            if len(self._beginning) < BEGINNING:
                self._beginning += data
            return
        self._early += len(data)
        if self._early > self._most:
            self.fail(_too_much(self._most))

    def _events(self, events: list[Event]) -> None:
        """Decode, accumulate, hold. What follows an end is none of ours."""
        decode, status = self._decoder.decode, self._status
        accumulator, lifecycle, held = self.accumulator, self.lifecycle, self.held
        keep_all, streaming = self._keep_usage_chunk, State.STREAMING
        for event in events:
            payload = event.data
            if event.event == "error":
                return self._reported(payload)
            if not payload:
                continue
            if payload[0] == BRACKET and payload.strip() == b"[DONE]":
                if self._parser.error is not None:  # before it, in the same piece
                    return self._reported(self._parser.error)
                return self._move(Signal.DONE)
            try:
                chunk = decode(payload, status)
            except APIError as error:
                # What is neither chunk nor error does no harm under a name of its own
                # (`event: ping`), nor where nothing is missing any more.
                beside = event.event != "message" or lifecycle.state is State.FINISHED
                if beside and error.kind == "bad_answer" and _is_no_chunk(payload):
                    continue
                return self.fail(error)
            finished = accumulator.finished
            output = accumulator.add(chunk)
            if keep_all or chunk.choices:
                held.append(chunk)
            # The usual chunk is one more of the same: no move to make.
            if lifecycle.state is not streaming or accumulator.finished != finished:
                self._output |= output
                lifecycle.chunk(seen=accumulator.seen, finished=accumulator.finished, output=output)
        return None

    def _end_of_body(self) -> None:
        # The last event may lack its blank line: WHATWG drops it, an answer must not.
        pending = self._parser.eof()
        if pending is None:
            if self._parser.error is not None:
                self._reported(self._parser.error)
            else:
                self._move(Signal.EOF)
            return
        payload = pending.data.strip()
        if pending.event != "error" and payload != b"[DONE]" and not _is_json(payload):
            self._move(Signal.LOST)  # half an event: cut
            return
        self._events([Event(payload, pending.event)])
        if not self.lifecycle.ended:
            self._move(Signal.EOF)

    def _reported(self, payload: bytes) -> None:
        """The server says that something went wrong."""
        body = error_body(payload)
        if not (isinstance(body, dict) and "error" in body):
            body = {"error": body or "no explanation"}
        self.fail(failures.from_body(body, status=self._status))

    def _move(self, signal: Signal) -> None:
        if self.lifecycle.move(signal) is State.BROKEN:
            self.fail(None)

    def _no_stream(self, beginning: bytes) -> APIError | None:
        """The error for a body that ended and was no event stream at all, or None where it was."""
        assert self.error is not None
        if self.error.kind != "incomplete" or self.held:
            return None
        if all(_FIELD.match(line) for line in beginning.splitlines()):
            return None
        status = self._status
        return failures.from_body(error_body(beginning), status=status) or failures.bad_answer(
            beginning, "The server sent no event stream", status_code=status
        )


def _too_much(limit: int) -> APIError:
    return failures.fault(
        "limit",
        f"the stream sent more than {limit} bytes and no output; Limits(max_event_bytes=…) sets "
        "this bound",
    )


def _is_no_chunk(payload: bytes) -> bool:
    """A JSON object that does not even try to be one."""
    try:
        value = loads(payload)
    except ValueError:
        return False
    return isinstance(value, dict) and "choices" not in value


def _is_json(payload: bytes) -> bool:
    try:
        loads(payload)
    except ValueError:
        return False
    return True
