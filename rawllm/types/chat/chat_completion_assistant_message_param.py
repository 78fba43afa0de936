"""`openai.types.chat.chat_completion_assistant_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.messages import Audio as Audio
from ..dicts.messages import (
    ChatCompletionAssistantMessageParam as ChatCompletionAssistantMessageParam,
)
from ..dicts.messages import ContentArrayOfContentPart as ContentArrayOfContentPart
from ..dicts.messages import Function as FunctionCall

__all__ = [
    "Audio",
    "ChatCompletionAssistantMessageParam",
    "ContentArrayOfContentPart",
    "FunctionCall",
]
