"""Scripts of servers that misbehave are made up here, after what DESIGN and the issue trackers
tell; what real servers sent is under samples/captures."""

import asyncio
import gc
import json
import pickle
from contextlib import suppress

import captures
import pytest

import rawllm
from rawllm import Client, Limits, Retry, Timeout, stream
from rawllm.net import response
from rawllm.sansio.decode import ChunkDecoder
from rawllm.sansio.deltas import ChatAccumulator, TextAccumulator
from rawllm.sansio.sse import SSEParser
from rawllm.sansio.types import ChatCompletionChunk, Completion
from rawllm.testing import FakeServer, Reply, Stream

DONE = b"data: [DONE]\n\n"


def piece(content=None, *, index=0, finish=None, **fields):
    delta = {} if content is None else {"content": content}
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **fields}


ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
STOP = piece(finish="stop")


def usage(tokens, **fields):
    return {"choices": [], "usage": {"completion_tokens": tokens}, **fields}


def event(value):
    return f"data: {json.dumps(value)}\n\n".encode()


@pytest.fixture
async def llm(server):
    """One slot and no retries: what a stream keeps, the next call misses."""
    limits = Limits(concurrency=1, max_event_bytes=10_000)
    async with Client(server.url, model="m", max_retries=0, limits=limits) as client:
        yield client


async def read(llm, **options):
    """The whole of one stream."""
    async with asyncio.timeout(5), llm.stream("x", **options) as streamed:
        await streamed.result()
        return streamed


async def slot_is_free(llm):
    """The next call gets the only slot."""
    async with asyncio.timeout(5):
        return (await llm.complete("next")).text == "echo: next"


# ── the end ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("parts", "end", "options", "text", "finish", "done"),
    [
        (["a", STOP], "done", {}, "a", "stop", True),
        (["a"], "done", {}, "a", None, True),
        (["a", STOP], "eof", {}, "a", "stop", False),
        (["a", STOP, 0.02], "reset", {}, "a", "stop", False),
        (["a", STOP], "close", {}, "a", "stop", False),
        ([piece("a", finish="length")], "eof", {}, "a", "length", False),
        ([STOP], "done", {}, "", "stop", True),
        # What comes after every choice has finished still counts, up to the end.
        ([STOP, piece("late")], "done", {}, "late", "stop", True),
        (["a", STOP, piece(finish="length")], "done", {}, "a", "length", True),
        # Several servers answer n=2 with one choice; a reset there is a loss.
        (["a", STOP], "done", {"n": 2}, "a", "stop", True),
        (["a", STOP], "eof", {"n": 2}, "a", "stop", False),
        (["a", STOP, piece("b", index=1, finish="stop"), 0.02], "reset", {"n": 2}, "a", "stop", 0),
        (["a", STOP, piece("b", index=1, finish="stop"), 0.02], "close", {"n": 2}, "a", "stop", 0),
        # [DONE] counts as the whole payload only, and nothing after it counts.
        (["[DONE]", "data: [DONE]", STOP], "eof", {}, "[DONE]data: [DONE]", "stop", False),
        (["a", STOP, DONE, event({"error": "late"}), "b"], "eof", {}, "a", "stop", True),
        (["a", b"data:  [DONE]\n\n"], "eof", {}, None, None, None),
        # Empty data, comments and other fields are no output.
        (
            [b"data:\n\n", b": ping\n\n", b"id: 7\n\n", "a", b"retry: 5\n\n", STOP],
            *("done", {}, "a", "stop", True),
        ),
        # The last block lacks its blank line.
        (["a", event(STOP)[:-1]], "eof", {}, "a", "stop", False),
        (["a", event(STOP)[:-2]], "eof", {}, "a", "stop", False),
        (["a", DONE[:-1]], "eof", {}, "a", None, True),
        (["a", DONE[:-2]], "eof", {}, "a", None, True),
        (["a", STOP, event(usage(7))[:-9]], "eof", {}, "a", "stop", False),
        # Other line ends, and a byte order mark.
        (
            [b"\xef\xbb\xbf" + event(piece("a")).replace(b"\n", b"\r\n"), STOP],
            *("done", {}, "a", "stop", True),
        ),
    ],
)
async def test_a_stream_is_complete_after_done_or_when_every_choice_has_finished(
    server, llm, parts, end, options, text, finish, done
):
    server.stream(parts, end=end)
    if text is None:
        with pytest.raises(rawllm.APIError):
            await read(llm, **options)
        return
    streamed = await read(llm, **options)
    choice = streamed.completion.choices[0]
    assert (choice.message.content or "") == streamed.completion.text == text
    assert choice.finish_reason == finish
    assert streamed.done_seen is bool(done)
    assert await slot_is_free(llm)


