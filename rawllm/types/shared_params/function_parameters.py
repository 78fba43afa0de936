"""`openai.types.shared_params.function_parameters`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import FunctionParameters as FunctionParameters

__all__ = [
    "FunctionParameters",
]
