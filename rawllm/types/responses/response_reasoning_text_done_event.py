"""`openai.types.responses.response_reasoning_text_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseReasoningTextDoneEvent as ResponseReasoningTextDoneEvent,
)

__all__ = [
    "ResponseReasoningTextDoneEvent",
]
