"""The fault matrix, row by row: every fault ends in an answer or in a typed error, everything that
was held is given back, the next call works, and the key is nowhere to be read.

The rows are tests/samples/fault_matrix.jsonl. Where we decided otherwise than a row expects stands
in docs/reliability.md; what needs several endpoints is named in `LATER`.
"""

from __future__ import annotations

import ast
import asyncio
import gzip
import json
import logging
import pickle
import random
import re
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from net.certificates import of_a_stranger, self_signed, serving, trusting, wrong_host

from rawllm import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigurationError,
    ConflictError,
    ConnectTimeout,
    FirstTokenTimeout,
    IdleTimeout,
    IncompleteStreamError,
    InternalServerError,
    LimitExceeded,
    Limits,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectRefused,
    Retry,
    Timeout,
    TotalTimeout,
    UnprocessableEntityError,
)
from rawllm.sansio.failures import TABLE
from rawllm.testing import Answer, FakeServer, Raw, Reply, Request, Stream

HERE = Path(__file__).parent
MATRIX = {
    row["id"]: row
    for row in map(json.loads, (HERE / "samples/fault_matrix.jsonl").read_text().splitlines())
}

KEY = "sk-" + "hidden"  # not as one word, or it would stand in a traceback's source lines
FAST = Retry(base=0.001, cap=0.002)
WHOLE, STREAM = ("whole",), ("stream",)
BOTH = (*WHOLE, *STREAM)

#: So slow that nothing flows back while a test runs, and full enough for all of it.
BUCKETS = {"requests_per_minute": 0.06, "tokens_per_minute": 6.0, "burst": 50.0}
BURST, TOKENS = 50.0, 5000.0
FIRST_GUESS = 256.0  # of an answer's tokens, see sansio/estimate.py

OK = b"HTTP/1.1 200 OK\r\n"
JSON = OK + b"content-type: application/json\r\n"
CHUNKED = JSON + b"transfer-encoding: chunked\r\n\r\n"
EVENTS = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWER = json.dumps(
    {"id": "1", "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}
).encode()
ZIPPED = gzip.compress(ANSWER * 9)
HALF_ZIPPED = gzip.compress(ANSWER)[:-20]
DONE = b"data: [DONE]\n\n"
FAR = ("so ", "far")


def event(value: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(value).encode()


def piece(content: str | None = None, finish: str | None = None) -> bytes:
    delta = {} if content is None else {"content": content}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


STOP = piece(finish="stop")
ROLE = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})


def sized(body: bytes, fields: bytes = b"", missing: int = 0) -> bytes:
    length = len(body) + missing
    return JSON + fields + b"content-length: %d\r\n\r\n%b" % (length, body)


