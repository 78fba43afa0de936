"""`openai.types.responses.easy_input_message_param`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.responses import EasyInputMessageParam as EasyInputMessageParam

__all__ = [
    "EasyInputMessageParam",
]
