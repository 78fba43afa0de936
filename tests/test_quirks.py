"""Quirks of real servers: each recorded answer, and each made-up one after what is told of them,
gives the same result whole, byte by byte and cut anywhere.

The recorded ones are compared with a decoder of a few plain lines (`plainly`), which shares nothing
with rawllm; the made-up ones (samples/synthetic/) bring their results along.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import captures
import pytest

import rawllm
from rawllm import Client, Retry, stream
from rawllm.sansio.chunks import ChunkReader
from rawllm.sansio.deltas import ChatAccumulator, TextAccumulator
from rawllm.sansio.lifecycle import State
from rawllm.sansio.types import ChatCompletionChunk, Completion
from rawllm.testing import Raw, Reply, Stream

SYNTHETIC = Path(__file__).parent / "samples" / "synthetic"
CASES = [json.loads(line) for line in (SYNTHETIC / "cases.jsonl").read_text().splitlines()]
STREAMED = [case for case in CASES if case["kind"] == "stream"]
RECORDED = captures.cases()

#: Up to here a body is cut at every byte and sent byte by byte; a longer one at so many places.
SHORT, PLACES = 2000, 500


def pieces(body: bytes, dice: random.Random, cuts: int) -> list[bytes]:
    """The body, cut at so many random places."""
    places = sorted(dice.randrange(len(body) + 1) for _ in range(cuts))
    return [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]


def ways(size: int) -> list[str]:
    return ["whole", "cut", *(["bytes"] if size < SHORT else [])]


def told(answer: Any, done: bool | None = None) -> dict[str, Any]:
    """What people read of an answer, in the form of samples/synthetic/cases.jsonl."""
    choice = answer.choices[0]
    message = getattr(choice, "message", None)
    usage = answer.usage
    return {
        "text": answer.text,
        "reasoning": (message and message.reasoning) or "",
        "finish": choice.finish_reason,
        "tools": [
            [call.id, call.function.name, call.function.arguments]
            for call in (message and message.tool_calls) or ()
        ],
        "usage": usage and [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
        "done": done,
    }


def told_of(error: rawllm.APIError) -> dict[str, Any]:
    partial = error.partial and error.partial.text
    return {"error": type(error).__name__, "says": str(error), "partial": partial}


def as_expected(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """`says` is a part of the message; all else is the whole of it."""
    if "error" in expected:
        assert expected["says"] in found.pop("says", f"it was taken for an answer: {found}")
        expected = {name: value for name, value in expected.items() if name != "says"}
    assert found == expected


# ── without a network: many cuts ─────────────────────────────────────────────────────────────


def fed(parts: list[bytes], *, text: bool = False, expected: int = 1) -> dict[str, Any]:
    """What a ChunkReader makes of these pieces of a body that then ends."""
    found: Any = ChunkReader(
        Completion if text else ChatCompletionChunk,
        TextAccumulator() if text else ChatAccumulator(),
        expected=expected,
        status=200,
        max_event_bytes=10**6,
        keep_usage_chunk=True,
    )
    for part in [*filter(None, parts), b""]:  # an empty piece is the end of the body
        if not found.lifecycle.ended:
            found.feed(part)
    error = found.error
    return {
        "state": found.lifecycle.state,
        "done": found.lifecycle.done_seen,
        "chunks": [chunk._payload for chunk in found.held],
        "answer": found.accumulator.completion().to_dict(),
        "error": error and (type(error).__name__, str(error), error.partial),
    }


def places(body: bytes, seed: str) -> list[int]:
    if len(body) < SHORT:
        return list(range(len(body) + 1))
    dice = random.Random(seed)
    return sorted(dice.sample(range(len(body) + 1), PLACES))


BODIES = [
    *[
        pytest.param(c.body, c.case.startswith("completions"), c.request or {}, id=str(c))
        for c in RECORDED
        if c.is_stream and c.status == 200
    ],
    *[
        pytest.param((SYNTHETIC / c["file"]).read_bytes(), False, {}, id=c["file"])
        for c in STREAMED
    ],
]


@pytest.mark.parametrize(("body", "text", "request_"), BODIES)
def test_a_stream_cut_anywhere_is_the_same_stream(body, text, request_):
    expected = request_.get("n", 1)
    whole = fed([body], text=text, expected=expected)
    assert whole["state"] in (State.COMPLETE, State.BROKEN)
    for place in places(body, "two"):
        assert fed([body[:place], body[place:]], text=text, expected=expected) == whole, place
    bytewise = [body[i : i + 1] for i in range(len(body))]
    assert fed(bytewise, text=text, expected=expected) == whole
    dice = random.Random("many")
    for cuts in (10, 100, 500):
        assert fed(pieces(body, dice, cuts), text=text, expected=expected) == whole


# ── what real servers sent ───────────────────────────────────────────────────────────────────


def plainly(capture: captures.Capture) -> dict[str, Any]:
    """A recorded stream as a few plain lines read it: JSON after `data: `, up to [DONE]."""
    choices: dict[int, dict[str, Any]] = {}
    found: dict[str, Any] = {"usage": None, "done": False, "error": None}
    for block in capture.body.decode().split("\n\n"):
        data = block.removeprefix("data: ")
        if data == "[DONE]":
            found["done"] = True
        elif block.startswith("data: {") and not found["done"] and not found["error"]:
            try:
                chunk = json.loads(data)
            except ValueError:
                continue  # cut in mid-event
            found["error"] = chunk.get("error")
            found["usage"] = chunk.get("usage") or found["usage"]
            for part in chunk.get("choices", ()):
                choice = choices.setdefault(
                    part["index"], {"text": "", "finish": None, "tools": {}}
                )
                delta = part.get("delta", part)
                choice["text"] += delta.get("content") or delta.get("text") or ""
                choice["finish"] = part.get("finish_reason") or choice["finish"]
                for call in delta.get("tool_calls") or ():
                    tool = choice["tools"].setdefault(call["index"], ["", "", ""])
                    tool[0] += call.get("id") or ""
                    tool[1] += call["function"].get("name") or ""
                    tool[2] += call["function"].get("arguments") or ""
    return {**found, "choices": choices}


async def asked(llm: Client, capture: captures.Capture) -> Any:
    """The call that the recording was made with, as far as a client of types would send it."""
    first = (captures.ROOT / capture.server / f"{capture.case}.req.txt").with_suffix(".txt")
    path = first.read_text("utf-8", "replace").split(" ")[1] if first.exists() else ""
    given = dict(capture.request or {})
    given.pop("stream", None)
    more: dict[str, Any] = {"stream": True} if capture.is_stream else {}
    if path.endswith("/models"):
        return await llm.models.list()
    if path.endswith("/embeddings"):
        return await llm.embeddings.create(**{"input": "x", **given})
    if path.endswith("/completions") and "/chat/" not in path:
        return await llm.completions.create(**{"prompt": "x", **given, **more})
    return await llm.chat.completions.create(**{"messages": [], **given, **more})


@pytest.mark.parametrize(
    ("capture", "way"),
    [pytest.param(c, way, id=f"{c}-{way}") for c in RECORDED for way in ways(len(c.body))],
)
async def test_a_recorded_answer_is_the_same_however_it_arrives(server, capture, way):
    # As it was recorded to the byte: head, chunk framing and all.
    sent = (captures.ROOT / capture.server / f"{capture.case}.txt").read_bytes()
    parts: list[Any] = [sent]
    if way == "cut":
        # A wait of no time makes each piece a write of its own.
        parts = [
            part for one in pieces(sent, random.Random(str(capture)), 20) for part in (one, 0.0)
        ]
    server.raw(parts, split=1 if way == "bytes" else None)
    error = result = None
    async with Client(server.url, api_key="sk-test", model="m", max_retries=0) as llm:
        try:
            result = await asked(llm, capture)
            if capture.is_stream:
                chunks = [chunk async for chunk in result]
        except rawllm.APIError as exception:
            error = exception
        assert llm._endpoint.limiter().in_flight == 0
        assert (await llm.complete("next")).text == "echo: next"
    if capture.status != 200:
        body = json.loads(capture.body)
        said = body.get("error", body)
        message = said.get("message") or said.get("detail") if isinstance(said, dict) else said
        assert isinstance(error, rawllm.APIStatusError)
        assert error.status_code == capture.status
        assert " ".join(message.split())[:200] in str(error)
        assert capture.case.startswith("err_ctx") == isinstance(error, rawllm.ContextLengthExceeded)
    elif capture.is_stream:
        check_stream(plainly(capture), capture, result, error)
        assert error is not None or chunks
    else:
        assert error is None
        assert result.raw == json.loads(capture.body)
        if result.raw.get("object") == "chat.completion":
            choices = result.raw["choices"]
            texts = [choice["message"].get("content") for choice in choices]
            assert [choice.message.content for choice in result.choices] == texts
            assert [c.finish_reason for c in result.choices] == [
                c["finish_reason"] for c in choices
            ]
            assert result.usage.total_tokens == result.raw["usage"]["total_tokens"]


def check_stream(plain: dict[str, Any], capture: captures.Capture, result: Any, error: Any) -> None:
    finished = [choice["finish"] for choice in plain["choices"].values()]
    if plain["error"]:
        assert type(error) is not rawllm.IncompleteStreamError
        assert plain["error"]["message"][:100] in str(error)
        return
    if not (finished and all(finished)):  # the recording ends where the client hung up
        assert type(error) is rawllm.IncompleteStreamError
        assert error.partial.text == plain["choices"][0]["text"]
        return
    assert error is None
    whole = result.completion
    assert result.done_seen is plain["done"]
    assert (whole.usage and whole.usage.total_tokens) == (
        plain["usage"] and plain["usage"]["total_tokens"]
    )
    assert [choice.index for choice in whole.choices] == sorted(plain["choices"])
    for choice in whole.choices:
        expected = plain["choices"][choice.index]
        message = getattr(choice, "message", None)
        text = choice.text if message is None else message.content
        assert (text or "") == expected["text"]
        assert choice.finish_reason == expected["finish"]
        calls = (message and message.tool_calls) or ()
        assert [[c.id, c.function.name, c.function.arguments] for c in calls] == [
            expected["tools"][index] for index in sorted(expected["tools"])
        ]


def test_the_recordings_are_all_there():
    assert len(RECORDED) > 100
    assert {capture.server for capture in RECORDED} >= {"vllm", "llamacpp-xllamacpp"}


# ── what other servers are told to send ──────────────────────────────────────────────────────


def answer_of(case: dict[str, Any], way: str) -> Any:
    body = (SYNTHETIC / case["file"]).read_bytes()
    if case["kind"] == "stream" and "type" not in case:
        parts: list[Any] = [body] if body else []
        if way == "cut":
            dice = random.Random(case["file"])
            parts = [part for one in pieces(body, dice, 20) for part in (one, 0.0)]
        return Stream(parts, end=case.get("end", "eof"), split=1 if way == "bytes" else None)
    headers = {"content-type": case.get("type", "application/json")}
    return Reply(
        status=case.get("status", 200),
        headers=headers,
        body=body,
        split=1 if way == "bytes" else 7 if way == "cut" else None,
    )


@pytest.mark.parametrize(
    ("case", "way"),
    [
        pytest.param(case, way, id=f"{case['file']}-{way}")
        for case in CASES
        for way in ways((SYNTHETIC / case["file"]).stat().st_size)
    ],
)
async def test_a_quirk_is_read_as_meant_however_it_arrives(server, monkeypatch, case, way):
    monkeypatch.setattr(stream, "SILENCE", 0.05)
    monkeypatch.setattr("rawllm.net.response.DRAIN_SECONDS", 0.02)
    server.handler = lambda request: None if request.prompts == ["next"] else answer_of(case, way)
    # Not without retries: such a client does not wait where an error has paused the endpoint.
    retry = Retry(attempts=2, base=0.001, cap=0.002)
    async with Client(server.url, model="m", retry=retry) as llm:
        try:
            if case["kind"] == "stream":
                async with llm.stream("hi") as opened:
                    found = told(await opened.result(), opened.done_seen)
            else:
                found = told(await llm.complete("hi"))
        except rawllm.APIError as error:
            found = told_of(error)
        as_expected(found, case["expected"])
        assert llm._endpoint.limiter().in_flight == 0
        assert (await llm.complete("next")).text == "echo: next"


@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case["file"])
async def test_create_hands_out_the_quirks_chunks_one_by_one(server, monkeypatch, case):
    """The way that openai's users go: no helper accumulates."""
    monkeypatch.setattr(stream, "SILENCE", 0.05)
    monkeypatch.setattr("rawllm.net.response.DRAIN_SECONDS", 0.02)
    server.handler = lambda request: answer_of(case, "whole")
    expected, text, error = case["expected"], "", None
    async with Client(server.url, model="m", max_retries=0) as llm:
        try:
            messages = [{"role": "user", "content": "hi"}]
            async for chunk in await llm.chat.completions.create(messages=messages, stream=True):
                text += chunk.text
        except rawllm.APIError as exception:
            error = type(exception).__name__
    assert error == expected.get("error")
    assert text == (expected.get("text") if error is None else expected["partial"] or "")