def framed(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def error(**fields: Any) -> bytes:
    return event({"error": {"message": "boom", **fields}})


# ── one row ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Fault:
    """One way in which a row is met.

    answers: what the server makes of the call's requests; the last one holds for all that follow,
        and None is an answer as it should be.
    error, kind: what the call ends with; None: an answer.
    attempts: requests that the server sees. tries: those that the error counts, where it differs.
        paid: those that the buckets paid for, where it differs.
    text: of the answer, or of the error's `partial`; None: there is none.
    says: what stands in the error's message.
    arm, mend: what else is done to the server, before the call and before the next one.
    check: more to be asserted of the answer (or the stream) or of the error.
    """

    answers: Sequence[Answer | None] = (None,)
    error: type[APIError] | None = None
    kind: str | None = None
    attempts: int = 1
    _: KW_ONLY
    tries: int | None = None
    paid: int | None = None
    text: str | None = None
    says: str = ""
    verbs: Sequence[str] = BOTH
    timeout: Timeout = field(default_factory=Timeout)
    limits: dict[str, Any] = field(default_factory=dict)
    prompt: str = "hi"
    arm: Callable[[FakeServer], object] = lambda server: None
    mend: Callable[[FakeServer], object] = lambda server: None
    check: Callable[[Any], object] = lambda result: None


async def ask(llm: Client, verb: str, prompt: str) -> Any:
    """The answer whole, or the stream read to its end: both have `text` by way of `completion`."""
    if verb == "whole":
        return await llm.complete(prompt)
    async with llm.stream(prompt) as stream:
        await stream.result()
        return stream


def text_of(result: Any) -> str:
    whole = getattr(result, "completion", result)
    return str(whole.text)


def shown(caplog: pytest.LogCaptureFixture, *things: Any) -> str:
    """Whatever a log, a crash reporter or a worker pool may show."""
    texts = []
    for thing in things:
        texts += [repr(thing), str(thing), repr(getattr(thing, "__dict__", None))]
        if isinstance(thing, BaseException):
            logging.getLogger("app").error("a call failed", exc_info=thing)
            told = traceback.TracebackException.from_exception(thing, capture_locals=True)
            # This file's own frames hold the scripts, some of which quote the key.
            frames = [frame for frame in told.stack if frame.filename != __file__]
            texts += [f"{frame.line} {frame.locals}" for frame in frames]
            texts += [*told.format_exception_only(), repr(thing.args)]
            texts += [pickle.dumps(thing).decode("latin-1")]
            chained = [thing.__cause__, thing.__context__]
            texts += [shown(caplog, one) for one in chained if one is not None]
    return "\n".join([*texts, caplog.text])


class Ground:
    """A client whose every loss is seen: one slot, and buckets that hardly fill."""

    def __init__(self, server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
        self.server = server
        self.caplog = caplog
        caplog.set_level(logging.DEBUG)
        self.events: list[Any] = []

    def client(self, url: str | None = None, limits: dict[str, Any] | None = None, **more: Any):
        bounds = Limits(**{"concurrency": 1, **BUCKETS, **(limits or {})})
        more = {"retry": FAST, "hooks": self.events.append, "limits": bounds, **more}
        self.tasks = asyncio.all_tasks()
        return Client(url or self.server.url, api_key=KEY, model="m", **more)

    async def is_clean(self, llm: Client) -> None:
        """Nothing is held: slot, queue, connections, tasks, work upstream."""
        limiter = llm._endpoint.limiter()
        assert limiter.in_flight == 0
        assert limiter.waiting == 0
        opened = llm._endpoint.sessions._by_loop.get(asyncio.get_running_loop())
        for session in (opened.pooled, opened.fresh) if opened is not None else ():
            assert not session.connector._acquired
        await self.server.wait_for(lambda: self.server.in_flight == 0)
        await self.server.wait_for(lambda: asyncio.all_tasks() <= self.tasks)

    async def prove(self, fault: Fault, verb: str, url: str | None = None, **more: Any) -> Any:
        """Meet the fault, and whatever it must leave untouched."""
        server = self.server
        answers = list(fault.answers)

        def handler(request: Request) -> Answer | None:
            if request.prompts != [fault.prompt]:
                return None
            return answers.pop(0) if len(answers) > 1 else answers[0]

        server.handler = handler
        fault.arm(server)
        before = server.attempts
        failure = result = None
        async with asyncio.timeout(10):
            async with self.client(url, fault.limits, timeout=fault.timeout, **more) as llm:
                try:
                    result = await ask(llm, verb, fault.prompt)
                except APIError as exception:
                    failure = exception
                await self.is_clean(llm)
                seen = server.requests[before:]
                self.has_paid(llm, fault, seen, failure, result)
                fault.mend(server)
                assert text_of(await ask(llm, verb, "next")) == "echo: next"
                await self.is_clean(llm)
                secrets = shown(self.caplog, llm, *self.events, server, *server.requests)
        if fault.error is None:
            assert failure is None
            assert text_of(result) == (
                f"echo: {fault.prompt}" if fault.text is None else fault.text
            )
            tries = result.timing.attempts
        else:
            assert failure is not None, "it was taken for an answer"
            assert type(failure) is fault.error
            assert failure.kind == fault.kind
            assert fault.says in str(failure)
            partial = failure.partial and failure.partial.text
            assert partial == fault.text
            assert failure.__cause__ is failure.__context__ is None
            assert pickle.loads(pickle.dumps(failure)).kind == fault.kind
            tries = failure.attempts
        assert len(seen) == fault.attempts
        assert tries == (fault.attempts if fault.tries is None else fault.tries)
        fault.check(result if failure is None else failure)
        assert KEY not in secrets + shown(self.caplog, failure or result)
        return result if failure is None else failure

    def has_paid(
        self,
        llm: Client,
        fault: Fault,
        seen: list[Request],
        failure: APIError | None,
        result: Any,
    ) -> None:
        """The buckets have paid for each request, at its real price where that was told."""
        endpoint, now = llm._endpoint, asyncio.get_running_loop().time()
        paid = fault.attempts if fault.paid is None else fault.paid
        if endpoint.requests is not None:
            assert endpoint.requests.level(now) == pytest.approx(BURST - paid, abs=0.05)
        if endpoint.tokens is None:
            return
        guess = len(seen[0].body) / 4 + FIRST_GUESS if seen else 0.0
        whole = failure.partial if failure else getattr(result, "completion", result)
        usage = getattr(whole, "usage", None)
        due = paid * guess
        if usage is not None:
            due += usage.total_tokens - guess
        assert endpoint.tokens.level(now) == pytest.approx(TOKENS - due, abs=1.0)


@pytest.fixture
def ground(server: FakeServer, caplog: pytest.LogCaptureFixture) -> Ground:
    return Ground(server, caplog)


# ── rows that one server and one client can show ─────────────────────────────────────────────


def lasting(*answers: Answer, error: type[APIError], kind: str, **more: Any) -> Fault:
    """Retried, and at the end the same error."""
    return Fault(answers, error, kind, 3, **more)


def final(*answers: Answer, error: type[APIError], kind: str, **more: Any) -> Fault:
    """Not retried."""
    return Fault(answers, error, kind, 1, **more)


def status(code: int, kind: type[APIError], *, retried: bool, row: str = "") -> list[Fault]:
    make = lasting if retried else final
    wire = lambda failure: check(failure.status_code == code)  # noqa: E731
    return [make(Reply(status=code), error=kind, kind=row or str(code), check=wire)]


def check(holds: bool) -> None:
    assert holds


def no_status(failure: APIError) -> None:
    assert failure.status_code is None  # aiohttp's 400 is made up


def lost(*parts: Any, end: str, kind: str = "lost", verbs: Sequence[str] = BOTH) -> Fault:
    answer = Raw(parts, end=end)
    return lasting(answer, error=APIConnectionError, kind=kind, check=no_status, verbs=verbs)


def cut(answer: Answer) -> Fault:
    return lasting(answer, error=APIConnectionError, kind="body_cut", verbs=WHOLE)


def bad(*parts: bytes, end: str = "close", says: str = "") -> Fault:
    """A 200 whose body is no answer."""
    return lasting(
        Raw(parts, end=end),
        error=APIResponseValidationError,
        kind="bad_answer",
        says=says,
        verbs=WHOLE,
    )


def broken(parts: Sequence[Any], kind: str, error: type[APIError], **more: Any) -> Fault:
    """A stream that breaks after output: never again from the start."""
    end = more.pop("end", "eof")
    answer = Stream([*FAR, *parts], end=end)
    return final(answer, error=error, kind=kind, text="so far", verbs=STREAM, **more)


def unbegun(parts: Sequence[Any], kind: str, error: type[APIError], **more: Any) -> Fault:
    """One that breaks before any."""
    end = more.pop("end", "eof")
    make = more.pop("make", lasting)
    return make(Stream(parts, end=end), error=error, kind=kind, verbs=STREAM, **more)


def complete(parts: Sequence[Any], end: str = "eof", text: str = "so far", **more: Any) -> Fault:
    return Fault(
        [Stream(parts, end=end, split=more.pop("split", None))], text=text, verbs=STREAM, **more
    )


def finish(reason: str | None, done: bool) -> Callable[[Any], None]:
    def look(stream: Any) -> None:
        assert stream.completion.choices[0].finish_reason == reason
        assert stream.done_seen is done

    return look


def wait_of(seconds: float, **headers: str) -> Fault:
    """Over the cap: given up at once, with the number."""

    def look(failure: APIError) -> None:
        assert failure.retry_after == seconds

    # Not a 429: that would pause the endpoint, and the next call would wait for the cap.
    answer = Reply(status=500, headers=headers)
    return final(answer, error=InternalServerError, kind="500", check=look)


def waited(**headers: str) -> Fault:
    """Under it: waited for."""
    return Fault([Reply(status=500, headers=headers), None], attempts=2)


DATE = "Sun, 22 Nov 2026 20:00:%02d GMT"
QUICK = Timeout(first_token=0.05, idle=0.05)
SMALL = {"max_response_bytes": 1000, "max_event_bytes": 1000}
TRICKLE = [part for _ in range(100) for part in (b" ", 0.02)]
PINGS = [part for _ in range(100) for part in (b": ping\n\n", 0.01)]
TRICKLED = Timeout(first_token=0.1, idle=0.1, total=0.2)

FAULTS: dict[str, list[Fault]] = {
    # Before a connection
    "refused": [
        Fault(
            error=APIConnectionError,
            kind="refused",
            attempts=0,
            tries=3,
            arm=lambda server: server.refuse(),
            mend=lambda server: server.accept(),
        )
    ],
    # Before a response
    "reset_before_headers": [lost(0.01, end="reset")],
    "close_before_headers": [lost(end="close")],
    "stall_headers": [
        lasting(Raw(end="hang"), error=FirstTokenTimeout, kind="first_token", timeout=QUICK)
    ],
    "stall_mid_headers": [
        lasting(
            Raw([OK + b"content-le"], end="hang"),
            error=FirstTokenTimeout,
            kind="first_token",
            timeout=QUICK,
        )
    ],
    "garbage": [
        lost(b"\x00\x01garbage\r\n\r\n", end="close", kind="protocol"),
        lost(b"SSH-2.0-OpenSSH_9.2\r\n", end="close", kind="protocol"),
    ],
    "bad_content_length": [
        lost(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nhi", end="close", kind="protocol")
    ],
    "huge_header": [
        final(Raw([OK + b"x: " + b"a" * 20_000 + b"\r\n\r\n"]), error=LimitExceeded, kind="limit")
    ],
    "header_flood": [
        final(
            Raw([OK + b"".join(b"x-%d: a\r\n" % i for i in range(1000)) + b"\r\n"]),
            error=LimitExceeded,
            kind="limit",
        )
    ],
    "early_hints": [
        Fault(
            [Raw([b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", 0.01, sized(ANSWER)])],
            text="hello",
            verbs=WHOLE,
        )
    ],
    "early_429": [
        # Whether the 429 or only the reset arrives is the kernel's to say: both are tried again.
        Fault(
            attempts=3,
            prompt=prompt,
            limits={"tokens_per_minute": None},
            arm=lambda server: server.fail(429, times=2, early=True),
        )
        for prompt in ("hi", "x" * 5_000_000)
    ],
    # Statuses
    "status_400": status(400, BadRequestError, retried=False),
    "status_401": status(401, AuthenticationError, retried=False),
    "status_403": status(403, PermissionDeniedError, retried=False),
    "status_404": status(404, NotFoundError, retried=False),
    "status_408": status(408, APIStatusError, retried=True),
    "status_409": status(409, ConflictError, retried=True),
    "status_413": status(413, APIStatusError, retried=False, row="4xx"),
    "status_422": status(422, UnprocessableEntityError, retried=False),
    "status_425": status(425, APIStatusError, retried=True),
    "status_429": [
        *status(429, RateLimitError, retried=True),
        final(
            Reply(status=429, body={"error": {"code": "insufficient_quota"}}),
            error=RateLimitError,
            kind="insufficient_quota",
        ),
    ],
    "status_500": status(500, InternalServerError, retried=True),
    "status_501": status(501, InternalServerError, retried=False),
    "status_502": status(502, InternalServerError, retried=True),
    "status_503": status(503, InternalServerError, retried=True),
    "status_504": status(504, InternalServerError, retried=True),
    "status_529": status(529, InternalServerError, retried=True),
    "retry_after": [
        waited(**{"retry-after-ms": "30"}),
        waited(**{"retry-after": "0.03"}),
        waited(date=DATE % 0, **{"retry-after": DATE % 0}),
        wait_of(121.0, **{"retry-after": "121"}),
        wait_of(121.0, **{"retry-after-ms": "121000"}),
        wait_of(3600.0, date=DATE % 0, **{"retry-after": (DATE % 0).replace("20:00", "21:00")}),
    ],
    "should_retry": [
        final(
            Reply(status=500, headers={"x-should-retry": "false"}),
            error=InternalServerError,
            kind="500",
        ),
        lasting(
            Reply(status=400, headers={"x-should-retry": "true"}),
            error=BadRequestError,
            kind="400",
        ),
    ],
    # Within a whole answer
    "reset_mid_body": [cut(Raw([sized(ANSWER[:40], missing=60), 0.02], end="reset"))],
    "close_mid_body": [cut(Raw([sized(ANSWER[:40], missing=60)]))],
    "close_delimited": [bad(JSON + b"\r\n" + ANSWER[:40])],
    "chunked_truncated": [cut(Raw([CHUNKED + b"28\r\n" + ANSWER[:40] + b"\r\n"]))],
    "chunked_bad": [
        lost(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", end="close", kind="protocol"),
        lasting(
            Raw([CHUNKED + b"2\r\n{ \r\n", 0.02, b"zz\r\n"], end="hang"),
            error=APIConnectionError,
            kind="protocol",
            verbs=WHOLE,
        ),
        final(
            Raw(
                [EVENTS + framed(piece("so ")) + framed(piece("far")), 0.02, b"zz\r\n"], end="hang"
            ),
            error=APIConnectionError,
            kind="protocol",
            text="so far",
            verbs=STREAM,
        ),
    ],
    "json_truncated": [bad(sized(ANSWER[:40]), end="keep", says='{"id": "1"')],
    "empty_200": [bad(sized(b""), end="keep", says="empty")],
    "html_200": [
        bad(
            OK + b"content-type: text/html\r\ncontent-length: 5000\r\n\r\n<html>" + b"x" * 4994,
            end="keep",
            says="<html>xxx",
        )
    ],
    "json_error_200": [
        lasting(
            Reply(body={"error": {"code": 429, "message": "boom"}}),
            error=RateLimitError,
            kind="429",
            check=lambda failure: check(failure.status_code == 200),
        ),
        final(Reply(body={"error": {"message": "boom"}}), error=APIError, kind="error"),
        final(Reply(body={"error": {"code": "401"}}), error=AuthenticationError, kind="401"),
    ],
    "gzip_corrupt": [
        cut(Raw([sized(b"XX" + ZIPPED[2:], b"content-encoding: gzip\r\n")], end="keep"))
    ],
    "gzip_truncated": [bad(sized(HALF_ZIPPED, b"content-encoding: gzip\r\n"), end="keep")],
    "encoding_unknown": [
        final(
            Raw([sized(b"hi", b"content-encoding: br\r\n")]),
            error=APIConnectionError,
            kind="encoding",
            says="was not asked for",
            verbs=WHOLE,
        )
    ],
    "bomb": [
        final(
            Raw([sized(gzip.compress(b'"' * 10**6), b"content-encoding: gzip\r\n")], end="keep"),
            error=LimitExceeded,
            kind="limit",
            limits=SMALL,
            verbs=WHOLE,
        )
    ],
    "huge_body": [
        final(
            Raw([sized(b"{", missing=2_000_000_000)], end="hang"),
            error=LimitExceeded,
            kind="limit",
            verbs=WHOLE,
        )
    ],
    "slowloris": [
        final(
            Raw([JSON + b"content-length: 500\r\n\r\n", *TRICKLE]),
            error=TotalTimeout,
            kind="total",
            timeout=TRICKLED,
            verbs=WHOLE,
        ),
        final(
            Raw([JSON + b"content-length: 500\r\n\r\n", *TRICKLE]),
            error=TotalTimeout,
            kind="total",
            timeout=Timeout(total=0.1),
            verbs=STREAM,
        ),
    ],
    # Within a stream
    "stall_mid_stream": [broken([], "idle", IdleTimeout, end="hang", timeout=QUICK)],
    "keepalive_only": [
        unbegun(PINGS, "first_token", FirstTokenTimeout, timeout=QUICK),
        unbegun([ROLE, *PINGS], "first_token", FirstTokenTimeout, timeout=QUICK),
        broken(PINGS, "idle", IdleTimeout, timeout=QUICK),
    ],
    "sse_cut_dirty": [
        broken([], "incomplete", IncompleteStreamError, end="close"),
        broken([0.02], "incomplete", IncompleteStreamError, end="reset"),
        unbegun([ROLE], "incomplete", IncompleteStreamError, end="close", text=""),
    ],
    "sse_cut_clean": [
        broken([], "incomplete", IncompleteStreamError),
        unbegun([ROLE], "incomplete", IncompleteStreamError, text=""),
    ],
    "sse_no_done": [complete([*FAR, STOP], check=finish("stop", done=False))],
    "sse_no_finish": [complete([*FAR, DONE], check=finish(None, done=True))],
    "sse_done_unterminated": [
        complete([*FAR, STOP, b"data: [DONE]"], check=finish("stop", done=True)),
        complete([*FAR, b"data: [DONE]"], check=finish(None, done=True)),
    ],
    "sse_done_more": [
        complete([*FAR, STOP, DONE, "ghost", error()], check=finish("stop", done=True)),
        complete([*FAR, STOP, DONE + piece("ghost"), 0.01, "ghost"], end="close"),
    ],
    "sse_done_hang": [complete([*FAR, STOP, DONE], end="hang")],
    "sse_error_event": [
        broken([error(code=500)], "500", InternalServerError, says="boom"),
        broken([error()], "error", APIError, says="boom"),
        unbegun([error(code=500)], "500", InternalServerError, says="boom"),
        unbegun([error(code=400)], "400", BadRequestError, make=final),
    ],
    "sse_error_named": [
        broken([b"event: error\ndata: boom\n\n"], "error", APIError, says="boom"),
        broken([b"event: error\n" + error(code=429)], "429", RateLimitError),
    ],
    "sse_bad_json": [
        broken([b"data: {bad\n\n", STOP], "bad_answer", APIResponseValidationError, says="{bad"),
        unbegun([b"data: {bad\n\n"], "bad_answer", APIResponseValidationError),
    ],
    "sse_dup": [complete(["so ", "so ", "far", STOP, DONE], text="so so far")],
    "sse_empty": [
        unbegun([], "incomplete", IncompleteStreamError),
        unbegun([DONE], "incomplete", IncompleteStreamError),
    ],
    "huge_line": [
        unbegun(
            [b"data: " + b"x" * 5000, b"x" * 5000],
            "limit",
            LimitExceeded,
            make=final,
            limits=SMALL,
        )
    ],
    "sse_split": [
        complete([piece("so "), piece("fär 😀"), STOP, DONE], split=split, text="so fär 😀")
        for split in (1, 2, 3, 7)
    ],
    # Secrets
    "leak": [
        lasting(
            Reply(status=500, body={"error": {"message": KEY, "param": [KEY]}}, headers={"x": KEY}),
            error=InternalServerError,
            kind="500",
            says="***",
        ),
        lasting(
            Raw([sized(KEY.encode())]),
            error=APIResponseValidationError,
            kind="bad_answer",
            says="***",
            verbs=WHOLE,
        ),
        broken([event({"error": {"message": KEY}})], "error", APIError, says="***"),
    ],
}


@pytest.mark.parametrize(
    ("row", "fault", "verb"),
    [
        pytest.param(row, fault, verb, id=f"{row}-{number}-{verb}")
        for row, faults in FAULTS.items()
        for number, fault in enumerate(faults, 1)
        for verb in fault.verbs
    ],
)
async def test_a_fault_ends_as_decided_and_leaves_nothing_behind(ground, row, fault, verb):
    if row == "leak":
        asyncio.get_running_loop().set_debug(True)
    await ground.prove(fault, verb)


# ── rows that need more than that: one test each, found by their mark ────────────────────────

ALONE: dict[str, list[str]] = {}


def row(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the test of these rows."""

    def note(test: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            ALONE.setdefault(name, []).append(test.__name__)
        return test

    return note


class Resolver(AbstractResolver):
    """Knows one name's port for the moment; None: nobody knows it."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> Any:
        if self.port is None:
            raise OSError(None, "Name or service not known")
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": self.port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def named(server: FakeServer):
    """A connector for which llm.test is wherever `resolver.port` says."""
    resolver = Resolver(server.port)
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ssl=trusting())
    connector.port_of = resolver  # type: ignore[attr-defined]
    async with connector:
        yield connector


def elsewhere(connector: Any, server: FakeServer, port: int | None, **more: Any) -> Fault:
    """A call that goes astray; the next one finds the server."""

    def move(to: int | None) -> Callable[[FakeServer], None]:
        def do(_: FakeServer) -> None:
            connector.port_of.port = to

        return do

    return Fault(attempts=0, paid=0, arm=move(port), mend=move(server.port), **more)


@row("dns")
@pytest.mark.parametrize("verb", BOTH)
async def test_a_name_that_nobody_knows_is_tried_again(ground, server, named, verb):
    fault = elsewhere(named, server, None, error=APIConnectionError, kind="dns", tries=3)
    failure = await ground.prove(fault, verb, "http://llm.test:80/v1", connector=named)
    assert not failure.sent
    assert not named._acquired


@row("connect_timeout")
@pytest.mark.parametrize("verb", BOTH)
async def test_a_connection_that_never_stands_is_a_connect_timeout(ground, server, named, verb):
    with socket.socket() as listening, socket.socket() as one, socket.socket() as two:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)  # a queue for one, which is full: what else comes is not answered
        for filling in (one, two):
            filling.setblocking(False)
            with suppress(BlockingIOError):
                filling.connect(listening.getsockname())
        port = listening.getsockname()[1]
        fault = elsewhere(
            named,
            server,
            port,
            error=ConnectTimeout,
            kind="connect_timeout",
            tries=3,
            timeout=Timeout(connect=0.05),
            says="within 0.05 s",
        )
        failure = await ground.prove(fault, verb, "http://llm.test:80/v1", connector=named)
    assert not failure.sent
    assert not named._acquired


@row("tls_verify")
@pytest.mark.parametrize("certificate", [self_signed, wrong_host, of_a_stranger])
async def test_a_bad_certificate_is_never_tried_again(caplog, named, certificate):
    async with (
        FakeServer(ssl=serving()) as good,
        FakeServer(ssl=serving(certificate())) as impostor,
    ):
        fault = elsewhere(named, good, impostor.port, error=APIConnectionError, kind="tls", tries=1)
        ground = Ground(good, caplog)
        await ground.prove(fault, "whole", "https://llm.test:443/v1", connector=named)
        assert (impostor.attempts, impostor.connections) == (0, 0)


@row("tls_plain")
@pytest.mark.parametrize("verb", BOTH)
async def test_https_to_a_plain_port_is_not_tried_again_and_named(caplog, named, server, verb):
    async with FakeServer(ssl=serving()) as good:
        fault = elsewhere(
            named,
            good,
            server.port,
            error=APIConnectionError,
            kind="tls",
            tries=1,
            says="plain http://",
        )
        ground = Ground(good, caplog)
        await ground.prove(fault, verb, "https://llm.test:443/v1", connector=named)
    assert server.attempts == 0


@row("pool_wait")
async def test_a_hundred_and_fifty_calls_are_in_flight_at_once(ground, server):
    gate = asyncio.Event()

    async def handler(request: Request) -> None:
        await gate.wait()

    server.handler = handler
    limits = dict.fromkeys(BUCKETS)
    async with ground.client(limits={**limits, "concurrency": 150}) as llm:
        calls = [asyncio.create_task(llm.complete("hi")) for _ in range(151)]
        await server.wait_for(lambda: server.in_flight == 150)
        assert llm._endpoint.limiter().waiting == 1
        gate.set()
        assert {answer.text for answer in await asyncio.gather(*calls)} == {"echo: hi"}
        await ground.is_clean(llm)
    assert server.max_in_flight == server.connections == 150


@row("stale_race")
@pytest.mark.parametrize("verb", BOTH)
async def test_a_server_that_closes_as_the_next_request_arrives_is_not_noticed(
    ground, server, verb
):
    served = set()

    def handler(request: Request) -> Answer | None:
        if request.connection in served:
            return Raw([], end="close")
        served.add(request.connection)
        return None

    server.handler = handler
    limits = {"requests_per_minute": 0.06, "burst": 200.0, "tokens_per_minute": None}
    async with ground.client(limits=limits, max_retries=0, retry=None) as llm:
        for _ in range(100):
            result = await ask(llm, verb, "hi")
            assert text_of(result) == "echo: hi"
            assert result.timing.attempts == 1
        now = asyncio.get_running_loop().time()
        assert llm._endpoint.requests.level(now) == pytest.approx(100.0, abs=0.05)
        await ground.is_clean(llm)
    assert 100 < server.attempts <= 200


@row("stale_closed")
@pytest.mark.parametrize("verb", BOTH)
async def test_a_connection_closed_while_idle_is_not_noticed(ground, server, verb):
    async with ground.client() as llm:
        for number in range(5):
            assert text_of(await ask(llm, verb, "hi")) == "echo: hi"
            assert (server.attempts, server.connections) == (number + 1, number + 1)
            server.close_idle()
            await server.wait_for(lambda: not server.open_connections)
        await ground.is_clean(llm)


@row("poisoned_pool")
async def test_no_clock_of_one_call_runs_on_in_the_pool(ground, server):
    setup = (HERE.parent / "setup.cfg").read_text()
    assert re.search(r"aiohttp>=3\.14\.3\b", setup), "3.14.0 and 3.14.1 poison their pools"
    server.default = "x" * 3_000_000
    async with ground.client(timeout=Timeout(first_token=5, idle=0.02)) as llm:
        for _ in range(3):
            assert len((await llm.complete("hi")).text) == 3_000_000
            await asyncio.sleep(0.05)  # idle for longer than a read may be
        await ground.is_clean(llm)
    assert (server.attempts, server.connections) == (3, 1)


@row("redirect_307", "redirect_302")
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("verb", BOTH)
async def test_neither_key_nor_prompt_follows_a_redirect(ground, code, verb):
    async with FakeServer() as other:
        away = Reply(status=code, headers={"location": f"{other.url}/chat/completions"}, body="")
        await ground.prove(final(away, error=RedirectRefused, kind="redirect"), verb)
        assert (other.attempts, other.connections) == (0, 0)


@row("header_injection")
@pytest.mark.parametrize("evil", ["\r", "\n", "\0", "\r\nx-evil: 1", "\u2028", "ä"])
async def test_what_could_be_a_second_header_is_refused_unseen(server, caplog, evil):
    value = KEY + evil
    for arguments in (
        {"api_key": value},
        {"default_headers": {"x-key": value}},
        {"default_headers": {value: "x"}},
        {"organization": value},
    ):
        with pytest.raises(ConfigurationError) as caught:
            Client(server.url, **arguments)
        assert isinstance(caught.value, ValueError)
        assert KEY not in repr(caught.value) + str(caught.value) + caplog.text
    async with Client(server.url, model="m") as llm:
        with pytest.raises(ConfigurationError) as caught:
            await llm.complete("hi", extra_headers={"x-key": value})
        assert KEY not in repr(caught.value)
        assert server.attempts == 0
        assert (await llm.complete("hi")).text == "echo: hi"


@row("proxy_env")
async def test_the_environments_proxy_sees_nothing_that_goes_to_loopback(
    ground, server, monkeypatch
):
    async with FakeServer() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            for spelling in (name, name.upper()):
                monkeypatch.setenv(spelling, proxy.url.removesuffix("/v1"))
        await ground.prove(Fault(), "whole")
        assert proxy.connections == 0


@row("netrc")
async def test_a_netrc_is_neither_read_nor_in_the_way(ground, server, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password of-the-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    await ground.prove(Fault(), "whole")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    async with Client(server.url, model="m") as llm:
        await llm.complete("hi")
    assert "authorization" not in server.requests[-1].headers


async def before_the_headers(llm: Client, server: FakeServer) -> None:
    await llm.complete("hang")


async def before_the_first_token(llm: Client, server: FakeServer) -> None:
    await llm.stream("role")


async def in_mid_stream(llm: Client, server: FakeServer) -> None:
    async with llm.stream("some") as stream:
        async for _ in stream:
            pass


async def after_a_break(llm: Client, server: FakeServer) -> None:
    async for _ in await llm.stream("some"):
        break
    await asyncio.sleep(60)


async def after_an_exception(llm: Client, server: FakeServer) -> None:
    with suppress(ZeroDivisionError):
        async with llm.stream("some") as stream:
            async for _ in stream:
                raise ZeroDivisionError
    await asyncio.sleep(60)


@row("cancel")
@pytest.mark.parametrize(
    "way",
    [
        before_the_headers,
        before_the_first_token,
        in_mid_stream,
        after_a_break,
        after_an_exception,
    ],
)
async def test_cancelled_at_once_and_nothing_is_held(ground, server, way):
    answers = {
        "hang": Raw([], end="hang"),
        "role": Stream([ROLE], end="hang"),
        "some": Stream(FAR, end="hang"),
    }
    server.handler = lambda request: answers.get(request.prompts[0])
    async with ground.client() as llm:
        task = asyncio.create_task(way(llm, server))
        await server.wait_for(lambda: server.attempts == 1)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        await ground.is_clean(llm)
        assert server.aborted == 1
        assert not [record for record in ground.caplog.records if record.levelno > logging.INFO]
        now = asyncio.get_running_loop().time()
        assert llm._endpoint.requests.level(now) == pytest.approx(BURST - 1, abs=0.05)
        assert (await llm.complete("next")).text == "echo: next"
    assert KEY not in shown(ground.caplog, caught.value, *ground.events)


@row("cancel")
async def test_a_thousand_random_cancellations_leave_nothing(ground, server):
    dice = random.Random(7)
    server.default = Reply("a b c d", delay=0.002, first_delay=0.002)
    limits = {"concurrency": 50, "requests_per_minute": 0.06, "burst": 5000.0}
    limits["tokens_per_minute"] = None

    async def one(llm: Client) -> str:
        # One of five is left in peace, so that slots are taken and given in every way.
        seconds = dice.choice([None, *[dice.uniform(0.0, 0.03) for _ in range(4)]])
        try:
            async with asyncio.timeout(seconds):
                await ask(llm, dice.choice(BOTH), "hi")
        except TimeoutError:
            return "cancelled"
        return "answered"

    async with ground.client(limits=limits) as llm:
        ends = []
        for _ in range(10):  # a hundred at once: half of them wait in the queue
            ends += await asyncio.gather(*[one(llm) for _ in range(100)])
        await ground.is_clean(llm)
        now = asyncio.get_running_loop().time()
        assert llm._endpoint.requests.level(now) <= 5000.0 - ends.count("answered") + 0.05
        assert (await llm.complete("next")).text == "a b c d"
    assert {"cancelled", "answered"} == set(ends)


@row("loop_closed")
@pytest.mark.parametrize("verb", BOTH)
def test_one_client_serves_one_loop_after_another(fake_server, verb):
    llm = Client(fake_server.url, api_key=KEY, model="m", max_retries=0)
    for _ in range(3):
        assert text_of(asyncio.run(ask(llm, verb, "hi"))) == "echo: hi"
    asyncio.run(llm.close())
    assert fake_server.attempts == fake_server.connections == 3


@row("clock_jump")
@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_wall_clock_that_jumps_moves_nothing(ground, monkeypatch, jump):
    start, calls = time.time(), []

    def jumping() -> float:
        calls.append(None)
        return start + jump * (len(calls) % 2)

    monkeypatch.setattr(time, "time", jumping)
    for row_name in ("stall_headers", "stall_mid_stream", "status_500"):
        for fault in FAULTS[row_name]:
            await ground.prove(fault, fault.verbs[-1])
    # A date is measured against the response's own.
    later = {"date": DATE % 0, "retry-after": (DATE % 1).replace("20:00", "20:02")}
    await ground.prove(wait_of(121.0, **later), "whole")


async def test_a_wait_is_never_shorter_than_the_server_asks(ground, server):
    for fault in FAULTS["retry_after"][:2]:
        await ground.prove(fault, "whole")
        first, second = server.requests[-3:-1]
        assert second.arrived - first.arrived >= 0.03


# ── rows that are proved elsewhere, where a second run would only be slow ────────────────────

#: row → the tests that prove it, alone or beside the above.
PROVED = {
    "fork": [
        "net/test_session.py::test_after_a_fork_the_child_makes_its_own_connection_and_the_parents_lives_on"
    ],
    "herd": [
        "net/test_outage.py::test_ten_seconds_of_refusal_cost_no_call_and_hardly_a_request",
        "net/test_outage.py::test_no_herd_arrives_when_the_server_comes_back",
    ],
}

#: Beside a run above: what that run cannot show.
BESIDE = {
    "bomb": [
        "test_bombs.py::test_a_bomb_costs_less_than_twice_its_limit_and_a_large_stream_nothing"
    ],
    "huge_line": [
        "test_bombs.py::test_a_bomb_costs_less_than_twice_its_limit_and_a_large_stream_nothing"
    ],
    "retry_after": ["sansio/test_retry.py::test_the_retry_after_cases"],
    "sse_split": ["sansio/test_sse.py::test_the_corpus_reads_the_same_however_it_is_cut"],
    "proxy_env": ["net/test_proxies.py::test_the_environments_proxy_is_used"],
    "cancel": ["net/test_exchange.py::test_a_cancellation_gives_everything_back"],
    "status_429": [
        "net/test_exchange.py::test_a_429_with_retry_after_pauses_all_waiting_tasks_once"
    ],
}

#: What a row expects beyond one endpoint, which is all that a client has so far.
LATER = {
    "refused": "the next endpoint at once",
    "dns": "fail over",
    "tls_verify": "fail over, loudly",
    "status_401": "the endpoint marked unusable",
    "retry_after": "fail over above the cap",
}


def test_every_row_of_the_matrix_has_exactly_one_entry():
    entries = [*FAULTS, *ALONE, *PROVED]
    assert len(entries) == len(set(entries))
    assert set(entries) == set(MATRIX)
    assert len(MATRIX) == 79
    assert set(BESIDE) | set(LATER) <= set(MATRIX)
    assert all(FAULTS.values())


@pytest.mark.parametrize("name", [*PROVED, *BESIDE])
def test_the_tests_that_are_referred_to_exist(name):
    for reference in [*PROVED.get(name, ()), *BESIDE.get(name, ())]:
        module, _, function = reference.partition("::")
        tree = ast.parse((HERE / module).read_text("utf-8"))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert function in [node.name for node in tree.body if isinstance(node, kinds)]


#: Our answer to "retried?" is another (docs/reliability.md says why), or depends on what the error
#: says of itself.
DECIDED_OTHERWISE = {"slowloris"}
DEPENDS = {"should_retry", "status_429", "json_error_200", "retry_after", "sse_error_event"}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_retried_is_what_the_matrix_retries(name):
    broken_off = [fault for fault in FAULTS[name] if fault.error is not None]
    handed_out = [fault for fault in broken_off if fault.text]
    assert all(fault.attempts == 1 for fault in handed_out)
    wanted = MATRIX[name]["retry"]
    retried = {(fault.tries or fault.attempts) > 1 for fault in broken_off if not fault.text}
    if name in DEPENDS or not retried or wanted == "-":
        return
    if wanted in ("yes", "budgeted"):
        assert retried == {name not in DECIDED_OTHERWISE}
    elif handed_out:
        assert wanted.startswith(("no", "same"))  # what it says of streams under way, as above
    else:
        assert retried == {wanted != "no"}


def test_the_page_on_reliability_has_the_table_of_failures():
    page = (HERE.parent / "docs" / "reliability.md").read_text("utf-8")
    told = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[0].startswith("`"):
            kinds, classes = (re.findall(r"`(\w+)`", cells[place]) for place in (0, 2))
            for place, kind in enumerate(kinds):
                cost = int(cells[4]) if cells[4].isdigit() else 0
                name = classes[place] if len(classes) > 1 else classes[0]
                yes = (cells[3].startswith("yes"), cost, cells[4] == "pause", cells[5][:3] == "yes")
                told[kind] = (name, *yes)
    assert told == {kind: (row[0].__name__, *row[1:]) for kind, row in TABLE.items()}
