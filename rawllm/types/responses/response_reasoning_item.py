"""`openai.types.responses.response_reasoning_item`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_items import Content as Content
from ...sansio.responses_items import ResponseReasoningItem as ResponseReasoningItem

__all__ = [
    "Content",
    "ResponseReasoningItem",
]
