"""`openai.types.responses.response_text_delta_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseTextDeltaEvent as ResponseTextDeltaEvent

__all__ = [
    "ResponseTextDeltaEvent",
]
