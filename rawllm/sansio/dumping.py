"""Dicts of an answer: without what is None, in part, with what only the wire's object has.

Knows no class; types.py makes the dicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["added", "merged", "part", "sent", "without_none"]


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value


def merged(ours: Any, wire: Any) -> Any:
    """`ours` with the fields that only the wire object has; where both have one, ours wins, since
    it is the mended one."""
    if isinstance(ours, dict) and isinstance(wire, dict):
        both = dict(ours)
        for name, value in wire.items():
            both[name] = merged(ours[name], value) if ours.get(name) is not None else value
        return both
    if isinstance(ours, list) and isinstance(wire, list) and len(ours) == len(wire):
        return [merged(a, b) for a, b in zip(ours, wire, strict=True)]
    return ours


def added(ours: Any, wire: Any) -> Any:
    """`ours` with what only the wire object has. Unlike `merged`, what is None stays so: it may
    have been set to that."""
    if isinstance(ours, dict) and isinstance(wire, dict):
        both = {name: added(value, wire.get(name)) for name, value in ours.items()}
        return {**both, **{name: value for name, value in wire.items() if name not in ours}}
    if isinstance(ours, list) and isinstance(wire, list) and len(ours) == len(wire):
        return [added(a, b) for a, b in zip(ours, wire, strict=True)]
    return ours


def sent(ours: Any, wire: Any) -> Any:
    """`ours` without the fields that are None and not the wire object's."""
    if isinstance(ours, dict) and isinstance(wire, dict):
        return {
            name: sent(value, wire.get(name))
            for name, value in ours.items()
            if value is not None or name in wire
        }
    if isinstance(ours, list) and isinstance(wire, list) and len(ours) == len(wire):
        return [sent(a, b) for a, b in zip(ours, wire, strict=True)]
    return ours


def part(value: Any, include: Any = None, exclude: Any = None) -> Any:
    """What is chosen of a dict or list, as pydantic takes it: names (of a list, indices) in a set,
    or in a dict whose values say what of them: True, or such a set or dict again."""
    if not isinstance(value, (dict, list)) or (include is None and exclude is None):
        return value
    kept = {}
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        inside = True if include is None else _of(include, key)
        outside = False if exclude is None else _of(exclude, key)
        if inside is not False and outside is not True:
            kept[key] = part(
                item,
                None if inside is True else inside,
                None if outside is False else outside,
            )
    return kept if isinstance(value, dict) else list(kept.values())


def _of(chosen: Any, key: Any) -> Any:
    """True: all of it; False: nothing; else what of it."""
    if not isinstance(chosen, Mapping):
        return key in chosen
    found = chosen.get(key, chosen.get("__all__", False))
    return True if found is ... else found
