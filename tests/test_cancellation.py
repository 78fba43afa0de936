"""A call is cancelled at its first suspension, then at its second, and so on to its last: each time
the cancellation comes out, everything is given back, and the server is left alone.

The walk finds the await points itself. `PLACES` names those that it must have met. On a virtual
clock: there, the server's waits never melt into one, and cost nothing.
"""

import asyncio
import gc
import logging
from collections.abc import Coroutine

import pytest
from net.virtual import run

from rawllm import Client, Limits, Retry
from rawllm.net.transport import Transport
from rawllm.sansio.failures import fault
from rawllm.testing import FakeServer, Raw, Reply, Stream

FOR_EVER = 1e6
MOMENT = 0.1  # seconds; the server's waits, each of which is a suspension of the client's


# ── stepping ──────────────────────────────────────────────────────────────────────────────────


class Stepped(Coroutine):
    """Runs a coroutine and cancels its task at the `number`-th suspension: at once, or in the turn
    of the loop in which it would have gone on (`late`), when what it waited for is there already.

    places: where it was suspended, each the names of the coroutines from the inside out.
    """

    def __init__(self, work, number, late, cancelled):
        self.work = work
        self.number = number
        self.late = late
        self.cancelled = cancelled
        self.places = []

    def send(self, value):
        waiting = self.work.send(value)
        self.places.append(_chain(self.work))
        if len(self.places) == self.number:
            task = asyncio.current_task()
            if self.late and waiting is not None:
                waiting.add_done_callback(lambda _: self._cancel(task))
            else:
                self._cancel(task)
        return waiting

    def _cancel(self, task):
        self.cancelled()
        task.cancel()

    def throw(self, *error):
        return self.work.throw(*error)

    def close(self):
        self.work.close()

    def __await__(self):
        raise NotImplementedError


def _chain(work):
    names = []
    while work is not None:
        code = getattr(work, "cr_code", None)
        if code is not None:
            names.append(code.co_qualname)
            if work.cr_code is Transport.open.__code__:  # aiohttp's own cannot be seen through
                connecting = work.cr_frame.f_locals["slot"].connecting
                names.append("connecting" if connecting else "the head")
        work = getattr(work, "cr_await", None)
    if names[-1].endswith(".retry"):  # python-backoff 3 sleeps within an asynchronous generator
        names.append("sleep")
    return names[::-1]


# ── what the server has in store ──────────────────────────────────────────────────────────────


