import asyncio
import json
import logging

import msgspec
import pytest

import rawllm
from rawllm import Client, Limits, Retry, Timeout, hooks
from rawllm.testing import Reply, Stream


def names(events):
    return [type(event).__name__ for event in events]


@pytest.fixture
async def watched(server):
    """(client, the events it has emitted)"""
    events = []
    async with Client(
        server.url, model="m", hooks=events.append, retry=Retry(base=0), api_key="sk-zebra"
    ) as llm:
        yield llm, events


async def test_a_whole_answer_is_started_and_finished(server, watched):
    llm, events = watched
    answer = await llm.complete("a b", user="secret prompt")
    started, finished = events
    assert type(started) is hooks.CallStarted
    assert type(finished) is hooks.CallFinished
    assert started.call_id == finished.call_id
    assert (started.method, started.model, started.stream) == ("POST", "m", False)
    assert started.endpoint == f"{server.url}/chat/completions"
    assert finished.prompt_tokens == answer.usage.prompt_tokens
    assert finished.completion_tokens == answer.usage.completion_tokens
    assert (finished.queued, finished.first_token, finished.total, finished.attempts) == (
        answer.timing.queued,
        answer.timing.first_token,
        answer.timing.total,
        1,
    )
    assert (finished.finish_reason, finished.request_id) == ("stop", "req-0")
    assert finished.status_code == 200


async def test_a_stream_tells_its_first_token(server, watched):
    llm, events = watched
    async with llm.stream("x") as stream:
        assert names(events) == ["CallStarted", "FirstToken"]
        await stream.result()
    assert names(events) == ["CallStarted", "FirstToken", "CallFinished"]
    assert events[1].seconds == events[2].first_token == stream.timing.first_token
    assert (events[2].stream, events[2].finish_reason) == (True, "stop")
    assert events[2].total == stream.timing.total


async def test_a_retry_is_told_with_what_it_was_for(server, watched):
    llm, events = watched
    server.fail(500)
    await llm.complete("x")
    assert names(events) == ["CallStarted", "AttemptFailed", "Retrying", "CallFinished"]
    failed, retrying = events[1:3]
    assert (failed.attempt, failed.error, failed.status_code) == (1, "InternalServerError", 500)
    assert (retrying.attempt, retrying.wait, retrying.error) == (1, 0.0, "InternalServerError")
    assert events[3].attempts == 2


async def test_a_pause_is_told_once_for_all(server, watched):
    llm, events = watched
    server.default = Reply(first_delay=0.01)
    server.handler = lambda request: Reply(
        status=429 if request.index < 5 else 200, headers={"retry-after-ms": "20"}
    )
    await asyncio.gather(*(llm.complete("x") for _ in range(5)))
    assert names(events).count("EndpointPaused") == 1
    paused = events[names(events).index("EndpointPaused")]
    assert paused.error == "RateLimitError"
    assert 0.01 < paused.seconds < 1
    assert names(events).count("CallFinished") == 5


FAILURES = {
    "status": (Reply(status=400), "BadRequestError", 400),
    "html": (Reply(body="<html>", times=3), "APIResponseValidationError", 200),
    "stream": (Stream(["a"], end="eof"), "IncompleteStreamError", 200),
    "idle": (Stream(["a"], end="hang"), "IdleTimeout", None),
}


async def ask(llm, *, stream):
    if stream:
        return await (await llm.stream("x", timeout=Timeout(idle=0.05))).result()
    return await llm.complete("x")


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failed_call_is_told_once(server, watched, name):
    llm, events = watched
    answer, error, status = FAILURES[name]
    server.handler = lambda request: answer
    with pytest.raises(rawllm.APIError):
        await ask(llm, stream=isinstance(answer, Stream))
    assert names(events).count("CallFailed") == 1
    failed = events[-1]
    assert (failed.error, failed.status_code) == (error, status)
    assert failed.attempts == server.attempts
    assert "CallFinished" not in names(events)


async def test_a_stream_left_half_read_is_told_as_closed(server, watched):
    llm, events = watched
    async with llm.stream("x") as stream:
        await anext(stream)
    assert names(events) == ["CallStarted", "FirstToken", "CallFailed"]
    assert events[-1].error == "StreamClosed"


async def test_a_cancelled_call_is_told(server, watched):
    llm, events = watched
    server.default = Reply(first_delay=60)
    call = asyncio.create_task(llm.complete("x"))
    await server.wait_for(lambda: server.in_flight)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert names(events) == ["CallStarted", "CallFailed"]
    assert events[-1].error == "CancelledError"


async def test_events_of_one_call_share_its_number(watched):
    llm, events = watched
    await asyncio.gather(*(llm.complete("x") for _ in range(3)))
    assert len({event.call_id for event in events}) == 3


