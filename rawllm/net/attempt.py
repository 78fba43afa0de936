"""One request of a call, from its permit to its end: its slot, its usage, and who is told of it.

Decides nothing and sends nothing; exchange.py does.
"""

from __future__ import annotations

import logging
from typing import Any

from ..errors import APIError
from ..hooks import (
    CallFinished,
    EndpointPaused,
    FirstToken,
    logger,
    show,
)
from ..sansio.pace import Permit
from ..sansio.redact import cleaned
from ..sansio.types import Timing, Usage
from .call import Call, named
from .endpoint import Endpoint
from .limiter import Limiter
from .response import Response
from .slot import Slot

__all__ = ["Attempt", "tell_pause"]


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


def tell_pause(attempt: Attempt, error: APIError, seconds: float) -> None:
    logger.warning("%s paused for %.2f s: %s", attempt.endpoint.label, seconds, named(error))
    if attempt.call.hooks:
        attempt.call.emit(EndpointPaused, seconds=seconds, error=type(error).__name__)