@pytest.mark.parametrize(
    ("parts", "end", "options"),
    [
        (["a"], "eof", {}),
        (["a", 0.02], "reset", {}),
        (["a"], "close", {}),
        (["a", event(STOP)[:-9]], "eof", {}),
        (["a", b"data: [DO"], "eof", {}),
        (["a", STOP, 0.02], "reset", {"n": 2}),
        (["a", STOP], "close", {"n": 2}),
        (["a", STOP, 0.02], "reset", {"extra_body": {"n": 2}}),
        (["a", STOP, piece("b", index=1)], "eof", {"n": 2}),
        (["a", b": ping\n\n", b"data:\n\n"], "eof", {}),
    ],
)
async def test_any_other_end_is_an_error_that_carries_what_had_come(
    server, llm, parts, end, options
):
    server.stream(parts, end=end)
    with pytest.raises(rawllm.IncompleteStreamError, match="before the answer was compl") as caught:
        await read(llm, **options)
    assert caught.value.partial.text == "a"
    assert caught.value.status_code == 200
    assert isinstance(caught.value, rawllm.APIConnectionError)
    assert pickle.loads(pickle.dumps(caught.value)).partial == caught.value.partial
    assert await slot_is_free(llm)


@pytest.mark.parametrize(
    ("parts", "end"),
    [
        ([], "eof"),
        ([DONE], "eof"),
        ([b": ping\n\n"], "eof"),
        ([b"retry: 5\n\n"], "eof"),
        ([ROLE], "eof"),
        ([ROLE, 0.02], "reset"),
        ([ROLE], "close"),
        ([0.02], "reset"),
        ([b"data:"], "eof"),
    ],
)
async def test_a_stream_without_output_is_incomplete_too(server, llm, parts, end):
    server.stream(parts, end=end)
    with pytest.raises(rawllm.IncompleteStreamError):
        await read(llm)
    assert await slot_is_free(llm)


async def test_done_then_a_server_that_hangs_is_the_end_at_once(server, llm, monkeypatch):
    monkeypatch.setattr(stream, "SILENCE", 1000.0)
    monkeypatch.setattr(response, "DRAIN_SECONDS", 0.01)
    server.stream(["a", DONE], end="hang")
    assert (await read(llm)).completion.text == "a"
    assert await slot_is_free(llm)


@pytest.mark.parametrize("parts", [["a", STOP], ["a", STOP, *[b": ping\n\n", 0.01] * 100]])
async def test_silence_after_every_choice_has_finished_is_the_end(server, llm, monkeypatch, parts):
    monkeypatch.setattr(stream, "SILENCE", 0.05)
    monkeypatch.setattr(response, "DRAIN_SECONDS", 0.01)
    server.stream(parts, end="hang")
    streamed = await read(llm)
    assert streamed.completion.text == "a"
    assert streamed.done_seen is False
    assert await slot_is_free(llm)


async def test_a_deadline_in_that_silence_takes_nothing_away(server, llm, monkeypatch):
    monkeypatch.setattr(response, "DRAIN_SECONDS", 0.01)
    server.stream(["a", STOP], end="hang")
    assert (await read(llm, timeout=Timeout(total=0.3))).completion.text == "a"


async def test_strict_refuses_an_end_without_a_finish_reason(server, llm):
    server.stream(["a", DONE])
    with pytest.raises(rawllm.IncompleteStreamError, match="without a finish_reason") as caught:
        await read(llm, strict=True)
    assert caught.value.partial.text == "a"
    server.stream(["a", STOP, DONE])
    assert (await read(llm, strict=True)).completion.text == "a"
    assert all("strict" not in request.json for request in server.requests)
    assert await slot_is_free(llm)


@pytest.mark.parametrize("keep", [True, False])
async def test_the_last_usage_wins_and_is_never_a_sum(server, llm, keep):
    server.stream(["a", piece(usage={"completion_tokens": 3}), STOP, usage(5), usage(7)])
    if keep:
        streamed = await llm.chat.completions.create(messages=[], stream=True)
        chunks = [chunk async for chunk in streamed]
    else:
        async with llm.stream("x") as streamed:
            chunks = [chunk async for chunk in streamed]
    assert len(chunks) == (5 if keep else 3)
    assert streamed.completion.usage.completion_tokens == 7


