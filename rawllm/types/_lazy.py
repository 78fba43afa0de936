"""Names of a package that load on first use (PEP 562).

Knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["getter"]


def getter(package: str, homes: Mapping[str, Mapping[str, str]]) -> Callable[[str], Any]:
    """A `__getattr__` for the package. homes: module below rawllm → name here → name there."""
    found = {name: (home, there) for home, names in homes.items() for name, there in names.items()}

    def get(name: str) -> Any:
        if name not in found:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, there = found[name]
        return getattr(import_module(f"rawllm.{home}"), there)

    return get