async def test_events_are_frozen_and_hold_neither_prompt_nor_answer_nor_key(server, watched):
    llm, events = watched
    server.fail(500, body={"error": {"message": "sk-zebra secret prompt"}})
    server.reply("secret answer")
    await llm.complete("secret prompt")
    assert "secret" not in repr(events)
    assert "sk-zebra" not in repr(events)
    with pytest.raises(AttributeError):
        events[0].model = "other"
    assert all(isinstance(event, rawllm.Event) for event in events)
    assert all(msgspec.structs.asdict(event) for event in events)


async def test_every_hook_is_called_and_one_that_fails_is_logged_not_obeyed(server, caplog):
    events = []

    def broken(event):
        raise ZeroDivisionError

    async with Client(server.url, model="m", hooks=[broken, events.append]) as llm:
        assert (await llm.complete("x")).text == "echo: x"
    assert names(events) == ["CallStarted", "CallFinished"]
    assert caplog.text.count("a rawllm hook failed on Call") == 2


class Marking:
    """A hook with headers, and what it was asked."""

    def __init__(self, headers):
        self.headers = headers
        self.asked = []

    def __call__(self, event):
        self.call_id = event.call_id

    def attempt_headers(self, call_id, attempt):
        self.asked.append((call_id, attempt))
        return {**self.headers, "X-Attempt": str(attempt)}


async def test_a_hook_gives_each_attempt_its_headers(server):
    server.fail(500)
    hook, other = Marking({"user-agent": "mine"}), Marking({"X-Other": "1"})
    async with Client(server.url, model="m", hooks=[hook, other], retry=Retry(base=0)) as llm:
        await llm.complete("x")
        assert hook.asked == other.asked == [(hook.call_id, 1), (hook.call_id, 2)]
        await llm.with_options(hooks=()).complete("x")
    first, second, without = (request.headers for request in server.requests)
    assert (first["x-attempt"], second["x-attempt"]) == ("1", "2")
    assert (first["x-other"], first["user-agent"]) == ("1", "mine")
    assert "x-attempt" not in without  # nor in any call after
    assert "rawllm" in without["user-agent"]


@pytest.mark.parametrize("headers", [{"X-A": "1", "X-B": "two\r\nlines"}, {"X-A": 1}, {"": "1"}])
async def test_headers_that_cannot_be_sent_are_left_out_and_logged(server, caplog, headers):
    async with Client(server.url, model="m", hooks=[Marking(headers), Marking({})]) as llm:
        assert (await llm.complete("x")).text == "echo: x"
    assert "x-a" not in server.requests[0].headers
    assert server.requests[0].headers["x-attempt"] == "1"
    assert caplog.text.count("a rawllm hook failed to give headers") == 1


# ── the log ──────────────────────────────────────────────────────────────────────────────────


