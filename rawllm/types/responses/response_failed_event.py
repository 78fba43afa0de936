"""`openai.types.responses.response_failed_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseFailedEvent as ResponseFailedEvent

__all__ = [
    "ResponseFailedEvent",
]
