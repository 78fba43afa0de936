"""`openai.types.shared.response_format_json_schema`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import JSONSchema as JSONSchema
from ..dicts.formats import ResponseFormatJSONSchema as ResponseFormatJSONSchema

__all__ = [
    "JSONSchema",
    "ResponseFormatJSONSchema",
]
