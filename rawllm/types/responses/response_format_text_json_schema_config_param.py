"""`openai.types.responses.response_format_text_json_schema_config_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import (
    ResponseFormatTextJSONSchemaConfigParam as ResponseFormatTextJSONSchemaConfigParam,
)

__all__ = [
    "ResponseFormatTextJSONSchemaConfigParam",
]
