"""`openai.types.chat.chat_completion_allowed_tool_choice_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import (
    ChatCompletionAllowedToolChoiceParam as ChatCompletionAllowedToolChoiceParam,
)

__all__ = [
    "ChatCompletionAllowedToolChoiceParam",
]
