"""`openai.types.chat.chat_completion_audio_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ChatCompletionAudioParam as ChatCompletionAudioParam
from ..dicts.formats import Voice as Voice
from ..dicts.formats import VoiceID as VoiceID

__all__ = [
    "ChatCompletionAudioParam",
    "Voice",
    "VoiceID",
]
