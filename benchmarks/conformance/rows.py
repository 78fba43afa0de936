"""The rows of the conformance table: what a server does, what a client should make of it.

Every row comes from a real server or a bug report; where their bytes are also samples of the tests
(tests/samples/synthetic), they are read from there. Runs nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rawllm.testing import Answer, Raw, Reply, Request, Stream

__all__ = ["ROWS", "Row", "Scene"]

SAMPLES = Path(__file__).parents[2] / "tests" / "samples" / "synthetic"


class Scene:
    """What a row's answers may depend on. other: URL of a second server. seen: requests so far."""

    def __init__(self, other: str) -> None:
        self.other = other
        self.seen: list[Request] = []
        self.elsewhere = 0


Outcome = dict[str, Any]
Script = Callable[[Request, Scene], Answer | None]
Verdict = Callable[[Outcome, Scene], bool]


class Row(NamedTuple):
    """does: of the server. wanted: of the client, in words, and `right` in code. verb: of
    probe.py. timeout, retries: as given to the client; limit: seconds after which it hangs."""

    name: str
    does: str
    wanted: str
    serve: Script
    right: Verdict
    verb: str = "stream"
    timeout: float = 3.0
    retries: int = 0
    limit: float = 8.0
    keyed: bool = True


# ── what is wanted ───────────────────────────────────────────────────────────────────────────


def answer(
    text: str = "It is sunny.",
    *,
    finish: str | None = "stop",
    tools: Sequence[Sequence[str]] = (),
    usage: Sequence[int] | None = None,
) -> Verdict:
    """This answer and no other."""

    def right(found: Outcome, scene: Scene) -> bool:
        return (
            found["error"] is None
            and (found["text"], found["finish"]) == (text, finish)
            and found["tools"] == [list(tool) for tool in tools]
            and (usage is None or found["usage"] == list(usage))
        )

    return right


def error(found: Outcome, scene: Scene) -> bool:
    """One of the library's own errors: nothing raw, nothing cut off that is taken for whole."""
    return bool(found["error"] and found["typed"])


def timeout(found: Outcome, scene: Scene) -> bool:
    return error(found, scene) and bool(found["timeout"])


def in_time(found: Outcome, scene: Scene) -> bool:
    return timeout(found, scene) and found["seconds"] < 1.0


def connection(found: Outcome, scene: Scene) -> bool:
    return found["error"] == "APIConnectionError"


def secret(found: Outcome, scene: Scene) -> bool:
    return error(found, scene) and not found["leaks"]


def refused(found: Outcome, scene: Scene) -> bool:
    return error(found, scene) and scene.elsewhere == 0


# ── what servers do ──────────────────────────────────────────────────────────────────────────


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(content: str | None = None, finish: str | None = None) -> bytes:
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "1", "created": 1, "model": "m", "choices": [choice]})


A, B, STOP, DONE = chunk("It is "), chunk("sunny."), chunk(finish="stop"), b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
ANSWER = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "It is sunny."}, "finish_reason": "stop"}],
    }
).encode()


def says(*parts: Any, end: str = "eof", split: int | None = None) -> Script:
    script = Stream(parts, end=end, split=split)  # type: ignore[arg-type]  # one of StreamEnd
    return lambda request, scene: script


def sample(name: str, end: str = "eof", split: int | None = None) -> Script:
    body = (SAMPLES / name).read_bytes()
    return says(*([body] if body else []), end=end, split=split)


def gives(body: str | bytes | dict[str, Any], status: int = 200, kind: str = "json") -> Script:
    content_type = {"json": "application/json", "html": "text/html"}[kind]
    reply = Reply(status=status, body=body, headers={"content-type": content_type})
    return lambda request, scene: reply


def raw(*parts: Any, end: str = "close") -> Script:
    script = Raw(parts, end=end)  # type: ignore[arg-type]  # one of End
    return lambda request, scene: script


