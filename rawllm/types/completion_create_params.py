"""`openai.types.completion_create_params`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from .dicts.requests import TextCreateParams as CompletionCreateParamsBase
from .dicts.requests import TextCreateParamsEither as CompletionCreateParams
from .dicts.requests import TextCreateParamsNonStreaming as CompletionCreateParamsNonStreaming
from .dicts.requests import TextCreateParamsStreaming as CompletionCreateParamsStreaming

__all__ = [
    "CompletionCreateParams",
    "CompletionCreateParamsBase",
    "CompletionCreateParamsNonStreaming",
    "CompletionCreateParamsStreaming",
]
