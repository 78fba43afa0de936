"""`openai.types.responses.tool_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ToolParam as ToolParam

__all__ = [
    "ToolParam",
]