def lines(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


async def test_a_call_is_one_line_at_info(server, caplog):
    caplog.set_level(logging.INFO, logger="rawllm")
    async with Client(server.url, model="m", api_key="sk-zebra") as llm:
        await llm.complete("secret")
        async with llm.stream("secret") as stream:
            await stream.result()
        server.fail(400, body={"error": {"message": "secret"}})
        with pytest.raises(rawllm.BadRequestError):
            await llm.complete("secret")
    whole, streamed, failed = lines(caplog)
    for level, text in (whole, streamed):
        assert level == "INFO"
        assert text.startswith(f"POST {server.url}/chat/completions 200 in 0.")
        assert text.endswith("attempts 1, tokens 3")
    assert failed[0] == "INFO"
    assert failed[1].endswith("attempts 1: BadRequestError")
    assert "secret" not in caplog.text
    assert "sk-zebra" not in caplog.text


async def test_retries_and_pauses_are_warnings(server, caplog):
    server.fail(500)
    server.fail(429, headers={"retry-after-ms": "1"})
    async with Client(server.url, model="m", retry=Retry(base=0.001)) as llm:
        await llm.complete("x")
    retried, paused = lines(caplog)
    assert retried[0] == paused[0] == "WARNING"
    assert "retried in 0.00 s (attempt 1): InternalServerError" in retried[1]
    assert paused[1].startswith(f"{server.url} paused for 0.0")
    assert paused[1].endswith(" s: RateLimitError")


async def test_what_happened_to_a_connection_is_in_the_log(caplog, unused_tcp_port):
    caplog.set_level(logging.INFO, logger="rawllm")
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    async with Client(url, model="m", max_retries=0) as client:
        with pytest.raises(rawllm.APIConnectionError):
            await client.complete("secret")
    *_, (level, text) = lines(caplog)
    assert level == "INFO"
    assert "Connection refused" in text
    assert f"127.0.0.1:{unused_tcp_port}" in text


async def test_an_attempt_is_one_line_at_debug(server, caplog):
    caplog.set_level(logging.DEBUG, logger="rawllm")
    server.fail(500, body={"error": {"message": "secret"}})
    server.default = Reply("secret")
    async with Client(server.url, model="m", api_key="sk-zebra", retry=Retry(base=0)) as llm:
        await llm.complete("secret")
        async with llm.stream("secret") as stream:
            await stream.result()
        server.default = Reply(first_delay=60)
        call = asyncio.create_task(llm.complete("secret"))
        await server.wait_for(lambda: server.in_flight)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    told = f"POST {server.url}/chat/completions attempt"
    assert [text for level, text in lines(caplog) if level == "DEBUG"] == [
        f"{told} 1: InternalServerError",
        f"{told} 2: 200",
        f"{told} 1: 200",
        f"{told} 1: CancelledError",
    ]
    assert "secret" not in caplog.text
    assert "sk-zebra" not in caplog.text


async def test_leaving_and_cancelling_log_nothing_at_info(server, caplog):
    caplog.set_level(logging.INFO, logger="rawllm")
    server.default = Reply(first_delay=60)
    async with Client(server.url, model="m", limits=Limits(concurrency=1)) as llm:
        call = asyncio.create_task(llm.complete("x"))
        waiting = asyncio.create_task(llm.complete("x"))
        await server.wait_for(lambda: server.in_flight)
        for task in (waiting, call):
            task.cancel()
        await asyncio.gather(call, waiting, return_exceptions=True)
        server.stream(["a"], end="hang")
        async with llm.stream("x"):
            pass
    assert not lines(caplog)


def test_the_logger_is_silent_unless_asked():
    assert any(isinstance(handler, logging.NullHandler) for handler in hooks.logger.handlers)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", logging.DEBUG),
        ("INFO", logging.INFO),
        ("", None),
        (None, None),
        ("loud", None),
    ],
)
def test_openai_log_sets_the_level_and_one_handler(monkeypatch, level, expected):
    monkeypatch.setattr(hooks.logger, "handlers", [])
    monkeypatch.setattr(hooks.logger, "level", logging.NOTSET)
    for _ in range(2):
        hooks.setup_logging(level)
    assert hooks.logger.level == (expected or logging.NOTSET)
    assert len(hooks.logger.handlers) == (expected is not None)


async def test_a_key_that_a_server_echoes_does_not_reach_a_hook(server):
    events = []
    server.reply("hi", headers={"x-request-id": "for sk-echoed-key"}, finish_reason="sk-echoed-key")
    async with Client(server.url, api_key="sk-echoed-key", model="m", hooks=events.append) as llm:
        await llm.complete("x")
    assert "sk-echoed-key" not in repr(events)
    assert events[-1].request_id == "for ***"


class Shown:
    """A hook that asks for content."""

    def __init__(self):
        self.seen = []

    def __call__(self, event):
        self.seen.append(type(event).__name__)

    def content(self, call_id, request, answer):
        prompt = json.loads(request)["messages"][0]["content"]
        self.seen.append((prompt, answer and answer.text))


async def test_a_hook_that_asks_for_it_is_shown_the_content_before_the_end(server):
    server.reply("whole")
    server.stream(["in ", "pieces"])
    server.stream(["half"], end="eof")
    server.fail(400)
    hook, plain = Shown(), []
    async with Client(server.url, model="m", hooks=[hook, plain.append], max_retries=0) as llm:
        await llm.complete("one")
        await (await llm.stream("two")).result()
        with pytest.raises(rawllm.IncompleteStreamError):
            await (await llm.stream("three")).result()
        with pytest.raises(rawllm.BadRequestError):
            await llm.complete("four")
        async with llm.stream("five") as stream:
            await anext(stream)
    told = [
        (hook.seen[n - 1], hook.seen[n])
        for n in range(len(hook.seen))
        if hook.seen[n] in ("CallFinished", "CallFailed")
    ]
    assert told == [
        (("one", "whole"), "CallFinished"),
        (("two", "in pieces"), "CallFinished"),
        (("three", "half"), "CallFailed"),
        (("four", None), "CallFailed"),
        (("five", None), "CallFailed"),
    ]
    assert sum(isinstance(one, tuple) for one in hook.seen) == 5


async def test_a_hook_that_fails_on_content_is_logged_not_obeyed(server, caplog):
    class Broken(Shown):
        def content(self, call_id, request, answer):
            raise KeyError("x")

    async with Client(server.url, model="m", hooks=Broken()) as llm:
        assert (await llm.complete("x")).text
    assert "failed on the content" in caplog.text
