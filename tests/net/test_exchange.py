"""One call from its turn to its end: retries, pauses, budgets, what observers see, what is struck
out, and what a cancellation gives back. On a virtual clock with a scripted transport where time
matters, over real sockets where HTTP does."""

import asyncio
import contextlib
import gc
import json
import logging
import pickle
import random

import pytest
from net.virtual import VirtualLoop, run, settle
from yarl import URL

import rawllm
from rawllm import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    Client,
    FirstTokenTimeout,
    IdleTimeout,
    InternalServerError,
    Limits,
    NotFoundError,
    RateLimitError,
    RedirectRefused,
    Retry,
    Timeout,
    TotalTimeout,
)
from rawllm.hooks import (
    AttemptFailed,
    CallFailed,
    CallFinished,
    CallStarted,
    EndpointPaused,
    FirstToken,
    Retrying,
)
from rawllm.net import exchange as exchange_module
from rawllm.net.call import Call
from rawllm.net.clocks import resolve
from rawllm.net.endpoint import Endpoint, default_concurrency
from rawllm.net.exchange import exchange
from rawllm.net.session import Sessions
from rawllm.net.slot import Headers
from rawllm.sansio.failures import fault
from rawllm.sansio.level import START
from rawllm.sansio.types import Usage
from rawllm.testing import FakeServer, Reply

BASE = URL("http://llm.test/v1")
FAST = Retry(base=0.001, cap=0.002)


# ── a transport that is a script ──────────────────────────────────────────────────────────────


class Answer:
    """A response as `net.response.Response` is one. parts: pieces of the body, and seconds."""

    connection = None

    def __init__(self, status=200, *parts, **headers):
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.parts = list(parts)
        self.closed = False

    def plain_headers(self):
        return dict(self.headers)

    async def readany(self):
        while self.parts:
            part = self.parts.pop(0)
            if isinstance(part, bytes):
                return part
            if isinstance(part, APIError):
                raise part
            await asyncio.sleep(part)
        return b""

    def close(self):
        self.closed = True


class Script:
    """Stands in for `net.transport.Transport`. Each request takes the next step: an error to raise,
    an Answer, or a function that gives one of them; then `default`."""

    def __init__(self, *steps, default=None):
        self.steps = list(steps)
        self.default = default or (lambda: Answer(200, b"yes"))
        self.sent = []  # loop times
        self.given = []

    async def open(self, method, url, headers, body, *, stream, connect, slot):
        now = asyncio.get_running_loop().time()
        self.sent.append(now)
        step = self.steps.pop(0) if self.steps else self.default
        if callable(step):
            step = step()
        if asyncio.iscoroutine(step):
            step = await step
        if isinstance(step, Exception):
            raise step
        self.given.append(step)
        return step


class Connecting:
    """A step: hangs before it has a connection, as a black hole does."""

    async def open(self, method, url, headers, body, *, stream, connect, slot):
        slot.connecting = True
        await asyncio.sleep(1e6)


def endpoint(script, *, retry=None, concurrency=256, **limits):
    made = Endpoint(
        BASE,
        sessions=Sessions(),
        limits=Limits(concurrency=concurrency, **limits),
        retry=retry or Retry(),
        proxy=None,
    )
    made.transport = script
    return made


async def whole(attempt):
    """Reads the body, as `Client` does for a whole answer. Its usage: as many tokens as it says."""
    attempt.output()
    data = b""
    while piece := await attempt.response.readany():
        data += piece
    usage = None
    if data.isdigit():
        usage = Usage(prompt_tokens=0, completion_tokens=int(data), total_tokens=int(data))
    attempt.end(usage)
    attempt.finished(attempt.timing(), usage, "stop")
    return data


def call_of(place, *, timeout=None, hooks=(), max_retries=None, **options):
    return Call(
        method="POST",
        url=BASE / "chat" / "completions",
        headers=Headers(),
        body=b"{}",
        stream=False,
        clocks=resolve(Timeout(total=timeout), stream=False),
        policy=Retry() if max_retries is None else Retry(attempts=max_retries + 1),
        hooks=tuple(hooks),
        model="m",
        **options,
    )


async def ask(place, **options):
    return await exchange(place, call_of(place, **options), whole)


async def error_of(place, **options):
    with pytest.raises(APIError) as caught:
        await ask(place, **options)
    return caught.value


def status(code, **headers):
    return Answer(code, b'{"error": {"message": "no"}}', **headers)


def refused():
    return fault("refused", "nobody listens", sent=False)


@pytest.fixture
def always_longest(monkeypatch):
    monkeypatch.setattr(exchange_module.random, "random", lambda: 1.0)


# ── retries ───────────────────────────────────────────────────────────────────────────────────


