"""`openai.types.completion`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..sansio.types import Completion as Completion

__all__ = [
    "Completion",
]
