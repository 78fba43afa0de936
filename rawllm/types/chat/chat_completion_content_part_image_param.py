"""`openai.types.chat.chat_completion_content_part_image_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.parts import (
    ChatCompletionContentPartImageParam as ChatCompletionContentPartImageParam,
)
from ..dicts.parts import ImageURL as ImageURL

__all__ = [
    "ChatCompletionContentPartImageParam",
    "ImageURL",
]
