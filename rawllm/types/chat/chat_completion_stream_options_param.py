"""`openai.types.chat.chat_completion_stream_options_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import (
    ChatCompletionStreamOptionsParam as ChatCompletionStreamOptionsParam,
)

__all__ = [
    "ChatCompletionStreamOptionsParam",
]
