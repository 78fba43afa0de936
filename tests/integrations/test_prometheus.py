import asyncio
import importlib
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

import rawllm
from rawllm import Client, ConfigurationError, Limits, Retry
from rawllm.testing import Reply

pytest.importorskip("prometheus_client", reason="needs prometheus-client")

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from rawllm.integrations import prometheus
from rawllm.integrations.prometheus import PrometheusHooks, render

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"


class Seen:
    def __init__(self, server):
        self.registry = CollectorRegistry()
        self.hooks = PrometheusHooks(self.registry)
        self._server = server.url.split("/")[2]

    def __call__(self, name, *, operation="chat", model="m", **labels):
        labels |= {"server": self._server, "operation": operation, "model": model}
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def seen(server):
    return Seen(server)


@pytest.fixture
async def llm(server, seen):
    async with Client(server.url, model="m", hooks=seen.hooks, retry=Retry(base=0)) as client:
        yield client


async def everything(server, llm):
    """A call of each kind of which metrics tell."""
    async with llm.stream("a b c d") as stream:
        await stream.result()
    server.fail(429, headers={"retry-after-ms": "1"})
    await llm.complete("x")
    server.fail(400)
    with pytest.raises(rawllm.BadRequestError):
        await llm.complete("x")
    return stream


async def test_a_stream_is_counted_and_timed(seen, llm):
    async with llm.stream("a b c d") as stream:
        assert seen("rawllm_calls_in_flight") == 1
        await stream.result()
    timing = stream.timing
    assert seen("rawllm_calls_in_flight") == 0
    assert seen("rawllm_calls_total", outcome="ok") == 1
    assert seen("rawllm_answers_total", finish_reason="stop") == 1
    assert seen("rawllm_tokens_total", type="input") == 4
    assert seen("rawllm_tokens_total", type="output") == 5
    assert seen("rawllm_call_seconds_sum") == timing.total
    assert seen("rawllm_queue_seconds_sum") == timing.queued
    assert seen("rawllm_first_token_seconds_sum") == timing.first_token
    rest = timing.total - timing.queued - timing.first_token
    assert seen("rawllm_token_seconds_sum") == pytest.approx(rest / 4)


async def test_a_whole_answer_has_no_first_token(seen, llm):
    await llm.complete("x")
    assert seen("rawllm_calls_total", outcome="ok") == 1
    assert seen("rawllm_first_token_seconds_count") is None
    assert seen("rawllm_token_seconds_count") is None


async def test_retries_pauses_and_failures_are_counted_by_error(server, seen, llm):
    await everything(server, llm)
    assert seen("rawllm_failed_attempts_total", error="RateLimitError") == 1
    assert seen("rawllm_failed_attempts_total", error="BadRequestError") == 1
    assert seen("rawllm_retries_total", error="RateLimitError") == 1
    assert seen("rawllm_pauses_total", error="RateLimitError") == 1
    assert 0 < seen("rawllm_paused_seconds_total", error="RateLimitError") < 1
    assert seen("rawllm_calls_total", outcome="ok") == 2
    assert seen("rawllm_calls_total", outcome="BadRequestError") == 1
    assert seen("rawllm_call_seconds_count") == 3
    assert seen("rawllm_calls_in_flight") == 0


async def test_calls_that_wait_are_in_flight_and_cancelled_ones_are_not(server, seen):
    server.default = Reply(first_delay=60)
    limits = Limits(concurrency=1)
    async with Client(server.url, model="m", hooks=seen.hooks, limits=limits) as llm:
        calls = [asyncio.create_task(llm.complete("x")) for _ in range(3)]
        await server.wait_for(lambda: server.in_flight)
        assert seen("rawllm_calls_in_flight") == 3
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert seen("rawllm_calls_in_flight") == 0
    assert seen("rawllm_calls_total", outcome="CancelledError") == 3


async def test_an_embedding_has_no_output_tokens(seen, llm):
    await llm.embed(["a b"])
    assert seen("rawllm_calls_total", operation="embeddings", outcome="ok") == 1
    assert seen("rawllm_tokens_total", operation="embeddings", type="input") > 0
    assert seen("rawllm_tokens_total", operation="embeddings", type="output") is None


async def test_a_finish_reason_of_the_servers_own_is_other(server, seen, llm):
    server.reply("x", finish_reason="tired of it")
    await llm.complete("x")
    assert seen("rawllm_answers_total", finish_reason="other") == 1


async def test_models_beyond_a_hundred_share_their_series(seen, llm):
    for n in range(prometheus.MODELS + 2):
        await llm.with_options(model=f"model-{n}").complete("x")
    assert seen("rawllm_calls_total", outcome="ok", model="other") == 2
    await llm.with_options(model="model-0").complete("x")
    assert seen("rawllm_calls_total", outcome="ok", model="model-0") == 2
    assert seen("rawllm_calls_in_flight", model="other") == 0


