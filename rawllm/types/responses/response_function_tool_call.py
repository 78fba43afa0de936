"""`openai.types.responses.response_function_tool_call`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_items import ResponseFunctionToolCall as ResponseFunctionToolCall

__all__ = [
    "ResponseFunctionToolCall",
]
