"""`openai.types.responses.response_output_message`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_items import Content as Content
from ...sansio.responses_items import ResponseOutputMessage as ResponseOutputMessage

__all__ = [
    "Content",
    "ResponseOutputMessage",
]
