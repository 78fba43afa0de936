import asyncio

import pytest

import rawllm
from rawllm import Client, Completion


@pytest.fixture
async def completions(server):
    async with Client(server.url, model="m", max_retries=0) as llm:
        yield llm.completions


@pytest.mark.parametrize("prompt", ["a b", ["a b"], ["a b", "c"], [1, 2], [[1, 2], [3]]])
@pytest.mark.parametrize("n", [1, 2])
async def test_whole_and_streamed_are_the_same(server, completions, prompt, n):
    whole = await completions.create(prompt=prompt, n=n, echo=False)
    stream = await completions.create(prompt=prompt, n=n, stream=True)
    pieces = [chunk async for chunk in stream]
    assert type(whole) is type(stream.completion) is Completion
    assert all(type(chunk) is Completion for chunk in pieces)
    assert [c.to_dict() for c in stream.completion.choices] == [c.to_dict() for c in whole.choices]
    assert whole.text == whole.choices[0].text
    assert "".join(c.choices[0].text for c in pieces if c.choices[0].index == 0) == whole.text
    assert server.requests[0].path == "/v1/completions"
    assert server.requests[0].json == {"model": "m", "prompt": prompt, "n": n, "echo": False}
    assert server.requests[1].json == {"model": "m", "prompt": prompt, "n": n, "stream": True}
    assert whole.timing.attempts == stream.completion.timing.attempts == 1
    assert stream.completion._request_id == "req-1"


def text(index, finish=None):
    return {"choices": [{"index": index, "text": "x", "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("prompt", "n", "expected"),
    [("p", 1, 1), (["p"], 1, 1), (["p", "q"], 1, 2), ([1, 2, 3], 1, 1), ([[1], [2]], 2, 4)],
)
async def test_as_many_choices_are_expected_as_prompts_times_n(
    server, completions, prompt, n, expected
):
    finished = [text(index, "stop") for index in range(expected)]
    server.stream([*finished, 0.02], end="reset")
    stream = await completions.create(prompt=prompt, n=n, stream=True)
    assert len((await stream.result()).choices) == expected
    server.stream([*finished[:-1], text(expected - 1), 0.02], end="reset")
    stream = await completions.create(prompt=prompt, n=n, stream=True)
    with pytest.raises(rawllm.IncompleteStreamError):
        await stream.result()
    if expected > 1:
        server.stream([*finished[:-1], 0.02], end="reset")
        stream = await completions.create(prompt=prompt, n=n, stream=True)
        with pytest.raises(rawllm.IncompleteStreamError):
            await stream.result()


async def test_a_usage_chunk_that_was_asked_for_is_given_out(server, completions):
    stream = await completions.create(
        prompt="a b", stream=True, stream_options={"include_usage": True}
    )
    async with asyncio.timeout(5):
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert stream.completion.usage == chunks[-1].usage
    assert stream.completion.usage.prompt_tokens == 2


async def test_what_a_call_adds_goes_with_it(server, completions):
    await completions.create(
        prompt="x",
        suffix=None,
        extra_headers={"X-A": "1"},
        extra_query={"q": 1},
        extra_body={"b": 2},
    )
    [request] = server.requests
    assert (request.headers["x-a"], request.query) == ("1", "q=1")
    assert request.json == {"model": "m", "prompt": "x", "suffix": None, "b": 2}
