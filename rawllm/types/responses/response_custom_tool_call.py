"""`openai.types.responses.response_custom_tool_call`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_items import ResponseCustomToolCall as ResponseCustomToolCall

__all__ = [
    "ResponseCustomToolCall",
]
