"""`openai.types.shared.reasoning_effort`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ..dicts.formats import ReasoningEffort as ReasoningEffort

__all__ = [
    "ReasoningEffort",
]
