"""The caller's trace through the gateway, where FastAPI itself begins no span."""

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")
pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")

from integrations.serving import Caller, serving
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.datastructures import Headers

from rawllm import Client
from rawllm.integrations.fastapi import gateway
from rawllm.integrations.fastapi.tracing import callers_trace
from rawllm.integrations.otel import OTelHooks

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"}


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("given", [GIVEN, {}])
async def test_a_calls_span_is_a_child_of_the_callers(server, spans, provider, stream, given):
    hooks = OTelHooks(tracer_provider=provider)
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    async with serving(gateway(Client(server.url, hooks=hooks))) as url:
        await (await Caller.post(url, "/v1/chat/completions", body, **given)).answer()
    request, call = spans.get_finished_spans()
    sent = server.requests[0].headers
    assert call.name == "chat m"
    assert sent["traceparent"].split("-")[1:3] == [
        f"{call.context.trace_id:032x}",
        f"{request.context.span_id:016x}",
    ]
    if given:
        assert f"{call.parent.trace_id:032x}-{call.parent.span_id:016x}" == f"{TRACE}-{SPAN}"
    else:
        assert call.parent is None
    assert sent.get("tracestate") == given.get("tracestate")


def test_a_span_that_is_there_stays_the_parent(provider):
    beginning = provider.get_tracer("t").start_as_current_span("server's")
    with beginning as span, callers_trace(Headers(GIVEN)):
        assert trace.get_current_span() is span


def test_the_callers_trace_is_gone_after_its_request():
    before = context.get_current()
    with callers_trace(Headers(GIVEN)):
        assert f"{trace.get_current_span().get_span_context().span_id:016x}" == SPAN
    assert context.get_current() == before
