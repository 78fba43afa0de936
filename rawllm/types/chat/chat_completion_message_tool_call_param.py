"""`openai.types.chat.chat_completion_message_tool_call_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import (
    ChatCompletionMessageToolCallParam as ChatCompletionMessageToolCallParam,
)
from ..dicts.messages import Function as Function

__all__ = [
    "ChatCompletionMessageToolCallParam",
    "Function",
]
