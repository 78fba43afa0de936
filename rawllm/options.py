"""What a user may set: timeouts, limits, retries, the key, the environment.

Checks every value where it is given; opens nothing and keeps no state.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .errors import ConfigurationError

__all__ = [
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
    "NOT_GIVEN",
    "Environment",
    "Limits",
    "NotGiven",
    "Omit",
    "Retry",
    "Secret",
    "Timeout",
    "TimeoutLike",
    "not_given",
    "omit",
]

MIB: Final = 1024 * 1024

#: The largest number that is a float: an int above it would fail in the arithmetic, much later.
LARGEST: Final = sys.float_info.max


class NotGiven:
    """The type of `NOT_GIVEN`, for arguments where None means something."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = NotGiven()


class Omit(NotGiven):
    """The type of `omit`, openai-python's later word for the same."""

    def __repr__(self) -> str:
        return "omit"


omit: Final = Omit()

#: The name under which newer code written for openai-python knows it.
not_given: Final = NOT_GIVEN


class Secret(str):
    """A string that never shows itself in a repr, and so not in tracebacks with captured locals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


#: Arguments that may hold a key or a password.
_HIDDEN = {"api_key", "base_url", "proxy"} | {
    f"{whose}_{what}"
    for whose in ("default", "set_default", "extra")
    for what in ("headers", "query")
}


def hidden(given: Any) -> Any:
    """The same text, or the same dict of headers or queries, as Secrets. Made where a user's
    argument arrives, since a traceback may show the locals of every frame it passes."""
    if given is None:  # nearly always, and the next but one question is a dear one
        return None
    if isinstance(given, str):
        return Secret(given)
    if isinstance(given, Mapping):
        return {name: hidden(value) for name, value in given.items()}
    if isinstance(given, (list, tuple)):  # of a query
        return [hidden(item) for item in given]
    return given


def hide(arguments: dict[str, Any]) -> None:
    """Hide those among `**arguments` that need it, in place."""
    for name in _HIDDEN & arguments.keys():
        arguments[name] = hidden(arguments[name])


def _shown(number: float) -> str:
    too_long = isinstance(number, int) and abs(number) > LARGEST  # str() may refuse it
    return "…" if too_long else str(number)


def _check_seconds(owner: str, name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(
            f"{owner}({name}=…) takes seconds as a number, or None for no bound; "
            f"got {type(value).__name__}"
        )
    if not 0 < value <= LARGEST and value != math.inf:
        raise ConfigurationError(
            f"{owner}({name}={_shown(value)}) must be a positive number of seconds, or None for no "
            "bound"
        )


def _check_number(owner: str, name: str, value: Any, *, least: float, whole: bool) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ConfigurationError(
            f"{owner}({name}=…) takes {'a whole number' if whole else 'a number'}; "
            f"got {type(value).__name__}"
        )
    if not least <= value <= LARGEST:
        raise ConfigurationError(
            f"{owner}({name}={_shown(value)}) must be a finite number, {least:g} or more"
        )


#: Where nothing is said. Not NOT_GIVEN, which is refused where seconds are wanted.
_USUAL: Any = ...


@dataclass(frozen=True, slots=True, init=False)
class Timeout:
    """Four clocks, each in seconds, None meaning no bound.

    connect: opening a connection, DNS and TLS included.
    first_token: from sending to the first output (text, reasoning, tool call, refusal, finish,
        usage or error). Role-only chunks, which many servers send before a long prefill, do not
        end it. Whole answers: to the first byte of the body.
    idle: between one data event and the next; pings do not reset it. Whole answers: between
        pieces of the body.
    total: the whole call: queueing, retries and backoff included.

    A plain number of seconds, as people write for openai, means `total` for a whole answer, and
    for a stream `total` until the first output, then `idle`.

    Also takes what openai's (httpx's) takes: a first number without a name, for `connect`,
    `first_token` and `idle`; `read`, for the last two; `write` and `pool`, which bound nothing.
    """

    connect: float | None
    first_token: float | None
    idle: float | None
    total: float | None

    def __init__(
        self,
        timeout: float | None = _USUAL,
        /,
        *,
        connect: float | None = _USUAL,
        first_token: float | None = _USUAL,
        idle: float | None = _USUAL,
        total: float | None = None,
        read: float | None = _USUAL,
        write: float | None = None,
        pool: float | None = None,
    ) -> None:
        for name, *given in (
            ("connect", connect, timeout, 10.0),
            ("first_token", first_token, read, timeout, 600.0),
            ("idle", idle, read, timeout, 60.0),
            ("total", total),
        ):
            seconds = next(one for one in given if one is not _USUAL)
            object.__setattr__(self, name, seconds)
        # After all are set: a traceback may show this object.
        for name in ("connect", "first_token", "idle", "total"):
            _check_seconds("Timeout", name, getattr(self, name))
        for name, value in (("write", write), ("pool", pool)):
            _check_seconds("Timeout", name, value)

    @classmethod
    def of(cls, given: Any) -> Timeout | None:
        """An httpx.Timeout as one of these; None: it is none."""
        names = ("connect", "read", "write", "pool")
        if not all(hasattr(given, name) for name in names):
            return None
        return cls(**{name: getattr(given, name) for name in names})


#: What a client has that is given none, under openai-python's names.
DEFAULT_TIMEOUT: Final = Timeout()
DEFAULT_MAX_RETRIES: Final = 2

#: What a `timeout=` argument takes, besides an httpx.Timeout. NOT_GIVEN: the client's own; None:
#: no bound at all.
TimeoutLike = Timeout | float | NotGiven | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, how much a minute, how large.

    concurrency: calls and streams in flight; None: min(256, the open-file limit − 64), because
        1,500 gathered calls without a bound died of EMFILE. "auto": as many as the server gets
        done best, found while it runs, and never more than that.
    requests_per_minute, tokens_per_minute: token buckets; every attempt pays.
    burst: requests that may go at once before the rate holds; None: one second's worth, at least
        1. The token bucket's burst is the same number of seconds' worth.
    max_response_bytes: a whole answer's body, counted after decompression.
    max_event_bytes: one event of a stream.
    """

    concurrency: int | Literal["auto"] | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst: float | None = None
    max_response_bytes: int = 64 * MIB
    max_event_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        if isinstance(self.concurrency, str) and self.concurrency != "auto":
            raise ConfigurationError('Limits(concurrency=…) takes a whole number, or "auto"')
        if self.concurrency not in (None, "auto"):
            _check_number("Limits", "concurrency", self.concurrency, least=1, whole=True)
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None:
                _check_number("Limits", name, value, least=0, whole=False)
                if value == 0:
                    raise ConfigurationError(f"Limits({name}=0) would never let a request go")
        if self.burst is not None:
            _check_number("Limits", "burst", self.burst, least=1, whole=False)
        for name in ("max_response_bytes", "max_event_bytes"):
            _check_number("Limits", name, getattr(self, name), least=1, whole=True)


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how long to wait before trying again.

    attempts: tries in all, the first included (`max_retries=2` is `attempts=3`).
    base, cap: seconds; the n-th wait, counted from 0, is a random time up to min(cap, base · 2ⁿ)
        ("full jitter", as in AWS's "Exponential Backoff And Jitter").
    max_retry_after: seconds; a server that asks for more ends the call (openai-python's 120).
    budget: tokens shared by all calls of a client; a retry takes 5, or 10 where the request may
        have been processed, and a success gives 1 back (botocore's standard mode: 500, 5, 10).
    max_outage: seconds for which failures that are the endpoint's and not the request's (refused,
        unreachable, 429, 502, 503, 529) spend no attempt: the call waits. Counted from the first
        of them since the endpoint last took a request. `APIError.outage` of the error that comes
        out after that says how long it was. No meaning for `@rawllm.retry`.
    on: exception classes of your own that `@rawllm.retry` also retries.
    """

    attempts: int = 3
    base: float = 0.5
    cap: float = 8.0
    max_retry_after: float = 120.0
    budget: float = 500.0
    max_outage: float = 0.0
    on: tuple[type[Exception], ...] = field(default=())

    def __post_init__(self) -> None:
        _check_number("Retry", "attempts", self.attempts, least=1, whole=True)
        for name in ("base", "cap", "max_retry_after", "budget", "max_outage"):
            _check_number("Retry", name, getattr(self, name), least=0, whole=False)
        on = self.on if isinstance(self.on, tuple) else (self.on,)
        if not all(isinstance(cls, type) and issubclass(cls, Exception) for cls in on):
            raise ConfigurationError("Retry(on=…) takes exception classes")
        object.__setattr__(self, "on", on)


#: RFC 9110 §5.6.2 (token) for names, §5.5 for values: visible ASCII, space and tab.
#: Stricter than the RFC on obs-text, since a key with an umlaut is a paste error.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


#: A second one of these, or a wrong one, is how requests are smuggled.
_FRAMING = {"content-length", "transfer-encoding"}


def check_header(where: str, name: str, value: str) -> None:
    """Refuse what could smuggle a second header. The message never holds the value."""
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        # Not shown: it may be a whole "Authorization: Bearer …" in the wrong place.
        raise ConfigurationError(
            f"{where}: a header name is not text, or holds a space, a colon or another character "
            "that no header name may hold; was it taken together with its value?"
        )
    if name.lower() in _FRAMING:
        raise ConfigurationError(f"{where}: {name} says where the body ends: rawllm writes it")
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise ConfigurationError(
            f"{where}: the value for {name!r} holds a line break, another control character or a "
            "character outside ASCII; was it pasted with its newline?"
        )


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that openai-python reads, read once, under its names."""

    api_key: Secret | None = None
    base_url: str | None = field(default=None, repr=False)  # may hold a password
    organization: str | None = None
    project: str | None = None
    custom_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    log: str | None = None
    ssl_cert_file: str | None = None
    ssl_cert_dir: str | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Environment:
        # No local holds the environment, nor a header of it: a traceback may show this frame's.
        def raw(name: str) -> Secret:
            return Secret((os.environ if environ is None else environ).get(name, ""))

        # Set but empty is how shells and compose files say "not set".
        def get(name: str) -> Secret | None:
            return Secret(raw(name).strip()) or None

        key = get("OPENAI_API_KEY")
        return cls(
            api_key=key,
            base_url=get("OPENAI_BASE_URL"),
            organization=get("OPENAI_ORG_ID"),
            project=get("OPENAI_PROJECT_ID"),
            custom_headers=_parse_headers(raw("OPENAI_CUSTOM_HEADERS")),
            log=get("OPENAI_LOG"),
            ssl_cert_file=get("SSL_CERT_FILE"),
            ssl_cert_dir=get("SSL_CERT_DIR"),
        )


def _parse_headers(text: str) -> dict[str, str]:
    """`Name: value`, one a line (openai-python's form)."""
    headers: dict[str, str] = {}
    for line in map(Secret, text.split("\n")):
        if not line.strip():
            continue
        name, colon, value = map(Secret, line.partition(":"))
        if not colon:
            raise ConfigurationError("OPENAI_CUSTOM_HEADERS takes one 'Name: value' a line")
        value = Secret(value.strip())
        check_header("OPENAI_CUSTOM_HEADERS", name.strip(), value)
        headers[name.strip()] = value
    return headers
