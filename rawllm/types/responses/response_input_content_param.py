"""`openai.types.responses.response_input_content_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ResponseInputContentParam as ResponseInputContentParam

__all__ = [
    "ResponseInputContentParam",
]
