"""How an answer of a type is asked for, and how far down one had to go for a server.

Asks nothing itself; resources/typed.py does.
"""

from __future__ import annotations

from typing import Final

__all__ = ["OBJECT", "SCHEMA", "WORDS", "Rung"]

#: What a request asks with: `response_format` with the schema; JSON and the schema in words; words
#: alone. llama-cpp-python's server answers 500 to the first, LM Studio 400 to the second.
SCHEMA: Final = 0
OBJECT: Final = 1
WORDS: Final = 2


class Rung:
    """One server's. Only ever goes down."""

    def __init__(self) -> None:
        self.value: int = SCHEMA

    def learn(self, value: int) -> None:
        self.value = max(self.value, value)
