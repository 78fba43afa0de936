"""`openai.types.chat.parsed_chat_completion`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.parsed import ParsedChatCompletion as ParsedChatCompletion
from ...sansio.parsed import ParsedChoice as ParsedChoice

__all__ = [
    "ParsedChatCompletion",
    "ParsedChoice",
]
