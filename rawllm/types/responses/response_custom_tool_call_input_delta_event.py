"""`openai.types.responses.response_custom_tool_call_input_delta_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseCustomToolCallInputDeltaEvent as ResponseCustomToolCallInputDeltaEvent,
)

__all__ = [
    "ResponseCustomToolCallInputDeltaEvent",
]
