"""Events → one response: items, their parts, text, refusals, reasoning, arguments, usage.

Takes a server's whole words over its pieces wherever both have come, and judges none of it: whether
a stream is complete is lifecycle.py's to say.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import msgspec

from .responses import Response
from .responses_items import item_of, plain
from .types import Usage

__all__ = ["ResponseAccumulator"]

#: With these, a response is at its end.
_ENDS = {"response.completed", "response.incomplete", "response.failed", "error"}

#: What many servers send at once and before a long prefill: no output yet. (`response.queued` is
#: none of these: the server has taken a background response in, and may take hours.)
_SILENT = {
    "response.created",
    "response.in_progress",
    "response.content_part.added",
    "response.reasoning_summary_part.added",
}


class _Where(NamedTuple):
    """Where a kind of delta belongs: an item's field, or the field of a part in one of its lists,
    and what item or part it makes where none was announced."""

    field: str
    item: str
    parts: str = ""
    part: str = ""


_DELTAS = {
    "response.output_text": _Where("text", "message", "content", "output_text"),
    "response.refusal": _Where("refusal", "message", "content", "refusal"),
    "response.reasoning_text": _Where("text", "reasoning", "content", "reasoning_text"),
    "response.reasoning_summary_text": _Where("text", "reasoning", "summary", "summary_text"),
    "response.function_call_arguments": _Where("arguments", "function_call"),
    "response.mcp_call_arguments": _Where("arguments", "mcp_call"),
    "response.custom_tool_call_input": _Where("input", "custom_tool_call"),
    "response.code_interpreter_call_code": _Where("code", "code_interpreter_call"),
}


class _Piecewise:
    """A JSON object, one field of which comes in pieces."""

    __slots__ = ("field", "pieces", "value")

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value
        self.field = ""
        self.pieces: list[str] = []

    def whole(self) -> dict[str, Any]:
        if not self.pieces:
            return self.value
        return {**self.value, self.field: "".join(self.pieces)}


class _Item(_Piecewise):
    __slots__ = ("parts",)

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__(value)
        self.parts: dict[tuple[str, int], _Piecewise] = {}

    def part(self, name: str, index: int | None, kind: str) -> _Piecewise:
        return self.parts.setdefault((name, index or 0), _Piecewise({"type": kind}))

    def whole(self) -> dict[str, Any]:
        lists: dict[str, list[Any]] = {}
        for name, index in sorted(self.parts):
            lists.setdefault(name, []).append(self.parts[name, index].whole())
        return {**super().whole(), **lists}


class ResponseAccumulator:
    """As deltas.py's `Accumulator`: a response is one choice, which its last event finishes."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.seen = 0
        self.finished = 0
        self._response = Response()
        self._items: dict[Hashable, _Item] = {}

    @property
    def finish_reason(self) -> str | None:
        return self._response._finish_reason

    def add(self, event: Any) -> bool:
        """Take one event. True where it is output: more than the announcement of some."""
        kind: str = event.type
        self.seen = 1
        name, _, step = kind.rpartition(".")
        where = _DELTAS.get(name)
        if where is not None:
            return self._add_text(where, event, step)
        if kind in _ENDS:
            self.finished = 1
        response = getattr(event, "response", None)
        if isinstance(response, Response):
            self._add_response(response)
        elif name == "response.output_item":
            item = plain(event.item)
            if isinstance(item, dict):
                self._items[self._key(event)] = _Item(item)
                return step == "done" or item.get("type") not in ("message", "reasoning")
        elif step in ("added", "done") and isinstance(getattr(event, "part", None), msgspec.Struct):
            self._add_part(event)
        # OpenAI's `keepalive` and its like are no part of a response.
        return kind not in _SILENT and (kind.startswith("response.") or kind in _ENDS)

    def _add_response(self, response: Response) -> None:
        self._response = response
        self.usage = response._counted
        if response.output:  # of a stream that is taken up again, or at its end
            self._items = {index: _Item(plain(item)) for index, item in enumerate(response.output)}
        elif self.finished:  # some leave it out of their last word
            response.output = self._output()

    def _key(self, event: Any) -> Hashable:
        """What an event's item is known by. llama.cpp counts no items, and names them only."""
        index = getattr(event, "output_index", None)
        if isinstance(index, int):
            return index
        item = getattr(event, "item", None)
        if item is None:
            name = getattr(event, "item_id", None)
        else:
            name = getattr(item, "id", None) or getattr(item, "call_id", None)
        return name if name is not None else next(reversed(self._items), 0)

    def _item(self, event: Any, kind: str) -> _Item:
        key = self._key(event)
        if key not in self._items:
            self._items[key] = _Item({"type": kind})
        return self._items[key]

    def _add_part(self, event: Any) -> None:
        summary = "summary_index" in event.__struct_fields__
        index = event.summary_index if summary else event.content_index
        value = plain(event.part)
        reasoning = summary or value.get("type") == "reasoning_text"
        item = self._item(event, "reasoning" if reasoning else "message")
        item.parts["summary" if summary else "content", index or 0] = _Piecewise(value)

    def _add_text(self, where: _Where, event: Any, step: str) -> bool:
        item = self._item(event, where.item)
        target: _Piecewise = item
        if where.parts:
            index = event.summary_index if where.parts == "summary" else event.content_index
            target = item.part(where.parts, index, where.part)
        text = getattr(event, "delta" if step == "delta" else where.field, None)
        if not isinstance(text, str):
            return True
        target.field = where.field
        if step == "delta":
            target.pieces.append(text)
        else:
            target.pieces = [text]
        return bool(text) or step != "delta"

    def _output(self) -> list[Any]:
        return [item_of(item.whole()) for item in self._items.values()]

    def completion(self) -> Response:
        """What has accumulated so far."""
        response = self._response
        if self.finished and response.output:
            return response
        return msgspec.structs.replace(response, output=self._output())
