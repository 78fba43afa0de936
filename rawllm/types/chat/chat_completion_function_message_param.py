"""`openai.types.chat.chat_completion_function_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import (
    ChatCompletionFunctionMessageParam as ChatCompletionFunctionMessageParam,
)

__all__ = [
    "ChatCompletionFunctionMessageParam",
]
