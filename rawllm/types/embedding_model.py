"""`openai.types.embedding_model`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from .dicts.formats import EmbeddingModel as EmbeddingModel

__all__ = [
    "EmbeddingModel",
]
