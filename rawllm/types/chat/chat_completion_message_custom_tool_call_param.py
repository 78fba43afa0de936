"""`openai.types.chat.chat_completion_message_custom_tool_call_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import (
    ChatCompletionMessageCustomToolCallParam as ChatCompletionMessageCustomToolCallParam,
)
from ..dicts.messages import CustomCall as Custom

__all__ = [
    "ChatCompletionMessageCustomToolCallParam",
    "Custom",
]
