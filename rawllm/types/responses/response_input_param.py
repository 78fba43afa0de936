"""`openai.types.responses.response_input_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import FunctionCallOutput as FunctionCallOutput
from ..dicts.responses import ResponseInputItemParam as ResponseInputItemParam
from ..dicts.responses import ResponseInputParam as ResponseInputParam

__all__ = [
    "FunctionCallOutput",
    "ResponseInputItemParam",
    "ResponseInputParam",
]
