"""`openai.types.responses.function_tool_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import FunctionToolParam as FunctionToolParam

__all__ = [
    "FunctionToolParam",
]
