"""`openai.types.chat.chat_completion_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import ChatCompletionMessageParam as ChatCompletionMessageParam

__all__ = [
    "ChatCompletionMessageParam",
]
