"""`openai.types.chat.chat_completion_prediction_content_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import (
    ChatCompletionPredictionContentParam as ChatCompletionPredictionContentParam,
)

__all__ = [
    "ChatCompletionPredictionContentParam",
]
