"""`openai.types.responses.response_function_tool_call_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ResponseFunctionToolCallParam as ResponseFunctionToolCallParam

__all__ = [
    "ResponseFunctionToolCallParam",
]
