"""`openai.types.responses.response_refusal_delta_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseRefusalDeltaEvent as ResponseRefusalDeltaEvent

__all__ = [
    "ResponseRefusalDeltaEvent",
]
