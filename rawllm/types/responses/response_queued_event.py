"""`openai.types.responses.response_queued_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseQueuedEvent as ResponseQueuedEvent

__all__ = [
    "ResponseQueuedEvent",
]
