"""`openai.types.responses.response_error_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseErrorEvent as ResponseErrorEvent

__all__ = [
    "ResponseErrorEvent",
]
