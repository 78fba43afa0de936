"""One call: wait for the turn, send, get the answer or a typed error, try again where that helps.

Composes and decides nothing: pace and retries are sansio's, waiting the limiter's, sending the
transport's. What an answer is, the caller says with `consume`.

    ┌ retried box ───────────────────────────────────────────────────────────────┐
    │ slot, pause, buckets → request → status ≥ 400 is an error → consume         │
    └ nothing was handed out yet, so all of it may be done again ────────────────┘
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from yarl import URL

from ..errors import APIError
from ..hooks import AttemptFailed, CallStarted
from ..sansio import failures
from ..sansio.decode import error_body
from ..sansio.headers import remaining
from ..sansio.pace import STRAIN, Permit
from ..sansio.redact import strike_out
from ..sansio.retry import decide
from .aiohttp_errors import PROXY_LOGIN
from .attempt import Attempt, tell_pause
from .call import Call, failed, named, tell_attempt, tell_retry
from .clocks import Clock
from .endpoint import Endpoint
from .limiter import Limiter
from .response import Response
from .retrying import Again, retried

__all__ = ["exchange"]

T = TypeVar("T")

#: An error's body is read up to here, for its message.
ERROR_BYTES = 64 * 1024
ERROR_SECONDS = 10.0


async def exchange(endpoint: Endpoint, call: Call, consume: Callable[[Attempt], Awaitable[T]]) -> T:
    """Carry out the call. consume: takes the attempt with its open response and returns the result,
    or raises our errors; a stream's result owns the attempt from then on.

    Raises APIError's classes, and whatever cancels.
    """
    loop = asyncio.get_running_loop()
    call.started = loop.time() if call.asked is None else call.asked
    call.clock = Clock(loop, call.clocks.opening, call.started)
    if call.hooks:
        call.emit(CallStarted, stream=call.stream)
    try:
        # Outside of backoff's decorator: to pass through that takes 2.4 µs, and nearly every call
        # needs no more than this.
        try:
            return await _attempt(endpoint, call, consume)
        except Again as again:
            waits = [again]
        return await _retries(endpoint, call, consume, waits)
    except BaseException as error:
        Again.forget(error)
        call.clock.stop()
        failed(call, error, loop.time())
        raise


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


async def _attempt(endpoint: Endpoint, call: Call, consume: Callable[[Attempt], Awaitable[T]]) -> T:
    limiter = endpoint.limiter()
    if call.number is None:
        call.number = limiter.number()
    permit = limiter.try_acquire(call.tokens)
    if permit is None:
        permit = await _wait_for_turn(limiter, call)
        call.sent_at = limiter.now()  # it was granted before this task had its turn
    else:
        call.sent_at = permit.at
    attempt = Attempt(call, endpoint, limiter, permit)
    call.attempts += 1
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
        tell_attempt(call, type(exception).__name__)
        if attempt.slot.connecting:
            limiter.give_back(permit, call.tokens)
        else:  # the server may have counted it
            limiter.abandoned(permit)
            attempt.end()
        if isinstance(exception, asyncio.CancelledError):
            exception.with_traceback(None)  # the frames that sent hold the URL, and so its query
        raise
    if error is None:
        tell_attempt(call, attempt.response.status)
        endpoint.budget.success()
        limiter.accepted(permit)
        return result  # type: ignore[no-any-return]
    _close(attempt)
    strike_out(error, call.credentials())  # now: a pause hands copies of it to other calls
    wait = _judge(attempt, error)
    if not error.sent:
        limiter.give_back(permit, call.tokens)
    else:
        attempt.end()
    if wait is not None:
        raise Again(wait)
    _add_hint(error, endpoint)
    try:
        raise error
    finally:
        del error  # it holds this frame: not in a cycle, which only the collector ends


async def _wait_for_turn(limiter: Limiter, call: Call) -> Permit:
    clock = call.clock
    assert call.number is not None
    with clock.run("total", None):  # nothing but the deadline bounds the queue
        return await limiter.acquire(
            call.tokens,
            number=call.number,
            deadline=clock.deadline,
            policy=call.policy,
        )
    raise clock.error()


async def _send(attempt: Attempt) -> Response:
    call = attempt.call
    clock = call.clock
    with clock.run("first_token", call.clocks.first_token, since=call.sent_at):
        attempt.response = await attempt.endpoint.transport.open(
            call.method,
            call.url,
            call.attempt_headers() if call.hooks else call.headers,
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
    requests = headers.get("x-ratelimit-remaining-requests")
    tokens = headers.get("x-ratelimit-remaining-tokens")
    if requests is not None or tokens is not None:
        attempt.limiter.believe(requests=remaining(requests), tokens=remaining(tokens))
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
    tell_attempt(call, named(error))
    if call.hooks:
        call.emit(
            AttemptFailed,
            attempt=call.attempts,
            error=type(error).__name__,
            status_code=error.status_code,
        )
    row, pace, now = failures.of(error), endpoint.pace, limiter.now()
    pause, outage = 0.0, None
    since = min(attempt.permit.at, call.refused_at)
    if row.outage:
        call.refused_at = min(now, call.refused_at)
    if row.pauses or (row.outage and call.policy.max_outage and pace.silent(since)):
        began = limiter.refused(attempt.permit, error.copy(), random=random.random)
        down = pace.outage(now)
        outage = max(down, now - call.refused_at)
        if row.outage and not down < call.policy.max_outage <= outage:
            error.outage = down  # else others are taken, and this call alone is refused
        # While an endpoint is paused, a try is spent by the call that found it so, and by none of
        # those that were under way or behind it: their failure is the same event.
        # A call without retries has none to be spared for. Under max_outage none is spent.
        if not call.policy.max_outage:
            call.spent += began or call.policy.attempts == 1
        if began:
            # It sits the pause out beside the queue, to come behind all who queue up meanwhile: at
            # the head, one call would be probed to death while the others only wait.
            pause = endpoint.pace.remaining(limiter.now())
            call.number = None
            tell_pause(attempt, error, pause)
    else:
        call.spent += 1
        # The deadline only where it passed at the server, and not in our own queue.
        late = error.kind == "total" and 2 * (now - call.sent_at) >= now - call.started
        if late or error.kind in STRAIN:
            limiter.strained(attempt.permit)
        if error.sent and not row.outage:  # it was taken in, whatever came of it
            limiter.accepted(attempt.permit)
        else:
            limiter.abandoned(attempt.permit)
    remaining = call.clock.remaining()
    wait = decide(
        row,
        error.retry_after,
        policy=call.policy,
        spent=call.spent,
        budget=endpoint.budget,
        remaining=remaining,
        outage=outage,
        random=random.random,
    )
    if wait is None:
        return None
    if remaining is not None and pause >= remaining:
        error.retry_after = pause
        return None
    tell_retry(call, error, wait)
    return wait or pause


def _close(attempt: Attempt) -> None:
    response = getattr(attempt, "response", None)
    if response is not None:
        response.close()
