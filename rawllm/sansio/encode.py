"""What a caller gives → the request's JSON bytes.

Sends no value that JSON cannot hold: NaN, which msgspec would silently write as null, and halves of
surrogate pairs, which no server could read, are refused with their place in the request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..errors import ConfigurationError
from ..options import NotGiven
from .types import ChatCompletionMessage

__all__ = ["encode", "messages_of", "without_not_given"]


def _hook(value: Any) -> Any:
    """What msgspec does not know: pydantic's models, by duck typing."""
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(exclude_none=True)
    raise NotImplementedError


_encoder = msgspec.json.Encoder(enc_hook=_hook)


def encode(body: dict[str, Any]) -> bytes:
    """The body as JSON. Raises ConfigurationError naming the place of what cannot be encoded."""
    try:
        payload = _encoder.encode(body)
    except UnicodeEncodeError:
        place = _first(body, _is_half)
        raise ConfigurationError(
            f"{place} holds half a surrogate pair (U+D800 to U+DFFF), which is no text; was it "
            "read with errors='surrogateescape', or cut in the middle of an emoji?"
        ) from None
    except (TypeError, NotImplementedError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from None
    except RecursionError:
        raise ConfigurationError("the request holds itself: it is nested without end") from None
    # msgspec writes NaN and infinity as null. Only where there is a null the search is worth it.
    if b"null" in payload and (place := _first(body, _is_no_number)) is not None:
        raise ConfigurationError(f"{place} is NaN or infinite, which JSON cannot hold")
    return payload


def without_not_given(params: dict[str, Any]) -> dict[str, Any]:
    """openai-python's `NOT_GIVEN` and `Omit` leave an argument out; None is sent as null."""
    return {
        name: value
        for name, value in params.items()
        if not isinstance(value, NotGiven) and type(value).__name__ not in ("NotGiven", "Omit")
    }


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
    if isinstance(messages, (list, tuple)):
        return [m.to_param() if isinstance(m, ChatCompletionMessage) else m for m in messages]
    return messages


def _is_half(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value)


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _first(body: Any, test: Callable[[Any], bool]) -> str | None:
    return next((path for path, value in _leaves(body, "") if test(value)), None)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{path}.{name!r}" if _is_half(name) else path, name
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}[{i}]")
    else:
        yield path, value
