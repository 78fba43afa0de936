"""`openai.types.responses.response_input_item_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import FunctionCallOutput as FunctionCallOutput
from ..dicts.responses import ResponseInputItemParam as ResponseInputItemParam

__all__ = [
    "FunctionCallOutput",
    "ResponseInputItemParam",
]
