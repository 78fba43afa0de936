"""`openai.types.shared.response_format_json_object`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ResponseFormatJSONObject as ResponseFormatJSONObject

__all__ = [
    "ResponseFormatJSONObject",
]