async def test_twenty_streams_need_one_connection(server):
    async with Client(server.url, model="m") as client:
        for _ in range(20):
            await read(client)
    assert server.connections == 1


# ── errors in a stream ───────────────────────────────────────────────────────────────────────

ERRORS = [
    (event({"error": {"message": "boom", "code": 503}}), rawllm.InternalServerError),
    (event({"error": {"message": "boom", "code": "429"}}), rawllm.RateLimitError),
    (event({"error": {"message": "boom", "type": "t"}}), rawllm.APIError),
    (event({"error": "boom"}), rawllm.APIError),
    (event({"error": {"message": "boom", "code": 400}, "choices": []}), rawllm.BadRequestError),
    (event({"object": "error", "message": "boom", "code": 400}), rawllm.BadRequestError),
    (b'event: error\ndata: {"message": "boom", "code": 404}\n\n', rawllm.NotFoundError),
    (b'event: error\ndata: {"error": {"message": "boom"}}\n\n', rawllm.APIError),
    (b"event: error\ndata: boom\n\n", rawllm.APIError),
    (b'error: {"message": "boom", "code": 500}\n\n', rawllm.InternalServerError),
    (b"error: boom\n\n", rawllm.APIError),
    (b"error: boom\n\ndata: [DONE]\n\n", rawllm.APIError),
    (b"data: <html>boom\n\n", rawllm.APIResponseValidationError),
    (b'data: {"choices": "boom"}\n\n', rawllm.APIResponseValidationError),
    (b'data: "boom"\n\n', rawllm.APIResponseValidationError),
    # Without the blank line, at the end of the body
    (event({"error": {"message": "boom", "code": 400}})[:-1], rawllm.BadRequestError),
    (b"event: error\ndata: boom", rawllm.APIError),
    (b"error: boom\n", rawllm.APIError),
]


@pytest.mark.parametrize(("data", "kind"), ERRORS)
@pytest.mark.parametrize("before", [[], ["so ", "far"], ["so ", "far", STOP]])
async def test_an_error_in_a_stream_is_raised_with_what_had_come(server, llm, data, kind, before):
    server.stream([*before, data], end="eof")
    with pytest.raises(rawllm.APIError, match="boom") as caught:
        await read(llm)
    error = caught.value
    assert type(error) is kind
    assert error.status_code == 200
    assert error.attempts == 1
    if before:
        assert error.partial.text == "so far"
    else:
        assert error.partial is None


