"""`openai.types.completion_usage`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..sansio.types import CompletionTokensDetails as CompletionTokensDetails
from ..sansio.types import PromptTokensDetails as PromptTokensDetails
from ..sansio.types import Usage as CompletionUsage

__all__ = [
    "CompletionTokensDetails",
    "CompletionUsage",
    "PromptTokensDetails",
]
