"""One call and its attempts: what is asked for, how far it has come, what hooks and log are told.

Decides nothing and sends nothing; exchange.py does.
"""

from __future__ import annotations

import itertools
import logging
import math
from typing import Any

from yarl import URL

from ..arguments import put_headers
from ..errors import APIError
from ..hooks import (
    CallFailed,
    CallFinished,
    EndpointPaused,
    FirstToken,
    Hook,
    Retrying,
    emit,
    logger,
    show,
)
from ..options import Retry
from ..sansio.pace import Permit
from ..sansio.redact import cleaned, credentials, strike_out
from ..sansio.types import Timing, Usage
from .address import shown
from .clocks import Clock, Clocks
from .endpoint import Endpoint
from .limiter import Limiter
from .response import Response
from .slot import Headers, Slot

__all__ = ["Attempt", "Call", "failed", "tell_attempt", "tell_pause", "tell_retry"]

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
        return credentials(self.secret, self.headers, self.url.query)

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


class Attempt:
    """One request of a call, from its permit to its end. Owns the slot until `end`."""

    __slots__ = ("call", "ended", "endpoint", "limiter", "permit", "response", "slot")

    response: Response

    def __init__(self, call: Call, endpoint: Endpoint, limiter: Limiter, permit: Permit) -> None:
        self.call = call
        self.endpoint = endpoint
        self.limiter = limiter
        self.permit = permit
        self.slot = Slot(call.sent_at)
        self.ended = False

    def end(self, usage: Usage | None = None) -> None:
        """The slot back, and the estimate settled with what was really used. Without usage the
        estimate stands. A second call does nothing."""
        if self.ended:
            return
        self.ended = True
        if usage is not None:
            if self.endpoint.tokens is not None:
                used = usage.total_tokens or usage.prompt_tokens + usage.completion_tokens
                self.limiter.settle(self.call.tokens, float(used))
            if usage.completion_tokens:  # an embedding has none
                self.endpoint.estimate.learn(usage.completion_tokens, self.call.expected)
        self.limiter.release()

    def timing(self) -> Timing:
        call = self.call
        connection = self.response.connection
        return Timing(
            queued=call.sent_at - call.started,
            connect=connection.opening if connection is not None and connection.uses == 1 else None,
            first_token=call.first_token,
            total=self.limiter.now() - call.started,
            attempts=call.attempts,
        )

    def request_id(self) -> str | None:
        headers = self.response.headers
        return headers.get("x-request-id") or headers.get("request-id")

    def finished(
        self, timing: Timing, usage: Usage | None, finish_reason: str | None, answer: Any = None
    ) -> None:
        """Tell whoever watches that the answer is whole. answer: the answer, or what gives it."""
        call = self.call
        call.clock.stop()
        if self.limiter.pace.level is not None:
            used = 0 if usage is None else usage.completion_tokens or usage.total_tokens
            self.limiter.finished(self.permit, float(max(used, 1)))  # what servers count
        if call.hooks:
            show(call.hooks, call.id, call.body, answer)
            secrets = call.credentials()
            read = None if usage is None else usage.prompt_tokens_details
            written = None if usage is None else usage.completion_tokens_details
            call.emit(
                CallFinished,
                stream=call.stream,
                attempts=call.attempts,
                queued=timing.queued,
                first_token=timing.first_token,
                total=timing.total,
                prompt_tokens=None if usage is None else usage.prompt_tokens,
                completion_tokens=None if usage is None else usage.completion_tokens,
                cached_tokens=None if read is None else read.cached_tokens,
                reasoning_tokens=None if written is None else written.reasoning_tokens,
                # Both are the server's words, and some servers echo what they got.
                finish_reason=cleaned(finish_reason, secrets),
                request_id=cleaned(self.request_id(), secrets),
                status_code=self.response.status,
            )
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "%s %s %d in %.3f s, attempts %d, tokens %s",
                call.method,
                call.label,
                self.response.status,
                timing.total,
                call.attempts,
                "unknown" if usage is None else usage.total_tokens,
            )

    def output(self) -> None:
        """The first output has arrived: note the time, once."""
        call = self.call
        call.first_token = self.limiter.now() - call.sent_at
        if call.hooks and call.stream:
            call.emit(FirstToken, seconds=call.first_token)


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
            type(error).__name__,
        )


def tell_attempt(call: Call, outcome: object) -> None:
    """outcome: the status, or the name of what was raised."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("%s %s attempt %d: %s", call.method, call.label, call.attempts, outcome)


def tell_pause(attempt: Attempt, error: APIError, seconds: float) -> None:
    logger.warning(
        "%s paused for %.2f s: %s", attempt.endpoint.label, seconds, type(error).__name__
    )
    if attempt.call.hooks:
        attempt.call.emit(EndpointPaused, seconds=seconds, error=type(error).__name__)


def tell_retry(call: Call, error: APIError, wait: float) -> None:
    if wait > 0.0:  # a wait of its own; a pause was told once for everybody
        logger.warning(
            "%s retried in %.2f s (attempt %d): %s",
            call.label,
            wait,
            call.attempts,
            type(error).__name__,
        )
    if call.hooks:
        call.emit(Retrying, attempt=call.attempts, wait=wait, error=type(error).__name__)
