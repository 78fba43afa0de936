import pytest

import rawllm
from rawllm import NOT_GIVEN, ChatCompletion, ChatCompletionChunk, ChatStream, Client


@pytest.fixture
async def completions(server):
    async with Client(server.url, model="m", max_retries=0) as llm:
        yield llm.chat.completions


MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("stream", "sent"), [(False, {"stream": False}), (None, {"stream": None}), (NOT_GIVEN, {})]
)
async def test_a_whole_answer_is_what_falsy_streams_ask_for(server, completions, stream, sent):
    answer = await completions.create(messages=MESSAGES, stream=stream)
    assert type(answer) is ChatCompletion
    assert answer.choices[0].message.content == answer.text == "echo: hi"
    assert server.requests[0].json == {"model": "m", "messages": MESSAGES, **sent}


async def test_a_stream_is_an_async_iterator_of_chunks(server, completions):
    stream = await completions.create(messages=MESSAGES, stream=True, top_k=5)
    assert type(stream) is ChatStream
    pieces = []
    async for chunk in stream:
        assert type(chunk) is ChatCompletionChunk
        pieces.append(chunk.choices[0].delta.content or "")
    assert "".join(pieces) == stream.completion.text == "echo: hi"
    assert server.requests[0].json == {
        "model": "m",
        "messages": MESSAGES,
        "stream": True,
        "top_k": 5,
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_call_adds_goes_with_that_call_only(server, completions, stream):
    options = {
        "extra_headers": {"X-A": "1"},
        "extra_query": {"q": "1"},
        "extra_body": {"b": 1, "top_k": 7},
    }
    for more in (options, {}):
        answer = await completions.create(messages=MESSAGES, stream=stream, top_k=5, **more)
        if stream:
            await answer.result()
    first, second = server.requests
    assert (first.headers["x-a"], first.query, first.json["b"], first.json["top_k"]) == (
        *("1", "q=1", 1),
        7,
    )
    assert ("x-a" in second.headers, second.query, second.json.get("b")) == (False, "", None)
    assert second.json["top_k"] == 5


async def test_both_spellings_of_reasoning_and_tool_calls_are_read(server, completions):
    server.reply(reasoning="hm hm", tool_calls=[{"name": "f", "arguments": {"a": 1}}])
    server.reply(reasoning="hm hm", tool_calls=[{"name": "f", "arguments": {"a": 1}}])
    whole = await completions.create(messages=MESSAGES)
    stream = await completions.create(messages=MESSAGES, stream=True)
    for answer in (whole, await stream.result()):
        message = answer.choices[0].message
        assert answer.reasoning == message.reasoning == message.reasoning_content == "hm hm"
        assert answer.text == ""
        assert answer.choices[0].finish_reason == "tool_calls"
        [call] = message.tool_calls
        assert (call.function.name, call.function.arguments) == ("f", '{"a":1}')


@pytest.mark.parametrize("stream", [False, True])
async def test_n_answers_come_back_in_their_places(server, completions, stream):
    server.reply("same")
    answer = await completions.create(messages=MESSAGES, n=3, stream=stream)
    if stream:
        answer = await answer.result()
    assert [(c.index, c.message.content) for c in answer.choices] == [(i, "same") for i in range(3)]


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
async def test_n_is_a_whole_number(server, completions, n):
    with pytest.raises(rawllm.ConfigurationError, match="n= takes a whole number"):
        await completions.create(messages=MESSAGES, n=n)
    assert not server.requests
