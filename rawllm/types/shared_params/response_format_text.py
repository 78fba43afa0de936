"""`openai.types.shared_params.response_format_text`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ResponseFormatText as ResponseFormatText

__all__ = [
    "ResponseFormatText",
]
