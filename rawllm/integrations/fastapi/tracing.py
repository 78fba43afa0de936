"""The trace that a caller's request belongs to, for the spans that begin while it is answered.

Begins no span. Without opentelemetry-api it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers

try:
    from opentelemetry import context, propagate, trace
except ModuleNotFoundError:
    installed = False
else:
    installed = True

__all__ = ["callers_trace"]


@contextmanager
def callers_trace(headers: Headers) -> Iterator[None]:
    """Spans begun in here are children of the caller's, as its `traceparent` says, unless there is
    a span already: FastAPI's, or that of an instrumentation."""
    if (
        not installed
        or "traceparent" not in headers
        or trace.get_current_span().get_span_context().is_valid
    ):
        yield
        return
    token = context.attach(propagate.extract(headers))
    try:
        yield
    finally:
        context.detach(token)