FAR = ("so ", "far")
IDLE, TOTAL, NONE = Timeout(idle=0.1), Timeout(total=0.3), Timeout()
BREAKS = {
    "reset": (Stream([*FAR, 0.02], end="reset"), NONE, rawllm.IncompleteStreamError),
    "close": (Stream(FAR, end="close"), NONE, rawllm.IncompleteStreamError),
    "eof": (Stream(FAR, end="eof"), NONE, rawllm.IncompleteStreamError),
    "limit": (Stream([*FAR, 0.05, "x" * 20_000]), NONE, rawllm.LimitExceeded),
    "idle": (Stream(FAR, end="hang"), IDLE, rawllm.IdleTimeout),
    "pings": (Stream([*FAR, *[b": ping\n\n", 0.02] * 100]), IDLE, rawllm.IdleTimeout),
    "trickle": (Stream([*FAR, b"data: ", *[b"x", 0.02] * 100]), IDLE, rawllm.IdleTimeout),
    "total": (Stream([*FAR, *["", 0.02] * 100]), TOTAL, rawllm.TotalTimeout),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_whatever_breaks_a_stream_the_error_carries_what_had_come(server, llm, name):
    script, timeout, kind = BREAKS[name]
    server.handler = lambda request: script if request.json.get("stream") else None
    with pytest.raises(rawllm.APIError) as caught:
        await read(llm, timeout=timeout)
    assert type(caught.value) is kind
    assert caught.value.partial.text == "so far"
    assert caught.value.endpoint == f"{server.url}/chat/completions"
    assert await slot_is_free(llm)
    assert server.attempts == 2  # the stream was not tried again


@pytest.mark.parametrize(
    ("body", "content_type", "kind", "says"),
    [
        ("<html>login</html>", "text/html", rawllm.APIResponseValidationError, "<html>login"),
        ('{"choices": []}', "application/json", rawllm.APIResponseValidationError, "choices"),
        ("upstream gone", "text/event-stream", rawllm.APIResponseValidationError, "upstream gone"),
        ('{"error": {"message": "boom"}}', "application/json", rawllm.APIError, "boom"),
        ('{\n "error":\n "boom"}', "text/event-stream", rawllm.APIError, "boom"),
        ('{"detail": "boom"}', "application/json", rawllm.APIError, "boom"),
    ],
)
async def test_a_200_that_is_no_event_stream_is_an_error_that_shows_it(
    server, llm, body, content_type, kind, says
):
    server.reply(body=body, headers={"content-type": content_type})
    with pytest.raises(rawllm.APIError) as caught:
        await read(llm)
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert await slot_is_free(llm)


# ── retries ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "first",
    [
        Stream([event({"error": {"message": "boom", "code": 500}})]),
        Stream([ROLE, event({"error": {"message": "boom", "code": 500}})]),
        Stream([], end="eof"),
        Stream([DONE]),
        Stream([ROLE, 0.02], end="reset"),
        Stream([ROLE, b": ping\n\n"], end="close"),
        Stream([ROLE], end="hang"),
        Stream([b"data: {\n\n"]),
        Reply(body="<html>"),
        Reply(status=500),
    ],
)
async def test_a_failure_before_the_first_output_is_tried_again(server, first):
    answers = iter([first, Reply("good")])
    server.handler = lambda request: next(answers)
    hangs = getattr(first, "end", None) == "hang"
    timeout = Timeout(first_token=0.2 if hangs else 60)
    async with Client(server.url, model="m", retry=Retry(base=0), timeout=timeout) as client:
        streamed = await client.chat.completions.create(messages=[], stream=True)
        chunks = [chunk async for chunk in streamed]
    assert "".join(chunk.text for chunk in chunks) == "good"
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", None, None]
    assert server.attempts == streamed.timing.attempts == 2


@pytest.mark.parametrize(
    "body", [{"error": {"message": "boom", "code": 400}}, {"error": {"message": "boom"}}]
)
async def test_a_lasting_error_before_the_first_output_is_not(server, body):
    server.stream([event(body)])
    async with Client(server.url, model="m", retry=Retry(base=0)) as client:
        with pytest.raises(rawllm.APIError, match="boom"):
            await read(client)
    assert server.attempts == 1


async def test_a_failure_after_the_first_output_never_is(server):
    server.stream(["a", event({"error": {"message": "boom", "code": 500}})])
    async with Client(server.url, model="m", retry=Retry(base=0)) as client:
        with pytest.raises(rawllm.InternalServerError):
            await read(client)
    assert server.attempts == 1


async def test_role_chunks_are_held_until_the_first_output_and_come_out_in_order(server, llm):
    other = {"choices": [{"index": 1, "delta": {"role": "assistant"}}]}
    filters = {"choices": [], "prompt_filter_results": []}
    server.stream([filters, ROLE, other, 0.02, "a", 0.02, "b", STOP])
    streamed = await llm.chat.completions.create(messages=[], stream=True)
    assert server.in_flight == 1  # given out with its first output, not with its end
    chunks = [chunk.raw async for chunk in streamed]
    assert chunks[:3] == [filters, ROLE, other]
    assert [c["choices"][0]["delta"].get("content") for c in chunks[3:]] == ["a", "b", None]


# ── clocks ───────────────────────────────────────────────────────────────────────────────────


async def test_a_role_does_not_end_the_wait_for_the_first_token(server, llm):
    server.reply("late", first_delay=60)
    with pytest.raises(rawllm.FirstTokenTimeout, match=r"no output within 0\.1 s of sending"):
        await read(llm, timeout=Timeout(first_token=0.1, idle=0.01))
    await server.wait_for(lambda: server.aborted)
    assert await slot_is_free(llm)


@pytest.mark.parametrize(
    "first",
    [
        piece("a"),
        {"choices": [{"index": 0, "delta": {"reasoning_content": "a"}}]},
        {"choices": [{"index": 0, "delta": {"reasoning": "a"}}]},
        {"choices": [{"index": 0, "delta": {"refusal": "a"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"name": "f"}}]}}]},
        STOP,
        usage(1),
    ],
)
async def test_any_output_ends_it(server, llm, monkeypatch, first):
    monkeypatch.setattr(stream, "SILENCE", 0.05)
    server.stream([first], end="hang")
    with suppress(rawllm.IdleTimeout):  # from here on the other clock runs
        assert (await read(llm, timeout=Timeout(first_token=3, idle=0.05))).completion.choices


