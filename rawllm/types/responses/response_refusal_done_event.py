"""`openai.types.responses.response_refusal_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseRefusalDoneEvent as ResponseRefusalDoneEvent

__all__ = [
    "ResponseRefusalDoneEvent",
]
