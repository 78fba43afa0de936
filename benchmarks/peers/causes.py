"""Why rawllm misses a target, and what was tried: the page's words on each miss.

No code. A target (targets.py) → one paragraph of Markdown. What is met is not shown; a miss that
has nothing here is named as such on the page and on stderr.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CAUSES"]

CAUSES: Mapping[str, str] = {}
