"""`openai.types.chat.chat_completion_content_part_input_audio_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.parts import (
    ChatCompletionContentPartInputAudioParam as ChatCompletionContentPartInputAudioParam,
)
from ..dicts.parts import InputAudio as InputAudio

__all__ = [
    "ChatCompletionContentPartInputAudioParam",
    "InputAudio",
]
