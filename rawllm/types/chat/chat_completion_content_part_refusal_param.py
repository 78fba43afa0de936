"""`openai.types.chat.chat_completion_content_part_refusal_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.parts import (
    ChatCompletionContentPartRefusalParam as ChatCompletionContentPartRefusalParam,
)

__all__ = [
    "ChatCompletionContentPartRefusalParam",
]
