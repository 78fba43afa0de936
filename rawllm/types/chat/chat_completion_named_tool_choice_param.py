"""`openai.types.chat.chat_completion_named_tool_choice_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import (
    ChatCompletionNamedToolChoiceParam as ChatCompletionNamedToolChoiceParam,
)
from ..dicts.tools import NamedFunction as Function

__all__ = [
    "ChatCompletionNamedToolChoiceParam",
    "Function",
]
