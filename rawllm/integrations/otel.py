"""OpenTelemetry: `OTelHooks`, a span a call, a span a request, and the GenAI metrics.

Needs opentelemetry-api (`pip install 'rawllm[otel]'`) and sets up no SDK and no exporter. Records
no prompt and no answer unless it is asked to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

try:
    from opentelemetry import metrics, propagate, trace
    from opentelemetry.context import Context
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "rawllm.integrations.otel needs opentelemetry-api: pip install 'rawllm[otel]'",
        name="opentelemetry",
    ) from error

from .._version import __version__
from ..hooks import (
    AttemptFailed,
    CallFailed,
    CallFinished,
    CallStarted,
    EndpointPaused,
    Event,
    FirstToken,
    Retrying,
)
from .observed import place_of, seconds_a_token
from .otel_content import asked_for, input_messages, output_messages

__all__ = ["OTelHooks"]

# The names are written out: the package of constants that OpenTelemetry has marks its GenAI ones
# as deprecated since they moved to a repository of their own.

#: Both as the semantic conventions for generative AI give them.
SECONDS = [0.01 * 2**n for n in range(14)]
TOKENS = [4**n for n in range(14)]

#: Ways for a call to end that are no fault.
LEFT = {"CancelledError", "StreamClosed"}


class _Call:
    """One call under way. context: in which its requests' spans are made. attributes: those of its
    metrics. request: the span of the request that was sent last."""

    __slots__ = ("attributes", "context", "endpoint", "request", "span")

    def __init__(self, span: trace.Span, endpoint: str, attributes: dict[str, Any]) -> None:
        self.span = span
        # Not the caller's context: its baggage may hold what the server must not see.
        self.context = trace.set_span_in_context(span, Context())
        self.endpoint = endpoint
        self.attributes = attributes
        self.request: trace.Span | None = None


class OTelHooks:
    """Traces and metrics of calls: `Client(…, hooks=OTelHooks())`. One may serve many clients.

    provider: str, `gen_ai.provider.name`: whose server it is.
    tracer_provider, meter_provider: opentelemetry's; None for the global ones.
    record_content: bool, prompts and answers on the spans; None: as the environment's
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, which is "no" by default.

    Calls that no model works for (`models.list`) leave no trace.
    """

    def __init__(
        self,
        *,
        provider: str = "openai",
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        record_content: bool | None = None,
    ) -> None:
        if record_content is None:
            record_content = asked_for(os.environ)
        #: What calls show the content to: without it they show nothing.
        self.content: Callable[[int, bytes | None, Any], None] | None = (
            self._content if record_content else None
        )
        self._provider = provider
        self._calls: dict[int, _Call] = {}
        self._tracer = trace.get_tracer("rawllm", __version__, tracer_provider)
        meter = metrics.get_meter("rawllm", __version__, meter_provider)

        def histogram(name: str, unit: str, description: str, buckets: list[Any]) -> Any:
            return meter.create_histogram(
                name, unit, description, explicit_bucket_boundaries_advisory=buckets
            )

        operation = "gen_ai.client.operation"
        self._duration = histogram(f"{operation}.duration", "s", "From asking to the end", SECONDS)
        self._first = histogram(
            f"{operation}.time_to_first_chunk", "s", "From sending to a stream's output", SECONDS
        )
        self._each = histogram(
            f"{operation}.time_per_output_chunk", "s", "Mean of a stream, per token", SECONDS
        )
        self._tokens = histogram(
            "gen_ai.client.token.usage", "{token}", "As the server counted them", TOKENS
        )
        self._queued = histogram(
            "rawllm.client.queue.duration", "s", "From asking to the last sending", SECONDS
        )
        self._active = meter.create_up_down_counter(
            "rawllm.client.active_calls", "{call}", "Waiting, or under way"
        )
        self._retries = meter.create_counter(
            "rawllm.client.retries", "{retry}", "Requests that were sent again"
        )
        self._pauses = meter.create_counter(
            "rawllm.client.pauses", "{pause}", "Times that a server was left alone for a while"
        )

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallStarted):
            self._started(event)
            return
        call = self._calls.get(event.call_id)
        if call is None:
            return
        match event:
            case FirstToken():
                call.span.set_attribute("gen_ai.response.time_to_first_chunk", event.seconds)
                self._first.record(event.seconds, call.attributes)
            case AttemptFailed():
                _end(call.request, event.status_code, _error_type(event))
                call.request = None
            case Retrying():
                self._retries.add(1, {**call.attributes, "error.type": event.error})
            case EndpointPaused():
                told: dict[str, Any] = {"error.type": event.error, "rawllm.pause": event.seconds}
                call.span.add_event("rawllm.endpoint_paused", told)
                self._pauses.add(1, {**call.attributes, "error.type": event.error})
            case CallFinished():
                self._finished(event, call)
            case CallFailed():
                self._failed(event, call)

    def attempt_headers(self, call_id: int, attempt: int) -> Mapping[str, str]:
        """The trace context for the server, and the request's span begun."""
        call = self._calls.get(call_id)
        if call is None:
            return {}
        call.request = self._tracer.start_span(
            "POST",
            call.context,
            trace.SpanKind.CLIENT,
            {
                "http.request.method": "POST",
                "url.full": call.endpoint,
                "server.address": call.attributes["server.address"],
                "server.port": call.attributes["server.port"],
                **({"http.request.resend_count": attempt - 1} if attempt > 1 else {}),
            },
        )
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(call.request, call.context))
        return headers

    def _content(self, call_id: int, request: bytes | None, answer: Any) -> None:
        call = self._calls.get(call_id)
        if call is None or not call.span.is_recording():
            return
        told = {
            "gen_ai.input.messages": input_messages(request),
            "gen_ai.output.messages": output_messages(answer),
        }
        call.span.set_attributes({name: text for name, text in told.items() if text is not None})

    def _started(self, event: CallStarted) -> None:
        operation, host, port = place_of(event.endpoint)
        if operation == "other":
            return
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._provider,
            "server.address": host,
            "server.port": port,
        }
        name = operation
        if event.model is not None:
            attributes["gen_ai.request.model"] = event.model
            name = f"{operation} {event.model}"
        span = self._tracer.start_span(
            name,
            kind=trace.SpanKind.CLIENT,
            attributes={**attributes, "gen_ai.request.stream": event.stream},
        )
        self._calls[event.call_id] = _Call(span, event.endpoint, attributes)
        self._active.add(1, attributes)

    def _finished(self, event: CallFinished, call: _Call) -> None:
        _end(call.request, event.status_code)
        told: dict[str, Any] = {"rawllm.queued": event.queued}
        if event.finish_reason is not None:
            told["gen_ai.response.finish_reasons"] = [event.finish_reason]
        if event.request_id is not None:
            told["rawllm.request_id"] = event.request_id
        for kind, tokens in (("input", event.prompt_tokens), ("output", event.completion_tokens)):
            if tokens:  # 0: an embedding's output, or not counted
                told[f"gen_ai.usage.{kind}_tokens"] = tokens
                self._tokens.record(tokens, {**call.attributes, "gen_ai.token.type": kind})
        if event.cached_tokens is not None:
            told["gen_ai.usage.cache_read.input_tokens"] = event.cached_tokens
        if event.reasoning_tokens is not None:
            told["gen_ai.usage.reasoning.output_tokens"] = event.reasoning_tokens
        each = seconds_a_token(event)
        if each is not None:
            self._each.record(each, call.attributes)
        self._queued.record(event.queued, call.attributes)
        call.span.set_attributes(told)
        self._ended(event, call, None)

    def _failed(self, event: CallFailed, call: _Call) -> None:
        error = _error_type(event)
        _end(call.request, event.status_code, error)
        self._ended(event, call, error)

    def _ended(self, event: CallFinished | CallFailed, call: _Call, error: str | None) -> None:
        attributes = call.attributes
        del self._calls[event.call_id]
        self._active.add(-1, attributes)
        self._duration.record(
            event.total, attributes if error is None else {**attributes, "error.type": error}
        )
        call.span.set_attribute("rawllm.attempts", event.attempts)
        _end(call.span, None, error)


def _error_type(event: AttemptFailed | CallFailed) -> str:
    """A status where that is the fault, or else the class: few values, as the conventions ask."""
    status = event.status_code
    return str(status) if status is not None and status >= 300 else event.error


def _end(span: trace.Span | None, status: int | None, error: str | None = None) -> None:
    if span is None:
        return
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if error is not None:
        span.set_attribute("error.type", error)
        if error not in LEFT:
            span.set_status(trace.StatusCode.ERROR)
    span.end()
