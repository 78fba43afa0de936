"""`openai.types.chat.chat_completion_user_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import ChatCompletionUserMessageParam as ChatCompletionUserMessageParam

__all__ = [
    "ChatCompletionUserMessageParam",
]
