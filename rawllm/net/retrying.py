"""The backoff decorator: it drives the retries, sansio/retry.py decides them.

Makes no decision and shows backoff nothing: no arguments go to its handlers or its logger, since
those would hold prompts and keys. The only file that imports backoff.

The decorator is built once, at import: building it on every call costs ten times what a call
through it does. So the decision is not in the decorator but in what it calls: the decorated
coroutine raises `Again(seconds)` to be called again, and anything else to be done.
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from itertools import count
from typing import Any, ParamSpec, TypeVar, overload

import backoff

from ..errors import APIError, ConfigurationError
from ..hooks import logger
from ..options import Retry
from ..sansio import failures
from ..sansio.retry import Budget, decide

__all__ = ["Again", "retried", "retry"]

P = ParamSpec("P")
R = TypeVar("R")


class Again(Exception):
    """Call me again in `seconds`. Never reaches a user."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    @staticmethod
    def forget(error: BaseException) -> None:
        """backoff 2 waits within its `except`: a cancellation there would carry this along."""
        if isinstance(error.__context__, Again):
            error.__context__ = None


def _waits() -> Generator[Any, Any, None]:
    """backoff's protocol: it sends in the exception and sleeps what comes out."""
    again = yield
    while True:
        again = yield again.seconds


#: jitter=None: backoff's default would wait *less* than the server's Retry-After asks for.
retried = backoff.on_exception(_waits, Again, jitter=None, logger=None)


@retried
async def _run(
    call: Callable[[], Awaitable[R]], policy: Retry, budget: Budget, tries: Iterator[int]
) -> R:
    spent = next(tries)
    try:
        return await call()
    except Exception as error:
        wait = _wait(error, policy, budget, spent)
        if wait is None:
            raise
        logger.warning(
            "retrying in %.2f s after %s (try %d of %d)",
            wait,
            type(error).__name__,
            spent,
            policy.attempts,
        )
    raise Again(wait)


def _wait(error: Exception, policy: Retry, budget: Budget, spent: int) -> float | None:
    """For a coroutine that no limiter stands before. What pauses an endpoint costs nothing there,
    since the pause is wait and protection; here it has both to itself, like the user's own
    errors."""
    row, asked = failures.Failure(APIError, retried=False), None
    if isinstance(error, APIError):
        row, asked = failures.of(error), error.retry_after
    return decide(
        row._replace(
            retried=row.retried or isinstance(error, policy.on), cost=row.cost or failures.PLAIN
        ),
        asked,
        policy=policy,
        spent=spent,
        budget=budget,
        remaining=None,
        outage=None,
        random=random.random,
    )


@overload
def retry(policy: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]: ...


@overload
def retry(
    policy: Retry | None = None,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]: ...


def retry(policy: Any = None) -> Any:
    """Put rawllm's retries on a coroutine function of your own.

    `@retry`, `@retry()` or `@retry(Retry(attempts=5, on=(MyError,)))`. Retried are the errors that
    the failure table calls passing, and the classes in `Retry.on`; any other comes out at once, and
    the last error once the attempts are used up.

    Raises ConfigurationError for anything but a coroutine function: an async generator would never
    be retried (decorate what opens it), and a plain function would block the event loop while it
    waits.
    """
    if policy is not None and not isinstance(policy, Retry):
        return retry(Retry())(policy)
    chosen = policy if policy is not None else Retry()
    budget = Budget(chosen.budget)

    def decorate(
        function: Callable[P, Coroutine[Any, Any, R]],
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        if not inspect.iscoroutinefunction(function):
            what = "an async generator" if inspect.isasyncgenfunction(function) else "no coroutine"
            raise ConfigurationError(
                f"@rawllm.retry goes on an `async def` that returns; {function!r} is {what}"
            )

        @functools.wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            call = functools.partial(function, *args, **kwargs)
            try:
                result: R = await _run(call, chosen, budget, count(1))
            except BaseException as error:
                Again.forget(error)
                raise
            budget.success()
            return result

        return wrapper

    return decorate
