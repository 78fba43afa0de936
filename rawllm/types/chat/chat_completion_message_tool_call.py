"""`openai.types.chat.chat_completion_message_tool_call`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.types import FunctionCall as Function
from ...sansio.types import ToolCall as ChatCompletionMessageToolCall
from ...sansio.types import ToolCall as ChatCompletionMessageToolCallUnion

__all__ = [
    "ChatCompletionMessageToolCall",
    "ChatCompletionMessageToolCallUnion",
    "Function",
]