def event(delta, finish=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def http(status, body, *headers):
    """The head, and the body in two pieces, with a wait before each."""
    head = f"HTTP/1.1 {status} Said\r\n"
    for line in ("content-type: application/json", f"content-length: {len(body)}", *headers):
        head += f"{line}\r\n"
    half = len(body) // 2
    return [MOMENT, f"{head}\r\n".encode(), MOMENT, body[:half], MOMENT, body[half:]]


class Obstacles:
    """A handler: the first two requests for an answer fail, the third one is answered. Everything
    with waits; once the client has been cancelled, each of them lasts for ever: what the client
    does not abort then stays in flight."""

    def __init__(self):
        self.cancelled = False
        self.asked = 0

    def cancel(self):
        self.cancelled = True

    def _with_waits(self, parts):
        for part in parts:
            waits = isinstance(part, float)
            yield FOR_EVER if waits and self.cancelled else part

    def __call__(self, request):
        if request.method == "GET":
            body = b'{"object": "list", "data": [{"id": "m", "object": "model"}]}'
            return Raw(self._with_waits(http(200, body)), end="keep")
        self.asked += 1
        if self.asked == 1:
            return Raw(self._with_waits(http(500, b'{"error": {"message": "no"}}')), end="keep")
        if self.asked == 2:
            slow = http(429, b'{"error": {"message": "slow"}}', "retry-after: 2")
            return Raw(self._with_waits(slow), end="keep")
        if request.json.get("stream"):
            parts = [
                *(MOMENT, event({"role": "assistant"}), MOMENT, event({"content": "a"})),
                *(MOMENT, event({"content": "b"}), MOMENT, event({}, "stop", usage=USAGE)),
                *(MOMENT, b"data: [DONE]\n\n", MOMENT),
            ]
            return Stream(self._with_waits(parts), end="eof")
        body = Reply("ab", usage=USAGE).play(request, {}).parts[-1].partition(b"\r\n\r\n")[2]
        return Raw(self._with_waits(http(200, body)), end="keep")


# ── what the client does ──────────────────────────────────────────────────────────────────────


async def whole(llm):
    return (await llm.complete("x", max_tokens=100)).text


async def streamed(llm):
    text = ""
    async with llm.stream("x", max_tokens=100) as stream:
        while True:  # not `async for`: the walk could not see through its generator
            try:
                text += (await anext(stream)).text
            except StopAsyncIteration:
                return text


async def resulting(llm):
    stream = await llm.chat.completions.create(
        messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=100
    )
    return (await stream.result()).text


def busy(limiter, loop):
    """The only slot is taken for a moment."""
    permit = limiter.try_acquire(0.0)
    loop.call_later(MOMENT, limiter.give_back, permit, 0.0)


def paused(limiter, loop):
    """Another call has just been refused."""
    permit = limiter.try_acquire(0.0)
    error = fault("429", "slow down", retry_after=2 * MOMENT)
    limiter.refused(permit, error, random=lambda: 0.0)
    limiter.give_back(permit, 0.0)


BEFORE = {
    "the slot taken": ("Limiter.acquire", "_wait_for_turn"),
    "the model look-up": ("Requester._only_model", "Requester._default_model"),
    "the key's callable": ("one_round.<locals>.key", "Requester._current_key"),
    "connecting": ("connecting", "Transport.open"),
    "the response's head": ("the head", "Transport.open"),
    "an error's body": ("Response.readany", "_status_error"),
    "between two tries": ("sleep", "exchange"),
}
PLACES = {
    whole: {**BEFORE, "the body": ("Response.readany", "Response.read")},
    streamed: {
        **BEFORE,
        "the first token": ("Response.readany", "ChatStream.open"),
        "the next token": ("Response.readany", "ChatStream._fill"),
        "the drain": ("Response.drain", "ChatStream._finish"),
    },
}
PLACES[resulting] = {
    name: place
    for name, place in PLACES[streamed].items()
    if name not in ("the next token", "the drain")
}


# ── the walk ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("held", [busy, paused])
@pytest.mark.parametrize("verb", [whole, streamed, resulting])
def test_a_call_can_be_cancelled_at_every_await(caplog, verb, held, late):
    async def main():
        async with FakeServer() as server:
            await walk(server, verb, held, late)

    run(main())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def walk(server, verb, held, late):
    loop = asyncio.get_running_loop()
    complaints = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    met, bills, finished, number = set(), [], False, 0
    while not finished:
        number += 1
        finished, places, bill = await one_round(server, verb, held, number, late)
        met.update(tuple(names) for names in places)
        bills.append(bill)
        assert asyncio.all_tasks() == before
    # Each request that was sent cost its estimate, or what the answer's usage says.
    assert server.requests[-1].json["max_tokens"] == 100
    estimate = len(server.requests[-1].body) / 4 + 100
    for requests, tokens in bills:
        whole_estimates = [count * estimate for count in range(requests + 1)]
        settled = [count * estimate + USAGE["total_tokens"] for count in range(requests)]
        assert min(abs(tokens - bill) for bill in whole_estimates + settled) < 0.1
    for name, (inner, outer) in PLACES[verb].items():
        assert any(inner in names and outer in names for names in met), name
    assert server.aborted > 5
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def one_round(server, verb, held, number, late):
    """(whether the call came to its end before it could be cancelled, where it was suspended, what
    it cost)"""
    loop = asyncio.get_running_loop()
    server.handler = obstacles = Obstacles()
    seen = server.attempts
    limits = Limits(concurrency=1, requests_per_minute=6e-6, tokens_per_minute=6e-6, burst=1000)

    async def key():
        await asyncio.sleep(0)
        return "sk-key"

    llm = Client(
        server.url, api_key=key, limits=limits, retry=Retry(attempts=4, base=MOMENT, cap=MOMENT)
    )
    async with llm:
        endpoint = llm._endpoint
        limiter = endpoint.limiter()
        held(limiter, loop)
        stepped = Stepped(verb(llm), number, late, obstacles.cancel)
        task = asyncio.create_task(stepped)
        await asyncio.wait([task])
        await server.wait_for(lambda: limiter.in_flight == 0)  # `held` gives its own back

        if not obstacles.cancelled:
            assert task.result() == "ab"
            bill = spent(endpoint)
            assert bill[0] == server.attempts - seen == 4
            return True, stepped.places, bill
        comes_out_alone(task)
        await server.wait_for(lambda: server.in_flight == 0)  # what is not aborted lasts for ever
        assert (limiter.waiting, acquired(endpoint)) == (0, [])
        bill = spent(endpoint)
        sent = server.attempts - seen
        # Taken in by the server, or on its way there when the connection was closed.
        assert bill[0] in (sent, sent + 1)

        server.handler = None
        async with asyncio.timeout(5):
            assert (await llm.complete("next", model="m")).text == "echo: next"
        assert (limiter.in_flight, limiter._queue, acquired(endpoint)) == (0, [], [])
        assert server.in_flight == 0
        return False, stepped.places, bill


def comes_out_alone(task):
    """The task was cancelled, and nothing hangs on to its cancellation."""
    assert task.cancelled()
    with pytest.raises(asyncio.CancelledError) as caught:
        task.result()
    cancelled = caught.value
    while cancelled is not None:
        assert type(cancelled) is asyncio.CancelledError
        cancelled = cancelled.__cause__ or cancelled.__context__


def spent(endpoint):
    """(requests, tokens) that the buckets have given out for good."""
    now = endpoint.limiter().now()
    requests, tokens = (b.burst - b.level(now) for b in (endpoint.requests, endpoint.tokens))
    assert abs(requests - round(requests)) < 0.01
    return round(requests), round(tokens, 1)


def acquired(endpoint):
    return [
        connection
        for of_loop in endpoint.sessions._by_loop.values()
        for session in (of_loop.pooled, of_loop.fresh)
        for connection in session.connector._acquired
    ]


async def test_a_crowd_cancelled_behind_one_slot_leaves_the_queue_empty(server):
    server.default = Reply(first_delay=FOR_EVER)
    async with Client(server.url, model="m", limits=Limits(concurrency=1)) as llm:
        tasks = [asyncio.create_task(llm.complete(str(number))) for number in range(30)]
        await server.wait_for(lambda: server.in_flight)
        for task in tasks[::2] + tasks[1::2]:  # the one with the slot, then heads and others
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait(tasks)
        for task in tasks:
            comes_out_alone(task)
        limiter = llm._endpoint.limiter()
        assert (limiter.in_flight, limiter.waiting, limiter._queue) == (0, 0, [])
        server.default = Reply()
        assert (await llm.complete("next")).text == "echo: next"


async def test_who_waits_for_anothers_look_up_can_be_cancelled_and_the_other_goes_on(server):
    server.handler = lambda request: (
        Raw(http(200, b'{"object": "list", "data": [{"id": "m", "object": "model"}]}'), end="keep")
        if request.method == "GET"
        else None
    )
    async with Client(server.url) as llm:
        calls = [asyncio.create_task(llm.complete(str(number))) for number in range(3)]
        await server.wait_for(lambda: server.in_flight)
        calls[1].cancel()
        assert [(await call).text for call in calls[::2]] == ["echo: 0", "echo: 2"]
        comes_out_alone(calls[1])
    assert server.attempts == 3
