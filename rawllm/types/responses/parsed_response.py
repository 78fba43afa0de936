"""`openai.types.responses.parsed_response`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_parsed import ParsedResponse as ParsedResponse
from ...sansio.responses_parsed import (
    ParsedResponseOutputMessage as ParsedResponseOutputMessage,
)
from ...sansio.responses_parsed import ParsedResponseOutputText as ParsedResponseOutputText

__all__ = [
    "ParsedResponse",
    "ParsedResponseOutputMessage",
    "ParsedResponseOutputText",
]
