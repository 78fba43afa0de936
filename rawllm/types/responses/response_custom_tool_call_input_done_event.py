"""`openai.types.responses.response_custom_tool_call_input_done_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseCustomToolCallInputDoneEvent as ResponseCustomToolCallInputDoneEvent,
)

__all__ = [
    "ResponseCustomToolCallInputDoneEvent",
]
