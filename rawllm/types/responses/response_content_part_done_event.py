"""`openai.types.responses.response_content_part_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseContentPartDoneEvent as ResponseContentPartDoneEvent,
)

__all__ = [
    "ResponseContentPartDoneEvent",
]
