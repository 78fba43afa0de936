"""`openai.types.chat.chat_completion_tool_union_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import ChatCompletionToolUnionParam as ChatCompletionToolUnionParam

__all__ = [
    "ChatCompletionToolUnionParam",
]
