"""`openai.types.responses.response_reasoning_text_delta_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseReasoningTextDeltaEvent as ResponseReasoningTextDeltaEvent,
)

__all__ = [
    "ResponseReasoningTextDeltaEvent",
]
