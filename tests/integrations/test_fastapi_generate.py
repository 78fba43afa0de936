import asyncio
import json

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")

from fastapi import FastAPI
from integrations.serving import Caller, serving

from rawllm import Client
from rawllm.integrations.fastapi import generate_router, lifespan


def application(server, **options):
    app = FastAPI(lifespan=lifespan(Client(server.url, model="default", max_retries=0)))
    app.include_router(generate_router(**options))
    return app


async def generate(url, body):
    status, _, answer = await (await Caller.post(url, "/generate", body)).answer()
    return status, json.loads(answer)


async def test_a_prompt_in_and_text_usage_and_id_out(server):
    async with serving(application(server)) as url:
        status, answer = await generate(url, {"prompt": "hi there"})
    assert status == 200
    assert answer == {
        "id": "chatcmpl-0",
        "text": "echo: hi there",
        "model": "default",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
    }


async def test_an_answer_without_usage(server):
    server.reply("x", usage=False)
    async with serving(application(server)) as url:
        assert (await generate(url, {"prompt": "x"}))[1]["usage"] is None


async def test_model_system_and_other_arguments_go_upstream(server):
    async with serving(application(server)) as url:
        await generate(
            url,
            {"prompt": "x", "model": "m", "system": "s", "max_tokens": 5, "timeout": {"a": 1}},
        )
    assert server.requests[0].json == {
        "model": "m",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "x"}],
        "max_tokens": 5,
        "timeout": {"a": 1},
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"",
        {},
        {"prompt": ""},
        {"prompt": " \n"},
        {"prompt": 5},
        {"prompt": None},
        {"prompt": "x", "model": 5},
        {"prompt": "x", "stream": True},
        {"prompt": "x", "messages": []},
        b'{"prompt": "", "temperature": NaN}',
        b'{"prompt": "\\ud800"}',
    ],
)
async def test_a_body_that_does_not_fit_is_422(server, body):
    async with serving(application(server)) as url:
        status, answer = await generate(url, body)
    assert status == 422
    assert answer["detail"]
    assert all(set(found) == {"type", "loc", "msg"} for found in answer["detail"])
    assert server.attempts == 0


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_on_complete_is_told_of_request_and_answer_when_that_has_been_sent(
    server, asynchronous
):
    told = []
    release = asyncio.Event()

    async def later(request, completion):
        await release.wait()
        told.append((request.prompt, completion.text))

    def at_once(request, completion):
        told.append((request.prompt, completion.text))

    on_complete = later if asynchronous else at_once
    async with serving(application(server, on_complete=on_complete)) as url:
        assert (await generate(url, {"prompt": "x"}))[0] == 200  # nobody waits for it
        release.set()
        await server.wait_for(lambda: told == [("x", "echo: x")])


async def test_on_complete_is_not_told_of_what_failed(server):
    told = []
    server.fail(400)
    async with serving(application(server, on_complete=lambda *both: told.append(both))) as url:
        assert (await generate(url, {"prompt": "x"}))[0] == 400
    assert told == []


async def test_the_apps_schema_describes_the_body(server):
    schema = application(server).openapi()
    assert "/generate" in schema["paths"]
    assert schema["components"]["schemas"]["GenerateRequest"]["required"] == ["prompt"]
