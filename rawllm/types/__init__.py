"""`openai.types`: its names load on first use, since an annotation needs no msgspec.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from typing import TYPE_CHECKING

from . import chat as chat
from . import responses as responses
from . import shared as shared
from . import shared_params as shared_params
from ._lazy import getter

if TYPE_CHECKING:
    from ..sansio.types import Completion as Completion
    from ..sansio.types import CompletionChoice as CompletionChoice
    from ..sansio.types import CreateEmbeddingResponse as CreateEmbeddingResponse
    from ..sansio.types import Embedding as Embedding
    from ..sansio.types import Model as Model
    from ..sansio.types import Usage as CompletionUsage
    from .dicts.formats import AllModels as AllModels
    from .dicts.formats import ChatModel as ChatModel
    from .dicts.formats import EmbeddingModel as EmbeddingModel
    from .dicts.formats import Metadata as Metadata
    from .dicts.formats import Reasoning as Reasoning
    from .dicts.formats import ReasoningEffort as ReasoningEffort
    from .dicts.formats import ResponseFormatJSONObject as ResponseFormatJSONObject
    from .dicts.formats import ResponseFormatJSONSchema as ResponseFormatJSONSchema
    from .dicts.formats import ResponseFormatText as ResponseFormatText
    from .dicts.formats import ResponsesModel as ResponsesModel
    from .dicts.requests import EmbeddingCreateParams as EmbeddingCreateParams
    from .dicts.requests import TextCreateParamsEither as CompletionCreateParams
    from .dicts.tools import FunctionDefinition as FunctionDefinition
    from .dicts.tools import FunctionParameters as FunctionParameters

__all__ = [
    "AllModels",
    "ChatModel",
    "Completion",
    "CompletionChoice",
    "CompletionCreateParams",
    "CompletionUsage",
    "CreateEmbeddingResponse",
    "Embedding",
    "EmbeddingCreateParams",
    "EmbeddingModel",
    "FunctionDefinition",
    "FunctionParameters",
    "Metadata",
    "Model",
    "Reasoning",
    "ReasoningEffort",
    "ResponseFormatJSONObject",
    "ResponseFormatJSONSchema",
    "ResponseFormatText",
    "ResponsesModel",
    "chat",
    "responses",
    "shared",
    "shared_params",
]

#: Module below rawllm → name here → name there.
_HOMES = {
    "sansio.types": {
        "Completion": "Completion",
        "CompletionChoice": "CompletionChoice",
        "CompletionUsage": "Usage",
        "CreateEmbeddingResponse": "CreateEmbeddingResponse",
        "Embedding": "Embedding",
        "Model": "Model",
    },
    "types.dicts.formats": {
        "AllModels": "AllModels",
        "ChatModel": "ChatModel",
        "EmbeddingModel": "EmbeddingModel",
        "Metadata": "Metadata",
        "Reasoning": "Reasoning",
        "ReasoningEffort": "ReasoningEffort",
        "ResponseFormatJSONObject": "ResponseFormatJSONObject",
        "ResponseFormatJSONSchema": "ResponseFormatJSONSchema",
        "ResponseFormatText": "ResponseFormatText",
        "ResponsesModel": "ResponsesModel",
    },
    "types.dicts.requests": {
        "CompletionCreateParams": "TextCreateParamsEither",
        "EmbeddingCreateParams": "EmbeddingCreateParams",
    },
    "types.dicts.tools": {
        "FunctionDefinition": "FunctionDefinition",
        "FunctionParameters": "FunctionParameters",
    },
}

if not TYPE_CHECKING:  # or a type checker would take any name for one that is here
    __getattr__ = getter(__name__, _HOMES)
