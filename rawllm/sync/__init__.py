"""The synchronous face: `SyncClient`, which runs the one `Client` on a background event loop.

Holds no twin: every call is the asynchronous one, handed to the loop's thread and waited for.
"""

from __future__ import annotations

from .client import OpenAI, SyncClient
from .raw import APIResponse
from .stream import Stream, SyncStream

__all__ = ["APIResponse", "OpenAI", "Stream", "SyncClient", "SyncStream"]
