"""`openai.types.chat.chat_completion_named_tool_choice_custom_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import (
    ChatCompletionNamedToolChoiceCustomParam as ChatCompletionNamedToolChoiceCustomParam,
)
from ..dicts.tools import NamedCustom as Custom

__all__ = [
    "ChatCompletionNamedToolChoiceCustomParam",
    "Custom",
]
