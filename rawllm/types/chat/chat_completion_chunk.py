"""`openai.types.chat.chat_completion_chunk`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.types import ChatCompletionChunk as ChatCompletionChunk
from ...sansio.types import ChoiceDelta as ChoiceDelta
from ...sansio.types import ChunkChoice as Choice
from ...sansio.types import DeltaFunction as ChoiceDeltaFunctionCall
from ...sansio.types import DeltaFunction as ChoiceDeltaToolCallFunction
from ...sansio.types import DeltaToolCall as ChoiceDeltaToolCall
from ...sansio.types import Logprobs as ChoiceLogprobs

__all__ = [
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "ChoiceDeltaFunctionCall",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallFunction",
    "ChoiceLogprobs",
]
