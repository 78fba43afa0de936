"""Many calls in memory: what is pulled when, in which order it comes back, how it ends."""

import asyncio
from itertools import count

import pytest
import pytest_asyncio

from rawllm import Client, ConfigurationError, Item, RateLimitError, RawLLMError
from rawllm.mapping import map_calls
from rawllm.sansio.types import ChatCompletion, ChatCompletionMessage, Choice
from rawllm.testing import Reply


def answer(text):
    return ChatCompletion(choices=[Choice(message=ChatCompletionMessage(content=str(text)))])


async def at_once(value):
    return answer(value)


async def later(value):
    """The first ones take longest."""
    for _ in range(40 - 2 * value):
        await asyncio.sleep(0)
    return answer(value)


def mapped(inputs, call=at_once, concurrency=4, **options):
    return map_calls(inputs, call, concurrency=concurrency, most=1000, **options)


async def texts(items):
    return [item.completion.text async for item in items]


async def numbers(n):
    for i in range(n):
        yield i


@pytest.mark.parametrize("concurrency", [1, 3, 64])
@pytest.mark.parametrize("make", [range, numbers, lambda n: iter(range(n))])
async def test_every_input_has_its_result(make, concurrency):
    items = [item async for item in mapped(make(20), later, concurrency)]
    assert sorted(item.index for item in items) == list(range(20))
    assert all(item.ok and item.completion.text == str(item.index) for item in items)


async def test_results_come_as_they_come():
    assert await texts(mapped(range(3), later)) == ["2", "1", "0"]


@pytest.mark.parametrize("concurrency", [1, 2, 5, 64])
async def test_or_in_the_order_of_the_inputs(concurrency):
    got = await texts(mapped(range(20), later, concurrency, ordered=True))
    assert got == [str(i) for i in range(20)]


async def test_no_inputs_are_no_results():
    assert [item async for item in mapped([])] == []


async def test_a_pair_brings_its_key():
    items = [item async for item in mapped([("a", 1), ("b", 2)], ordered=True)]
    assert [(item.key, item.completion.text) for item in items] == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("ordered", [False, True])
async def test_an_endless_input_is_pulled_only_as_results_are_taken(ordered):
    pulled = 0

    def endless():
        nonlocal pulled
        for i in count():
            pulled += 1
            yield i

    taken = 0
    items = mapped(endless(), concurrency=4, ordered=ordered)
    async for _ in items:
        taken += 1
        for _ in range(20):
            await asyncio.sleep(0)  # a slow reader
        assert pulled <= taken + 2 * 4
        if taken == 100:
            break
    await items.aclose()


async def test_a_slow_first_one_holds_back_no_more_than_the_window():
    started = []
    gate = asyncio.Event()

    async def call(value):
        started.append(value)
        if value == 0:
            await gate.wait()
        return answer(value)

    items = mapped(range(1000), call, concurrency=4, ordered=True)
    first = asyncio.ensure_future(anext(items))
    for _ in range(500):
        await asyncio.sleep(0)
    assert len(started) == 2 * 4
    gate.set()
    assert (await first).index == 0
    await items.aclose()


async def test_no_more_than_the_concurrency_is_under_way():
    under_way = most = 0

    async def call(value):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return answer(value)

    await texts(mapped(range(100), call, concurrency=7))
    assert most == 7


async def failing(value):
    if value % 3 == 1:
        raise RawLLMError(f"no {value}")
    return answer(value)


async def test_an_error_is_in_its_item():
    items = [item async for item in mapped(range(5), failing, ordered=True)]
    assert [item.ok for item in items] == [True, False, True, True, False]
    assert str(items[1].error) == "no 1"
    assert items[1].completion is None
    assert items[1].attempts == 0


async def test_or_ends_everything():
    with pytest.raises(RawLLMError, match="no 1"):
        await texts(mapped(range(5), failing, ordered=True, on_error="raise"))
    assert len(asyncio.all_tasks()) == 1


async def test_a_bug_in_the_call_comes_out_in_any_case():
    async def call(value):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await texts(mapped(range(5), call))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_an_exception_of_the_inputs_comes_after_what_came_before_it(ordered, concurrency):
    def inputs():
        yield 0
        yield 1
        raise OSError("the file is gone")

    items = mapped(inputs(), later, concurrency, ordered=ordered)
    got = [(await anext(items)).index, (await anext(items)).index]
    assert sorted(got) == [0, 1]
    with pytest.raises(OSError, match="the file is gone"):
        await anext(items)


