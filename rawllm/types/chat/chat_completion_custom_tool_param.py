"""`openai.types.chat.chat_completion_custom_tool_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.tools import ChatCompletionCustomToolParam as ChatCompletionCustomToolParam
from ..dicts.tools import Custom as Custom
from ..dicts.tools import CustomFormat as CustomFormat
from ..dicts.tools import CustomFormatGrammar as CustomFormatGrammar
from ..dicts.tools import CustomFormatGrammarGrammar as CustomFormatGrammarGrammar
from ..dicts.tools import CustomFormatText as CustomFormatText

__all__ = [
    "ChatCompletionCustomToolParam",
    "Custom",
    "CustomFormat",
    "CustomFormatGrammar",
    "CustomFormatGrammarGrammar",
    "CustomFormatText",
]