def stale(request: Request, scene: Scene) -> Answer | None:
    """Closes a kept connection in the moment in which the next request arrives."""
    known = [one for one in scene.seen[:-1] if one.connection == request.connection]
    return Raw([], end="close") if known else Reply("It is sunny.")


def away(request: Request, scene: Scene) -> Answer:
    return Reply(status=307, body="", headers={"location": f"{scene.other}/chat/completions"})


WEATHER = ("call_1", "weather", '{"city": "Paris"}')
TIME = ("call_2", "time", '{"zone": "CET"}')
PINGS = [part for _ in range(200) for part in (b": ping\n\n", 0.05)]

ANSWERED = "the answer"
FAILED = "an API error"
CALLED = "the call, whole"

ROWS = [
    # Streams: lines that are no data
    Row(
        "ping_after_id",
        "`: ping` after an event that had an `id:`",
        ANSWERED,
        says(b"id: 1\n" + A, b": ping\n\n", B, STOP, DONE),
        answer(),
    ),
    Row(
        "meta_only",
        "blocks of `retry:` only, `event:` only, empty `data:`",
        ANSWERED,
        says(b"retry: 3000\n\n", A, b"event: message\n\n", b"data:\n\n", B, STOP, DONE),
        answer(),
    ),
    Row("bom", "a byte order mark first", ANSWERED, sample("byte_order_mark.sse"), answer()),
    Row(
        "crlf",
        "CRLF line ends, one byte at a time",
        ANSWERED,
        sample("crlf.sse", split=1),
        answer(),
    ),
    Row(
        "surrogates",
        "😀 escaped in two halves, one a chunk",
        ANSWERED,
        sample("surrogate_halves_in_two_chunks.sse"),
        answer("😀"),
    ),
    # Streams: ends
    Row(
        "eof",
        "a clean end in mid-answer: no finish_reason, no `[DONE]`",
        FAILED,
        sample("cut_at_an_event.sse"),
        error,
    ),
    Row(
        "unterminated",
        "the last event lacks its blank line",
        ANSWERED,
        says(A, chunk("sunny.", "stop")[:-2]),
        answer(),
    ),
    Row(
        "done_unterminated",
        "`[DONE]` lacks its newline",
        ANSWERED,
        sample("done_without_its_newline.sse"),
        answer(),
    ),
    Row(
        "done_open",
        "`[DONE]`, and the connection stays open",
        ANSWERED + ", at once",
        sample("done_connection_left_open.sse", end="hang"),
        lambda found, scene: answer()(found, scene) and found["seconds"] < 1.5,
    ),
    Row(
        "finish_open",
        "a finish_reason, no `[DONE]`, and the connection stays open",
        ANSWERED,
        sample("done_missing_connection_left_open.sse", end="hang"),
        answer(),
    ),
    Row(
        "no_finish",
        "`[DONE]` and no finish_reason",
        "the answer, finish_reason None",
        sample("finish_reason_missing.sse"),
        answer(finish=None),
    ),
    Row("nothing", "a stream without one event", FAILED, sample("nothing_at_all.sse"), error),
    Row(
        "pings_for_ever",
        "pings for ever, timeout 0.5 s",
        "a timeout",
        says(A, *PINGS, end="hang"),
        timeout,
        timeout=0.5,
        limit=3.0,
    ),
    # Streams: errors
    Row(
        "object_error",
        'an event `{"object": "error", …}`',
        FAILED,
        sample("error_object_error.sse"),
        error,
    ),
    Row("error_field", "an `error:` field", FAILED, sample("error_field.sse"), error),
    Row(
        "error_event_text",
        "`event: error`, in words",
        FAILED,
        sample("error_event_text.sse"),
        error,
    ),
    Row(
        "error_event_json", "`event: error`, as JSON", FAILED, sample("error_event_json.sse"), error
    ),
    Row(
        "error_object",
        'an event `{"error": …}` after some text',
        FAILED,
        sample("error_object_after_text.sse"),
        error,
    ),
    # Streams: tool calls
    Row(
        "tool_no_index",
        "tool calls without `index`",
        CALLED,
        sample("tool_without_index.sse"),
        answer("", finish="tool_calls", tools=[WEATHER, TIME]),
        "accumulate",
    ),
    Row(
        "tool_repeated",
        "id and name on every delta of a tool call",
        CALLED,
        sample("tool_id_and_name_on_every_delta.sse"),
        answer("", finish="tool_calls", tools=[WEATHER]),
        "accumulate",
    ),
    Row(
        "tool_index_0",
        "two calls, both with index 0",
        "both calls",
        sample("tool_index_0_for_every_call.sse"),
        answer("", finish="tool_calls", tools=[WEATHER, TIME]),
        "accumulate",
    ),
    Row(
        "tool_object",
        "arguments as an object",
        CALLED,
        sample("tool_arguments_as_an_object.sse"),
        answer("", finish="tool_calls", tools=[WEATHER]),
        "accumulate",
    ),
    # Streams: types and usage
    Row(
        "usage_with_choices",
        "usage on a chunk with choices, after the finish",
        "the answer and its usage",
        sample("usage_on_a_chunk_with_choices.sse"),
        answer(usage=[5, 3, 8]),
        "accumulate",
    ),
    Row(
        "usage_twice",
        "usage twice",
        "the last one",
        sample("usage_twice.sse"),
        answer(usage=[5, 3, 8]),
        "accumulate",
    ),
    Row(
        "numbers_as_text",
        "numbers in quotes",
        "the answer, its usage in numbers",
        sample("numbers_as_text.sse"),
        answer(usage=[5, 3, 8]),
    ),
    Row(
        "null_list",
        "`choices: null` on the usage chunk",
        "the answer and its usage",
        sample("null_where_a_list_belongs.sse"),
        answer(usage=[5, 3, 8]),
    ),
    # Whole answers
    Row(
        "error_200",
        'status 200 and `{"error": …}`',
        FAILED,
        gives({"error": {"message": "boom"}}),
        error,
        "whole",
    ),
    Row(
        "html_200",
        "status 200 and HTML",
        FAILED,
        gives("<html>log in</html>", kind="html"),
        error,
        "whole",
    ),
    Row("empty_200", "status 200 and no body", FAILED, gives(b""), error, "whole"),
    Row("cut_json", "status 200 and half a JSON", FAILED, gives(ANSWER[:60]), error, "whole"),
    Row(
        "cut_unannounced",
        "half a JSON, no length, then the connection's end",
        FAILED,
        raw(HEAD + b"\r\n" + ANSWER[:60]),
        error,
        "whole",
    ),
    # Connections, clocks, secrets
    Row(
        "closed",
        "closes the connection without a reply",
        "an APIConnectionError, no timeout",
        raw(),
        connection,
        "whole",
    ),
    Row(
        "stale",
        "closes a kept connection as the next request arrives; no retries allowed",
        ANSWERED,
        stale,
        answer(),
        "twice",
    ),
    Row(
        "deadline",
        "never replies; timeout 0.5 s, two retries",
        "a timeout within a second",
        raw(end="hang"),
        in_time,
        "whole",
        timeout=0.5,
        retries=2,
    ),
    Row(
        "redirect",
        "307 to another host",
        "an error; that host gets neither key nor prompt",
        away,
        refused,
        "whole",
    ),
    Row(
        "pickle",
        "status 400, and the error is pickled",
        "no key in the pickle",
        gives({"error": {"message": "boom"}}, status=400),
        secret,
        "whole",
    ),
    Row(
        "no_key",
        "asks for no key, and the client has none",
        ANSWERED,
        lambda request, scene: Reply("It is sunny."),
        answer(),
        "whole",
        keyed=False,
    ),
]
