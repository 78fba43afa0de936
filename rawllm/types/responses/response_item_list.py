"""`openai.types.responses.response_item_list`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses import ResponseItemList as ResponseItemList

__all__ = [
    "ResponseItemList",
]
