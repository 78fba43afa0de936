"""`openai.types.responses.response_error`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses import ResponseError as ResponseError

__all__ = [
    "ResponseError",
]
