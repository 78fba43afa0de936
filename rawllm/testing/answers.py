"""What a test scripts: replies, streams and raw bytes, and how each becomes HTTP.

Opens no socket and looks at no clock: a request goes in, bytes and waits come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from .bodies import Frame, Told, dumps, error_body, utf8
from .request import EMBEDDINGS, RESPONSES, Request
from .responses import ResponseFrame, ToldResponse

__all__ = ["Answer", "Raw", "Reply", "Stream", "failure", "sliced"]

#: Bytes to send, or seconds to wait.
Part: TypeAlias = bytes | float
End: TypeAlias = Literal["keep", "close", "reset", "hang"]
StreamEnd: TypeAlias = Literal["done", "eof", "close", "reset", "hang"]

_STREAM_ENDS: Final[dict[StreamEnd, End]] = {
    "done": "keep",
    "eof": "keep",
    "close": "close",
    "reset": "reset",
    "hang": "hang",
}


class Play(NamedTuple):
    """What to do on the connection. `loose`: a stream or an error, after which llama.cpp's server
    closes the connection without a word."""

    parts: Iterable[Part]
    end: End
    loose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The base of all answers.

    times: how many requests it answers when queued.
    split: bytes a write, so 1 sends byte by byte; None: as few writes as the waits allow.
    early: answer as soon as the request's headers have come, then close with its body unread.
    """

    times: int = 1
    split: int | None = None
    early: bool = False

    def play(self, request: Request, fields: Mapping[str, str]) -> Play:
        """`fields`: headers the server adds to every answer that is not raw."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Raw(Answer):
    """Any bytes at all, HTTP or not; numbers among them are seconds to wait.

    end: "keep" the connection, "close" it, "reset" it (RST), or "hang": say nothing more until
        the client leaves. A reset may overtake bytes that the client has not read yet on some
        systems; a wait before it prevents that.
    """

    parts: bytes | Iterable[Part] = b""
    _: KW_ONLY
    end: End = "close"

    def play(self, request: Request, fields: Mapping[str, str]) -> Play:
        return Play([self.parts] if isinstance(self.parts, bytes) else self.parts, self.end)


@dataclass(frozen=True, slots=True)
class Stream(Answer):
    """A chunked SSE body, whatever the request asked for.

    parts: bytes go out as they are, a str as one content chunk (to /responses: as a text delta,
        the first after the events that announce it), a dict as one `data:` event, a number is a
        wait in seconds.
    end: "done": `data: [DONE]` (unless it was among the parts; from /responses the events that end
        a text, and `response.completed`) and a proper end of the body; "eof": a proper end only;
        "close", "reset", "hang": without the last chunk, as in `Raw`.
    """

    parts: Iterable[bytes | str | Mapping[str, Any] | float] = ()
    _: KW_ONLY
    end: StreamEnd = "done"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def play(self, request: Request, fields: Mapping[str, str]) -> Play:
        return Play(self._parts(request, fields), _STREAM_ENDS[self.end], loose=True)

    def _parts(self, request: Request, fields: Mapping[str, str]) -> Iterator[Part]:
        usual = {
            "content-type": "text/event-stream; charset=utf-8",
            "transfer-encoding": "chunked",
        }
        yield _head(request, self.status, {**usual, **fields}, self.headers)
        done = False
        frame = ResponseFrame(request) if request.path == RESPONSES else Frame(request)
        for part in self.parts:
            if isinstance(part, str):
                data = frame.said(part)
            elif isinstance(part, Mapping):
                data = utf8(f"data: {dumps(part)}\n\n")
            elif isinstance(part, bytes):
                data = part
                done = done or b"[DONE]" in part
            else:
                yield part
                continue
            if data:  # an empty chunk would end the body
                yield b"%x\r\n%b\r\n" % (len(data), data)
        if self.end == "done" and not done and (data := frame.last()):
            yield b"%x\r\n%b\r\n" % (len(data), data)
        if self.end in ("done", "eof"):
            yield b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply(Answer):
    """An answer as an OpenAI-compatible server gives it, whole or streamed as the request asks.

    text: None: `tokens` joined, or "echo: " and the last user message (each prompt, for
        completions); nothing beside `tool_calls`.
    tokens: the pieces of a stream; None: the words of the text.
    delay, first_delay: seconds between tokens, and before the first one. A stream's headers and
        role chunk come at once, as many servers send them before a long prefill; a whole answer
        waits for the sum before its headers.
    reasoning: sent as `reasoning_content` before the text (from /responses: as its summary).
    tool_calls: dicts of `name`, `arguments` (a str as it is, else made JSON) and perhaps `id`.
    finish_reason: "auto": "tool_calls" where there are some, else "stop"; None: null. "length" and
        "content_filter" make a response incomplete.
    usage: True: counted in words; False: left out; else sent as it is.
    done: False ends a stream without `data: [DONE]`; /responses never has one.
    status, headers: a status of 400 or more without `body` gets an OpenAI error object.
    body: sent instead of all the above, for any endpoint; a dict or list as JSON.
    """

    text: str | None = None
    _: KW_ONLY
    tokens: Sequence[str] | None = None
    delay: float = 0.0
    first_delay: float = 0.0
    reasoning: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    finish_reason: str | None = "auto"
    usage: Mapping[str, Any] | bool = True
    done: bool = True
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | list[Any] | str | bytes | None = None

    def fits(self, request: Request) -> bool:
        return request.generates or self.body is not None or self.status >= 400

    def play(self, request: Request, fields: Mapping[str, str]) -> Play:
        body = self.body
        wait = self.first_delay
        if body is None and self.status >= 400:
            body = error_body(self.status)
        if body is None:
            asked = request.arguments
            if asked is None:
                return failure(400, "The body is not a JSON object.").play(request, fields)
            responds = request.path == RESPONSES
            told = (ToldResponse if responds else Told)(self, request, asked)
            if request.path == EMBEDDINGS:
                body = told.embeddings()
            elif asked.get("stream"):
                end: StreamEnd = "done" if self.done and not responds else "eof"
                events = Stream(told.events(), end=end, status=self.status, headers=self.headers)
                return events.play(request, fields)
            else:
                wait = told.seconds()
                body = utf8(told.whole())
        if isinstance(body, (Mapping, list)):
            body = dumps(body)
        data = body if isinstance(body, bytes) else utf8(body)
        usual = {"content-type": "application/json", "content-length": str(len(data))}
        head = _head(request, self.status, {**usual, **fields}, self.headers)
        parts: list[Part] = [wait] if wait else []
        parts.append(head + data)
        return Play(parts, "keep", loose=self.status >= 400)


def failure(status: int, message: str) -> Reply:
    """An error of the server's own, as opposed to a scripted one."""
    return Reply(status=status, body=error_body(status, message))


def sliced(parts: Iterable[Part], size: int) -> Iterator[Part]:
    """The same bytes in pieces of `size`, each in its own write."""
    for part in parts:
        if not isinstance(part, bytes):
            yield part
            continue
        for start in range(0, len(part), size):
            yield part[start : start + size]
            yield 0.0


def _head(
    request: Request, status: int, fields: Mapping[str, str], headers: Mapping[str, str]
) -> bytes:
    """Status line and headers; `headers` win over `fields`."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:  # 529 and its kin
        reason = "Unknown"
    merged = {**fields, "x-request-id": f"req-{request.index}"}
    merged.update((name.lower(), value) for name, value in headers.items())
    lines = "".join([f"{name}: {value}\r\n" for name, value in merged.items()])
    return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1")