async def test_two_failures_and_an_answer_are_three_attempts(server):
    server.fail(500, times=2)
    async with Client(server.url, model="m", retry=FAST) as llm:
        answer = await llm.complete("hi")
    assert (answer.text, answer.timing.attempts, server.attempts) == ("echo: hi", 3, 3)


@pytest.mark.parametrize(
    ("step", "max_retries", "sent"),
    [
        (lambda: status(500), 2, 3),
        (lambda: status(500), 0, 1),
        (lambda: status(500), 5, 6),
        (lambda: status(501), 2, 1),
        (lambda: status(400), 2, 1),
        (lambda: status(400, x_should_retry="true"), 2, 3),
        (lambda: status(500, x_should_retry="false"), 2, 1),
        (lambda: status(500, retry_after="121"), 2, 1),
        (lambda: status(429), 2, 3),
        (lambda: status(429), 0, 1),
        (lambda: status(503), 2, 3),
        (refused, 2, 3),
        (refused, 0, 1),
        (lambda: fault("lost", "lost"), 2, 3),
        (lambda: fault("tls", "no", sent=False), 2, 1),
        (lambda: fault("dns", "no", sent=False), 2, 3),
        (lambda: Answer(200, fault("body_cut", "cut")), 2, 3),
        (lambda: Answer(429, b'{"error": {"code": "insufficient_quota"}}'), 2, 1),
    ],
)
def test_a_lone_call_fails_after_its_retries(step, max_retries, sent):
    script = Script(default=step)

    async def main():
        place = endpoint(script)
        error = await error_of(place, max_retries=max_retries)
        assert error.attempts == len(script.sent) == sent
        assert error.endpoint == "http://llm.test/v1/chat/completions"
        assert error.__context__ is None
        limiter = place.limiter()
        assert (limiter.in_flight, limiter.waiting) == (0, 0)
        assert all(answer.closed for answer in script.given)

    run(main())


@pytest.mark.parametrize(
    ("step", "times"),
    [
        (lambda: status(500), [0.0, 0.5, 1.5]),
        (lambda: status(500, retry_after="7"), [0.0, 7.5, 15.0]),
        (lambda: status(429), [0.0, 0.5, 1.5]),  # the pause is the wait
        (lambda: status(429, retry_after="7"), [0.0, 7.5, 15.0]),
        (lambda: status(503, retry_after_ms="250"), [0.0, 0.275, 0.55]),
        (refused, [0.0, 0.5, 1.5]),
    ],
)
def test_how_long_it_waits_between_attempts(always_longest, step, times):
    script = Script(step, step)

    async def main():
        assert await ask(endpoint(script)) == b"yes"
        assert script.sent == pytest.approx(times)

    run(main())


def test_the_total_spans_queueing_retries_and_waits(always_longest):
    script = Script(default=lambda: slow(3.0, status(500)))

    async def main():
        place = endpoint(script)
        error = await error_of(place, timeout=5.0)
        # 3 s, 0.5 s of wait, and 1.5 s of the second attempt.
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)
        assert type(error) is TotalTimeout
        assert error.attempts == 2
        assert "within 5 s" in str(error)

    run(main())


async def slow(seconds, answer):
    await asyncio.sleep(seconds)
    return answer


def test_a_wait_that_would_pass_the_deadline_raises_the_error_itself_now(always_longest):
    async def main():
        for step, error in (
            (status(500, retry_after="30"), InternalServerError),
            (status(429, retry_after="30"), RateLimitError),
        ):
            place = endpoint(Script(step))
            raised = await error_of(place, timeout=20.0)
            assert type(raised) is error
            assert raised.retry_after >= 30.0
            assert raised.attempts == 1
        assert asyncio.get_running_loop().time() == 0.0

    run(main())


@pytest.mark.parametrize(
    ("timeout", "parts", "error", "at"),
    [
        (Timeout(first_token=2.0), None, FirstTokenTimeout, 2.0),
        (Timeout(idle=3.0), (b"half", 1e6), IdleTimeout, 3.0),
        (Timeout(total=4.0), None, TotalTimeout, 4.0),
    ],
)
def test_the_clocks_of_an_attempt(timeout, parts, error, at):
    async def main():
        loop = asyncio.get_running_loop()
        step = (lambda: slow(1e6, None)) if parts is None else Answer(200, *parts)
        place = endpoint(Script(step), retry=Retry(attempts=1))

        async def consume(attempt):
            clock = attempt.call.clock
            while True:
                with clock.run("idle", attempt.call.clocks.idle):
                    await attempt.response.readany()
                if clock.expired:
                    raise clock.error()

        call = call_of(place, max_retries=0)
        call.clocks = resolve(timeout, stream=False)
        with pytest.raises(error):
            await exchange(place, call, consume)
        assert loop.time() == pytest.approx(at)
        assert place.limiter().in_flight == 0

    run(main())


