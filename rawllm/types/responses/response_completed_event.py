"""`openai.types.responses.response_completed_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseCompletedEvent as ResponseCompletedEvent

__all__ = [
    "ResponseCompletedEvent",
]
