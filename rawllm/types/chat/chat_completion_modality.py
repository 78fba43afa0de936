"""`openai.types.chat.chat_completion_modality`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ChatCompletionModality as ChatCompletionModality

__all__ = [
    "ChatCompletionModality",
]