async def test_the_time_that_the_reader_takes_is_not_idleness(server, llm):
    server.stream(["a", 0.01, "b", STOP])
    async with llm.stream("x", timeout=Timeout(idle=0.1)) as streamed:
        async for _ in streamed:
            await asyncio.sleep(0.15)
    assert streamed.completion.text == "ab"


async def test_a_plain_number_bounds_the_opening_and_then_the_silence(server, llm):
    server.stream([*["a", 0.03] * 12, STOP])
    assert (await read(llm, timeout=0.3)).completion.text == "a" * 12  # 0.36 s and more in all
    server.stream([60])
    with pytest.raises(rawllm.TotalTimeout):
        await read(llm, timeout=0.05)
    server.stream(["a"], end="hang")
    with pytest.raises(rawllm.IdleTimeout):
        await read(llm, timeout=0.05)


async def test_a_stream_tells_where_its_time_went(server, llm):
    server.reply("two words", first_delay=0.03)
    async with llm.stream("x") as streamed:
        assert streamed.timing is None
        await streamed.result()
    timing = streamed.completion.timing
    assert timing is streamed.timing
    assert 0 <= timing.queued < timing.first_token <= timing.total
    assert timing.first_token >= 0.03
    assert timing.attempts == 1
    assert streamed._request_id == streamed.completion._request_id == "req-0"
    assert streamed.response.status_code == 200
    assert streamed.response.headers["content-type"].startswith("text/event-stream")


# ── stream_options ───────────────────────────────────────────────────────────────────────────


async def test_create_sends_what_the_caller_gave_and_gives_what_the_server_sent(server, llm):
    streamed = await llm.chat.completions.create(messages=[], stream=True)
    assert all(chunk.choices for chunk in [chunk async for chunk in streamed])
    assert "stream_options" not in server.requests[0].json
    streamed = await llm.chat.completions.create(
        messages=[], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in streamed]
    assert not chunks[-1].choices
    assert chunks[-1].usage == streamed.completion.usage


async def test_stream_asks_for_usage_and_keeps_its_chunk_to_itself(server, llm):
    async with llm.stream("x y") as streamed:
        assert all(chunk.choices for chunk in [chunk async for chunk in streamed])
    assert streamed.completion.usage.prompt_tokens == 2


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Unknown field: stream_options"}},
        {"error": {"message": "Unknown parameter", "param": "stream_options.include_usage"}},
        {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs"}]},
    ],
)
async def test_a_server_that_does_not_know_stream_options_is_not_asked_again(
    server, llm, status, body
):
    server.fail(status, body=body)
    assert (await read(llm)).completion.text == "echo: x"
    await read(llm.with_options(timeout=5))
    assert ["stream_options" in request.json for request in server.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("temperature is too high", {}),
        ("no stream_options here", {"stream_options": {"include_usage": False}}),
    ],
)
async def test_any_other_400_is_the_users(server, llm, message, options):
    server.fail(400, body={"error": {"message": message}})
    with pytest.raises(rawllm.BadRequestError, match=message):
        await read(llm, **options)
    assert server.attempts == 1


# ── leaving ──────────────────────────────────────────────────────────────────────────────────


async def leave_the_loop(llm):
    streamed = await llm.chat.completions.create(messages=[], stream=True)
    async for _ in streamed:
        break
    return streamed  # still held


async def leave_a_loop_over_the_unopened(llm):
    async for _ in llm.stream("x"):
        break


async def leave_with(llm):
    async with llm.stream("x") as streamed:
        async for _ in streamed:
            break
    return streamed


async def leave_with_by_an_error(llm):
    with pytest.raises(ZeroDivisionError):
        async with llm.stream("x") as streamed:
            raise ZeroDivisionError
    return streamed


async def leave_the_loop_by_an_error(llm):
    streamed = await llm.stream("x")
    try:
        async for _ in streamed:
            raise ZeroDivisionError
    except ZeroDivisionError:
        return streamed


async def drop_unread(llm):
    await llm.stream("x")


async def drop_half_read(llm):
    streamed = await llm.stream("x")
    await anext(streamed)


