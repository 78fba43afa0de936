"""`openai.types.responses.response_usage`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses import InputTokensDetails as InputTokensDetails
from ...sansio.responses import OutputTokensDetails as OutputTokensDetails
from ...sansio.responses import ResponseUsage as ResponseUsage

__all__ = [
    "InputTokensDetails",
    "OutputTokensDetails",
    "ResponseUsage",
]
