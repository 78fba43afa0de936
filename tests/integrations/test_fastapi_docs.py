"""The apps of docs/fastapi.md, under a real uvicorn."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")

from integrations.serving import Caller, events, serving

from rawllm.integrations.fastapi.refusals import told
from rawllm.sansio.failures import from_status

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fastapi.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE, re.M | re.S))


def app_of(heading, server):
    module = type(importlib.util)("service")  # FastAPI looks its annotations up there
    code = BLOCKS[heading].replace("http://localhost:8000/v1", server.url)
    exec(compile(code, heading, "exec"), module.__dict__)
    return module.app


async def post(url, path, body, **headers):
    return await (await Caller.post(url, path, body, **headers)).answer()


async def test_the_service_answers_and_logs(server, capsys):
    async with serving(app_of("A service", server)) as url:
        status, _, body = await post(url, "/generate", {"prompt": "hi there"})
        assert (status, json.loads(body)["text"]) == (200, "echo: hi there")
    assert capsys.readouterr().out == "'hi there': 5 tokens\n"
    assert server.requests[0].json["model"] == "qwen3-8b"


async def test_the_limits_hold(server):
    async with serving(app_of("How much is taken", server)) as url:
        chat = {"messages": [{"role": "user", "content": "x"}]}
        assert (await post(url, "/v1/chat/completions", chat))[0] == 401
        key = {"authorization": "Bearer sk-for-callers"}
        assert (await post(url, "/v1/chat/completions", chat, **key))[0] == 200
        large = {"messages": [{"role": "user", "content": "x" * 1_000_000}]}
        assert (await post(url, "/v1/chat/completions", large, **key))[0] == 413


async def test_own_endpoints_answer_and_stream(server):
    async with serving(app_of("Endpoints of your own", server)) as url:
        _, _, body = await post(url, "/title", {"topic": "rain"})
        assert json.loads(body) == {"title": "echo: A title for rain"}
        status, _, body = await post(url, "/haiku", {"topic": "rain"})
        assert (status, events(body)[-1]) == (200, "[DONE]")
        server.fail(422)
        assert (await post(url, "/haiku", {"topic": "rain"}))[0] == 422


def test_the_table_of_errors_is_the_codes():
    table = PAGE.partition("| upstream | caller |")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    assert len(rows) == 5
    for upstream, caller in rows:
        for status in map(int, re.findall(r"\b\d{3}\b", upstream)):
            answer = told(from_status(status, {}, {"error": {"message": "x"}}, now_epoch=0.0))
            assert answer.status == (status if caller.startswith("the same") else int(caller[:3]))
