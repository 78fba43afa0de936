"""`openai.types.shared_params.metadata`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import Metadata as Metadata

__all__ = [
    "Metadata",
]
