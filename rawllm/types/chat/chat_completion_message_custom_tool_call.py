"""`openai.types.chat.chat_completion_message_custom_tool_call`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.types import CustomCall as Custom
from ...sansio.types import ToolCall as ChatCompletionMessageCustomToolCall

__all__ = [
    "ChatCompletionMessageCustomToolCall",
    "Custom",
]
