"""`openai.types.responses.response_text_config_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ResponseTextConfigParam as ResponseTextConfigParam

__all__ = [
    "ResponseTextConfigParam",
]
