"""`openai.types.responses.response_reasoning_summary_part_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseReasoningSummaryPartDoneEvent as ResponseReasoningSummaryPartDoneEvent,
)

__all__ = [
    "ResponseReasoningSummaryPartDoneEvent",
]