# ── the budget ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("step", "retries"),
    [
        (lambda: status(500), 4),  # 5 each of 20
        (lambda: fault("lost", "lost"), 2),  # 10: it may have been processed
    ],
)
def test_the_budget_is_shared_by_all_calls(step, retries):
    script = Script(default=step)

    async def main():
        place = endpoint(script, retry=Retry(budget=20.0))
        await asyncio.gather(*[ask(place) for _ in range(10)], return_exceptions=True)
        assert len(script.sent) == 10 + retries
        assert place.budget.tokens == 0.0
        script.default = lambda: Answer(200, b"yes")
        for _ in range(5):
            await ask(place)
        assert place.budget.tokens == 5.0

    run(main())


def test_what_pauses_the_endpoint_costs_no_budget():
    script = Script(default=lambda: status(429))

    async def main():
        place = endpoint(script, retry=Retry(budget=1.0))
        assert (await error_of(place)).attempts == 3
        assert place.budget.tokens == 1.0

    run(main())


# ── pauses ────────────────────────────────────────────────────────────────────────────────────


def test_a_429_with_retry_after_pauses_all_waiting_tasks_once(always_longest):
    script = Script(lambda: status(429, retry_after="7"))
    events = []

    async def main():
        loop = asyncio.get_running_loop()
        place = endpoint(script)

        async def later():
            await asyncio.sleep(1.0)
            return await ask(place, hooks=[events.append])

        answers = await asyncio.gather(
            ask(place, hooks=[events.append]), *[later() for _ in range(20)]
        )
        assert answers == [b"yes"] * 21
        assert script.sent[0] == 0.0
        assert script.sent[1] == pytest.approx(7.5)  # and nothing before
        assert loop.time() == pytest.approx(7.5)

    run(main())
    assert [event.seconds for event in events if isinstance(event, EndpointPaused)] == [7.5]
    assert sum(isinstance(event, AttemptFailed) for event in events) == 1


def test_a_crowd_of_refusals_is_one_event_and_spends_one_try():
    script = Script(default=lambda: slow(0.1, refused()))

    async def main():
        place = endpoint(script)
        calls = [asyncio.create_task(ask(place)) for _ in range(50)]
        await settle()
        assert len(script.sent) == 50
        script.default = lambda: Answer(200, b"yes")
        assert await asyncio.gather(*calls) == [b"yes"] * 50
        assert len(script.sent) == 100

    run(main())


@pytest.mark.parametrize("seed", range(3))
def test_sixty_four_workers_survive_five_seconds_of_refusal(seed):
    """max_retries=2 and a total of 30 s: no call fails, and the port is hardly knocked at."""
    random.seed(seed)
    script = Script()

    async def main():
        loop = asyncio.get_running_loop()
        script.default = lambda: (
            refused() if 1.0 <= loop.time() < 6.0 else slow(0.1, Answer(200, b"yes"))
        )
        place = endpoint(script, concurrency=64)
        done = []

        async def work():
            while loop.time() < 10.0:
                done.append(await ask(place, timeout=30.0, max_retries=2))

        await asyncio.gather(*[work() for _ in range(64)])
        assert set(done) == {b"yes"}
        assert sum(1.0 <= at < 6.0 for at in script.sent) < 64 + 20
        assert place.pace.open

    run(main())


async def test_a_server_that_refuses_for_a_while_loses_no_call():
    """The same over real sockets."""
    async with FakeServer(record=False) as server:
        server.default = Reply("yes", delay=0.001)
        async with Client(server.url, model="m", max_retries=2, timeout=Timeout(total=30.0)) as llm:
            loop = asyncio.get_running_loop()
            end = loop.time() + 2.0
            answers = []

            async def work():
                while loop.time() < end:
                    answers.append((await llm.complete("hi")).text)

            workers = [asyncio.create_task(work()) for _ in range(64)]
            await server.wait_for(lambda: len(answers) > 64)
            server.refuse()
            await asyncio.sleep(1.0)
            server.accept()
            await asyncio.gather(*workers)
        assert set(answers) == {"yes"}


def test_without_retries_a_late_refusal_of_an_older_time_is_the_end():
    """It was sent before a pause that is over by now: that is no leave to send it again."""
    script = Script(lambda: slow(3.0, status(429)), lambda: status(429))

    async def main():
        place = endpoint(script)
        late = asyncio.create_task(error_of(place, max_retries=0))
        await settle()
        assert await ask(place) == b"yes"
        error = await late
        assert type(error) is RateLimitError
        assert error.attempts == 1
        assert len(script.sent) == 3

    run(main())


