"""Prometheus: `PrometheusHooks` counts and times calls, `render` is what /metrics answers.

Needs prometheus-client (`pip install 'rawllm[prometheus]'`) and starts no server.
"""

from __future__ import annotations

import os

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.multiprocess import MultiProcessCollector
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "rawllm.integrations.prometheus needs prometheus-client: pip install 'rawllm[prometheus]'",
        name="prometheus_client",
    ) from error

from ..errors import ConfigurationError
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

__all__ = ["PrometheusHooks", "render"]

#: Seconds, 0.01 to 655: prometheus-client's own end at 10, and many an answer begins there.
CALL = [0.01 * 2**n for n in range(17)]
TOKEN = [0.001 * 2**n for n in range(13)]

LABELS = ("server", "operation", "model")

#: Models with series of their own. Behind a gateway the name is whatever somebody sent.
MODELS = 100

#: What a server may say is as good as free text.
REASONS = {"stop", "length", "tool_calls", "content_filter"}


class PrometheusHooks:
    """Metrics of calls: `Client(…, hooks=PrometheusHooks())`. One serves many clients.

    registry: prometheus_client's CollectorRegistry. A second PrometheusHooks in the same one is a
        ConfigurationError.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def histogram(name: str, what: str, buckets: list[float]) -> Histogram:
            return Histogram(name, what, LABELS, registry=registry, buckets=buckets)

        def counter(name: str, what: str, label: str) -> Counter:
            return Counter(name, what, (*LABELS, label), registry=registry)

        self._models: set[str] = set()
        try:
            self._calls = counter("rawllm_calls", "Calls that ended, by how.", "outcome")
        except ValueError:
            raise ConfigurationError(
                "this registry has rawllm's metrics already: give one PrometheusHooks to all "
                "clients, or each a registry of its own"
            ) from None
        self._answers = counter("rawllm_answers", "Whole answers.", "finish_reason")
        self._tokens = counter("rawllm_tokens", "Tokens as the servers counted them.", "type")
        self._attempts = counter("rawllm_failed_attempts", "Requests that failed.", "error")
        self._retries = counter("rawllm_retries", "Requests sent again, by why.", "error")
        self._pauses = counter("rawllm_pauses", "Times a server was left alone.", "error")
        self._paused = counter(
            "rawllm_paused_seconds", "For how long servers were left alone.", "error"
        )
        self._in_flight = Gauge(
            "rawllm_calls_in_flight",
            "Calls that wait or are under way.",
            LABELS,
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._duration = histogram("rawllm_call_seconds", "From asking to the end.", CALL)
        self._queued = histogram("rawllm_queue_seconds", "From asking to the last sending.", CALL)
        self._first = histogram(
            "rawllm_first_token_seconds", "From sending to a stream's first output.", CALL
        )
        self._each = histogram(
            "rawllm_token_seconds", "Between the tokens of a stream, its mean.", TOKEN
        )

    def __call__(self, event: Event) -> None:
        labels = self._labels(event)
        match event:
            case CallStarted():
                self._in_flight.labels(*labels).inc()
            case FirstToken():
                self._first.labels(*labels).observe(event.seconds)
            case AttemptFailed():
                self._attempts.labels(*labels, event.error).inc()
            case Retrying():
                self._retries.labels(*labels, event.error).inc()
            case EndpointPaused():
                self._pauses.labels(*labels, event.error).inc()
                self._paused.labels(*labels, event.error).inc(event.seconds)
            case CallFinished():
                self._ended(labels, event.total, "ok")
                self._finished(labels, event)
            case CallFailed():
                self._ended(labels, event.total, event.error)

    def _labels(self, event: Event) -> tuple[str, str, str]:
        operation, host, port = place_of(event.endpoint)
        model = event.model or ""
        if model not in self._models:
            if len(self._models) < MODELS:
                self._models.add(model)
            else:
                model = "other"
        return f"{host}:{port}", operation, model

    def _ended(self, labels: tuple[str, str, str], total: float, outcome: str) -> None:
        self._in_flight.labels(*labels).dec()
        self._calls.labels(*labels, outcome).inc()
        self._duration.labels(*labels).observe(total)

    def _finished(self, labels: tuple[str, str, str], event: CallFinished) -> None:
        self._queued.labels(*labels).observe(event.queued)
        if event.finish_reason is not None:
            reason = event.finish_reason if event.finish_reason in REASONS else "other"
            self._answers.labels(*labels, reason).inc()
        for kind, tokens in (("input", event.prompt_tokens), ("output", event.completion_tokens)):
            if tokens:
                self._tokens.labels(*labels, kind).inc(tokens)
        each = seconds_a_token(event)
        if each is not None:
            self._each.labels(*labels).observe(each)


def render(registry: CollectorRegistry = REGISTRY, *, accept: str = "") -> tuple[bytes, str]:
    """(body, content type) of an answer to a scrape, whose `Accept` header is `accept`.

    With PROMETHEUS_MULTIPROC_DIR in the environment, the sums of all processes that share it.
    """
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
