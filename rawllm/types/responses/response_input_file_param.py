"""`openai.types.responses.response_input_file_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import ResponseInputFileParam as ResponseInputFileParam

__all__ = [
    "ResponseInputFileParam",
]
