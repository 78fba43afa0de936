"""`openai.types.chat.chat_completion_content_part_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.parts import ChatCompletionContentPartParam as ChatCompletionContentPartParam
from ..dicts.parts import File as File
from ..dicts.parts import FileFile as FileFile

__all__ = [
    "ChatCompletionContentPartParam",
    "File",
    "FileFile",
]
