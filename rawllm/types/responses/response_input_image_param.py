"""`openai.types.responses.response_input_image_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ResponseInputImageParam as ResponseInputImageParam

__all__ = [
    "ResponseInputImageParam",
]
