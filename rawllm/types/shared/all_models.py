"""`openai.types.shared.all_models`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import AllModels as AllModels

__all__ = [
    "AllModels",
]
