"""`openai.types.embedding_create_params`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from .dicts.requests import EmbeddingCreateParams as EmbeddingCreateParams

__all__ = [
    "EmbeddingCreateParams",
]
