"""`openai.types.responses.response_reasoning_summary_part_added_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseReasoningSummaryPartAddedEvent as ResponseReasoningSummaryPartAddedEvent,
)

__all__ = [
    "ResponseReasoningSummaryPartAddedEvent",
]
