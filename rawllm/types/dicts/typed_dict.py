"""`TypedDict`, from where pydantic takes it: before Python 3.12 it refuses typing's in a model of
somebody's (`messages: list[ChatCompletionMessageParam]`, as FastAPI's routes have).

Adds nothing to it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    try:
        from typing_extensions import TypedDict
    except ImportError:  # who has pydantic has it
        from typing import TypedDict

__all__ = ["TypedDict"]
