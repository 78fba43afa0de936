"""`openai.types.responses.response_input_text_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ResponseInputTextParam as ResponseInputTextParam

__all__ = [
    "ResponseInputTextParam",
]
