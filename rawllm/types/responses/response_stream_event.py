"""`openai.types.responses.response_stream_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseStreamEvent as ResponseStreamEvent

__all__ = [
    "ResponseStreamEvent",
]
