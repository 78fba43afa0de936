"""What can be observed of a call: frozen events, and the `rawllm` logger.

An observer is any callable that takes one event. It gets plain data, never the client's insides,
never a key; a prompt and an answer only where it has a method that asks for them. All that it can
change are the headers of a request.

Log levels: INFO one line a call, WARNING retries and pauses, DEBUG every attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

__all__ = [
    "AttemptFailed",
    "AttemptHook",
    "CallFailed",
    "CallFinished",
    "CallStarted",
    "ContentHook",
    "EndpointPaused",
    "Event",
    "FirstToken",
    "Hook",
    "Retrying",
    "logger",
]

logger = logging.getLogger("rawllm")
logger.addHandler(logging.NullHandler())


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all events.

    call_id: a number that is the same for all events of one call.
    method, endpoint: what was called, "POST" and the URL without query and user info.
    model: as asked for, or None.
    """

    call_id: int
    method: str
    endpoint: str
    model: str | None = None


class CallStarted(Event, frozen=True, kw_only=True):
    """A call was asked for; it may still wait for its turn."""

    stream: bool


class AttemptFailed(Event, frozen=True, kw_only=True):
    """One request failed. `error` is the class's name; a retry may follow."""

    attempt: int
    error: str
    status_code: int | None


class Retrying(Event, frozen=True, kw_only=True):
    """The call will be tried again after `wait` seconds (a pause of the endpoint comes on top)."""

    attempt: int
    wait: float
    error: str


class EndpointPaused(Event, frozen=True, kw_only=True):
    """Nothing is sent to the endpoint for `seconds`, because of `error`."""

    seconds: float
    error: str


class FirstToken(Event, frozen=True, kw_only=True):
    """The first output of a stream arrived, `seconds` after the request was sent."""

    seconds: float


class CallFinished(Event, frozen=True, kw_only=True):
    """The answer is whole. Seconds; tokens as the server counted them, or None. cached_tokens are
    among prompt_tokens, reasoning_tokens among completion_tokens."""

    stream: bool
    attempts: int
    queued: float
    first_token: float | None
    total: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None
    request_id: str | None
    status_code: int


class CallFailed(Event, frozen=True, kw_only=True):
    """The call ended in an error (or was cancelled, or its stream was left half-read:
    `error` is then "CancelledError" or "StreamClosed")."""

    stream: bool
    attempts: int
    error: str
    status_code: int | None
    total: float


Hook = Callable[[Event], Any]


class AttemptHook(Protocol):
    """A hook that is also asked before every request of a call, for the headers of tracing.

    Not for credentials: what it returns is not struck out of what a server echoes.
    """

    def __call__(self, event: Event, /) -> Any: ...

    def attempt_headers(self, call_id: int, attempt: int) -> Mapping[str, str]:
        """Headers to send with request number `attempt` (from 1) of the call. It has its turn, and
        is sent next."""


class ContentHook(Protocol):
    """A hook that is also shown what was asked and what was answered. No other hook ever is."""

    def __call__(self, event: Event, /) -> Any: ...

    def content(self, call_id: int, request: bytes | None, answer: Any) -> None:
        """Called once, just before the call's CallFinished or CallFailed.

        request: the body, JSON, as it was sent. answer: the completion, not to be changed; what had
        come of one where a stream broke; None where nothing had, or the caller reads it raw.
        """


def show(hooks: tuple[Hook, ...], call_id: int, request: bytes | None, answer: Any) -> None:
    """Hand the content to every hook that asks for it; one that fails is logged, not obeyed.
    answer: the answer, or what gives it."""
    for hook in hooks:
        content = getattr(hook, "content", None)
        if content is None:
            continue
        try:
            content(call_id, request, answer() if callable(answer) else answer)
        except Exception:
            logger.exception("a rawllm hook failed on the content of a call")


def emit(hooks: tuple[Hook, ...], event: Event) -> None:
    """Hand the event to every observer. An observer that fails is logged, not obeyed: watching
    must not break what is watched."""
    for hook in hooks:
        try:
            hook(event)
        except Exception:
            logger.exception("a rawllm hook failed on %s", type(event).__name__)


def setup_logging(level: str | None) -> None:
    """OPENAI_LOG=debug or info shows the log on stderr, as openai-python does."""
    wanted = {"debug": logging.DEBUG, "info": logging.INFO}.get((level or "").lower())
    if wanted is None:
        return
    logger.setLevel(wanted)
    if not any(type(h) is logging.StreamHandler for h in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(
            logging.Formatter("[%(asctime)s - %(name)s - %(levelname)s] %(message)s")
        )
        logger.addHandler(handler)
