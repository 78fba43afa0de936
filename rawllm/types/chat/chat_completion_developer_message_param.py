"""`openai.types.chat.chat_completion_developer_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import (
    ChatCompletionDeveloperMessageParam as ChatCompletionDeveloperMessageParam,
)

__all__ = [
    "ChatCompletionDeveloperMessageParam",
]
