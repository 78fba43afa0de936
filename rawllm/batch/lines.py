"""Lines of Batch files: a line of input → a request; an answer or an error → a line of output; a
line of output → what it records.

Opens no file and sends nothing. Writes no line that `json.loads` or msgspec could not read.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, NamedTuple

import msgspec

from ..errors import APIError, ConfigurationError, RawLLMError
from ..sansio.encode import messages_of
from ..sansio.loose import MAX_DEPTH, loads, whole_text

__all__ = ["Outcome", "Request", "answered", "failed", "outcome", "request"]

#: What can be asked for, and what its body must hold.
_NEEDED = {"/chat/completions": "messages", "/completions": "prompt", "/embeddings": "input"}


class Request(msgspec.Struct, frozen=True):
    """custom_id: str, one of a kind in its file. path: str, as "/chat/completions". body: dict."""

    custom_id: str
    path: str
    body: dict[str, Any]


def request(line: bytes, number: int, *, model: str | None = None) -> Request:
    """The request in a line of input: an OpenAI Batch line (`custom_id`, `method`, `url`, `body`),
    or a plain one: `{"prompt": …}` or `{"messages": …}`, with any other arguments beside it and
    `custom_id` where it has one.

    number: int, the line's, from 1; a plain line without a custom_id is "request-<number>".
    model: str that takes the place of the body's (a file made for a hosted API names models that a
    server at home lacks).
    Raises ConfigurationError naming the line and what is wrong with it.
    """
    try:
        found = _strictly(line)
        if not isinstance(found, dict):
            raise ConfigurationError("no JSON object")
        batch = found.keys() & {"body", "url", "method"}
        asked = _batch(found) if batch else _plain(found, number)
        if model is not None:
            asked.body["model"] = model
    except ConfigurationError as error:
        raise ConfigurationError(f"line {number}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"line {number}: no JSON that can be sent ({error})") from None
    return asked


def _strictly(payload: bytes) -> Any:
    """The value of strict JSON. ValueError or RecursionError where it is none."""
    value = msgspec.json.decode(payload)
    # Deep nesting passes here and kills a reader with a fuller stack. So many brackets first.
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH:
        loads(payload)
    return value


def _batch(found: dict[str, Any]) -> Request:
    if beside := found.keys() & {"prompt", "messages"}:
        raise ConfigurationError(f"{min(beside)!r} belongs into the body of a Batch line")
    if found.get("method", "POST") != "POST":
        raise ConfigurationError(f"'method' is {found['method']!r:.50}; only 'POST' can be done")
    url = found.get("url")
    path = url.removeprefix("/v1") if isinstance(url, str) else None
    needed = _NEEDED.get(path or "")
    if path is None or needed is None:
        known = ", ".join(f"'/v1{path}'" for path in _NEEDED)
        raise ConfigurationError(f"'url' is {url!r:.100}; it can be {known}")
    body = found.get("body")
    if not isinstance(body, dict):
        raise ConfigurationError("'body' is no object: it holds the request's arguments")
    if not body.get(needed):
        raise ConfigurationError(f"the body has no {needed!r}, which {path} needs")
    _check_stream(body)
    return Request(_custom_id(found), path, body)


def _plain(found: dict[str, Any], number: int) -> Request:
    given = found.keys() & {"prompt", "messages"}
    if len(given) != 1:
        raise ConfigurationError(
            "a line has either 'prompt', or 'messages', or the 'custom_id', 'method', 'url' and "
            "'body' of a Batch line"
        )
    custom_id = _custom_id(found) if "custom_id" in found else f"request-{number}"
    messages = messages_of(found[given.pop()])
    rest = {
        name: value
        for name, value in found.items()
        if name not in ("custom_id", "prompt", "messages")
    }
    _check_stream(rest)
    return Request(custom_id, "/chat/completions", {"messages": messages, **rest})


def _custom_id(found: dict[str, Any]) -> str:
    custom_id = found.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise ConfigurationError(f"'custom_id' is {custom_id!r:.50}; it must be text")
    return custom_id


def _check_stream(body: dict[str, Any]) -> None:
    if body.get("stream"):
        raise ConfigurationError("'stream' cannot be had here: a line holds a whole answer")


class _Response(msgspec.Struct):
    status_code: int
    request_id: str | None = None
    body: Any = None


class _Line(msgspec.Struct):
    id: str
    custom_id: str
    response: _Response | None
    error: Any


def answered(custom_id: str, payload: bytes, *, request_id: str | None = None) -> bytes:
    """The line of output for an answer, its newline included.

    payload: the answer's bytes. Strict JSON goes in as it is; what servers write beyond that (NaN,
    halves of surrogate pairs) is mended: null, U+FFFD.
    """
    body: Any
    try:
        _strictly(payload)
    except (ValueError, RecursionError):
        body = _whole(_loosely(payload))
    else:
        # In valid JSON line ends stand only between values, where a space is as good.
        body = msgspec.Raw(payload.replace(b"\n", b" ").replace(b"\r", b" "))
    return _line(custom_id, _Response(200, _whole(request_id), body), None)


def failed(custom_id: str, error: RawLLMError) -> bytes:
    """The line of output for a failure, its newline included, in OpenAI's two shapes: a status and
    its body under `response`; or, where there was no status of 400 or more, `error` with `code`
    (the row of the failure table, as in `APIError.kind`, or the exception's name) and `message`.
    """
    if isinstance(error, APIError) and (error.status_code or 0) >= 400:
        details = error.body if isinstance(error.body, dict) else {}
        body = {"error": {"message": error.message, **details}}
        response = _Response(error.status_code or 0, error.request_id, body)
        return _line(custom_id, _whole(msgspec.to_builtins(response)), None)
    code = getattr(error, "kind", None) or type(error).__name__
    return _line(custom_id, None, _whole({"code": code, "message": str(error)}))


def _line(custom_id: str, response: Any, error: Any) -> bytes:
    # From the custom_id and not from chance: two runs over one input can be compared.
    digest = hashlib.blake2b(custom_id.encode(), digest_size=16).hexdigest()
    return msgspec.json.encode(_Line(f"batch_req_{digest}", custom_id, response, error)) + b"\n"


def _loosely(payload: bytes) -> Any:
    try:
        return loads(payload)
    except ValueError:  # nested too deeply for most readers: kept, as text
        return payload.decode("utf-8", "replace")


def _whole(value: Any) -> Any:
    """Without what strict JSON cannot hold: infinite numbers (null), halves of pairs (U+FFFD)."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


class Outcome(NamedTuple):
    """What a line of output records. failed: an error, or a status of 400 or more."""

    custom_id: str
    failed: bool


class _Status(msgspec.Struct):
    status_code: int


class _Record(msgspec.Struct):
    custom_id: str
    response: _Status | None = None
    error: Any = None


_record = msgspec.json.Decoder(_Record)


def outcome(line: bytes) -> Outcome:
    """What a line of output says, a hosted API's too. ValueError where it is none."""
    # As text: msgspec skips over the body, and there it would let bytes pass that are no UTF-8.
    text = str(line, "utf-8")
    try:
        found = _record.decode(text)
    except (ValueError, RecursionError):
        found = _foreign(line)
    if found.error is not None:
        return Outcome(found.custom_id, True)
    if found.response is None:
        raise ValueError("neither a response nor an error")
    return Outcome(found.custom_id, found.response.status_code >= 400)


def _foreign(line: bytes) -> _Record:
    """JSON that others wrote and most tools read: NaN, halves of surrogate pairs."""
    try:
        return msgspec.convert(_whole(loads(line)), _Record)
    except RecursionError:
        raise ValueError("nested too deeply") from None
