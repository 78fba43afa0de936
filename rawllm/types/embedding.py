"""`openai.types.embedding`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..sansio.types import Embedding as Embedding

__all__ = [
    "Embedding",
]
