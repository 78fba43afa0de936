"""What a caller gives → the request's JSON bytes.

Sends no value that JSON cannot hold: NaN, which msgspec would silently write as null, bytes, which
it would write as base64, and halves of surrogate pairs, which no server could read: they are
refused with their place in the request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..errors import ConfigurationError
from .types import ChatCompletionMessage

__all__ = ["encode", "messages_of", "without_not_given"]


#: Ours and openai's. By name, since theirs must not be imported.
_LEFT_OUT = frozenset({"NotGiven", "Omit"})
_BINARY = (bytes, bytearray, memoryview)
_NESTED = (dict, list, tuple)
_PLAIN = frozenset({str, int, float, bool, type(None)})
_USUAL = _PLAIN.union(_NESTED)
_DICT = frozenset({dict})


class _Unknown(Exception):
    """A value that neither msgspec nor _hook can write."""


def _hook(value: Any) -> Any:
    """What msgspec does not know: pydantic's models, by duck typing, and a str of another type, as
    LangChain's texts are."""
    if isinstance(value, str):
        return str.__str__(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(exclude_none=True)
    raise _Unknown(value)


_encoder = msgspec.json.Encoder(enc_hook=_hook)


def encode(body: dict[str, Any]) -> bytes:
    """The body as JSON. Raises ConfigurationError naming the place of what cannot be encoded."""
    try:
        return _checked(body)
    except ConfigurationError:
        raise
    except _Unknown as unknown:
        value = unknown.args[0]
        place = next((path for path, leaf in _leaves(body, "") if leaf is value), "the request")
        raise ConfigurationError(
            f"{place} is of type {type(value).__name__}, which cannot be written as JSON"
        ) from None
    except (TypeError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from None
    except RecursionError:
        raise ConfigurationError("the request holds itself: it is nested without end") from None


def _checked(body: dict[str, Any]) -> bytes:
    try:
        payload = _encoder.encode(body)
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{_first(body, _is_half)} holds half a surrogate pair (U+D800 to U+DFFF), which is no "
            "text; was it read with errors='surrogateescape', or cut in the middle of an emoji?"
        ) from None
    # msgspec writes NaN and infinity as null. Only where there is a null the search is worth it.
    if b"null" in payload and (number := _first(body, _is_no_number)) is not None:
        raise ConfigurationError(f"{number} is NaN or infinite, which JSON cannot hold")
    if _holds_bytes(body):
        raise ConfigurationError(
            f"{_first(body, _is_binary)} is bytes, which JSON cannot hold; decode it to text"
        )
    return payload


def _holds_bytes(value: Any) -> bool:
    """Whether there are bytes anywhere in dicts, lists and tuples. On every call: half a
    microsecond for a usual body, so types are compared before isinstance is asked."""
    items = value.values() if isinstance(value, dict) else value
    if _PLAIN.issuperset(map(type, items)):
        return False
    for item in items:
        if type(item) in _PLAIN:
            continue
        if isinstance(item, _BINARY):
            return True
        if isinstance(item, _NESTED) and _holds_bytes(item):
            return True
    return False


def without_not_given(params: dict[str, Any]) -> dict[str, Any]:
    """openai-python's `NOT_GIVEN` and `Omit` leave an argument out; None is sent as null. Where
    there are none, the same dict."""
    if _USUAL.issuperset(map(type, params.values())):
        return params
    return {name: value for name, value in params.items() if type(value).__name__ not in _LEFT_OUT}


def messages_of(prompt: Any, *, system: str | None = None) -> list[Any]:
    """A prompt (str), or a list of messages as it is, as messages. Raises ConfigurationError where
    there is nothing to answer."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise ConfigurationError("the prompt is empty")
        messages: list[Any] = [{"role": "user", "content": prompt}]
    elif isinstance(prompt, (list, tuple)):
        if not prompt:
            raise ConfigurationError("the list of messages is empty")
        if any(isinstance(message, str) for message in prompt):
            raise ConfigurationError(
                "a list is one conversation, and its messages are dicts like "
                '{"role": "user", "content": "…"}; this one holds a str. For many prompts: map()'
            )
        messages = list(prompt)
    else:
        raise ConfigurationError(
            f"a prompt is a str or a list of messages, not {type(prompt).__name__}"
        )
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return messages


def plain_messages(messages: Any) -> Any:
    """Messages taken from an answer become what a request takes."""
    if not isinstance(messages, (list, tuple)):
        if not isinstance(messages, Iterable) or isinstance(messages, (str, bytes, Mapping)):
            return messages
        messages = list(messages)
    if not _DICT.issuperset(map(type, messages)):
        return [m.to_param() if isinstance(m, ChatCompletionMessage) else m for m in messages]
    return messages


def _is_half(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value)


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_binary(value: Any) -> bool:
    return isinstance(value, _BINARY)


def _first(body: Any, test: Callable[[Any], bool]) -> str | None:
    """The place of the first value that fails. In plain values, so that models are looked into."""
    plain = msgspec.to_builtins(body, enc_hook=_hook, builtin_types=_BINARY)
    return next((path for path, value in _leaves(plain, "") if test(value)), None)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            shown = ascii(name) if _is_half(name) else str(name)
            place = f"{path}.{shown}" if path else shown
            yield place, name
            yield from _leaves(item, place)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}[{i}]")
    else:
        yield path, value
