import re
import subprocess
import sys

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")

import aiohttp
from integrations.serving import serving

from rawllm import Client
from rawllm.integrations.fastapi import gateway


async def get(url, path, **options):
    async with aiohttp.ClientSession() as session, session.get(url + path, **options) as response:
        return response.status, response.headers, await response.text()


@pytest.fixture
async def url(server):
    async with serving(gateway(Client(server.url))) as address:
        yield address


async def test_it_answers_that_it_is_there_without_asking_upstream(server, url):
    server.refuse()
    assert (await get(url, "/healthz"))[::2] == (200, '{"status":"ok"}')


async def test_the_models_are_those_of_the_server_behind(url):
    status, _, body = await get(url, "/v1/models")
    assert status == 200
    assert '"id":"fake"' in body


async def test_the_page_is_served_and_may_load_nothing_from_elsewhere(url):
    status, headers, body = await get(url, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body.lstrip().lower().startswith("<!doctype html>")
    # Its own policy names hashes; one in a header that allowed more would allow nothing more.
    assert headers["content-security-policy"] == "frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-cache"
    policy = re.search('<meta http-equiv="Content-Security-Policy" content="([^"]*)">', body)[1]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_no_page_of_fastapis_loads_scripts_from_elsewhere(url):
    assert [(await get(url, path))[0] for path in ("/docs", "/redoc")] == [404, 404]
    assert (await get(url, "/openapi.json"))[0] == 200


async def test_metrics_are_those_of_the_calls(server):
    pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    from rawllm.integrations.prometheus import PrometheusHooks

    hooks = PrometheusHooks()
    body = {"model": "scraped", "messages": [{"role": "user", "content": "hi there"}]}
    async with serving(gateway(Client(server.url, hooks=hooks), api_key="k")) as url:
        headers = {"authorization": "Bearer k"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for stream in (True, False):
                asking = session.post(f"{url}/v1/chat/completions", json={**body, "stream": stream})
                async with asking as response:
                    await response.read()
        assert (await get(url, "/metrics"))[0] == 401
        status, got, text = await get(url, "/metrics", headers=headers)
    assert (status, got["content-type"].partition(";")[0]) == (200, "text/plain")
    lines = [line for line in text.splitlines() if 'model="scraped"' in line]
    tokens = [line for line in lines if line.startswith("rawllm_tokens_total")]
    assert sorted(line.rpartition(" ")[2] for line in tokens) == ["4.0", "6.0"]  # of both


def test_without_fastapi_the_import_says_what_to_install():
    code = (
        "import sys; sys.modules['fastapi'] = None\n"
        "try: import rawllm.integrations.fastapi\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'rawllm[fastapi]'" in done.stdout
