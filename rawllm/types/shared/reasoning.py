"""`openai.types.shared.reasoning`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses import ResponseReasoning as Reasoning

__all__ = [
    "Reasoning",
]
