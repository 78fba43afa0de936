"""OpenAI's API as others speak it: what goes on, what comes back, and three real clients."""

import asyncio
import json
import shutil

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")

from integrations.serving import Caller, events, serving

from rawllm import Client, Limits
from rawllm.integrations.fastapi import gateway
from rawllm.testing import Reply

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi there"}]
CHAT = {"model": "m", "messages": MESSAGES}


@pytest.fixture
async def url(server):
    async with serving(gateway(Client(server.url, model="default", max_retries=0))) as address:
        yield address


async def post(url, body, path=PATH, **headers):
    return await (await Caller.post(url, path, body, **headers)).answer()


# ── a request goes on as it came ──────────────────────────────────────────────────────────────


async def test_all_of_the_body_reaches_the_server(server, url):
    body = {
        **CHAT,
        "n": 1,
        "top_k": 3,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": [1.5]}}}],
        "metadata": {"x": None, "é": "\U0001f600"},
    }
    assert (await post(url, body))[0] == 200
    assert server.requests[0].json == body


@pytest.mark.parametrize(
    "name", ["timeout", "extra_headers", "extra_query", "extra_body", "strict", "system"]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_field_named_like_an_argument_of_ours_is_a_field(server, url, name, stream):
    await post(url, {**CHAT, "stream": stream, name: {"authorization": "x"}})
    assert server.requests[0].json[name] == {"authorization": "x"}
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(("body", "model"), [({}, "default"), ({"model": "other"}, "other")])
async def test_a_request_without_a_model_gets_the_clients(server, url, body, model):
    await post(url, {"messages": MESSAGES, **body})
    assert server.requests[0].json["model"] == model


async def test_who_names_no_model_where_there_are_several_is_told_but_not_where(server):
    server.models = ["a", "b"]
    async with serving(gateway(Client(server.url))) as url:
        status, _, body = await post(url, {"messages": MESSAGES})
    assert status == 400
    assert b"no model was given, and the upstream server lists 2" in body
    assert str(server.port).encode() not in body


async def test_usage_is_asked_for_and_kept_from_who_did_not(server):
    limits = Limits(tokens_per_minute=1e6)
    client = Client(server.url, limits=limits)
    async with serving(gateway(client)) as url:
        _, _, body = await post(url, {**CHAT, "stream": True})
    assert server.requests[0].json["stream_options"] == {"include_usage": True}
    assert not [event for event in events(body)[:-1] if event.get("usage")]


async def test_usage_reaches_who_asked_for_it(server, url):
    asked = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    _, _, body = await post(url, asked)
    assert events(body)[-2]["usage"]["total_tokens"] == 5
    assert server.requests[0].json == asked


async def test_a_whole_answers_json_comes_byte_for_byte(server, url):
    answer = b'{"choices" : [{"index":0,"message":{"content":"\\u00e9"}}], "mine":1e2}\n'
    server.reply(body=answer)
    status, headers, body = await post(url, CHAT)
    assert (status, body) == (200, answer)
    assert headers["content-type"] == "application/json"


async def test_a_200_that_is_no_answer_is_502(server, url):
    server.reply(body="<html>")
    assert (await post(url, CHAT))[0] == 502


async def test_two_choices_are_both_waited_for(server, url):
    one = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}
    server.stream([{"choices": [one]}, 0.01], end="close")
    _, _, body = await post(url, {**CHAT, "n": 2, "stream": True})
    assert "error" in events(body)[-1]


async def test_embeddings_and_models(server, url):
    status, _, body = await post(url, {"input": ["a", "b"], "model": "e"}, "/v1/embeddings")
    assert status == 200
    assert len(json.loads(body)["data"]) == 2
    assert server.requests[0].json == {"input": ["a", "b"], "model": "e"}


