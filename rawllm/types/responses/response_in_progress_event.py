"""`openai.types.responses.response_in_progress_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import ResponseInProgressEvent as ResponseInProgressEvent

__all__ = [
    "ResponseInProgressEvent",
]
