"""`openai.types.chat.chat_completion_role`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import ChatCompletionRole as ChatCompletionRole

__all__ = [
    "ChatCompletionRole",
]