def test_without_retries_a_call_that_meets_a_pause_gets_its_error_at_once(always_longest):
    script = Script(lambda: status(429, retry_after="30"))

    async def main():
        place = endpoint(script)
        first = await error_of(place, max_retries=0)
        await asyncio.sleep(10.0)
        second = await error_of(place, max_retries=0)
        assert (first.attempts, second.attempts) == (1, 0)
        assert second.retry_after == pytest.approx(20.5)
        assert second is not first
        assert asyncio.get_running_loop().time() == 10.0

    run(main())


def test_a_probe_that_never_reached_the_server_does_not_open_the_way():
    """A pause, and then the name server is gone: 20 calls must not all try that at once."""
    script = Script(
        lambda: status(429, retry_after="5"), lambda: slow(0.7, fault("dns", "gone", sent=False))
    )

    async def main():
        place = endpoint(script)
        calls = [asyncio.create_task(ask(place)) for _ in range(1)]
        await settle()
        calls += [asyncio.create_task(ask(place)) for _ in range(20)]
        await asyncio.sleep(5.6)  # 5 s and up to 0.5 s of jitter
        probed = script.sent[1]
        assert len(script.sent) == 2
        script.default = lambda: slow(0.5, Answer(200, b"yes"))
        await asyncio.gather(*calls)
        assert sum(at < probed + 1.15 for at in script.sent) <= 3  # one after the other
        assert place.pace.open

    run(main())


# ── tokens and what servers say of them ───────────────────────────────────────────────────────


def tokens_left(place):
    loop = asyncio.get_running_loop()
    return round(place.tokens.level(loop.time())), round(place.requests.level(loop.time()))


def limited(script, **options):
    """An endpoint whose buckets (100 requests, 1000 tokens) refill too slowly to matter."""
    place = endpoint(script, requests_per_minute=6e-6, tokens_per_minute=6e-6, **options)
    for bucket, level in ((place.requests, 100.0), (place.tokens, 1000.0)):
        bucket.burst = level
    return place


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([Answer(200, b"30")], (970, 99)),  # settled with the usage
        ([Answer(200, b"250")], (750, 99)),
        ([Answer(200, b"yes")], (900, 99)),  # without usage the estimate stands
        ([status(500), Answer(200, b"30")], (870, 98)),  # every attempt pays
        ([refused(), Answer(200, b"30")], (970, 99)),  # but for what was not sent
    ],
)
def test_tokens_are_taken_and_settled(steps, left):
    async def main():
        place = limited(Script(*steps))
        await ask(place, tokens=100.0)
        assert tokens_left(place) == left

    run(main())


def test_the_answers_length_is_learned_for_the_next_estimate():
    async def main():
        place = limited(Script(Answer(200, b"400")))
        before = place.estimate.of(40, None, 1)
        await ask(place, tokens=100.0)
        assert place.estimate.of(40, None, 1) != before

    run(main())


def test_the_server_is_believed_where_it_says_that_less_is_left():
    answer = Answer(
        200, b"0", x_ratelimit_remaining_requests="3", x_ratelimit_remaining_tokens="40"
    )

    async def main():
        place = limited(Script(answer))
        await ask(place)
        assert tokens_left(place) == (40, 3)

    run(main())


def test_a_burst_is_said_in_requests_and_tokens_get_as_many_seconds():
    place = endpoint(Script(), requests_per_minute=600, tokens_per_minute=60_000, burst=50)
    assert (place.requests.rate, place.requests.burst) == (10.0, 50.0)
    assert (place.tokens.rate, place.tokens.burst) == (1000.0, 5000.0)
    place = endpoint(Script(), requests_per_minute=6)
    assert place.requests.burst == 1.0  # a second's worth, at least 1
    assert place.tokens is None


@pytest.mark.parametrize(("soft", "slots"), [(1024, 256), (200, 136), (64, 1), (10, 1), (-1, 256)])
def test_without_a_bound_there_are_as_many_slots_as_files_to_spare(monkeypatch, soft, slots):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, soft))
    assert default_concurrency() == slots


# ── what observers see ────────────────────────────────────────────────────────────────────────


def names(events):
    return [type(event).__name__ for event in events]