@pytest.mark.parametrize("status", [500, 400])
async def test_a_status_that_lies_is_believed(server, status):
    """A 500 for what is the client's fault is tried again, a 400 for a wrong key is not an
    AuthenticationError: the status is all that is sure."""
    server.fail(status, body={"error": {"message": "No connected db."}}, times=3)
    async with Client(server.url, model="m", retry=Retry(base=0)) as llm:
        with pytest.raises(rawllm.APIStatusError, match="No connected db") as caught:
            await llm.complete("hi")
    assert caught.value.status_code == status
    assert server.attempts == (3 if status == 500 else 1)


async def test_a_server_that_dies_of_a_request_is_an_error_and_not_a_hang(server):
    """dasllama, of max_tokens="abc": the end of the connection, then nobody listens."""
    server.raw(Raw([], end="close").parts, end="close")
    async with Client(server.url, model="m", retry=Retry(attempts=2, base=0.001)) as llm:
        server.handler = lambda request: server.refuse() or Raw([], end="close")
        with pytest.raises(rawllm.APIConnectionError) as caught:
            await llm.complete("hi")
    assert caught.value.attempts == 2


def test_every_sample_has_its_result_and_says_where_it_comes_from():
    files = {path.name for path in SYNTHETIC.iterdir()} - {"cases.jsonl"}
    assert files == {case["file"] for case in CASES}
    assert len(CASES) == len(files)
    assert all(case["why"] and case["expected"] for case in CASES)
