"""`openai.types`' names, for annotations in code written for openai-python.

Holds nothing of its own: what the client answers with stands in sansio, and loads on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import chat as chat
from .chat import FunctionDefinition as FunctionDefinition
from .chat import ResponseFormatJSONObject as ResponseFormatJSONObject
from .chat import ResponseFormatJSONSchema as ResponseFormatJSONSchema
from .chat import ResponseFormatText as ResponseFormatText

if TYPE_CHECKING:
    from ..sansio.types import Completion as Completion
    from ..sansio.types import CompletionChoice as CompletionChoice
    from ..sansio.types import CreateEmbeddingResponse as CreateEmbeddingResponse
    from ..sansio.types import Embedding as Embedding
    from ..sansio.types import Model as Model
    from ..sansio.types import Usage as CompletionUsage

__all__ = [
    "Completion",
    "CompletionChoice",
    "CompletionUsage",
    "CreateEmbeddingResponse",
    "Embedding",
    "FunctionDefinition",
    "Model",
    "ResponseFormatJSONObject",
    "ResponseFormatJSONSchema",
    "ResponseFormatText",
    "chat",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ..sansio import types

    return getattr(types, "Usage" if name == "CompletionUsage" else name)
