"""Many calls at once: what the issue "Core" promises under "Done when"."""

import asyncio
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import rawllm
from rawllm import Client, Limits, Timeout
from rawllm.hooks import EndpointPaused
from rawllm.testing import FakeServer, Reply


async def ask(llm, number, *, stream):
    if stream:
        async with llm.stream(str(number)) as streamed:
            return (await streamed.result()).text
    return (await llm.complete(str(number))).text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thousand_gathered_calls_keep_to_fifty_slots_and_connections(stream):
    async with FakeServer(record=False) as server:
        server.default = Reply(first_delay=0.005)
        async with Client(server.url, model="m", limits=Limits(concurrency=50)) as llm:
            before = asyncio.all_tasks()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                texts = await asyncio.gather(*(ask(llm, i, stream=stream) for i in range(1000)))
            assert asyncio.all_tasks() == before
        assert texts == [f"echo: {i}" for i in range(1000)]
        assert server.attempts == 1000
        assert server.max_in_flight == 50
        assert server.connections <= 50
        await server.wait_for(lambda: server.open_connections == 0)
        assert not [str(warning.message) for warning in caught]


CHILD = """
import asyncio, gc, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
from rawllm import Client

async def main():
    async with Client(sys.argv[1], model="m") as llm:
        answers = await asyncio.gather(*(llm.complete(str(i)) for i in range(1500)))
    print([a.text for a in answers] == [f"echo: {{i}}" for i in range(1500)])
    print(len(asyncio.all_tasks()), sum(a.timing.attempts for a in answers))

asyncio.run(main())
gc.collect()
"""


@pytest.mark.skipif(os.name == "nt", reason="no open-file limit to set")
@pytest.mark.parametrize(("limit", "slots"), [(1024, 256), (128, 64)])
def test_1500_calls_with_default_limits_fit_into_the_open_file_limit(limit, slots):
    with FakeServer(record=False) as server:
        server.default = Reply(first_delay=0.02)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", CHILD.format(limit=limit), server.url],
            cwd=Path(rawllm.__file__).parent.parent,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not done.stderr  # a failure, a warning, an unclosed socket, a task left behind
        assert done.stdout.split() == ["True", "1", "1500"]
        assert server.max_in_flight <= slots
        assert server.connections <= slots
        server.wait(lambda: server.open_connections == 0)


async def test_the_rate_holds_in_the_servers_own_count_and_grants_are_in_order(server):
    limits = Limits(requests_per_minute=600, concurrency=50)
    async with Client(server.url, model="m", limits=limits) as llm:
        started = time.monotonic()  # the server's clock
        await asyncio.gather(*(llm.complete(str(i)) for i in range(25)))
    for count, request in enumerate(server.requests, start=1):
        # Burst: one second's worth.
        assert count <= 10 + 10 * (request.arrived - started)
    prompts = [int(request.prompts[0]) for request in server.requests]
    assert sorted(prompts[:10]) == list(range(10))  # these went at once, by ten connections
    assert prompts[10:] == list(range(10, 25))


async def test_one_slot_is_granted_in_the_order_of_arrival(server):
    async with Client(server.url, model="m", limits=Limits(concurrency=1)) as llm:
        await asyncio.gather(*(llm.complete(str(i)) for i in range(100)))
    assert [int(request.prompts[0]) for request in server.requests] == list(range(100))
    assert server.connections == 1


async def test_tokens_are_estimated_settled_and_hold_calls_back(server):
    server.default = Reply(
        usage={"prompt_tokens": 50, "completion_tokens": 50, "total_tokens": 100}
    )
    limits = Limits(tokens_per_minute=60_000, concurrency=1)  # 1,000 a second, as many at once
    async with Client(server.url, model="m", limits=limits) as llm:
        started = time.monotonic()
        await asyncio.gather(*(llm.complete("x", max_tokens=50) for _ in range(16)))
    for number, request in enumerate(server.requests):
        # Those before it took 100 as the server counts, it is itself estimated at 50 and more.
        assert number * 100 + 50 <= 1000 + 1000 * (request.arrived - started)


async def test_a_429_pauses_all_who_wait_once(server):
    server.handler = lambda request: Reply(
        status=429 if request.index < 5 else 200,
        headers={"retry-after-ms": "200"} if request.index < 5 else {},
    )
    events = []
    async with Client(
        server.url, model="m", limits=Limits(concurrency=5), hooks=events.append
    ) as llm:
        answers = await asyncio.gather(*(llm.complete(str(i)) for i in range(30)))
    assert [answer.text for answer in answers] == [f"echo: {i}" for i in range(30)]
    assert server.attempts == 35
    assert server.requests[5].arrived - server.requests[0].arrived >= 0.2
    assert sum(isinstance(event, EndpointPaused) for event in events) == 1


async def test_64_workers_lose_no_call_to_a_server_that_is_away_for_a_while(server):
    """On real sockets, and shorter than `python -m benchmarks.outage`."""
    answered = 0
    limits = Limits(concurrency=64)
    async with Client(
        server.url, model="m", limits=limits, timeout=Timeout(total=30), max_retries=2
    ) as llm:

        async def work():
            nonlocal answered
            while not over.is_set():
                await llm.complete("x")  # an error would come out here
                answered += 1

        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(64):
                group.create_task(work())
            while answered < 200:
                await asyncio.sleep(0)
            server.refuse()
            await asyncio.sleep(1.5)
            before = answered
            server.accept()
            while answered < before + 500:
                await asyncio.sleep(0.01)
            over.set()


async def test_auto_finds_what_a_server_bears(server):
    """On real sockets; what it is worth: `python -m benchmarks.auto`."""

    def busy(request):
        refuses = server.in_flight > 8
        return Reply(status=429) if refuses else Reply(first_delay=0.005)

    server.handler = busy
    async with Client(server.url, model="m", limits=Limits(concurrency="auto")) as llm:
        answers = await asyncio.gather(*(llm.complete(str(i)) for i in range(500)))
        limiter = llm._endpoint.limiter()
        assert (limiter.in_flight, limiter.waiting) == (0, 0)
    assert [answer.text for answer in answers] == [f"echo: {i}" for i in range(500)]
    assert server.attempts <= 520
    assert server.max_in_flight <= 12


async def test_a_cancelled_crowd_leaves_nothing_behind(server):
    server.default = Reply(first_delay=60)
    async with Client(server.url, model="m", limits=Limits(concurrency=10)) as llm:
        before = asyncio.all_tasks()
        tasks = [asyncio.create_task(llm.complete("x")) for _ in range(100)]
        await server.wait_for(lambda: server.in_flight == 10)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asyncio.all_tasks() == before
        await server.wait_for(lambda: server.aborted == 10)
        server.default = Reply()
        assert (await llm.complete("next")).text == "echo: next"
    assert server.attempts == 11