@pytest.mark.parametrize("make", ["sync", "async"])
async def test_leaving_the_loop_cancels_what_is_under_way_and_closes_the_inputs(make):
    closed, cancelled = [], []

    def inputs():
        try:
            yield from range(100)
        finally:
            closed.append("sync")

    async def async_inputs():
        try:
            for i in range(100):
                yield i
        finally:
            closed.append("async")

    async def call(value):
        if value == 0:
            return answer(value)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(value)
            raise

    items = mapped(inputs() if make == "sync" else async_inputs(), call)
    async for _ in items:
        await asyncio.sleep(0)
        break
    await items.aclose()
    assert closed == [make]
    assert cancelled == [1, 2, 3, 4] or cancelled == [1, 2, 3]
    assert len(asyncio.all_tasks()) == 1


async def test_a_cancelled_reader_leaves_nothing_behind():
    async def call(value):
        await asyncio.sleep(60)

    task = asyncio.create_task(texts(mapped(range(100), call)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"inputs": "one prompt"}, "type str"),
        ({"inputs": {"a": 1}}, "type dict"),
        ({"inputs": 7}, "type int"),
        ({"concurrency": 0}, "1 or more"),
        ({"concurrency": True}, "1 or more"),
        ({"on_error": "ignore"}, '"return" or "raise"'),
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once(arguments, said):
    with pytest.raises(ConfigurationError, match=said):
        mapped(**{"inputs": [], **arguments})


@pytest_asyncio.fixture
async def llm(server):
    async with Client(server.url, model="m") as client:
        yield client


async def test_the_client_maps_prompts_messages_and_requests(server, llm):
    inputs = [
        "one",
        [{"role": "user", "content": "two"}],
        {"prompt": "three", "max_tokens": 3},
        ("key", {"messages": [{"role": "user", "content": "four"}]}),
        "",
    ]
    items = [item async for item in llm.map(inputs, ordered=True, max_tokens=9, temperature=0)]
    assert [item.completion.text for item in items[:4]] == [
        "echo: one",
        "echo: two",
        "echo: three",
        "echo: four",
    ]
    assert items[3].key == "key"
    assert isinstance(items[4].error, ConfigurationError)
    assert sorted(request.json["max_tokens"] for request in server.requests) == [3, 9, 9, 9]
    assert all(item.attempts == 1 and item.timing.total > 0 for item in items[:4])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, "both prompt and mess"),
        ({"prompt": ""}, "the prompt is empty"),
        ({}, "not NoneType"),
    ],
)
async def test_a_request_without_its_one_prompt_is_an_error_of_its_own(llm, value, said):
    bad, good = [item async for item in llm.map([value, "two"], ordered=True)]
    assert isinstance(bad.error, ConfigurationError)
    assert said in str(bad.error)
    assert good.completion.text == "echo: two"


async def test_the_smaller_concurrency_wins(server, llm):
    server.default = Reply("x", first_delay=0.02)
    for concurrency, most in ((3, 3), (10_000, llm._endpoint.concurrency)):
        before = server.max_in_flight = 0
        items = [item async for item in llm.map(map(str, range(300)), concurrency=concurrency)]
        assert len(items) == 300
        assert before < server.max_in_flight <= most


async def test_errors_of_the_server_come_with_their_attempts(server, llm):
    server.fail(429, body={"error": {"message": "no", "code": "insufficient_quota"}})
    (item,) = [item async for item in llm.map(["x"])]
    assert isinstance(item, Item)
    assert isinstance(item.error, RateLimitError)
    assert item.attempts == 1
    assert item.timing is None


@pytest.mark.parametrize("ordered", [False, True])
async def test_no_call_is_begun_beyond_a_bound_that_changes(ordered):
    bound, under_way, most = 1, 0, []

    async def call(value):
        nonlocal bound, under_way
        under_way += 1
        most.append((under_way, bound))
        for _ in range(40):
            await asyncio.sleep(0)
        under_way -= 1
        bound = 5 if value < 40 else 2  # only an end can change it
        return answer(value)

    items = mapped(range(100), call, 50, bound=lambda: bound, ordered=ordered)
    assert len([item async for item in items]) == 100
    assert all(begun <= 5 for begun, _ in most)
    assert max(begun for begun, _ in most) == 5
    assert all(begun <= 2 for begun, now in most[60:])
    assert most[0] == (1, 1)


async def test_leaving_while_the_bound_holds_back_the_inputs_leaves_nothing_behind():
    async def call(value):
        await asyncio.sleep(60 if value else 0)
        return answer(value)

    items = mapped(range(9), call, bound=lambda: 1)
    async for _ in items:
        break
    await items.aclose()
    assert len(asyncio.all_tasks()) == 1


async def test_auto_begins_no_call_that_would_only_wait_its_time_away(server):
    waiting = []

    async def slow(request):
        waiting.append(client._endpoint.limiter().waiting)
        await asyncio.sleep(0.01)

    server.handler = slow
    async with Client(server.url, model="m") as client:
        items = client.map((f"{n}" for n in range(100)), concurrency="auto", timeout=30)
        assert all([item.ok async for item in items])
        assert client._endpoint.pace.level is not None
    assert waiting == [0] * 100