@pytest.mark.parametrize(
    ("steps", "max_retries", "expected"),
    [
        ([], 2, [CallStarted, CallFinished]),
        (
            [status(500)],
            2,
            [CallStarted, AttemptFailed, Retrying, CallFinished],
        ),
        (
            [status(429)],
            2,
            [CallStarted, AttemptFailed, EndpointPaused, Retrying, CallFinished],
        ),
        ([status(400)], 2, [CallStarted, AttemptFailed, CallFailed]),
        (
            [status(500), status(400)],
            2,
            [CallStarted, AttemptFailed, Retrying, AttemptFailed, CallFailed],
        ),
        ([status(429)], 0, [CallStarted, AttemptFailed, EndpointPaused, CallFailed]),
    ],
)
def test_observers_get_the_events_in_order(steps, max_retries, expected):
    events = []

    async def main():
        place = endpoint(Script(*steps))
        with contextlib.suppress(APIError):
            await ask(place, hooks=[events.append], max_retries=max_retries)
        assert events[-1].attempts == len(place.transport.sent)

    run(main())
    assert names(events) == [kind.__name__ for kind in expected]
    assert len({event.call_id for event in events}) == 1
    assert {event.endpoint for event in events} == {"http://llm.test/v1/chat/completions"}
    assert {(event.method, event.model) for event in events} == {("POST", "m")}


async def test_observers_of_a_stream_get_its_first_token(server):
    events = []
    async with Client(server.url, model="m", hooks=events.append) as llm:
        await (await llm.stream("hi")).result()
    assert names(events) == ["CallStarted", "FirstToken", "CallFinished"]
    assert isinstance(events[1], FirstToken)
    assert (events[2].finish_reason, events[2].completion_tokens) == ("stop", 2)
    assert events[2].first_token == events[1].seconds


def test_the_numbers_in_the_events(always_longest):
    events = []
    script = Script(lambda: slow(1.0, status(500)), lambda: slow(2.0, Answer(200, b"7")))

    async def main():
        place = endpoint(script, concurrency=1)
        blocking = asyncio.create_task(
            place.limiter().acquire(
                0.0, number=place.limiter().number(), deadline=None, policy=Retry()
            )
        )
        await settle()
        call = asyncio.create_task(ask(place, hooks=[events.append]))
        await asyncio.sleep(4.0)
        place.limiter().give_back(blocking.result(), 0.0)
        await call

    run(main())
    failed, retrying, finished = events[1:]
    assert (failed.attempt, failed.error, failed.status_code) == (1, "InternalServerError", 500)
    assert (retrying.attempt, retrying.wait) == (1, 0.5)
    assert (finished.attempts, finished.total) == (2, pytest.approx(7.5))
    assert finished.queued == pytest.approx(5.5)
    assert finished.completion_tokens == 7


def test_an_observer_that_fails_breaks_nothing(caplog):
    def broken(event):
        raise ValueError("in a hook")

    async def main():
        assert await ask(endpoint(Script()), hooks=[broken]) == b"yes"

    run(main())
    assert [record.levelname for record in caplog.records if record.name == "rawllm"] == [
        "ERROR",
        "ERROR",
    ]


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        (
            [Answer(200, b"7")],
            [
                (
                    "INFO",
                    "POST http://llm.test/v1/chat/completions 200 in 0.000 s, attempts 1, tokens 7",
                )
            ],
        ),
        (
            [status(500)],
            [
                ("WARNING", "retried in 0.50 s (attempt 1): InternalServerError"),
                ("INFO", "200 in 0.500 s, attempts 2, tokens unknown"),
            ],
        ),
        (
            [status(429, retry_after="3")],
            [
                ("WARNING", "http://llm.test/v1 paused for 3.30 s: RateLimitError"),
                ("INFO", "200 in 3.300 s, attempts 2"),
            ],
        ),
        ([status(400)], [("INFO", "failed in 0.000 s, attempts 1: BadRequestError")]),
    ],
)
def test_the_log_has_one_line_a_call_and_a_warning_a_retry(caplog, always_longest, steps, lines):
    caplog.set_level(logging.INFO, logger="rawllm")

    async def main():
        with contextlib.suppress(APIError):
            await ask(endpoint(Script(*steps)))

    run(main())
    records = [record for record in caplog.records if record.name == "rawllm"]
    assert [record.levelname for record in records] == [level for level, _ in lines]
    for record, (_, text) in zip(records, lines, strict=True):
        assert text in record.getMessage()


# ── what is struck out ────────────────────────────────────────────────────────────────────────

KEY = "sk-" + "hidden"


