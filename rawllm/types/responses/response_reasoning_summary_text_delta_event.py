"""`openai.types.responses.response_reasoning_summary_text_delta_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseReasoningSummaryTextDeltaEvent as ResponseReasoningSummaryTextDeltaEvent,
)

__all__ = [
    "ResponseReasoningSummaryTextDeltaEvent",
]
