"""`openai.types.chat.chat_completion_system_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import (
    ChatCompletionSystemMessageParam as ChatCompletionSystemMessageParam,
)

__all__ = [
    "ChatCompletionSystemMessageParam",
]