async def test_the_key_is_struck_out_of_what_a_server_echoes(server, caplog):
    caplog.set_level(logging.DEBUG)
    body = {
        "error": {
            "message": f"Incorrect API key provided: {KEY}.",
            "code": KEY,
            "param": [{"header": f"Bearer {KEY}"}],
            KEY: 1,
        }
    }
    server.fail(401, body=body, headers={"x-request-id": f"r-{KEY}", "x-echo": KEY})
    async with Client(server.url, model="m", api_key=KEY) as llm:
        with pytest.raises(AuthenticationError) as caught:
            await llm.complete("hi")
    error = caught.value
    assert "Incorrect API key provided: ***." in str(error)
    shown = repr((error, error.args, vars(error))) + caplog.text
    assert KEY not in shown
    assert KEY.encode() not in pickle.dumps(error)
    assert error.request_id == "r-***"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_pause_does_not_carry_one_callers_key_to_another(always_longest):
    echo = Answer(
        429, json.dumps({"error": {"message": f"slow down, {KEY}"}}).encode(), retry_after="30"
    )

    async def main():
        place = endpoint(Script(echo))
        owner = asyncio.create_task(ask(place, secret=KEY))
        await settle()
        other = await error_of(place, secret="sk-other", max_retries=0)
        assert other.status_code == 429
        assert KEY not in repr((other, vars(other)))
        assert await owner == b"yes"

    run(main())


# ── redirects and hints ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_nothing_reaches_the_other_server(server, code):
    async with FakeServer() as other:
        server.fail(code, headers={"location": f"{other.url}/chat/completions?key={KEY}"}, body="")
        async with Client(server.url, model="m", api_key=KEY) as llm:
            with pytest.raises(RedirectRefused) as caught:
                await llm.complete("hi")
        assert (other.attempts, other.connections, server.attempts) == (0, 0, 1)
    error = caught.value
    assert f"HTTP {code}: the server redirects to {other.url}/chat/completions;" in str(error)
    assert "use it as base_url" in str(error)
    assert (error.status_code, error.attempts) == (code, 1)
    assert KEY not in repr((error, vars(error)))


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/v1/", "redirects to http://llm.test/v1/;"),
        ("http://user:word@h/v1?a=b#c", "redirects to http://h/v1;"),
        ("", "redirects to nowhere"),
        ("http://[", "an address that is no URL"),
    ],
)
def test_a_redirect_says_where_to_without_what_is_secret(location, shown):
    async def main():
        headers = {"location": location} if location else {}
        error = await error_of(endpoint(Script(Answer(307, **headers))))
        assert shown in str(error)
        assert "word" not in str(error)

    run(main())


@pytest.mark.parametrize(
    ("path", "step", "hint"),
    [
        ("/", {"status": 404, "body": "Not Found"}, True),
        ("/api", {"status": 404, "body": "{}"}, True),
        ("/", {"status": 405, "body": ""}, True),
        ("/", {"status": 200, "body": "<html>Welcome</html>"}, True),
        ("/", {"status": 307, "body": "", "headers": {"location": "/v1"}}, True),
        ("/", {"status": 401, "body": ""}, False),
        ("/", {"status": 500, "body": ""}, False),
        ("/v1", {"status": 404, "body": "Not Found"}, False),
        ("/openai/v1", {"status": 404, "body": "Not Found"}, False),
    ],
)
async def test_a_missing_v1_is_hinted_at_where_the_error_looks_like_it(server, path, step, hint):
    server.handler = lambda request: Reply(**step)
    url = server.url.removesuffix("/v1") + path
    async with Client(url, model="m", max_retries=0) as llm:
        with pytest.raises(APIError) as caught:
            await llm.complete("hi")
    assert ("has no /v1 at its end" in str(caught.value)) is hint
    assert caught.value.message == str(caught.value)


async def test_an_unknown_model_under_a_v1_is_only_what_the_server_says(server):
    server.fail(404, body={"error": {"message": "no such model"}})
    async with Client(server.url, model="m") as llm:
        with pytest.raises(NotFoundError, match=r"^HTTP 404: no such model$"):
            await llm.complete("hi")


# ── the bodies of errors ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "parts",
    [
        (1e6,),
        (b"{", *(5.0, b" ") * 100),
        (b'{"error": ', fault("body_cut", "cut")),
    ],
    ids=["silent", "dribbling", "cut"],
)
def test_an_errors_body_that_does_not_come_loses_not_the_status(parts):
    async def main():
        error = await error_of(endpoint(Script(Answer(400, *parts))))
        assert error.status_code == 400
        assert asyncio.get_running_loop().time() <= 10.0  # in all, and not for each piece

    run(main())


def test_no_more_of_an_errors_body_is_read_than_a_message_needs():
    answer = Answer(400, *[b"x" * 10_000] * 1000)

    async def main():
        await error_of(endpoint(Script(answer)))
        assert len(answer.parts) == 1000 - 7
        assert answer.closed

    run(main())


# ── cancellation ──────────────────────────────────────────────────────────────────────────────

