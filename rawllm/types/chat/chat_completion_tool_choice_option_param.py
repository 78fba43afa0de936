"""`openai.types.chat.chat_completion_tool_choice_option_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import (
    ChatCompletionToolChoiceOptionParam as ChatCompletionToolChoiceOptionParam,
)

__all__ = [
    "ChatCompletionToolChoiceOptionParam",
]
