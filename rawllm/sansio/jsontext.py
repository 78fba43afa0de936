"""The JSON in a model's text: whole, with whatever stands around it, and half-written.

Knows no type: schema.py does.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

__all__ = ["PartialJSON", "json_in", "value_of"]

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n(.*?)```", re.S)

#: A piece of JSON. A string without its end matches nothing.
_TOKEN = re.compile(r'\s+|"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.S)


def json_in(text: str) -> str:
    """Models that no server holds to a schema write it into a fence, after reasoning, or between
    sentences."""
    text = text.strip()
    if text[:1] in ("{", "["):
        return text
    text = text.rpartition("</think>")[2]
    fenced = _FENCE.search(text)
    if fenced is not None:
        text = fenced[1]
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text.strip()


class PartialJSON:
    """A JSON object in the making.

    Values appear when they are complete, but a number at the very end as far as it is there, as in
    openai-python's `parsed` of a stream.
    """

    def __init__(self) -> None:
        self._text = ""
        self._at = 0  # everything before was looked at
        self._cut = 0  # so far it is complete but for closing brackets
        self._open = ""  # those, the innermost first
        self._key = False  # a key comes next, and no value

    def feed(self, piece: str) -> None:
        self._text += piece
        if not self._cut:
            # What stands before it is a fence or reasoning.
            start = self._text.find("{")
            if start < 0:
                return
            self._text, self._at = self._text[start:], 0
        while token := _TOKEN.match(self._text, self._at):
            if self._cut and not self._open:
                return  # the object is complete
            kind, end = token[0][0], token.end()
            if end == len(self._text) and kind not in '"{}[],:':
                return  # a number or a word that may go on
            self._at = end
            if kind in "{[":
                self._open = ("}" if kind == "{" else "]") + self._open
            elif kind in "}]":
                self._open = self._open[1:]
            if kind in "{,:":
                self._key = kind != ":" and self._open[:1] == "}"
            elif kind == "[":
                self._key = False
            if kind in "{[}]" or not (kind in ",:" or kind.isspace() or self._key):
                self._cut = end

    def document(self) -> str:
        """What is there, closed: JSON, or "" where nothing is."""
        rest = self._text[self._at :].strip()
        if rest and self._open and _is_value(rest):
            return self._text + self._open
        return self._text[: self._cut] + self._open


def value_of(document: str) -> Any:
    """None where it is no JSON after all."""
    try:
        return msgspec.json.decode(document)
    except (ValueError, RecursionError):
        return None


def _is_value(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except ValueError:
        return False
    return True
