"""Every wait has a clock: what a `timeout` spans, and what does not keep a silent server alive. On
a virtual clock, with a scripted transport where the server is not the matter."""

import asyncio
import json

import pytest
from net.virtual import run

import rawllm
from rawllm import Client, Limits, Timeout
from rawllm.testing import FakeServer, Reply, Stream

FOR_EVER = 1e6
BASE = "http://llm.test/v1"
ANSWER = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}'


class Answer:
    """Stands in for `net.response.Response`. parts: pieces of the body, and seconds."""

    connection = None

    def __init__(self, *parts, status=200, **headers):
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.parts = iter(parts)

    def plain_headers(self):
        return dict(self.headers)

    async def readany(self):
        for part in self.parts:
            if isinstance(part, bytes):
                return part
            await asyncio.sleep(part)
        return b""

    async def read(self, clock, **options):
        return await self.readany()

    async def drain(self, clock):
        pass

    def close(self):
        pass


class Script:
    """Stands in for `net.transport.Transport`: `make` gives each request its answer, after
    `seconds`."""

    def __init__(self, make, seconds=0.0):
        self.make = make
        self.seconds = seconds
        self.sent = []

    async def open(self, method, url, *args, **options):
        self.sent.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        return self.make()


def client(make, seconds=0.0, **options):
    llm = Client(BASE, **options)
    llm._endpoint.transport = Script(make, seconds)
    return llm


async def whole(llm, **options):
    return (await llm.complete("x", **options)).text


async def streamed(llm, **options):
    async with llm.stream("x", **options) as stream:
        return (await stream.result()).text


def data(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


# ── the whole call ────────────────────────────────────────────────────────────────────────────


async def key_that_does_not_come():
    await asyncio.sleep(FOR_EVER)


async def slow_key():
    await asyncio.sleep(20.0)
    return "sk"


def busy(llm):
    llm._endpoint.limiter().try_acquire(0.0)


def failing(**headers):
    return lambda: Answer(b"{}", status=500, **headers)


HANGS = {
    "a server that does not answer": (lambda: client(Answer, FOR_EVER, model="m"), None),
    "a server that fails slowly": (lambda: client(failing(), 9.0, model="m"), None),
    "a server that asks for patience": (
        lambda: client(failing(retry_after="12"), 5.0, model="m"),
        None,
    ),
    "a pause": (
        lambda: client(lambda: Answer(b"{}", status=429, retry_after="20"), 3.0, model="m"),
        None,
    ),
    "the queue": (
        lambda: client(Answer, model="m", limits=Limits(concurrency=1)),
        busy,
    ),
    "the rate": (
        lambda: client(
            lambda: Answer(ANSWER), model="m", limits=Limits(requests_per_minute=0.1, burst=1)
        ),
        busy,
    ),
    "the model look-up": (lambda: client(Answer, FOR_EVER), None),
    "a key that does not come": (
        lambda: client(Answer, model="m", api_key=key_that_does_not_come),
        None,
    ),
    "a slow key and a slow server": (
        lambda: client(failing(), 15.0, model="m", api_key=slow_key),
        None,
    ),
}


@pytest.mark.parametrize("where", ["the client's", "the call's"])
@pytest.mark.parametrize("verb", [whole, streamed])
@pytest.mark.parametrize("hang", HANGS)
def test_a_call_with_30_seconds_and_two_retries_ends_in_30_seconds(hang, verb, where):
    make, before = HANGS[hang]

    async def main():
        loop = asyncio.get_running_loop()
        llm = make().with_options(max_retries=2)
        options = {"timeout": 30}
        if where == "the client's":
            llm, options = llm.with_options(timeout=30), {}
        if before is not None:
            before(llm)
        with pytest.raises(rawllm.APIError):
            await verb(llm, **options)
        assert loop.time() <= 30.0
        assert len(llm._endpoint.transport.sent) <= 3
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_look_up_in_one_calls_time_does_not_take_the_others():
    async def main():
        listed = b'{"object": "list", "data": [{"id": "m", "object": "model"}]}'
        answers = iter([Answer(listed), Answer(ANSWER)])  # the first look-up gets none

        llm = client(lambda: next(answers), 2.0)
        hasty = asyncio.create_task(whole(llm, timeout=1))
        await asyncio.sleep(0)
        assert await whole(llm) == "hi"
        with pytest.raises(rawllm.TotalTimeout):
            await hasty

    run(main())


# ── silence ───────────────────────────────────────────────────────────────────────────────────

HI = data({"content": "hi"})


SILENT = {
    "nothing at all": [FOR_EVER],
    "pings": [10.0, b": ping\n\n"] * 100,
    "empty events": [10.0, b"data:\n\n"] * 100,
    "events of a name only": [10.0, b"event: ping\n\n"] * 100,
    "blank lines": [10.0, b"\n\n"] * 100,
    "one byte a second": [1.0, b"x"] * 1000,
    "one byte a second of an event": [1.0, b"data: ", *[1.0, b"x"] * 1000],
}


@pytest.mark.parametrize("silence", SILENT)
@pytest.mark.parametrize(
    ("timeout", "first", "error", "at"),
    [
        (Timeout(), [HI], rawllm.IdleTimeout, 60.0),
        (45, [HI], rawllm.IdleTimeout, 45.0),
        (Timeout(first_token=90), [], rawllm.FirstTokenTimeout, 90.0),
        (Timeout(first_token=90), [data({"role": "assistant"})], rawllm.FirstTokenTimeout, 90.0),
    ],
)
def test_what_is_no_data_feeds_no_clock(silence, timeout, first, error, at):
    async def main():
        llm = client(lambda: Answer(*first, *SILENT[silence]), model="m", max_retries=0)
        with pytest.raises(error):
            await streamed(llm, timeout=timeout)
        assert asyncio.get_running_loop().time() == pytest.approx(at)

    run(main())


def test_a_role_and_then_three_minutes_of_prefill_is_not_idle():
    parts = [data({"role": "assistant", "content": ""}), 180.0, HI, 50.0, data({}, "stop")]

    async def main():
        llm = client(lambda: Answer(*parts, b"data: [DONE]\n\n"), model="m")
        async with llm.stream("x") as stream:
            assert (await stream.result()).text == "hi"
        assert stream.timing.first_token == pytest.approx(180.0)
        assert stream.timing.total == pytest.approx(230.0)

    run(main())


def test_a_slow_stream_of_data_is_never_idle():
    async def main():
        parts = [part for _ in range(100) for part in (HI, 59.0)]
        llm = client(lambda: Answer(*parts, b"data: [DONE]\n\n"), model="m")
        assert await streamed(llm) == "hi" * 100

    run(main())


def test_over_a_socket_the_clocks_are_the_same():
    async def main():
        async with FakeServer() as server, Client(server.url, model="m", max_retries=0) as llm:
            server.default = Reply("hi", first_delay=180.0)
            assert await streamed(llm) == "hi"
            assert await whole(llm) == "hi"
            server.default = Stream(["hi", *[10.0, b": ping\n\n"] * 100])
            with pytest.raises(rawllm.IdleTimeout) as caught:
                await streamed(llm)
            assert caught.value.partial.text == "hi"
            await server.wait_for(lambda: server.aborted == 1)
            server.default = Reply(first_delay=FOR_EVER)
            for verb in (whole, streamed):
                with pytest.raises(rawllm.TotalTimeout):
                    await verb(llm, timeout=30)

    run(main(), patience=0.02)
