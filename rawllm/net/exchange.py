"""One call: wait for the turn, send, get the answer or a typed error, try again where that helps.

Composes and decides nothing: pace and retries are sansio's, waiting the limiter's, sending the
transport's. What an answer is, the caller says with `consume`.

    ┌ retried box ───────────────────────────────────────────────────────────────┐
    │ slot, pause, buckets → request → status ≥ 400 is an error → consume         │
    └ nothing was handed out yet, so all of it may be done again ────────────────┘
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import re
import time
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from yarl import URL

from ..errors import APIError, RawLLMError
from ..hooks import (
    AttemptFailed,
    CallFailed,
    CallFinished,
    CallStarted,
    EndpointPaused,
    FirstToken,
    Hook,
    Retrying,
    emit,
    logger,
)
from ..options import Limits, Retry
from ..sansio import failures
from ..sansio.bucket import TokenBucket
from ..sansio.decode import error_body
from ..sansio.estimate import TokenEstimate
from ..sansio.headers import rate_limits
from ..sansio.manners import StreamManners
from ..sansio.pace import Pace, Permit
from ..sansio.retry import Budget, decide
from ..sansio.types import Timing, Usage
from .clocks import Clock, Clocks
from .limiter import Limiter
from .retrying import Again, retried
from .session import Sessions, Slot, proxy_for
from .transport import PROXY_LOGIN, Response, Transport

__all__ = ["Attempt", "Call", "Endpoint", "Lookup", "exchange"]

T = TypeVar("T")

#: An error's body is read up to here, for its message.
ERROR_BYTES = 64 * 1024
ERROR_SECONDS = 10.0

_call_ids = itertools.count(1)


def default_concurrency() -> int:
    """min(256, the open-file limit − 64)."""
    try:
        import resource  # not on Windows
    except ImportError:
        return 256
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 256
    return max(1, min(256, soft - 64))


class Lookup:
    """Of one event loop: who asks the server for its only model, and what came of it last."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.failures = 0
        self.error: RawLLMError | None = None


class Endpoint:
    """What all calls to one base URL share: connections, limits, pace, retry budget, and what was
    learned of the server."""

    def __init__(
        self,
        base_url: URL,
        *,
        sessions: Sessions,
        limits: Limits,
        retry: Retry,
        proxy: str | None,
    ) -> None:
        self.base_url = base_url
        self.label = str(base_url.with_user(None).with_query(None))
        self.sessions = sessions
        self.limits = limits
        self.pace = Pace(base=retry.base, cap=retry.cap, longest=retry.max_retry_after)
        self.budget = Budget(retry.budget)
        self.estimate = TokenEstimate()
        self.transport = Transport(
            sessions, proxy=proxy_for(base_url, proxy), manners=StreamManners()
        )
        # Learned of the server:
        self.refuses_stream_options = False
        self.only_model: str | None = None
        self.lookups: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Lookup] = (
            weakref.WeakKeyDictionary()
        )
        self.requests, self.tokens = _buckets(limits)
        wanted = limits.concurrency or default_concurrency()
        # A user's own connector may have a queue of its own, in which aiohttp's connect timeout
        # runs: what would wait there had better wait here.
        self.concurrency = min(wanted, sessions.room or wanted)
        self._limiters: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Limiter] = (
            weakref.WeakKeyDictionary()
        )

    def limiter(self) -> Limiter:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        limiter = self._limiters.get(loop)
        if limiter is None:
            # A limiter holds its loop, which the weak key then cannot let go of.
            for old in [known for known in self._limiters if known.is_closed()]:
                del self._limiters[old]
            limiter = self._limiters[loop] = Limiter(
                concurrency=self.concurrency,
                requests=self.requests,
                tokens=self.tokens,
                pace=self.pace,
                loop=loop,
            )
        return limiter


