"""`openai.types.chat.parsed_function_tool_call`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.parsed import ParsedFunction as ParsedFunction
from ...sansio.parsed import ParsedFunctionToolCall as ParsedFunctionToolCall

__all__ = [
    "ParsedFunction",
    "ParsedFunctionToolCall",
]