async def test_one_serves_many_clients_and_a_second_one_is_refused(server, seen, llm):
    async with Client(server.url, model="m", hooks=seen.hooks) as other:
        await asyncio.gather(llm.complete("x"), other.complete("x"))
    assert seen("rawllm_calls_total", outcome="ok") == 2
    with pytest.raises(ConfigurationError, match="one PrometheusHooks to all"):
        PrometheusHooks(seen.registry)


async def test_a_scrape_over_http_brings_what_render_gives(server, seen, llm):
    await everything(server, llm)
    web, thread = start_http_server(0, "127.0.0.1", registry=seen.registry)
    try:
        answer = await asyncio.to_thread(urlopen, f"http://127.0.0.1:{web.server_port}/metrics")
        with answer:
            scraped, content_type = answer.read(), answer.headers["Content-Type"]
    finally:
        await asyncio.to_thread(web.shutdown)
        web.server_close()
        thread.join()
    body, ours = render(seen.registry)
    assert (scraped, content_type) == (body, ours)
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["rawllm_calls"].type == "counter"
    assert families["rawllm_call_seconds"].type == "histogram"
    bounds = [
        float(sample.labels["le"])
        for sample in families["rawllm_call_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert bounds == pytest.approx([*prometheus.CALL, float("inf")])
    assert 600 < prometheus.CALL[-1] < 700


async def test_openmetrics_is_given_to_who_accepts_it(server, seen, llm):
    await llm.complete("x")
    body, content_type = render(seen.registry, accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_the_registry_of_prometheus_client_is_the_default():
    code = "from rawllm.integrations.prometheus import PrometheusHooks, render; PrometheusHooks(); "
    code += "assert b'# TYPE rawllm_calls_in_flight gauge' in render()[0]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_with_many_processes_a_scrape_sums_them(fake_server, tmp_path, monkeypatch):
    code = f"""
from rawllm import SyncClient
from rawllm.integrations.prometheus import PrometheusHooks
with SyncClient({fake_server.url!r}, model="m", hooks=PrometheusHooks()) as llm:
    llm.complete("x")
"""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], check=True)
    text = render()[0].decode()
    [calls] = re.findall(r"^rawllm_calls_total.*$", text, re.M)
    assert calls.endswith(" 2.0")
    [in_flight] = re.findall(r"^rawllm_calls_in_flight.*$", text, re.M)
    assert "pid" not in in_flight


async def test_neither_prompt_nor_answer_nor_key_is_shown(server, seen):
    server.reply("secret answer")
    server.fail(400, body={"error": {"message": "sk-zebra secret"}})
    url = f"{server.url}?api-key=sk-zebra"
    async with Client(url, model="m", api_key="sk-zebra", hooks=seen.hooks) as llm:
        await llm.complete("secret prompt")
        with pytest.raises(rawllm.BadRequestError):
            await llm.complete("secret prompt")
    body, _ = render(seen.registry)
    assert b"BadRequestError" in body
    assert b"secret" not in body
    assert b"zebra" not in body


async def test_the_page_names_every_metric_and_its_rules_name_no_other(server, seen, llm):
    await everything(server, llm)
    families = text_string_to_metric_families(render(seen.registry)[0].decode())
    samples = [sample for family in families for sample in family.samples]
    given = {sample.name for sample in samples if not sample.name.endswith("_created")}
    page = PAGE.read_text("utf-8")
    names = {re.sub("_(bucket|sum|count)$", "", name) for name in given}
    assert set(re.findall(r"^\| `(rawllm_\w+)`", page, re.M)) == names
    [rules] = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    used = set(re.findall(r"rawllm_\w+", rules))
    assert used
    assert used <= given
    labels = {label for sample in samples for label in sample.labels}
    assert set(re.findall(r"[{,] *(\w+)(?:=~|!~|!=|=)\"", rules)) <= labels
    for group in re.findall(r"by \(([^)]+)\)", rules):
        assert set(group.split(", ")) <= labels
    errors = set(re.findall(r"\b[A-Z][A-Za-z]+(?:Error|Timeout|Closed)\b", rules))
    assert errors - {"CancelledError", "StreamClosed"} <= set(rawllm.__all__)


def test_every_error_of_a_call_is_in_a_rule():
    rules = PAGE.read_text("utf-8").partition("```yaml\n")[2]
    patterns = re.findall(r'(?:outcome|error)=~?"([^"]+)"', rules)
    bases = {"APIError", "APITimeoutError"}  # which are never raised themselves
    errors = [
        name
        for name, found in vars(rawllm.errors).items()
        if isinstance(found, type) and issubclass(found, rawllm.APIError) and name not in bases
    ]
    missing = [
        name for name in errors if not any(re.fullmatch(pattern, name) for pattern in patterns)
    ]
    assert len(errors) > 15
    assert not missing


def test_without_prometheus_client_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "rawllm.integrations.prometheus")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rawllm\[prometheus\]'") as caught:
        importlib.import_module("rawllm.integrations.prometheus")
    assert caught.value.name == "prometheus_client"
