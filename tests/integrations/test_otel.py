import asyncio
import importlib
import json
import subprocess
import sys

import pytest

import rawllm
from rawllm import Client, Limits, Retry, SyncClient, Timeout
from rawllm.testing import Reply, Stream

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")

from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from rawllm.integrations import otel
from rawllm.integrations.otel import OTelHooks

WORDS = "a b c d"


class Seen:
    """Hooks with a real SDK behind them, and what it has exported."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.traces = TracerProvider()
        self.traces.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])
        self.hooks = OTelHooks(tracer_provider=self.traces, meter_provider=self.meters)

    @property
    def calls(self):
        return [span for span in self.spans if not span.name.startswith("POST")]

    @property
    def requests(self):
        return [span for span in self.spans if span.name.startswith("POST")]

    @property
    def spans(self):
        return self._exporter.get_finished_spans()

    def metrics(self):
        """Name → (unit, data points)."""
        data = self._reader.get_metrics_data()
        return {
            metric.name: (metric.unit, list(metric.data.data_points))
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def seen():
    found = Seen()
    yield found
    found.meters.shutdown()
    found.traces.shutdown()


@pytest.fixture
async def llm(server, seen):
    async with Client(server.url, model="m", hooks=seen.hooks, retry=Retry(base=0)) as client:
        yield client


def traceparent(span):
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"


async def test_a_call_is_a_span_with_genai_names(server, seen, llm):
    await llm.complete(WORDS)
    [span] = seen.calls
    assert (span.name, span.kind) == ("chat m", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    told = dict(span.attributes)
    assert told.pop("rawllm.queued") >= 0
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": False,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.output_tokens": 5,
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2].partition("/")[0]),
        "rawllm.attempts": 1,
        "rawllm.request_id": "req-0",
    }


async def test_cached_and_reasoning_tokens_are_told_apart_where_the_server_does(server, seen, llm):
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    server.reply("x", usage=usage)
    await llm.complete("x")
    found = seen.calls[0].attributes
    assert found["gen_ai.usage.input_tokens"] == 9
    assert found["gen_ai.usage.cache_read.input_tokens"] == 4
    assert found["gen_ai.usage.reasoning.output_tokens"] == 5


async def test_a_stream_tells_when_its_first_chunk_came(server, seen, llm):
    async with llm.stream(WORDS) as stream:
        await stream.result()
        assert seen.calls[0].attributes["gen_ai.request.stream"] is True
    first = seen.calls[0].attributes["gen_ai.response.time_to_first_chunk"]
    assert first == stream.timing.first_token


OPERATIONS = {
    "embeddings m": lambda llm: llm.embed(["x"]),
    "text_completion m": lambda llm: llm.completions.create(prompt="x"),
}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_other_operations_have_their_names(seen, llm, name):
    await OPERATIONS[name](llm)
    assert [span.name for span in seen.calls] == [name]


async def test_what_no_model_works_for_leaves_no_trace(server, seen, llm):
    await llm.models.list()
    assert not seen.spans
    assert "traceparent" not in server.requests[0].headers


async def test_each_attempt_is_a_child_and_its_traceparent_is_sent(server, seen, llm):
    server.fail(500)
    await llm.complete(WORDS)
    [call] = seen.calls
    failed, worked = seen.requests
    for number, (span, request) in enumerate(zip(seen.requests, server.requests, strict=True)):
        assert (span.name, span.kind) == ("POST", SpanKind.CLIENT)
        assert span.parent.span_id == call.context.span_id
        assert request.headers["traceparent"].startswith(traceparent(span))
        assert span.attributes["url.full"] == f"{server.url}/chat/completions"
        assert span.attributes.get("http.request.resend_count", 0) == number
    assert failed.attributes["http.response.status_code"] == 500
    assert (failed.attributes["error.type"], failed.status.status_code) == ("500", StatusCode.ERROR)
    assert worked.attributes["http.response.status_code"] == 200
    assert worked.status.status_code is call.status.status_code is StatusCode.UNSET
    assert call.attributes["rawllm.attempts"] == 2


async def test_a_call_is_a_child_of_its_callers_span_also_in_map(seen, llm):
    tracer = seen.traces.get_tracer("test")
    with tracer.start_as_current_span("job") as job:
        await llm.complete(WORDS)
        async for _ in llm.map(["x", "y"]):
            pass
    children = [span for span in seen.calls if span.name != "job"]
    assert [span.parent.span_id for span in children] == [job.context.span_id] * 3


def test_a_call_of_the_synchronous_client_too(fake_server, seen):
    tracer = seen.traces.get_tracer("test")
    with (
        SyncClient(fake_server.url, model="m", hooks=seen.hooks) as llm,
        tracer.start_as_current_span("job") as job,
    ):
        llm.complete(WORDS)
    assert seen.calls[0].parent.span_id == job.context.span_id


async def test_baggage_is_not_sent(server, seen, llm):
    token = context.attach(baggage.set_baggage("user", "zebra"))
    try:
        await llm.complete(WORDS)
    finally:
        context.detach(token)
    assert "zebra" not in repr(server.requests[0].headers)
    assert "traceparent" in server.requests[0].headers


async def test_a_call_beside_one_with_hooks_sends_no_traceparent(server, seen, llm):
    await llm.complete(WORDS)
    await llm.with_options(hooks=()).complete(WORDS)
    assert [("traceparent" in request.headers) for request in server.requests] == [True, False]


FAULTS = {
    "a refusal": (Reply(status=401), "401", 401),
    "a cut stream": (Stream(["a"], end="eof"), "IncompleteStreamError", 200),
    "silence": (Stream(["a"], end="hang"), "IdleTimeout", None),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_failed_call_has_an_error_type_of_few_values(server, seen, llm, caplog, name):
    answer, error, status = FAULTS[name]
    server.handler = lambda request: answer
    with pytest.raises(rawllm.APIError):
        await (await llm.stream("x", timeout=Timeout(idle=0.05))).result()
    [call], [request] = seen.calls, seen.requests
    for span in (call, request):
        assert span.attributes["error.type"] == error
        assert span.status.status_code is StatusCode.ERROR
    assert request.attributes.get("http.response.status_code") == status
    assert "ended span" not in caplog.text  # as the SDK says where one is ended twice
    [point] = seen.metrics()["gen_ai.client.operation.duration"][1]
    assert point.attributes["error.type"] == error


async def test_leaving_a_stream_ends_both_spans_and_is_no_error(server, seen, llm):
    async with llm.stream(WORDS) as stream:
        await anext(stream)
    [call], [request] = seen.calls, seen.requests
    for span in (call, request):
        assert span.attributes["error.type"] == "StreamClosed"
        assert span.status.status_code is StatusCode.UNSET


async def test_a_call_cancelled_in_the_queue_has_a_span_and_no_request(server, seen):
    server.default = Reply(first_delay=60)
    async with Client(server.url, model="m", hooks=seen.hooks, limits=Limits(concurrency=1)) as llm:
        calls = [asyncio.create_task(llm.complete("x")) for _ in range(2)]
        await server.wait_for(lambda: server.in_flight)
        for call in reversed(calls):
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert [span.attributes["rawllm.attempts"] for span in seen.calls] == [0, 1]
    assert len(seen.requests) == 1
    assert not seen.hooks._calls


async def test_a_pause_is_an_event_and_a_count(server, seen, llm):
    server.fail(429, headers={"retry-after-ms": "1"})
    await llm.complete(WORDS)
    [event] = seen.calls[0].events
    assert event.name == "rawllm.endpoint_paused"
    assert event.attributes["error.type"] == "RateLimitError"
    assert 0 < event.attributes["rawllm.pause"] < 1
    found = seen.metrics()
    for name in ("rawllm.client.pauses", "rawllm.client.retries"):
        [point] = found[name][1]
        assert (point.value, point.attributes["error.type"]) == (1, "RateLimitError")


UNITS = {
    "gen_ai.client.operation.duration": "s",
    "gen_ai.client.operation.time_to_first_chunk": "s",
    "gen_ai.client.operation.time_per_output_chunk": "s",
    "gen_ai.client.token.usage": "{token}",
    "rawllm.client.queue.duration": "s",
}


async def test_the_histograms_have_their_units_and_buckets(seen, llm):
    async with llm.stream(WORDS) as stream:
        await stream.result()
    found = seen.metrics()
    for name, unit in UNITS.items():
        assert found[name][0] == unit
        for point in found[name][1]:
            buckets = otel.TOKENS if unit == "{token}" else otel.SECONDS
            assert list(point.explicit_bounds) == buckets
            assert point.count == 1
            assert point.attributes["gen_ai.operation.name"] == "chat"
            assert point.attributes["gen_ai.provider.name"] == "openai"
            assert point.attributes["gen_ai.request.model"] == "m"
    tokens = {
        p.attributes["gen_ai.token.type"]: p.sum for p in found["gen_ai.client.token.usage"][1]
    }
    assert tokens == {"input": 4, "output": 5}
    [total] = found["gen_ai.client.operation.duration"][1]
    assert total.sum == stream.timing.total
    assert (otel.SECONDS[0], round(otel.SECONDS[-1], 2)) == (0.01, 81.92)
    assert otel.TOKENS[-1] == 67_108_864


async def test_active_calls_go_up_and_down(server, seen, llm):
    async with llm.stream(WORDS) as stream:
        assert [p.value for p in seen.metrics()["rawllm.client.active_calls"][1]] == [1]
        await stream.result()
    server.fail(400)
    with pytest.raises(rawllm.BadRequestError):
        await llm.complete("x")
    assert [p.value for p in seen.metrics()["rawllm.client.active_calls"][1]] == [0]


async def test_neither_prompt_nor_answer_nor_key_is_recorded(server, seen):
    server.fail(500, body={"error": {"message": "sk-zebra secret"}})
    server.reply("secret answer")
    server.fail(400, body={"error": {"message": "sk-zebra secret"}})
    async with Client(
        f"{server.url}?api-key=sk-zebra", model="m", api_key="sk-zebra", hooks=seen.hooks,
        retry=Retry(base=0),
    ) as llm:  # fmt: skip
        await llm.complete("secret prompt")
        with pytest.raises(rawllm.BadRequestError):
            await llm.complete("secret prompt")
    told = "".join(span.to_json() for span in seen.spans) + repr(seen.metrics())
    assert len(seen.requests) == 3
    assert "secret" not in told
    assert "zebra" not in told


VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def content_of(span):
    """The texts of all messages on the span: (asked, answered), None where it has none."""
    found = []
    for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
        messages = json.loads(span.attributes.get(name, "null"))
        found.append(messages and [part["content"] for m in messages for part in m["parts"]])
    return tuple(found)


@pytest.mark.parametrize("value", [None, "", "false", "NO_CONTENT", "EVENT_ONLY"])
async def test_content_is_not_even_handed_over_unless_asked_for(server, seen, monkeypatch, value):
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    hooks = OTelHooks(tracer_provider=seen.traces, meter_provider=seen.meters)
    assert hooks.content is None
    server.reply("secret answer")
    server.stream(["secret", " answer"], end="eof")
    async with Client(server.url, model="m", hooks=hooks, max_retries=0) as llm:
        await llm.complete("secret prompt", system="secret system")
        with pytest.raises(rawllm.IncompleteStreamError):
            await (await llm.stream("secret prompt")).result()
    assert len(seen.calls) == 2
    assert "secret" not in "".join(span.to_json() for span in seen.spans) + repr(seen.metrics())


async def test_content_is_on_the_spans_of_calls_where_it_is_asked_for(server, seen, monkeypatch):
    server.reply("whole")
    server.stream(["in ", "pieces"])
    server.fail(400)
    server.stream(["half"], end="eof")
    traces, meters = seen.traces, seen.meters
    asked = OTelHooks(record_content=True, tracer_provider=traces, meter_provider=meters)
    async with Client(server.url, model="m", hooks=asked, max_retries=0) as llm:
        await llm.complete("one", system="be")
        await (await llm.stream("two")).result()
        with pytest.raises(rawllm.BadRequestError):
            await llm.complete("three")
        with pytest.raises(rawllm.IncompleteStreamError):
            await (await llm.stream("four")).result()
        await llm.embed(["five"])
    assert [content_of(span) for span in seen.calls] == [
        (["be", "one"], ["whole"]),
        (["two"], ["in pieces"]),
        (["three"], None),
        (["four"], ["half"]),
        (None, None),
    ]
    assert [content_of(span) for span in seen.requests] == [(None, None)] * 5
    assert "pieces" not in repr(seen.metrics())


@pytest.mark.parametrize(
    ("value", "given", "recorded"), [("true", None, True), ("true", False, False)]
)
async def test_the_environment_asks_and_the_argument_has_the_last_word(
    server, seen, monkeypatch, value, given, recorded
):
    monkeypatch.setenv(VARIABLE, value)
    traces, meters = seen.traces, seen.meters
    hooks = OTelHooks(record_content=given, tracer_provider=traces, meter_provider=meters)
    async with Client(server.url, model="m", hooks=hooks) as llm:
        await llm.complete("one")
    assert content_of(seen.calls[0])[0] == (["one"] if recorded else None)


async def test_another_provider_can_be_named(server, seen):
    hooks = OTelHooks(provider="vllm", tracer_provider=seen.traces, meter_provider=seen.meters)
    async with Client(server.url, model="m", hooks=hooks) as llm:
        await llm.complete(WORDS)
    assert seen.calls[0].attributes["gen_ai.provider.name"] == "vllm"


async def test_without_an_sdk_nothing_is_sent_and_all_works(server):
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    async with Client(server.url, model="m", hooks=OTelHooks()) as llm:
        assert (await llm.complete(WORDS)).text
    assert "traceparent" not in server.requests[0].headers


def test_without_opentelemetry_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "rawllm.integrations.otel")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rawllm\[otel\]'") as caught:
        importlib.import_module("rawllm.integrations.otel")
    assert caught.value.name == "opentelemetry"


def test_the_sdk_is_not_needed():
    code = "import sys, rawllm.integrations.otel; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
