"""`openai.types.responses.response_content_part_added_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseContentPartAddedEvent as ResponseContentPartAddedEvent,
)

__all__ = [
    "ResponseContentPartAddedEvent",
]
