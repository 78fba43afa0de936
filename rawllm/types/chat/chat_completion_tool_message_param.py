"""`openai.types.chat.chat_completion_tool_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import ChatCompletionToolMessageParam as ChatCompletionToolMessageParam

__all__ = [
    "ChatCompletionToolMessageParam",
]
