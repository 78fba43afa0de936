"""`openai.types.responses.response_output_refusal`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_items import ResponseOutputRefusal as ResponseOutputRefusal

__all__ = [
    "ResponseOutputRefusal",
]
