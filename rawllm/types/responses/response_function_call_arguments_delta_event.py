"""`openai.types.responses.response_function_call_arguments_delta_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseFunctionCallArgumentsDeltaEvent as ResponseFunctionCallArgumentsDeltaEvent,
)

__all__ = [
    "ResponseFunctionCallArgumentsDeltaEvent",
]
