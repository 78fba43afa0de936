"""`openai.types.chat.chat_completion_token_logprob`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.types import TokenLogprob as ChatCompletionTokenLogprob
from ...sansio.types import TopLogprob as TopLogprob

__all__ = [
    "ChatCompletionTokenLogprob",
    "TopLogprob",
]
