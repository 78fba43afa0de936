"""`openai.types.responses.response_output_item_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseOutputItemDoneEvent as ResponseOutputItemDoneEvent,
)

__all__ = [
    "ResponseOutputItemDoneEvent",
]
