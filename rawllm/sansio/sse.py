"""Server-sent events: bytes in, events out, however the bytes are cut.

Knows no JSON and no `[DONE]`, never decodes a piece, and never fails on content: only on size.

The rules are WHATWG HTML §9.2.5-9.2.6 (https://html.spec.whatwg.org/multipage/server-sent-events.html),
strictly, with two additions beside the events: the pending block at the end (`eof`), which WHATWG
throws away, and the value of an `error:` field, which older llama.cpp servers send.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ..errors import LimitExceeded

__all__ = ["Event", "SSEParser"]

_BOM: Final = b"\xef\xbb\xbf"

#: int() may refuse more digits than this; 640 is the lowest limit Python lets anybody set
#: (sys.int_info.str_digits_check_threshold).
_MAX_RETRY_DIGITS: Final = 640


# gc=False: bytes and str cannot form a cycle, and there may be a million of these.
class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream.

    data: the payload as it came; several data lines are joined with LF.
    event: the event's name, "message" where the stream gives none.
    id: the last event ID in force, which is sticky; "" where there is none.
    """

    data: bytes
    event: str = "message"
    id: str = ""

    @property
    def text(self) -> str:
        """The data as text, U+FFFD in place of what is not UTF-8."""
        return self.data.decode("utf-8", "replace")


class SSEParser:
    """A push parser for one stream.

    max_event_bytes: bound on one event: its data so far plus the line being read.

    Attributes:
        last_event_id: str, committed at each blank line, also by a block without data.
        retry: int milliseconds of the last valid `retry:` line, or None. Unbounded: clamp it
            before use. More than 640 digits are ignored.
        error: bytes of the last `error:` field, or None.
    """

    def __init__(self, max_event_bytes: int = 16 * 1024 * 1024) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self.error: bytes | None = None
        self._limit = max_event_bytes
        self._at_start = True
        self._after_cr = False
        # A bytearray grows in place: linear in time, where tail + piece is quadratic, and no
        # larger than its bytes, where a list of two-byte fragments is twenty times as large.
        self._tail = bytearray()  # the line being read
        self._data: bytes | bytearray | None = None  # None: no data line, so nothing to dispatch
        self._event = b""
        self._id = ""
        self._plain = True  # no name, no id, at most one data line: `Event(data)` is all there is

    def feed(self, data: bytes) -> list[Event]:
        """The events that end within `data`, a piece of the stream cut anywhere.

        Raises LimitExceeded for an event over the bound. The events before it in the same piece
        are lost, and the parser is of no further use.
        """
        if self._at_start:
            data = self._strip_bom(data)
        # A CR ends its line at once (waiting for a possible LF would hold the event back until
        # the next piece), so it becomes an LF, and an LF right after it is swallowed.
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        # What nearly every server sends nearly always: whole events of one data line each. Cut by
        # one search they cost half as much as line by line.
        if (
            data.startswith(b"data: ")
            and data.endswith(b"\n\n")
            and self._plain
            and self._data is None
            and not self._tail
            and len(data) <= self._limit
        ):
            payloads = data[6:-2].split(b"\n\ndata: ")
            if b"\n" not in b"".join(payloads):  # one long look is faster than many short ones
                return list(map(Event, payloads))
        tail = self._tail
        no_long_line = len(tail) + len(data) <= self._limit
        # Not splitlines(): U+2028, U+0085 and their kin belong to the text.
        # Not split(b"\n\n"): a one-byte separator is found by memchr, several times as fast.
        lines = data.split(b"\n")
        rest = lines.pop()
        if tail and lines:
            lines[0] = b"".join((tail, lines[0]))
            tail.clear()
        events: list[Event] = []
        for line in lines:
            if line:
                # The usual line, without a call.
                if line.startswith(b"data: ") and self._data is None and no_long_line:
                    self._data = line[6:]
                else:
                    self._field(line)
            elif not self._plain:
                event = self._dispatch()
                if event is not None:
                    events.append(event)
            elif self._data is not None:
                events.append(Event(self._data))  # type: ignore[arg-type]  # plain: bytes
                self._data = None
        if rest:
            tail += rest
            self._check(len(tail))
        return events

    def eof(self) -> Event | None:
        """The block that the stream's end cut off, its last line perhaps incomplete, or None if
        it has no data. Its id and a `retry:` without line end are not committed."""
        retry = self.retry
        if self._tail:
            self._field(bytes(self._tail))
            self._tail.clear()
        self.retry = retry
        committed = self.last_event_id
        event = self._dispatch()
        self.last_event_id = committed
        return event

    def _strip_bom(self, data: bytes) -> bytes:
        data = bytes(self._tail) + data
        self._tail.clear()
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._tail += data
            return b""
        self._at_start = False
        return data.removeprefix(_BOM)

    def _field(self, line: bytes) -> None:
        self._check(len(line))
        name, _, value = line.partition(b":")  # a comment has the name b""
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            if self._data is None:
                self._data = value
                return
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)
            self._data += b"\n" + value
            self._plain = False
        elif name == b"event":
            self._event = value
            self._plain = False
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
                self._plain = False
        elif name == b"retry":
            # bytes.isdigit() takes ASCII digits only; int() takes signs, blanks and "1_0".
            if value.isdigit() and len(value) <= _MAX_RETRY_DIGITS:
                self.retry = int(value)
        elif name == b"error":
            self.error = value

    def _dispatch(self) -> Event | None:
        self.last_event_id = self._id
        name, self._event = self._event, b""
        data, self._data = self._data, None
        self._plain = not self._id
        if data is None:
            return None
        return Event(bytes(data), name.decode("utf-8", "replace") or "message", self._id)

    def _check(self, size: int) -> None:
        if self._data is not None:
            size += len(self._data)
        if size > self._limit:
            raise LimitExceeded(
                f"One event of the stream is larger than {self._limit} bytes; "
                "Limits(max_event_bytes=…) sets this bound."
            )
