"""`openai.types.create_embedding_response`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..sansio.types import CreateEmbeddingResponse as CreateEmbeddingResponse
from ..sansio.types import Usage as Usage

__all__ = [
    "CreateEmbeddingResponse",
    "Usage",
]
