"""`openai.types.responses.response_output_text`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_items import ResponseOutputText as ResponseOutputText

__all__ = [
    "ResponseOutputText",
]
