"""`openai.types.responses.response_function_call_arguments_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseFunctionCallArgumentsDoneEvent as ResponseFunctionCallArgumentsDoneEvent,
)

__all__ = [
    "ResponseFunctionCallArgumentsDoneEvent",
]
