"""`openai.types.responses.response_text_config`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses import ResponseTextConfig as ResponseTextConfig

__all__ = [
    "ResponseTextConfig",
]
