"""`openai.types.chat.chat_completion_tool_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import ChatCompletionToolParam as ChatCompletionToolParam
from ..dicts.tools import FunctionDefinition as FunctionDefinition

__all__ = [
    "ChatCompletionToolParam",
    "FunctionDefinition",
]