async def drop_in_another_thread(llm):
    box = [await llm.stream("x")]
    await asyncio.to_thread(box.clear)


async def drop_in_a_cycle(llm):
    streamed = await llm.stream("x")
    streamed.itself = streamed
    del streamed
    await asyncio.to_thread(gc.collect)


async def close_it(llm):
    streamed = await llm.stream("x")
    await streamed.close()
    await streamed.aclose()
    return streamed


async def cancel_it(llm):
    streamed = await llm.stream("x")
    task = asyncio.create_task(streamed.result())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return streamed


WAYS = [
    leave_the_loop,
    leave_a_loop_over_the_unopened,
    leave_with,
    leave_with_by_an_error,
    leave_the_loop_by_an_error,
    drop_unread,
    drop_half_read,
    drop_in_another_thread,
    drop_in_a_cycle,
    close_it,
    cancel_it,
]


@pytest.mark.parametrize("way", WAYS)
async def test_a_stream_that_is_left_gives_its_slot_back_and_stops_the_server(server, llm, way):
    server.stream(["a", "b"], end="hang")
    streamed = await way(llm)
    assert await slot_is_free(llm)
    await server.wait_for(lambda: server.aborted == 1)
    if streamed is not None:
        assert repr(streamed) == "<ChatStream closed>"
        with pytest.raises(rawllm.IncompleteStreamError, match="closed before its end") as caught:
            await streamed.result()
        assert caught.value.partial.text in ("a", "ab")


async def test_a_stream_cancelled_while_it_opens_gives_its_slot_back(server, llm):
    server.stream([ROLE, 60])
    opening = asyncio.ensure_future(read(llm))
    await server.wait_for(lambda: server.in_flight)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert await slot_is_free(llm)
    await server.wait_for(lambda: server.aborted == 1)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # aiohttp's, and right
async def test_a_stream_dropped_after_its_loop_has_closed_is_no_trouble(fake_server):
    fake_server.stream(["a"], end="hang")

    async def main():
        llm = Client(fake_server.url, model="m")
        streamed = await llm.stream("x")
        await llm.close()
        return streamed

    def run():
        streamed = asyncio.run(main())
        del streamed
        gc.collect()

    await asyncio.to_thread(run)  # an error in the finalizer would fail the test


async def test_in_an_async_with_a_loop_can_be_left_and_taken_up_again(server, llm):
    server.stream(["a", "b", 0.01, "c", STOP])
    async with llm.stream("x") as streamed:
        async for chunk in streamed:
            assert chunk.text == "a"
            break
        await asyncio.sleep(0.02)  # for a finalizer that would close it
        assert [chunk.text async for chunk in streamed] == ["b", "c", ""]
    assert streamed.completion.text == "abc"


async def test_completion_is_what_has_come_so_far(server, llm):
    server.stream(["a", 0.01, "b", STOP])
    async with llm.stream("x") as streamed:
        assert streamed.done_seen is False
        await anext(streamed)
        assert streamed.completion.text == "a"
        assert streamed.completion.choices[0].finish_reason is None
        assert (await streamed.result()).text == "ab"
        assert streamed.done_seen is True


async def test_after_the_end_there_is_nothing_more_and_the_result_stays(server, llm):
    streamed = await llm.stream("x")
    first = await streamed.result()
    assert [chunk async for chunk in streamed] == []
    with pytest.raises(StopAsyncIteration):
        await anext(streamed)
    assert await streamed.result() == first
    await streamed.close()
    assert await streamed.result() == first
    assert repr(streamed) == "<ChatStream complete>"


async def test_after_an_error_the_error_stays(server, llm):
    server.stream(["a"], end="eof")
    streamed = await llm.stream("x")
    errors = []
    for _ in range(2):
        with pytest.raises(rawllm.IncompleteStreamError) as caught:
            await streamed.result()
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert vars(errors[0]) == vars(errors[1])
    assert repr(streamed) == "<ChatStream broken>"


async def test_two_tasks_cannot_read_one_stream_at_once(server, llm):
    server.stream(["a"], end="hang")
    streamed = await llm.stream("x")
    await anext(streamed)
    first = asyncio.create_task(anext(streamed))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task is reading"):
        await anext(streamed)
    assert not first.done()  # it goes on
    await streamed.close()
    with pytest.raises(rawllm.IncompleteStreamError, match="closed before its end"):
        await first


