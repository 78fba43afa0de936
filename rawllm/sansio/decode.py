"""Payload bytes → Structs: strict first, tolerant on a server's quirk.

Never raises anything but our errors on what a server sent, and never takes an error for an answer.
A server's quirk is one function here, with the recorded bytes that show it in tests/samples.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec

from . import failures
from .loose import loads, whole_text
from .types import (
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    CreateEmbeddingResponse,
    Payload,
    Wire,
    wire_fields,
)

__all__ = ["ChunkDecoder", "decode", "error_body", "loads"]

T = TypeVar("T", bound=Payload)

#: What a whole answer must have some of. A piece of a stream need not, nor a list of models.
_NEEDED: dict[type[Payload], str] = {
    ChatCompletion: "choices",
    Completion: "choices",
    CreateEmbeddingResponse: "data",
}


@cache
def _decoder(cls: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(cls)


def decode(payload: bytes, cls: type[T], *, status: int | None = None) -> T:
    """The payload as `cls`, with its bytes kept.

    Raises APIResponseValidationError where it is no such object, and the error that it announces
    where it is one (`{"error": …}` in a 200). `status` (int of the wire) goes into the error.
    """
    answer = _strict(payload, _decoder(cls).decode)
    if answer is None:
        answer = _tolerant(payload, cls, status)
    needed = _NEEDED.get(cls)
    if needed is not None and not getattr(answer, needed):
        raise failures.bad_answer(
            payload, f"The server sent no answer: {needed!r} is empty", status_code=status
        )
    answer._keep(payload)
    return answer


def _strict(payload: bytes, strictly: Callable[[bytes], T]) -> T | None:
    """The fast path. None: the payload needs a closer look."""
    try:
        answer = strictly(payload)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return None if answer._error else answer


def error_body(payload: bytes) -> Any:
    """What an error's `body` holds: the JSON value, else the text (str), else None."""
    try:
        return loads(payload)
    except ValueError:
        return payload[: failures.SNIPPET].decode("utf-8", "replace").strip() or None


def _tolerant(
    payload: bytes,
    cls: type[T],
    status: int | None,
    mend: Callable[[Any], Any] = lambda value: value,
) -> T:
    problem = "it is no JSON that can be read"
    try:
        value = mend(loads(payload))
        error = failures.from_body(value, status=status)
        if error is None:
            return typing.cast(T, _fit(value, cls))
    except _Unfit as unfit:
        problem = f"it is JSON, but no {cls.__name__}: {unfit}"
        error = None
    except (ValueError, RecursionError):
        error = None
    # Raised here, outside the handlers: no inner exception hangs on to it.
    raise error or failures.bad_answer(
        payload, f"The server sent no answer: {problem}", status_code=status
    )


