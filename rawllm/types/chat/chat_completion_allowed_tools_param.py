"""`openai.types.chat.chat_completion_allowed_tools_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import ChatCompletionAllowedToolsParam as ChatCompletionAllowedToolsParam

__all__ = [
    "ChatCompletionAllowedToolsParam",
]
