"""`openai.types.chat.chat_completion_message_function_tool_call`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.types import FunctionCall as Function
from ...sansio.types import ToolCall as ChatCompletionMessageFunctionToolCall

__all__ = [
    "ChatCompletionMessageFunctionToolCall",
    "Function",
]