HANG = 1e6
CANCELS = {
    # id: (the script, seconds until the cancellation, what of (1000, 100) is left)
    "waiting for a slot": ("busy", 1.0, (1000, 100)),
    "connecting": (Connecting(), 1.0, (1000, 100)),
    # Once it was sent the server has counted it.
    "waiting for the response": (Script(lambda: slow(HANG, None)), 1.0, (900, 99)),
    "reading the body": (Script(lambda: Answer(200, b"half", HANG)), 1.0, (900, 99)),
    "reading an error's body": (Script(lambda: Answer(400, b"half", HANG)), 1.0, (900, 99)),
    "waiting to try again": (Script(lambda: status(500, retry_after="50")), 1.0, (900, 99)),
    "sitting out a pause": (Script(lambda: status(429, retry_after="50")), 1.0, (900, 99)),
    "in the second attempt": (
        Script(status(500), lambda: slow(HANG, None)),
        5.0,
        (800, 98),
    ),
}


@pytest.mark.parametrize("timeout", [Timeout(connect=None, first_token=1.0), 1.0])
def test_a_clock_that_ends_before_there_is_a_connection_gives_the_tokens_back(timeout):
    async def main():
        place = limited(Connecting())
        call = call_of(place, tokens=100.0, max_retries=0)
        call.clocks = resolve(timeout, stream=False)
        with pytest.raises(rawllm.APITimeoutError) as caught:
            await exchange(place, call, whole)
        assert not caught.value.sent
        assert tokens_left(place) == (1000, 100)
        assert place.limiter().in_flight == 0

    run(main())


@pytest.mark.parametrize(("script", "after", "left"), CANCELS.values(), ids=CANCELS.keys())
def test_a_cancellation_gives_everything_back(caplog, script, after, left):
    caplog.set_level(logging.INFO, logger="rawllm")
    events = []

    async def main():
        busy = script == "busy"
        place = limited(Script() if busy else script, concurrency=1)
        limiter = place.limiter()
        permit = limiter.try_acquire(0.0) if busy else None
        task = asyncio.create_task(ask(place, tokens=100.0, hooks=[events.append]))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        if busy:
            limiter.give_back(permit, 0.0)
        assert task.cancelled()
        assert (limiter.in_flight, limiter.waiting) == (0, 0)
        assert tokens_left(place) == left
        assert all(answer.closed for answer in getattr(script, "given", ()))
        chain = caught.value
        while chain is not None:
            assert type(chain) is asyncio.CancelledError  # and nothing of our machinery
            chain = chain.__context__

    run(main())
    assert isinstance(events[-1], CallFailed)
    assert events[-1].error == "CancelledError"
    assert not any(record.levelno >= logging.ERROR for record in caplog.records)
    assert not any("failed" in record.getMessage() for record in caplog.records)


def test_after_a_cancelled_probe_the_next_call_probes():
    script = Script(lambda: status(429, retry_after="5"), lambda: slow(HANG, None))

    async def main():
        place = endpoint(script)
        probe = asyncio.create_task(ask(place))
        await asyncio.sleep(5.6)
        other = asyncio.create_task(ask(place))
        await asyncio.sleep(0.1)
        assert len(script.sent) == 2
        probe.cancel()
        assert await other == b"yes"
        assert script.sent[2] == pytest.approx(5.7)  # at once
        assert place.pace.open

    run(main())


def test_a_timeout_of_the_users_works_at_every_step():
    async def main():
        place = endpoint(Script(default=lambda: slow(HANG, None)), concurrency=1)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await ask(place)
        assert place.limiter().in_flight == 0
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)

    run(main())


async def test_a_cancelled_call_is_aborted_upstream(server):
    server.default = Reply(first_delay=60.0)
    async with Client(server.url, model="m") as llm:
        task = asyncio.create_task(llm.complete("hi"))
        await server.wait_for(lambda: server.attempts)
        task.cancel()
        await server.wait_for(lambda: server.aborted == 1 and server.open_connections == 0)
        with pytest.raises(asyncio.CancelledError):
            await task


def test_a_bug_in_what_reads_the_answer_gives_everything_back():
    script = Script()

    async def broken(attempt):
        raise KeyError("a bug")

    async def main():
        place = endpoint(script)
        with pytest.raises(KeyError):
            await exchange(place, call_of(place), broken)
        assert place.limiter().in_flight == 0
        assert script.given[0].closed

    run(main())


# ── many loops ────────────────────────────────────────────────────────────────────────────────


def test_each_loop_has_its_limiter_and_closed_loops_are_forgotten():
    place = endpoint(Script())

    async def main():
        limiter = place.limiter()
        assert await ask(place) == b"yes"
        assert place.limiter() is limiter

    for _ in range(5):
        run(main())
    assert len(place._limiters) == 1
    gc.collect()
    loops = [loop for loop in gc.get_objects() if type(loop) is VirtualLoop]
    assert sum(loop in place._limiters for loop in loops) == 1


