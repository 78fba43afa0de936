"""One call: what is asked for, how far it has come, what hooks and log are told.

Decides nothing and sends nothing; exchange.py does.
"""

from __future__ import annotations

import itertools
import logging
import math
from typing import Any

from yarl import URL

from ..arguments import put_headers
from ..errors import APIConnectionError, APIError
from ..hooks import (
    CallFailed,
    Hook,
    Retrying,
    emit,
    logger,
    show,
)
from ..options import Retry
from ..sansio.redact import credentials, strike_out
from .address import shown
from .clocks import Clock, Clocks
from .slot import Headers

__all__ = ["Call", "failed", "named", "tell_attempt", "tell_retry"]

_call_ids = itertools.count(1)


class Call:
    """What is asked for, and how far it has come.

    tokens: float, the estimate that the token bucket takes. secret: the key, to be struck out of
    what a server echoes (as are credentials in headers and query). expected: int, choices asked
    for. asked: loop time from which the deadline counts; None: the exchange's beginning.
    """

    __slots__ = (
        "asked",
        "attempts",
        "body",
        "clock",
        "clocks",
        "expected",
        "first_token",
        "headers",
        "hooks",
        "id",
        "method",
        "model",
        "number",
        "policy",
        "refused_at",
        "secret",
        "sent_at",
        "spent",
        "started",
        "stream",
        "tokens",
        "url",
    )

    clock: Clock

    def __init__(
        self,
        *,
        method: str,
        url: URL,
        headers: Headers,
        body: bytes | None,
        stream: bool,
        clocks: Clocks,
        policy: Retry,
        hooks: tuple[Hook, ...] = (),
        model: str | None = None,
        tokens: float = 0.0,
        secret: str | None = None,
        expected: int = 1,
        asked: float | None = None,
    ) -> None:
        self.id = next(_call_ids)
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.stream = stream
        self.clocks = clocks
        self.policy = policy
        self.hooks = hooks
        self.model = model
        self.tokens = tokens
        self.secret = secret
        self.expected = expected
        self.asked = asked
        self.attempts = 0  # requests sent
        self.spent = 0  # tries that count against policy.attempts
        self.number: int | None = None  # the place in the queue
        self.refused_at = math.inf  # when it first met what looks like an outage
        self.started = self.sent_at = 0.0
        self.first_token: float | None = None

    @property
    def label(self) -> str:
        """The URL as logs and errors may have it."""
        return shown(self.url)

    def credentials(self) -> list[str]:
        """What was sent with it and must not be shown."""
        if self.url.query:
            return credentials(self.secret, self.headers, self.url.query)
        return self.headers.credentials(self.secret)  # of the client, and so made once

    def attempt_headers(self) -> Headers:
        """The call's headers, and what hooks want to be sent with this attempt."""
        headers = self.headers
        for hook in self.hooks:
            ask = getattr(hook, "attempt_headers", None)
            if ask is None:
                continue
            try:
                more = Headers(headers)
                put_headers("attempt_headers", ask(self.id, self.attempts), more)
                headers = more
            except Exception:
                logger.exception("a rawllm hook failed to give headers")
        return headers

    def emit(self, event: type[Any], **data: Any) -> None:
        emit(
            self.hooks,
            event(
                call_id=self.id, method=self.method, endpoint=self.label, model=self.model, **data
            ),
        )


def failed(call: Call, error: BaseException, now: float) -> None:
    """Tell whoever watches that the call has ended without a whole answer."""
    if isinstance(error, APIError):
        error.attempts = call.attempts
        error.endpoint = call.label
        error._method = call.method
        strike_out(error, call.credentials())
    if call.hooks:
        show(call.hooks, call.id, call.body, getattr(error, "partial", None))
        call.emit(
            CallFailed,
            stream=call.stream,
            attempts=call.attempts,
            error="StreamClosed" if isinstance(error, GeneratorExit) else type(error).__name__,
            status_code=getattr(error, "status_code", None),
            total=now - call.started,
        )
    if logger.isEnabledFor(logging.INFO) and isinstance(error, APIError):
        logger.info(
            "%s %s failed in %.3f s, attempts %d: %s",
            call.method,
            call.label,
            now - call.started,
            call.attempts,
            named(error),
        )


def named(error: APIError) -> str:
    """Its class, and what happened where no server had a word in it: those may quote the prompt."""
    name = type(error).__name__
    return f"{name}: {error.message}" if isinstance(error, APIConnectionError) else name


def tell_attempt(call: Call, outcome: object) -> None:
    """outcome: the status, or the name of what was raised."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("%s %s attempt %d: %s", call.method, call.label, call.attempts, outcome)


def tell_retry(call: Call, error: APIError, wait: float) -> None:
    if wait > 0.0:  # a wait of its own; a pause was told once for everybody
        logger.warning(
            "%s retried in %.2f s (attempt %d): %s",
            call.label,
            wait,
            call.attempts,
            named(error),
        )
    if call.hooks:
        call.emit(Retrying, attempt=call.attempts, wait=wait, error=type(error).__name__)
