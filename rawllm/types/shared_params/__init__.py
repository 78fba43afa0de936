"""`openai.types.shared_params`: its names load on first use, since an annotation needs no msgspec.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from typing import TYPE_CHECKING

from .._lazy import getter

if TYPE_CHECKING:
    from ..dicts.formats import ChatModel as ChatModel
    from ..dicts.formats import Metadata as Metadata
    from ..dicts.formats import Reasoning as Reasoning
    from ..dicts.formats import ReasoningEffort as ReasoningEffort
    from ..dicts.formats import ResponseFormatJSONObject as ResponseFormatJSONObject
    from ..dicts.formats import ResponseFormatJSONSchema as ResponseFormatJSONSchema
    from ..dicts.formats import ResponseFormatText as ResponseFormatText
    from ..dicts.formats import ResponsesModel as ResponsesModel
    from ..dicts.tools import FunctionDefinition as FunctionDefinition
    from ..dicts.tools import FunctionParameters as FunctionParameters

__all__ = [
    "ChatModel",
    "FunctionDefinition",
    "FunctionParameters",
    "Metadata",
    "Reasoning",
    "ReasoningEffort",
    "ResponseFormatJSONObject",
    "ResponseFormatJSONSchema",
    "ResponseFormatText",
    "ResponsesModel",
]

#: Module below rawllm → name here → name there.
_HOMES = {
    "types.dicts.formats": {
        "ChatModel": "ChatModel",
        "Metadata": "Metadata",
        "Reasoning": "Reasoning",
        "ReasoningEffort": "ReasoningEffort",
        "ResponseFormatJSONObject": "ResponseFormatJSONObject",
        "ResponseFormatJSONSchema": "ResponseFormatJSONSchema",
        "ResponseFormatText": "ResponseFormatText",
        "ResponsesModel": "ResponsesModel",
    },
    "types.dicts.tools": {
        "FunctionDefinition": "FunctionDefinition",
        "FunctionParameters": "FunctionParameters",
    },
}

if not TYPE_CHECKING:  # or a type checker would take any name for one that is here
    __getattr__ = getter(__name__, _HOMES)