# ── what cannot go on ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        (PATH, b"{", "no JSON object"),
        (PATH, b"\xff", "no JSON object"),
        (PATH, b"[]", "no JSON object"),
        (PATH, b'{"messages": [], "x": NaN}', "no JSON object"),
        (PATH, b"[" * 100_000, "no JSON object"),
        (PATH, {}, "messages"),
        (PATH, {"messages": []}, "messages"),
        (PATH, {"messages": "hi"}, "messages"),
        (PATH, {**CHAT, "stream": "yes"}, "stream"),
        (PATH, {**CHAT, "n": 0}, "n="),
        ("/v1/embeddings", {}, "input"),
        ("/v1/embeddings", {"input": 5}, "input"),
        ("/v1/embeddings", {"input": []}, "input"),
    ],
)
async def test_a_body_that_is_no_request_is_400_and_says_why(server, url, path, body, says):
    status, _, answer = await post(url, body, path)
    assert status == 400
    assert says in json.loads(answer)["error"]["message"]
    assert server.attempts == 0


# ── real clients ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def openai(url):
    sdk = pytest.importorskip("openai")
    async with sdk.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-caller", max_retries=0) as client:
        yield client


async def test_openais_client_whole_and_streamed(server, openai):
    answer = await openai.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "echo: hi there"
    assert answer._request_id == "req-0"
    stream = await openai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(pieces) == "echo: hi there"
    assert len(pieces) > 3
    assert "authorization" not in server.requests[0].headers


async def test_openais_client_lists_models_and_embeds(openai):
    assert [model.id async for model in openai.models.list()] == ["fake"]
    vectors = await openai.embeddings.create(model="e", input=["a", "b"])  # base64, unasked
    assert len(vectors.data) == 2
    assert isinstance(vectors.data[0].embedding[0], float)


async def test_openais_client_meets_the_errors_it_knows(server, openai):
    sdk = pytest.importorskip("openai")
    server.fail(429, headers={"retry-after": "2"})
    with pytest.raises(sdk.RateLimitError) as refused:
        await openai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert refused.value.response.headers["retry-after"] == "2"
    assert refused.value.request_id is not None


async def test_openais_client_sees_a_stream_break_off(server, openai):
    sdk = pytest.importorskip("openai")
    server.stream(["one", 0.01], end="reset")
    stream = await openai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    with pytest.raises(sdk.APIError, match="broke off"):
        async for _ in stream:
            pass


async def test_openais_client_that_closes_a_stream_ends_it_upstream(server, openai):
    server.default = Reply("one two", delay=3600.0)
    stream = await openai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    await anext(stream)
    await stream.close()
    await server.wait_for(lambda: server.aborted == 1)


async def test_langchain_openais_model_whole_and_streamed(server, url):
    langchain_openai = pytest.importorskip("langchain_openai")
    model = langchain_openai.ChatOpenAI(
        model="m", base_url=f"{url}/v1", api_key="sk-caller", max_retries=0, stream_usage=True
    )
    message = await model.ainvoke("hi there")
    assert (message.content, message.usage_metadata["total_tokens"]) == ("echo: hi there", 5)
    pieces = [piece async for piece in model.astream("hi there")]
    assert "".join(piece.content for piece in pieces) == "echo: hi there"
    used = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert [usage["total_tokens"] for usage in used] == [5]
    await model.root_async_client.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("stream", [True, False])
async def test_curl_whole_and_streamed(server, url, stream):
    body = json.dumps({**CHAT, "stream": stream})
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "-N", "--fail", "--noproxy", "*", f"{url}{PATH}"),
        *("-H", "Content-Type: application/json", "-d", body),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    if stream:
        assert events(out)[-1] == "[DONE]"
    else:
        assert json.loads(out)["choices"][0]["message"]["content"] == "echo: hi there"


async def test_rawllm_itself(server, url):
    async with Client(f"{url}/v1") as llm:
        assert (await llm.complete("hi there", model="m")).text == "echo: hi there"
        async with llm.stream("hi there", model="m") as stream:
            await stream.result()
        assert stream.completion.text == "echo: hi there"
        assert stream.completion.usage.total_tokens == 5
        assert [model.id for model in (await llm.models.list()).data] == ["fake"]
        assert len((await llm.embed(["a", "b"], model="e")).vectors) == 2
