"""`openai.types.responses.response`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses import IncompleteDetails as IncompleteDetails
from ...sansio.responses import Response as Response
from ..dicts.requests import PromptCacheOptions as PromptCacheOptions

__all__ = [
    "IncompleteDetails",
    "PromptCacheOptions",
    "Response",
]