async def test_errors_of_many_calls_at_once_are_their_own(server):
    server.default = Reply(status=400, body={"error": {"message": "no"}})
    async with Client(server.url, model="m") as llm:
        errors = await asyncio.gather(
            *[llm.complete("hi") for _ in range(20)], return_exceptions=True
        )
    assert len({id(error) for error in errors}) == 20
    assert {type(error) for error in errors} == {rawllm.BadRequestError}


async def test_the_slots_hold_in_the_servers_own_count(server):
    server.default = Reply("yes", first_delay=0.005)
    async with Client(server.url, model="m", limits=Limits(concurrency=5)) as llm:
        answers = await asyncio.gather(*[llm.complete(str(number)) for number in range(60)])
    assert [answer.text for answer in answers] == ["yes"] * 60
    assert server.max_in_flight == 5
    assert server.connections == 5


async def test_a_closed_client_says_so(server):
    async with Client(server.url, model="m", retry=FAST) as llm:
        pass
    with pytest.raises(APIConnectionError, match="closed") as caught:
        await llm.complete("hi")
    assert caught.value.kind == "closed"
    assert server.attempts == 0


# ── auto ──────────────────────────────────────────────────────────────────────────────────────


def test_auto_begins_with_few_and_adapt_takes_what_there_is_for_the_cap():
    def script():
        return Script(default=lambda: slow(0.1, Answer(200, b"yes")))

    async def main():
        auto = endpoint(script(), concurrency="auto")
        assert auto.concurrency == default_concurrency()
        assert auto.limiter().concurrency == START
        fixed = endpoint(script(), concurrency=6)
        limiter = fixed.limiter()
        assert limiter.concurrency == 6
        fixed.adapt()
        fixed.adapt()
        assert limiter.concurrency == START
        for _ in range(20):
            await asyncio.gather(*[ask(fixed) for _ in range(20)])
        assert limiter.concurrency == 6

    run(main())


def test_an_answer_of_less_than_no_tokens_counts_as_one():
    async def fewer(attempt):
        attempt.end()
        attempt.finished(attempt.timing(), Usage(completion_tokens=-5), "stop")

    async def main():
        place = endpoint(Script(default=lambda: slow(0.1, Answer(200, b""))), concurrency="auto")
        worth = []
        place.limiter().finished = lambda permit, work: worth.append(work)
        await exchange(place, call_of(place), fewer)
        assert worth == [1.0]

    run(main())


@pytest.mark.parametrize(
    ("step", "left"),
    [
        (lambda: status(504), 2),
        (lambda: fault("first_token", "silent"), 2),
        (lambda: status(500), 4),
        (lambda: status(502), 4),
    ],
)
def test_what_smells_of_overload_makes_auto_smaller(step, left):
    script = Script(step)

    async def main():
        place = endpoint(script, concurrency="auto")
        call = asyncio.create_task(ask(place))
        await asyncio.sleep(0.0)
        await settle()
        assert place.limiter().concurrency == left
        await call

    run(main())


def test_a_502_that_is_no_outage_says_nothing_of_whether_others_get_through():
    async def main():
        place = endpoint(Script(lambda: slow(2.0, status(502))), retry=Retry(max_outage=60.0))
        call = call_of(place)
        call.policy = Retry(max_outage=60.0)
        poisoned = asyncio.create_task(exchange(place, call, whole))
        await asyncio.sleep(1.0)
        await ask(place)
        await asyncio.sleep(1.1)
        assert (call.spent, place.pace.open) == (1, True)
        assert place.pace.taken_at == 1.0
        place.pace.taken_at = 0.5
        place.transport.default = lambda: status(502)
        await asyncio.sleep(0.6)
        assert not place.pace.open
        assert call.spent == 1
        place.transport.default = lambda: Answer(200, b"yes")
        assert await poisoned == b"yes"

    run(main())


@pytest.mark.parametrize(("queued", "weighs"), [(0.0, True), (1.4, False)])
def test_a_deadline_weighs_where_it_passed_at_the_server(queued, weighs):
    async def main():
        place = endpoint(
            Script(default=lambda: slow(60.0, Answer(200, b"late"))), concurrency="auto"
        )
        limiter = place.limiter()
        before = limiter.concurrency
        held = [limiter.try_acquire(0.0) for _ in range(before)]
        loop = asyncio.get_running_loop()
        for permit in held:
            loop.call_later(queued, limiter.give_back, permit, 0.0)
        error = await error_of(place, timeout=2.0)
        assert error.kind == "total"
        assert (limiter.concurrency < before) is weighs

    run(main())
