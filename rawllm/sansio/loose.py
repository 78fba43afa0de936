"""JSON as servers write it → values.

Knows no type of the wire and says of no value whether it is an answer; decode.py does.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

__all__ = ["loads", "parse", "whole_text"]

#: Levels of nesting. An answer has 7 (a logprob's bytes); what is far deeper would exhaust the
#: stack of whoever walks, prints or pickles it later, in places that expect no RecursionError.
MAX_DEPTH = 100


def loads(payload: bytes) -> Any:
    """The value of `payload`: a BOM, NaN, control characters in strings, halves of surrogate pairs,
    endless integers and bytes that are no UTF-8 all pass. ValueError where it is no JSON at all, or
    nested deeper than MAX_DEPTH."""
    try:
        value = msgspec.json.decode(payload)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        try:
            value = parse(payload)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None
    # So many brackets first: counting them is nothing beside a walk.
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and _too_deep(value):
        raise ValueError("JSON nested too deeply")
    return value


def parse(payload: bytes) -> Any:
    """The stdlib's decoder: it reads what msgspec refuses, at five times the cost."""
    return json.loads(payload.decode("utf-8-sig", "replace"), strict=False, parse_int=_int)


def whole_text(text: str) -> str:
    """Pairs of halves joined, lone halves replaced: such text could not be printed or sent back."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _int(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # over 4,300 digits, which Python refuses: it would take seconds
        return float(digits)


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
