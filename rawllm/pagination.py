"""`openai.pagination`'s names, for annotations in code written for openai-python.

Defines nothing: one page serves both faces, and the one list that is asked for has no second.
"""

from __future__ import annotations

from .sansio.types import Page as AsyncPage
from .sansio.types import Page as SyncPage

__all__ = ["AsyncPage", "SyncPage"]
