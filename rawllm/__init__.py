"""rawllm: many prompts at once to any OpenAI-compatible server, over plain HTTP.

The public names, and nothing else. They load on first use (PEP 562): `import rawllm` imports
neither aiohttp nor msgspec nor backoff.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .client import AsyncClient as AsyncClient
    from .client import AsyncOpenAI as AsyncOpenAI
    from .client import Client as Client
    from .content import audio as audio
    from .content import file as file
    from .content import image as image
    from .errors import APIConnectionError as APIConnectionError
    from .errors import APIError as APIError
    from .errors import APIResponseValidationError as APIResponseValidationError
    from .errors import APIStatusError as APIStatusError
    from .errors import APITimeoutError as APITimeoutError
    from .errors import AuthenticationError as AuthenticationError
    from .errors import BadRequestError as BadRequestError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import ConflictError as ConflictError
    from .errors import ConnectTimeout as ConnectTimeout
    from .errors import ContentFilterFinishReasonError as ContentFilterFinishReasonError
    from .errors import ContextLengthExceeded as ContextLengthExceeded
    from .errors import FirstTokenTimeout as FirstTokenTimeout
    from .errors import IdleTimeout as IdleTimeout
    from .errors import IncompleteStreamError as IncompleteStreamError
    from .errors import InternalServerError as InternalServerError
    from .errors import LengthFinishReasonError as LengthFinishReasonError
    from .errors import LimitExceeded as LimitExceeded
    from .errors import NotFoundError as NotFoundError
    from .errors import OpenAIError as OpenAIError
    from .errors import PermissionDeniedError as PermissionDeniedError
    from .errors import RateLimitError as RateLimitError
    from .errors import RawLLMError as RawLLMError
    from .errors import RedirectRefused as RedirectRefused
    from .errors import StructuredOutputError as StructuredOutputError
    from .errors import ToolRoundsExceeded as ToolRoundsExceeded
    from .errors import TotalTimeout as TotalTimeout
    from .errors import UnprocessableEntityError as UnprocessableEntityError
    from .hooks import Event as Event
    from .hooks import Hook as Hook
    from .mapping import Item as Item
    from .net.retrying import retry as retry
    from .options import DEFAULT_MAX_RETRIES as DEFAULT_MAX_RETRIES
    from .options import DEFAULT_TIMEOUT as DEFAULT_TIMEOUT
    from .options import NOT_GIVEN as NOT_GIVEN
    from .options import Limits as Limits
    from .options import NotGiven as NotGiven
    from .options import Omit as Omit
    from .options import Retry as Retry
    from .options import Secret as Secret
    from .options import Timeout as Timeout
    from .options import not_given as not_given
    from .options import omit as omit
    from .resources.raw_body import AsyncAPIResponse as AsyncAPIResponse
    from .resources.raw_response import RawResponse as RawResponse
    from .sansio.parsed import ParsedChatCompletion as ParsedChatCompletion
    from .sansio.types import ChatCompletion as ChatCompletion
    from .sansio.types import ChatCompletionChunk as ChatCompletionChunk
    from .sansio.types import ChatCompletionMessage as ChatCompletionMessage
    from .sansio.types import Completion as Completion
    from .sansio.types import CreateEmbeddingResponse as CreateEmbeddingResponse
    from .sansio.types import Timing as Timing
    from .sansio.types import Usage as Usage
    from .stream import AsyncStream as AsyncStream
    from .stream import ChatStream as ChatStream
    from .sync import APIResponse as APIResponse
    from .sync import OpenAI as OpenAI
    from .sync import Stream as Stream
    from .sync import SyncClient as SyncClient
    from .sync import SyncStream as SyncStream
    from .tools import Tool as Tool
    from .tools import ToolRun as ToolRun
    from .tools import pydantic_function_tool as pydantic_function_tool

_HOME = {
    "client": ("AsyncClient", "AsyncOpenAI", "Client"),
    "content": ("audio", "file", "image"),
    "errors": (
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "ConfigurationError",
        "ConflictError",
        "ConnectTimeout",
        "ContentFilterFinishReasonError",
        "ContextLengthExceeded",
        "FirstTokenTimeout",
        "IdleTimeout",
        "IncompleteStreamError",
        "InternalServerError",
        "LengthFinishReasonError",
        "LimitExceeded",
        "NotFoundError",
        "OpenAIError",
        "PermissionDeniedError",
        "RateLimitError",
        "RawLLMError",
        "RedirectRefused",
        "StructuredOutputError",
        "ToolRoundsExceeded",
        "TotalTimeout",
        "UnprocessableEntityError",
    ),
    "hooks": ("Event", "Hook"),
    "mapping": ("Item",),
    "net.retrying": ("retry",),
    "options": (
        "DEFAULT_MAX_RETRIES",
        "DEFAULT_TIMEOUT",
        "NOT_GIVEN",
        "Limits",
        "NotGiven",
        "Omit",
        "Retry",
        "Secret",
        "Timeout",
        "not_given",
        "omit",
    ),
    "resources.raw_body": ("AsyncAPIResponse",),
    "resources.raw_response": ("RawResponse",),
    "sansio.parsed": ("ParsedChatCompletion",),
    "sansio.types": (
        "ChatCompletion",
        "ChatCompletionChunk",
        "ChatCompletionMessage",
        "Completion",
        "CreateEmbeddingResponse",
        "Timing",
        "Usage",
    ),
    "stream": ("AsyncStream", "ChatStream"),
    "sync": ("APIResponse", "OpenAI", "Stream", "SyncClient", "SyncStream"),
    "tools": ("Tool", "ToolRun", "pydantic_function_tool"),
}

_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "types":  # `rawllm.types.chat`, where nobody has imported it
        return import_module(f"{__name__}.types")
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
