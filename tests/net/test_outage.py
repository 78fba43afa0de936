"""What an outage costs: the whole client on a virtual clock, against a server that is a script.

The same with real sockets, and its figures: `python -m benchmarks.outage`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise

import pytest
from net.virtual import run

from rawllm import (
    APIConnectionError,
    APIError,
    Client,
    Limits,
    RateLimitError,
    Retry,
    Timeout,
    TotalTimeout,
)
from rawllm.hooks import AttemptFailed, CallFinished, EndpointPaused
from rawllm.sansio.failures import fault

ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}'
)
START, DOWN = 3.0, 10.0  # seconds: when the server goes away, and for how long
AFTER = 12.0  # the last pause may be of 8 s
WORKERS = 50
SEEDS = range(3, 8)


class Answered:
    """A response as `net.response.Response` is one."""

    status = 200
    connection = None

    def __init__(self):
        self.headers = {}

    async def read(self, clock, **_):
        return ANSWER

    def close(self):
        pass


class Server:
    """Stands in for `net.transport.Transport`. down: (from, to) in seconds of the loop's clock, in
    which every request meets `refusal`. loses: at its beginning those in flight are lost."""

    def __init__(self, *, down, answer=(0.05, 0.15), refusal=None, loses=True):
        self.down = down
        self.loses = loses
        self.answer = answer
        self.refusal = refusal or (lambda: fault("refused", "nobody listens", sent=False))
        self.arrived = []  # when each request came that was taken in
        self.refused = []  # and when each that was not
        self.crowds = []  # since it is back: the most in flight after so many answers
        self.in_flight = 0
        self.random = random.Random(5)

    async def open(self, *request, **options):
        now = asyncio.get_running_loop().time()
        start, end = self.down
        if start <= now < end:
            self.refused.append(now)
            raise self.refusal()
        self.arrived.append(now)
        seconds = self.random.uniform(*self.answer)
        if self.loses and now < start < now + seconds:
            await asyncio.sleep(start - now)
            raise fault("lost", "it went away within the answer")
        self.in_flight += 1
        if now >= end:
            self.crowds = self.crowds or [0]
            self.crowds[-1] = max(self.crowds[-1], self.in_flight)
        await asyncio.sleep(seconds)
        self.in_flight -= 1
        if self.crowds:
            self.crowds.append(0)
        return Answered()


class Watch:
    """A hook that counts what the client says of itself."""

    def __init__(self):
        self.attempts = Counter()  # of each call
        self.probes = Counter()  # failed ones, of each call, with the refusal that began it all
        self.pauses = []

    def __call__(self, event):
        match event:
            case AttemptFailed() | CallFinished():
                self.attempts[event.call_id] += 1
            case EndpointPaused():
                self.pauses.append(event.seconds)
                self.probes[event.call_id] += 1


def client(server, watch=None, **options):
    options.setdefault("timeout", Timeout(total=60.0))
    made = Client("http://server.test/v1", model="m", proxy=None, hooks=watch or (), **options)
    made._endpoint.transport = server
    return made


def bins(times, start, end, width):
    counts = [0] * int((end - start) / width + 1e-9)
    for at in times:
        place = int((at - start) / width)
        if at >= start and place < len(counts):
            counts[place] += 1
    return counts


async def load(llm, *, until, workers=WORKERS):
    """So many workers, one call after the other: (answers, errors)."""
    loop = asyncio.get_running_loop()
    ends = []

    async def work():
        while loop.time() < until:
            try:
                ends.append((await llm.complete("hi")).text)
            except APIConnectionError as error:
                ends.append(error)
                await asyncio.sleep(0.1)  # it may have come at once, and time must pass

    await asyncio.gather(*(work() for _ in range(workers)))
    return ends


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_seconds_of_refusal_cost_no_call_and_hardly_a_request(seed):
    random.seed(seed)
    watch = Watch()
    server = Server(down=(START, START + DOWN))

    async def main():
        async with client(server, watch) as llm:
            return await load(llm, until=START + DOWN + AFTER), llm._endpoint.limiter()

    ends, limiter = run(main())

    assert set(ends) == {"yes"}
    assert len(ends) >= 1000
    attempts = sum(watch.attempts.values())
    probes = sum(watch.probes.values())
    assert attempts == len(server.arrived) + len(server.refused)
    assert attempts <= 1.2 * len(ends) + probes
    # Beyond one lost request for each worker, the outage costs one crowd and then only probes.
    assert len(server.refused) <= WORKERS + probes
    assert (limiter.in_flight, limiter.waiting, limiter.pace.open) == (0, 0, True)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_herd_arrives_when_the_server_comes_back(seed):
    random.seed(seed)
    server = Server(down=(START, START + DOWN))
    end = START + DOWN + AFTER

    async def main():
        async with client(server) as llm:
            await load(llm, until=end)

    run(main())

    steady = bins(server.arrived, 1.0, START, 0.1)
    mean = sum(steady) / len(steady)
    after = bins(server.arrived, START + DOWN, end, 0.1)
    assert max(after) <= 2 * mean
    assert max(after[-20:]) >= mean  # and the load is back
    # Fifty at once would not break that bound. The way opens one by one: each request that was
    # taken in lets one more go beside it.
    assert server.crowds[0] == 1
    assert all(crowd <= taken + 1 for taken, crowd in enumerate(server.crowds))
    assert max(server.crowds) > WORKERS / 2


def test_where_answers_are_slow_the_load_comes_back_over_seconds_and_not_at_once():
    random.seed(1)
    server = Server(down=(START, START + DOWN), answer=(3.0, 9.0))

    async def main():
        async with client(server, timeout=None) as llm:
            return await load(llm, until=START + DOWN + AFTER + 20.0)

    assert set(run(main())) == {"yes"}
    after = bins(server.arrived, START + DOWN, START + DOWN + AFTER + 10.0, 0.1)
    assert sum(after) > WORKERS
    assert max(after) <= WORKERS / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_while_the_server_is_away_only_probes_are_sent_and_ever_more_rarely(seed):
    random.seed(seed)
    watch = Watch()
    server = Server(down=(START, START + 60.0))

    async def main():
        async with client(server, watch, timeout=Timeout(total=120.0)) as llm:
            return await load(llm, until=START + 72.0)

    ends = run(main())

    assert set(ends) == {"yes"}
    crowd = [at for at in server.refused if at < START + 0.5 * 0.5]
    probes = [at for at in server.refused if at >= START + 0.5 * 0.5]
    assert len(crowd) <= WORKERS  # those whose retry was under way already
    assert len(probes) == len(watch.pauses) - 1
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert all(gap >= 0.5 for gap in gaps)  # pauses of 1, 2, 4, 8 s, at least the half of each
    assert all(gap >= 4.0 for gap in gaps[3:])
    assert len(probes) <= 4 + 60.0 / 4.0


def test_no_call_is_probed_to_death():
    random.seed(3)
    watch = Watch()
    server = Server(down=(START, START + 100.0))  # longer than any one call's attempts would last

    async def main():
        async with client(server, watch, timeout=None) as llm:
            return await load(llm, until=START + 112.0)

    assert set(run(main())) == {"yes"}
    # Each failed probe was another call's: one pause or none for every waiting call.
    assert len(watch.pauses) > 10
    assert max(watch.probes.values()) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_one_retry_is_enough_for_a_call_among_many(seed):
    """The call whose refusal began the pause is not the first to probe, too."""
    random.seed(seed)
    server = Server(down=(START, START + DOWN), loses=False)

    async def main():
        async with client(server, max_retries=1) as llm:
            return await load(llm, until=START + DOWN + AFTER)

    assert set(run(main())) == {"yes"}


def test_a_lone_call_fails_after_its_retries_with_the_refusal():
    watch = Watch()
    server = Server(down=(0.0, 3600.0))

    async def main():
        async with client(server, watch) as llm:
            with pytest.raises(APIConnectionError) as caught:
                await llm.complete("hi")
            return caught.value

    error = run(main())

    assert error.kind == "refused"
    assert error.attempts == len(server.refused) == 3


def test_calls_whose_deadline_the_pause_outlasts_get_the_refusal_and_not_a_timeout():
    random.seed(2)
    server = Server(down=(START, 3600.0))

    async def main():
        async with client(server, timeout=Timeout(total=5.0)) as llm:
            errors = await load(llm, until=START + 30.0)
            return [error for error in errors if error != "yes"]

    errors = run(main())

    assert len(errors) >= WORKERS
    assert not [error for error in errors if isinstance(error, TotalTimeout)]
    assert {error.kind for error in errors} <= {"refused", "lost"}
    waiting = [error for error in errors if error.attempts == 0]
    assert waiting
    assert all(error.retry_after > 0.0 for error in waiting)


def test_calls_without_retries_soon_fail_at_once_while_the_endpoint_is_down():
    server = Server(down=(0.0, 3600.0))

    async def main():
        loop = asyncio.get_running_loop()
        async with client(server, max_retries=0) as llm:
            for _ in range(20):
                with pytest.raises(APIConnectionError):
                    await llm.complete("hi")
            return loop.time()

    assert run(main()) <= 0.5 + 1.0  # two pauses of a second at most; all others are longer
    assert len(server.refused) == 3


def test_a_loop_without_retries_loses_no_call_but_the_one_that_was_refused():
    server = Server(down=(0.0, 0.01))

    async def main():
        failed = 0
        async with client(server, max_retries=0) as llm:
            for _ in range(300):
                try:
                    await llm.complete("hi")
                except APIConnectionError:
                    failed += 1
        return failed

    assert run(main()) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storm_of_429_costs_no_call_and_its_number_is_kept(seed):
    random.seed(seed)
    asked = 2.0

    def limited():
        return fault(
            "429", "slow down", status_code=429, headers={"retry-after": "2"}, retry_after=asked
        )

    server = Server(down=(START, START + DOWN), refusal=limited)

    async def main():
        async with client(server) as llm:
            return await load(llm, until=START + DOWN + AFTER)

    ends = run(main())

    assert set(ends) == {"yes"}
    assert not [end for end in ends if isinstance(end, RateLimitError)]
    rounds = sorted(set(server.refused))
    begun = [rounds[0]]
    for at in rounds:
        if at - begun[-1] > 0.5:
            begun.append(at)
    # Nobody came back before the server's own number was over.
    assert all(b - a >= asked for a, b in pairwise(begun))
    assert len(server.refused) <= 2 * WORKERS + len(begun)


# ── max_outage ────────────────────────────────────────────────────────────────────────────────


def refusal(kind, **data):
    return lambda: fault(kind, "no", **data)


REFUSALS = {
    "refused": refusal("refused", sent=False),
    "dns": refusal("dns", sent=False),
    "unreachable": refusal("connect", sent=False),
    "502": refusal("502", status_code=502),
    "503": refusal("503", status_code=503),
    "429": refusal("429", status_code=429, retry_after=2.0),
}


def outliving(seconds, **options):
    return {"retry": Retry(max_outage=seconds, **options), "timeout": None}


@pytest.mark.parametrize("down", [60.0, 599.0])
@pytest.mark.parametrize("kind", REFUSALS)
def test_64_workers_lose_nothing_to_an_outage_of_less_than_max_outage(kind, down):
    random.seed(down)
    watch = Watch()
    server = Server(down=(START, START + down), refusal=REFUSALS[kind])

    async def main():
        async with client(server, watch, **outliving(600.0)) as llm:
            ends = await load(llm, until=START + down + 3.0, workers=64)
            return ends, llm._endpoint

    ends, endpoint = run(main())

    assert set(ends) == {"yes"}
    assert len(server.refused) <= 64 + len(watch.pauses)
    # And no call was probed to death: they take turns.
    assert max(watch.probes.values()) <= 2 + len(watch.pauses) / 64
    assert endpoint.pace.open
    assert endpoint.pace.outage(1e6) == 0.0


@pytest.mark.parametrize("kind", REFUSALS)
def test_without_retries_an_outage_is_outlived_too(kind):
    server = Server(down=(0.0, 60.0), refusal=REFUSALS[kind])

    async def main():
        async with client(server, **outliving(600.0, attempts=1)) as llm:
            return await asyncio.gather(*(llm.complete("hi") for _ in range(64)))

    assert {answer.text for answer in run(main())} == {"yes"}


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("slots", [1, 8, 64])
def test_after_max_outage_all_who_wait_get_the_error_together(kind, slots):
    random.seed(slots)
    server = Server(down=(START, 1e6), refusal=REFUSALS[kind])
    ends = []

    async def main():
        loop = asyncio.get_running_loop()
        options = outliving(600.0, attempts=5)
        async with client(server, **options, limits=Limits(concurrency=slots)) as llm:

            async def work():
                try:
                    while True:
                        await llm.complete("hi")
                except APIError as error:
                    ends.append((loop.time(), error))

            await asyncio.gather(*(work() for _ in range(64)))

    run(main())

    times = [at for at, _ in ends]
    # The last probe may come after it, by a pause: of 8 s, or of what the server asked for.
    assert START + 600.0 <= min(times) <= max(times) <= START + 600.0 + 8.5
    assert max(times) - min(times) <= 16.0  # and not one probe's pause for each of the 64
    kinds = {error.kind for _, error in ends}
    assert len(kinds) == 1
    assert kinds <= {"refused", "dns", "connect", "502", "503", "429"}
    assert all(error.outage >= 600.0 for _, error in ends)


@pytest.mark.parametrize(("asked", "at"), [(150.0, 450.0), (300.0, 300.0), (3600.0, 0.0)])
def test_a_long_retry_after_is_waited_for_where_it_fits_into_the_rest_of_the_outage(asked, at):
    server = Server(down=(0.0, 1e6), refusal=refusal("429", status_code=429, retry_after=asked))

    async def main():
        loop = asyncio.get_running_loop()
        async with client(server, **outliving(600.0)) as llm:
            asking = (llm.complete(str(number)) for number in range(20))
            errors = await asyncio.gather(*asking, return_exceptions=True)
            # Calls in the queue are told at once, and not when the pause is over.
            assert loop.time() == pytest.approx(at, abs=2.0)
            return errors

    errors = run(main())
    assert {type(error) for error in errors} == {RateLimitError}
    assert all(error.outage == pytest.approx(at, abs=2.0) for error in errors)


def test_calls_that_come_late_into_an_outage_have_only_its_rest():
    server = Server(down=(0.0, 1e6))

    async def main():
        loop = asyncio.get_running_loop()
        async with client(server, **outliving(600.0)) as llm:
            early = asyncio.create_task(llm.complete("hi"))
            await asyncio.sleep(500.0)
            with pytest.raises(APIConnectionError) as caught:
                await llm.complete("hi")
            assert 600.0 <= loop.time() <= 608.0
            assert caught.value.outage >= 600.0
            await asyncio.gather(early, return_exceptions=True)

    run(main())


class Picky(Server):
    """Refuses one of the prompts for ever and takes the others."""

    async def open(self, method, url, headers, body, **options):
        if b"poison" in body:
            now = asyncio.get_running_loop().time()
            self.refused.append(now)
            await asyncio.sleep(0.01)
            raise self.refusal()
        return await super().open(method, url, headers, body, **options)


async def with_poison(llm, *, after=0.0):
    """The error of the poisoned call among seven workers, and when it came."""
    loop = asyncio.get_running_loop()
    others = asyncio.create_task(load(llm, until=2000.0, workers=7))
    await asyncio.sleep(after)
    with pytest.raises(APIError) as caught:
        await llm.complete("poison")
    at = loop.time()
    others.cancel()
    await asyncio.gather(others, return_exceptions=True)
    return caught.value, at - after


@pytest.mark.parametrize("answer", [(0.05, 0.15), (10.0, 30.0)])
def test_a_502_of_one_prompt_alone_spends_attempts_and_is_no_outage(answer):
    server = Picky(down=(1e6, 1e6), refusal=REFUSALS["502"], answer=answer)

    async def main():
        async with client(server, **outliving(600.0)) as llm:
            error, after = await with_poison(llm, after=1.0)
            assert error.outage is None
            assert after < 60.0 + 8.0 * 3  # one answer says that the server is there
            return error

    assert run(main()).kind == "502"


def test_a_429_that_one_call_alone_meets_is_bounded_by_max_outage_and_no_outage():
    server = Picky(down=(1e6, 1e6), refusal=REFUSALS["429"])

    async def main():
        async with client(server, **outliving(100.0)) as llm:
            error, after = await with_poison(llm)
            assert 100.0 <= after <= 110.0
            return error

    error = run(main())
    assert type(error) is RateLimitError
    assert error.outage is None


def test_what_dies_with_the_server_spends_one_attempt_and_not_the_budget_of_all():
    random.seed(1)
    server = Server(down=(START, START + 60.0), answer=(1.0, 2.0))

    async def main():
        limits = Limits(concurrency=200)
        async with client(server, **outliving(600.0), limits=limits) as llm:
            return await load(llm, until=START + 60.0 + AFTER, workers=200)

    assert set(run(main())) == {"yes"}


def test_the_next_outage_has_a_time_of_its_own():
    random.seed(1)

    class Twice(Server):
        async def open(self, *request, **options):
            now = asyncio.get_running_loop().time()
            self.down = (START, START + 60.0) if now < START + 70.0 else (90.0, 150.0)
            return await super().open(*request, **options)

    server = Twice(down=(START, START + 60.0), loses=False)

    async def main():
        async with client(server, **outliving(70.0)) as llm:
            return await load(llm, until=165.0)

    assert set(run(main())) == {"yes"}
    assert any(90.0 < at < 150.0 for at in server.refused)
