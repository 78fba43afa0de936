"""`openai.types.responses.tool_choice_function_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ToolChoiceFunctionParam as ToolChoiceFunctionParam

__all__ = [
    "ToolChoiceFunctionParam",
]
