"""`openai.types.shared.chat_model`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ChatModel as ChatModel

__all__ = [
    "ChatModel",
]
