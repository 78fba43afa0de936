"""`openai.types.shared_params.responses_model`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ResponsesModel as ResponsesModel

__all__ = [
    "ResponsesModel",
]
