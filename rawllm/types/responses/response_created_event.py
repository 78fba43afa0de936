"""`openai.types.responses.response_created_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseCreatedEvent as ResponseCreatedEvent

__all__ = [
    "ResponseCreatedEvent",
]