def _buckets(limits: Limits) -> tuple[TokenBucket | None, TokenBucket | None]:
    """For requests and for tokens. `burst` is said in requests; the token bucket's is as many
    seconds' worth."""
    requests = tokens = None
    seconds = 1.0
    if limits.requests_per_minute is not None:
        rate = limits.requests_per_minute / 60.0
        requests = TokenBucket(rate, limits.burst or max(1.0, rate))
        seconds = requests.burst / rate
    if limits.tokens_per_minute is not None:
        rate = limits.tokens_per_minute / 60.0
        tokens = TokenBucket(rate, max(1.0, rate * seconds))
    return requests, tokens


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
        "label",
        "method",
        "model",
        "number",
        "policy",
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
        headers: dict[str, str],
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
        self.label = (
            str(url.with_query(None).with_user(None)) if url.user or url.query else str(url)
        )
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
        self.started = self.sent_at = 0.0
        self.first_token: float | None = None

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
        self.slot = Slot()
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

    def finished(self, timing: Timing, usage: Usage | None, finish_reason: str | None) -> None:
        """Tell whoever watches that the answer is whole."""
        call = self.call
        call.clock.stop()
        if call.hooks:
            call.emit(
                CallFinished,
                stream=call.stream,
                attempts=call.attempts,
                queued=timing.queued,
                first_token=timing.first_token,
                total=timing.total,
                prompt_tokens=None if usage is None else usage.prompt_tokens,
                completion_tokens=None if usage is None else usage.completion_tokens,
                finish_reason=finish_reason,
                request_id=self.request_id(),
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


async def exchange(endpoint: Endpoint, call: Call, consume: Callable[[Attempt], Awaitable[T]]) -> T:
    """Carry out the call. consume: takes the attempt with its open response and returns the result,
    or raises our errors; a stream's result owns the attempt from then on.

    Raises APIError's classes, and whatever cancels.
    """
    loop = asyncio.get_running_loop()
    call.started = loop.time() if call.asked is None else call.asked
    call.clock = Clock(loop, None)
    call.clock.bound(call.clocks.opening, call.started)
    if call.hooks:
        call.emit(CallStarted, stream=call.stream)
    try:
        result: T | Again = await _first(endpoint, call, consume)
        if isinstance(result, Again):
            result = await _retries(endpoint, call, consume, [result])
    except BaseException as error:
        Again.forget(error)
        call.clock.stop()
        failed(call, error, loop.time())
        raise
    return result


async def _first(
    endpoint: Endpoint, call: Call, consume: Callable[[Attempt], Awaitable[T]]
) -> T | Again:
    """The first attempt, outside of backoff's decorator: passing through that takes 2.4 µs, and
    nearly every call needs no more than this."""
    try:
        return await _attempt(endpoint, call, consume)
    except Again as again:
        return again


@retried
async def _retries(
    endpoint: Endpoint,
    call: Call,
    consume: Callable[[Attempt], Awaitable[T]],
    waits: list[Again],
) -> T:
    """All further attempts. waits: what the first one came to."""
    if waits:
        raise waits.pop()
    return await _attempt(endpoint, call, consume)


def failed(call: Call, error: BaseException, now: float) -> None:
    """Tell whoever watches that the call has ended without a whole answer."""
    if isinstance(error, APIError):
        error.attempts = call.attempts
        error.endpoint = call.label
        _strike_out(error, call)
    if call.hooks:
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


async def _attempt(endpoint: Endpoint, call: Call, consume: Callable[[Attempt], Awaitable[T]]) -> T:
    limiter = endpoint.limiter()
    if call.number is None:
        call.number = limiter.number()
    permit = limiter.try_acquire(call.tokens)
    if permit is None:
        permit = await _wait_for_turn(limiter, call)
    attempt = Attempt(call, endpoint, limiter, permit)
    call.attempts += 1
    call.sent_at = limiter.now()
    result: Any = None
    error: APIError | None = None
    try:
        response = await _send(attempt)
        if response.status < 300:
            result = await consume(attempt)
        else:
            error = await _status_error(attempt)
    except APIError as exception:
        # The frames that read the body hold it, and a server may quote the key there.
        error = exception.with_traceback(None)
    except BaseException as exception:
        _close(attempt)
        _tell_attempt(call, type(exception).__name__)
        if attempt.slot.connecting:
            limiter.give_back(permit, call.tokens)
        else:  # the server may have counted it
            limiter.abandoned(permit)
            attempt.end()
        raise
    if error is None:
        _tell_attempt(call, attempt.response.status)
        endpoint.budget.success()
        limiter.accepted(permit)
        return result  # type: ignore[no-any-return]
    _close(attempt)
    _strike_out(error, call)  # now: a pause hands copies of it to other calls
    wait = _judge(attempt, error)
    if not error.sent:
        limiter.give_back(permit, call.tokens)
    else:
        attempt.end()
    if wait is None:
        _add_hint(error, endpoint)
        raise error
    raise Again(wait)


async def _wait_for_turn(limiter: Limiter, call: Call) -> Permit:
    clock = call.clock
    assert call.number is not None
    with clock.run("total", None):  # nothing but the deadline bounds the queue
        return await limiter.acquire(
            call.tokens,
            number=call.number,
            deadline=clock.deadline,
            patient=call.policy.attempts > 1,
        )
    raise clock.error()


async def _send(attempt: Attempt) -> Response:
    call = attempt.call
    clock = call.clock
    with clock.run("first_token", call.clocks.first_token):
        attempt.response = await attempt.endpoint.transport.open(
            call.method,
            call.url,
            call.headers,
            call.body,
            stream=call.stream,
            connect=call.clocks.connect,
            slot=attempt.slot,
        )
    if clock.expired:
        error = clock.error()
        error.sent = not attempt.slot.connecting
        raise error
    headers = attempt.response.headers
    if "x-ratelimit-remaining-requests" in headers or "x-ratelimit-remaining-tokens" in headers:
        left = rate_limits(headers)
        attempt.limiter.believe(requests=left.remaining_requests, tokens=left.remaining_tokens)
    return attempt.response


async def _status_error(attempt: Attempt) -> APIError:
    """The response as an error: a status of 300 or more."""
    response = attempt.response
    headers = response.plain_headers()
    if response.status < 400:
        return _redirect(attempt, headers)
    pieces: list[bytes] = []
    size = 0
    clock = attempt.call.clock
    # A body that does not come is no reason to lose the status.
    with suppress(APIError), clock.run("idle", ERROR_SECONDS):
        while size < ERROR_BYTES and (piece := await response.readany()):
            pieces.append(piece)
            size += len(piece)
    if clock.expired:
        clock.error()
    return failures.from_status(
        response.status, headers, error_body(b"".join(pieces)), now_epoch=time.time()
    )


def _redirect(attempt: Attempt, headers: dict[str, str]) -> APIError:
    shown = headers.get("location", "nowhere")
    if shown != "nowhere":
        try:  # it may be relative
            target = attempt.call.url.join(URL(shown))
            shown = str(target.with_query(None).with_fragment(None).with_user(None))
        except ValueError:
            shown = "an address that is no URL"
    return failures.fault(
        "redirect",
        f"HTTP {attempt.response.status}: the server redirects to {shown}; rawllm "
        f"follows no redirects. If that is the right address, use it as base_url"
        + _missing_v1(attempt.endpoint.base_url),
        status_code=attempt.response.status,
        headers=headers,
    )


def _add_hint(error: APIError, endpoint: Endpoint) -> None:
    """The commonest mistake of all, where the error looks like it: a base URL without /v1. And
    what a proxy's bare status leaves unsaid."""
    if error.kind == "404" or error.status_code in (200, 405):
        error.message += _missing_v1(endpoint.base_url)
    elif error.status_code == 407:
        error.message += PROXY_LOGIN
    error.args = (error.message,)


def _missing_v1(base_url: URL) -> str:
    if "v1" in base_url.parts:
        return ""
    return f" (the base URL, {base_url.with_user(None).with_query(None)}, has no /v1 at its end)"


def _judge(attempt: Attempt, error: APIError) -> float | None:
    """Seconds to wait before the next try, or None to raise the error."""
    call, endpoint, limiter = attempt.call, attempt.endpoint, attempt.limiter
    _tell_attempt(call, type(error).__name__)
    if call.hooks:
        call.emit(
            AttemptFailed,
            attempt=call.attempts,
            error=type(error).__name__,
            status_code=error.status_code,
        )
    pause = 0.0
    if failures.of(error).pauses:
        began = limiter.refused(attempt.permit, error.copy(), random=random.random)
        # While an endpoint is paused, a try is spent by the call that found it so, and by none of
        # those that were under way or behind it: their failure is the same event.
        # A call without retries has none to be spared for.
        call.spent += began or call.policy.attempts == 1
        if began:
            # It sits the pause out beside the queue, to come behind all who queue up meanwhile: at
            # the head, one call would be probed to death while the others only wait.
            pause = endpoint.pace.remaining(limiter.now())
            call.number = None
            _tell_pause(attempt, error, pause)
    else:
        call.spent += 1
        if error.sent:  # it was taken in, whatever came of it
            limiter.accepted(attempt.permit)
    remaining = call.clock.remaining()
    wait = decide(
        error,
        policy=call.policy,
        spent=call.spent,
        budget=endpoint.budget,
        remaining=remaining,
        random=random.random,
    )
    if wait is None:
        return None
    if remaining is not None and pause >= remaining:
        error.retry_after = pause
        return None
    _tell_retry(call, error, wait)
    return wait or pause


def _tell_attempt(call: Call, outcome: object) -> None:
    """outcome: the status, or the name of what was raised."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("%s %s attempt %d: %s", call.method, call.label, call.attempts, outcome)


def _tell_pause(attempt: Attempt, error: APIError, seconds: float) -> None:
    logger.warning(
        "%s paused for %.2f s: %s", attempt.endpoint.label, seconds, type(error).__name__
    )
    if attempt.call.hooks:
        attempt.call.emit(EndpointPaused, seconds=seconds, error=type(error).__name__)


def _tell_retry(call: Call, error: APIError, wait: float) -> None:
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


def _close(attempt: Attempt) -> None:
    response = getattr(attempt, "response", None)
    if response is not None:
        response.close()


#: Parts of a name under which credentials are sent: `api-key`, `X-Auth-Token`, `?key=`.
_CREDENTIALS = {"auth", "authorization", "cookie", "key", "apikey", "password", "secret", "token"}

#: Shorter texts are no credentials, and striking them out would leave holes everywhere.
_SHORTEST = 5


def _credentials(call: Call) -> list[str]:
    """What was sent and must not be shown, longest first."""
    found = {call.secret or ""}
    for name, value in (*call.headers.items(), *call.url.query.items()):
        if _CREDENTIALS & set(re.split("[-_]", name.lower())):
            found.update((str(value), value.rpartition(" ")[2]))  # less its "Bearer"
    return sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)


def _without(text: str, secret: str) -> str:
    text = text.replace(secret, "***")
    body = text.rstrip("…")
    for length in range(len(secret) - 1, _SHORTEST - 1, -1):  # the text was cut within the key
        if body.endswith(secret[:length]):
            return body[:-length] + "***" + text[len(body) :]
    return text


def _strike_out(error: APIError, call: Call) -> None:
    """Servers quote the key they refuse; it must not reach a log by way of our error."""
    secrets = _credentials(call)
    if not secrets:
        return

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for secret in secrets:
                value = _without(value, secret)
            return value
        if isinstance(value, dict):
            return {clean(name): clean(item) for name, item in value.items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        return value

    error.message = clean(error.message)
    error.args = (error.message,)
    for name in ("body", "headers", "code", "param", "type", "request_id"):
        setattr(error, name, clean(getattr(error, name)))
