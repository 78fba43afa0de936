"""`openai.types.chat.chat_completion_function_tool_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import ChatCompletionFunctionToolParam as ChatCompletionFunctionToolParam

__all__ = [
    "ChatCompletionFunctionToolParam",
]
