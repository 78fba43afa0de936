"""`openai.types.responses.response_output_text_annotation_added_event`.

Defines nothing. Written by benchmarks/conformance/paths.py.
"""

from ...sansio.responses_events import (
    ResponseOutputTextAnnotationAddedEvent as ResponseOutputTextAnnotationAddedEvent,
)

__all__ = [
    "ResponseOutputTextAnnotationAddedEvent",
]
