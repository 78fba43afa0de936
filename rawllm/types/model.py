"""`openai.types.model`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..sansio.types import Model as Model

__all__ = [
    "Model",
]
