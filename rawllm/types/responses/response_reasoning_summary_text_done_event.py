"""`openai.types.responses.response_reasoning_summary_text_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseReasoningSummaryTextDoneEvent as ResponseReasoningSummaryTextDoneEvent,
)

__all__ = [
    "ResponseReasoningSummaryTextDoneEvent",
]
