"""`openai.types.chat.completion_create_params`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ResponseFormat as ResponseFormat
from ..dicts.requests import ApproximateLocation as WebSearchOptionsUserLocationApproximate
from ..dicts.requests import ChatCreateParams as CompletionCreateParamsBase
from ..dicts.requests import ChatCreateParamsEither as CompletionCreateParams
from ..dicts.requests import ChatCreateParamsNonStreaming as CompletionCreateParamsNonStreaming
from ..dicts.requests import ChatCreateParamsStreaming as CompletionCreateParamsStreaming
from ..dicts.requests import FunctionCallOption as FunctionCall
from ..dicts.requests import OldFunction as Function
from ..dicts.requests import PromptCacheOptions as PromptCacheOptions
from ..dicts.requests import UserLocation as WebSearchOptionsUserLocation
from ..dicts.requests import WebSearchOptions as WebSearchOptions

__all__ = [
    "CompletionCreateParams",
    "CompletionCreateParamsBase",
    "CompletionCreateParamsNonStreaming",
    "CompletionCreateParamsStreaming",
    "Function",
    "FunctionCall",
    "PromptCacheOptions",
    "ResponseFormat",
    "WebSearchOptions",
    "WebSearchOptionsUserLocation",
    "WebSearchOptionsUserLocationApproximate",
]
