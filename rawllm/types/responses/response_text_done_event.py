"""`openai.types.responses.response_text_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseTextDoneEvent as ResponseTextDoneEvent

__all__ = [
    "ResponseTextDoneEvent",
]
