"""`openai.types.responses.response_output_item`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_items import ResponseOutputItem as ResponseOutputItem

__all__ = [
    "ResponseOutputItem",
]
