"""`openai.types.shared.function_definition`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import FunctionDefinition as FunctionDefinition

__all__ = [
    "FunctionDefinition",
]
