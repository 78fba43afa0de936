"""`openai.types.chat.chat_completion_message_function_tool_call_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import (
    ChatCompletionMessageFunctionToolCallParam as ChatCompletionMessageFunctionToolCallParam,
)
from ..dicts.messages import Function as Function

__all__ = [
    "ChatCompletionMessageFunctionToolCallParam",
    "Function",
]
