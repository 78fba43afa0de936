"""Many requests in files: OpenAI Batch lines in and out, a journal, resume."""

from __future__ import annotations

from .run import BatchStopped, run
from .tally import Latency, Progress, Summary

__all__ = ["BatchStopped", "Latency", "Progress", "Summary", "run"]
