"""`openai.types.chat.chat_completion`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.types import ChatCompletion as ChatCompletion
from ...sansio.types import Choice as Choice
from ...sansio.types import Logprobs as ChoiceLogprobs

__all__ = [
    "ChatCompletion",
    "Choice",
    "ChoiceLogprobs",
]