async def test_two_tasks_can_take_turns(server, llm):
    server.stream(["a", "b", "c", STOP])
    async with llm.stream("x") as streamed:
        one = await asyncio.create_task(anext(streamed))
        two = await asyncio.create_task(anext(streamed))
        assert (one.text, two.text) == ("a", "b")


async def test_closing_the_client_ends_an_open_stream(server):
    server.stream(["a"], end="hang")
    client = Client(server.url, model="m", max_retries=0)
    streamed = await client.stream("x")
    await client.close()
    with pytest.raises(rawllm.APIConnectionError) as caught:
        await streamed.result()
    assert caught.value.partial.text == "a"


# ── real servers ─────────────────────────────────────────────────────────────────────────────

CUT = (
    "the stream ended before the answer was complete: neither [DONE] nor a finish_reason for every "
    "choice came"
)
RECORDED = [case for case in captures.cases(stream=True) if case.status == 200]


def fed(case):
    """The chunks, the completion and what went wrong, without any network."""
    text = "/completions" in case.case or case.case.startswith("completions")
    parser, decoder = SSEParser(), ChunkDecoder(Completion if text else ChatCompletionChunk)
    accumulator = TextAccumulator() if text else ChatAccumulator()
    chunks = []
    for found in parser.feed(case.body):
        if found.data == b"[DONE]":
            break
        try:
            chunks.append(decoder.decode(found.data))
        except rawllm.APIError as error:
            return text, chunks, accumulator.completion(), (type(error), str(error))
        accumulator.add(chunks[-1])
    whole = accumulator.completion()
    cut = whole.choices[0].finish_reason is None
    return text, chunks, whole, (rawllm.IncompleteStreamError, CUT) if cut else None


@pytest.mark.parametrize(
    ("case", "split"),
    [(c, s) for c in RECORDED for s in (None, 997, 1) if s != 1 or len(c.body) < 2000],
    ids=str,
)
async def test_a_recorded_stream_gives_the_same_chunks_however_it_is_cut(server, case, split):
    text, chunks, whole, error = fed(case)
    server.stream([case.body], end="eof", split=split)
    arguments = {"model": "m", **(case.request or {}), "stream": True}
    found = []
    raised = None
    async with Client(server.url, max_retries=0) as client:
        create = client.completions.create if text else client.chat.completions.create
        try:
            streamed = await create(**{"prompt" if text else "messages": [], **arguments})
            async for chunk in streamed:
                found.append(chunk)  # noqa: PERF401 - what came before an error counts
        except rawllm.APIError as exception:
            raised = exception
        else:
            assert streamed.completion.to_dict() == whole.to_dict()
            assert streamed.done_seen is (b"[DONE]" in case.body)
    assert (raised and (type(raised), str(raised))) == error
    assert raised is None or raised.partial == (whole if chunks else None)
    if chunks and len(chunks) != len(found):
        # Nothing but roles had come: they are not given out, since the call could be tried again.
        assert error is not None
        assert all(not chunk.text for chunk in chunks)
        return
    assert [chunk.raw for chunk in found] == [chunk.raw for chunk in chunks]


def test_there_are_recorded_streams():
    assert len(RECORDED) > 20
    assert {case.server for case in RECORDED} >= {"vllm", "llamacpp-xllamacpp"}


async def test_a_stream_outlives_a_server_that_closes_after_each(monkeypatch):
    async with FakeServer(close_after_stream=True) as server:
        async with Client(server.url, model="m", max_retries=0) as client:
            for _ in range(20):
                await read(client)
        assert server.attempts == 20


@pytest.mark.parametrize(
    ("parts", "usage"),
    [
        (["hi", STOP, b'data: {"usage": {"total_tokens": 7}}\n\n'], 7),
        (["hi", STOP, b"data: {}\n\n"], None),
        (["hi", STOP, b"data: [DONE] \n\n"], None),
        ([b"event: ping\ndata: {}\n\n", "hi", b"event: ping\ndata: {}\n\n", STOP], None),
    ],
    ids=["usage alone", "an empty object", "a blank after [DONE]", "named pings"],
)
async def test_what_stands_beside_a_whole_answer_does_it_no_harm(server, llm, parts, usage):
    """Synthetic."""
    server.stream(parts, end="eof")
    streamed = await read(llm)
    assert streamed.completion.text == "hi"
    assert (streamed.completion.usage and streamed.completion.usage.total_tokens) == usage