class ChunkDecoder:
    """Decodes the payloads of one stream, in order.

    The order matters in one case only: a server that escapes text piece by piece can cut a
    surrogate pair in two ("\\ud83d" now, "\\ude00" next). The first half is held back and joined to
    its other half; one that stays alone becomes U+FFFD.
    """

    def __init__(self, cls: type[Payload] = ChatCompletionChunk) -> None:
        self._cls = cls
        self._strictly = _decoder(cls).decode
        self._halves: dict[tuple[Any, ...], str] = {}

    def decode(self, payload: bytes, status: int | None = None) -> Any:
        """As `decode()`. The hot path of a stream: `_strict` written out, to save its call."""
        if not self._halves:
            try:
                chunk = self._strictly(payload)
            except (ValueError, RecursionError):
                pass
            else:
                if not chunk._error:
                    chunk._payload = payload
                    return chunk
        chunk = _tolerant(payload, self._cls, status, self._mend)
        chunk._payload = payload
        return chunk

    def _mend(self, value: Any) -> Any:
        if isinstance(value, dict) and value.get("usage") and "choices" not in value:
            value = {**value, "choices": []}  # a last chunk that brings nothing but usage
        return self._join(value, ())

    def _join(self, value: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(value, str):
            return self._join_text(value, path)
        if isinstance(value, dict):
            return {name: self._join(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [
                self._join(item, (*path, _index(item, place))) for place, item in enumerate(value)
            ]
        return value

    def _join_text(self, text: str, path: tuple[Any, ...]) -> str:
        if text:
            text = self._halves.pop(path, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._halves[path] = text[-1]
            text = text[:-1]
        return whole_text(text)


def _index(item: Any, place: int) -> int:
    """A choice or tool call is known by its own `index`, not by its place in this chunk."""
    index = item.get("index") if isinstance(item, dict) else None
    return index if isinstance(index, int) else place


class _Unfit(Exception):
    """A value that cannot be read as the type; the text says where."""


@cache
def _fields(cls: type[Wire]) -> list[tuple[str, str, Any, bool]]:
    """(wire name, attribute, type, required) of what comes off the wire."""
    hints = typing.get_type_hints(cls)
    return [
        (field.encode_name, field.name, hints[field.name], field.required)
        for field in wire_fields(cls)
    ]


def _fit(value: Any, kind: Any) -> Any:
    """The value as `kind`, bent where servers bend it: numbers as strings, 1.0 for 1, null where a
    list belongs, an object where text belongs. An optional field that does not fit is left at its
    default (the payload still holds it); a required one raises _Unfit."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _fit_union(value, typing.get_args(kind))
    if origin is list:
        if value is None:  # Go writes an empty list so
            return []
        if not isinstance(value, list):
            raise _Unfit(f"{_name(value)} where a list belongs")
        item_kind = typing.get_args(kind)[0]
        return [_fit(item, item_kind) for item in value]
    if origin is dict:
        if not isinstance(value, dict):
            raise _Unfit(f"{_name(value)} where an object belongs")
        return value
    if isinstance(kind, type) and issubclass(kind, Wire):
        return _fit_struct(value, kind)
    if kind is str:
        return _fit_text(value)
    if kind in (int, float):
        return _fit_number(value, kind)
    return _whole(value)


def _fit_union(value: Any, kinds: tuple[Any, ...]) -> Any:
    if value is None:
        if type(None) in kinds:
            return None
        raise _Unfit("null where it is not allowed")
    kinds = tuple(kind for kind in kinds if kind not in (type(None), msgspec.UnsetType))
    if len(kinds) > 1:
        # Lists or text, as an embedding is: bent into the other, a list with a hole would be text.
        kinds = (str,) if isinstance(value, str) else tuple(k for k in kinds if k is not str)
    return _fit(value, kinds[0])


def _fit_struct(value: Any, cls: type[Wire]) -> Wire:
    if not isinstance(value, dict):
        raise _Unfit(f"{_name(value)} where an object belongs")
    found: dict[str, Any] = {}
    for wire_name, name, kind, required in _fields(cls):
        if wire_name in value:
            try:
                found[name] = _fit(value[wire_name], kind)
            except _Unfit as unfit:
                if required:
                    raise _Unfit(f"{wire_name}: {unfit}") from None
        elif required:
            raise _Unfit(f"it has no {wire_name!r}")
    return cls(**found)


def _fit_text(value: Any) -> str:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in value
    ):
        return "".join(part["text"] for part in value)  # content as a list of text parts
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)  # tool arguments as an object
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _Unfit(f"{_name(value)} where text belongs")


def _fit_number(value: Any, kind: type[int] | type[float]) -> int | float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
            if kind is float:
                return number
            # int(value) where it is one: a float would lose digits above 2**53.
            return value if isinstance(value, int) else int(number)
        except (ValueError, OverflowError):
            pass
    raise _Unfit(f"{_name(value)} where a number belongs")


def _whole(value: Any) -> Any:
    """A value of any kind, its text without halves of surrogate pairs."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    return value


def _name(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "text", type(None): "null"}.get(
        type(value), f"{value!r:.20}"
    )
