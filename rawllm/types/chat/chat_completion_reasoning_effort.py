"""`openai.types.chat.chat_completion_reasoning_effort`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ChatCompletionReasoningEffort as ChatCompletionReasoningEffort

__all__ = [
    "ChatCompletionReasoningEffort",
]
