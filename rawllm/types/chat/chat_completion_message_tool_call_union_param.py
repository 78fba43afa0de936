"""`openai.types.chat.chat_completion_message_tool_call_union_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import (
    ChatCompletionMessageToolCallUnionParam as ChatCompletionMessageToolCallUnionParam,
)

__all__ = [
    "ChatCompletionMessageToolCallUnionParam",
]
