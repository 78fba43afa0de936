"""`openai.types.responses.response_incomplete_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseIncompleteEvent as ResponseIncompleteEvent

__all__ = [
    "ResponseIncompleteEvent",
]
