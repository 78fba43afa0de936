"""`openai.types.chat.chat_completion_content_part_text_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.parts import (
    ChatCompletionContentPartTextParam as ChatCompletionContentPartTextParam,
)

__all__ = [
    "ChatCompletionContentPartTextParam",
]
