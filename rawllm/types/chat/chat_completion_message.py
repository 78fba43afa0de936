"""`openai.types.chat.chat_completion_message`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.types import ChatCompletionMessage as ChatCompletionMessage
from ...sansio.types import FunctionCall as FunctionCall

__all__ = [
    "ChatCompletionMessage",
    "FunctionCall",
]
