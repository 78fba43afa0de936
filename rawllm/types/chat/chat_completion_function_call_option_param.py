"""`openai.types.chat.chat_completion_function_call_option_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import (
    ChatCompletionFunctionCallOptionParam as ChatCompletionFunctionCallOptionParam,
)

__all__ = [
    "ChatCompletionFunctionCallOptionParam",
]
