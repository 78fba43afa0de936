"""`openai.types.responses.response_output_item_added_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseOutputItemAddedEvent as ResponseOutputItemAddedEvent,
)

__all__ = [
    "ResponseOutputItemAddedEvent",
]
