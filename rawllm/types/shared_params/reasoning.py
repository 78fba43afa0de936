"""`openai.types.shared_params.reasoning`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import Reasoning as Reasoning

__all__ = [
    "Reasoning",
]
