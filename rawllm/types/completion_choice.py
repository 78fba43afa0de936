"""`openai.types.completion_choice`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..sansio.types import CompletionChoice as CompletionChoice
from ..sansio.types import CompletionLogprobs as Logprobs

__all__ = [
    "CompletionChoice",
    "Logprobs",
]
