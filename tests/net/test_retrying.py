"""`@rawllm.retry`: what it goes on, what it repeats, how long it waits, what it shows nobody."""

import asyncio
import contextlib
import gc
import importlib.util
import inspect
import logging
import traceback
import weakref

import backoff
import pytest
from net.virtual import run

import rawllm
from rawllm import (
    APIConnectionError,
    BadRequestError,
    ConfigurationError,
    InternalServerError,
    RateLimitError,
    Retry,
)
from rawllm.net import retrying
from rawllm.sansio.failures import fault


@pytest.fixture(autouse=True)
def _full_jitter(monkeypatch):
    """Always the longest wait."""
    monkeypatch.setattr(retrying.random, "random", lambda: 1.0)


class Flaky:
    """Raises what it was given, then returns. calls: loop times."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = []

    async def __call__(self, *args, **kwargs):
        self.calls.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        return "answer", args, kwargs

    def decorated(self, policy=None):
        async def work(*args, **kwargs):
            return await self(*args, **kwargs)

        return retrying.retry(work) if policy is None else retrying.retry(policy)(work)


def overloaded(**data):
    return fault("503", "overloaded", status_code=503, **data)


def broken(**data):
    return fault("500", "broken", status_code=500, **data)


# ── what it goes on ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "form",
    [rawllm.retry, rawllm.retry(), rawllm.retry(Retry()), rawllm.retry(None)],
    ids=["@retry", "@retry()", "@retry(policy)", "@retry(None)"],
)
def test_every_form_retries_and_passes_arguments_and_results_through(form):
    flaky = Flaky(broken(), broken())

    @form
    async def ask(prompt, *, model):
        """Its docstring."""
        return await flaky(prompt, model=model)

    assert run(ask("hi", model="m")) == ("answer", ("hi",), {"model": "m"})
    assert len(flaky.calls) == 3
    assert (ask.__name__, ask.__doc__) == ("ask", "Its docstring.")
    assert inspect.iscoroutinefunction(ask)


def test_it_goes_on_methods():
    class Service:
        tries = 0

        @rawllm.retry
        async def ask(self):
            self.tries += 1
            if self.tries < 3:
                raise broken()
            return self

    service = Service()
    assert run(service.ask()) is service


async def _generator():
    yield 1


def _plain():
    return 1


@pytest.mark.parametrize(
    ("function", "says"),
    [(_generator, "is an async generator"), (_plain, "is no coroutine"), (5, "5 is no coroutine")],
)
@pytest.mark.parametrize("bare", [True, False])
def test_what_it_could_not_retry_is_refused_when_decorated(function, says, bare):
    with pytest.raises(ConfigurationError, match=says):
        rawllm.retry(function) if bare else rawllm.retry(Retry())(function)


# ── what it repeats ───────────────────────────────────────────────────────────────────────────


class OwnError(Exception):
    pass


class OwnSubError(OwnError):
    pass


@pytest.mark.parametrize(
    ("error", "policy", "tries"),
    [
        (broken, Retry(), 3),
        (broken, Retry(attempts=5), 5),
        (broken, Retry(attempts=1), 1),
        (overloaded, Retry(), 3),
        (lambda: fault("lost", "lost"), Retry(), 3),
        (lambda: fault("429", "no", headers={"x-should-retry": "false"}), Retry(), 1),
        (lambda: fault("400", "no", headers={"x-should-retry": "true"}), Retry(), 3),
        (lambda: fault("400", "bad"), Retry(), 1),
        (lambda: fault("insufficient_quota", "pay"), Retry(), 1),
        (lambda: BadRequestError("bad"), Retry(), 1),
        (lambda: BadRequestError("bad"), Retry(on=BadRequestError), 3),
        (OwnError, Retry(), 1),
        (OwnError, Retry(on=OwnError), 3),
        (OwnSubError, Retry(on=(KeyError, OwnError)), 3),
        (KeyError, Retry(on=OwnError), 1),
        (lambda: broken(retry_after=121.0), Retry(), 1),
        (lambda: broken(retry_after=121.0), Retry(on=InternalServerError), 1),
    ],
)
def test_what_is_repeated_and_the_last_error_comes_out_as_it_was(error, policy, tries):
    errors = [error() for _ in range(10)]
    flaky = Flaky(*errors)

    async def main():
        with pytest.raises(type(errors[0])) as caught:
            await flaky.decorated(policy)()
        return caught.value

    last = run(main())
    assert len(flaky.calls) == tries
    assert last is errors[tries - 1]
    assert last.__cause__ is None
    assert last.__context__ is None


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_is_no_failure_is_not_repeated(error):
    flaky = Flaky(error())

    async def main():
        return await flaky.decorated(Retry(on=Exception))()

    with pytest.raises(error):
        run(main())
    assert len(flaky.calls) == 1


def test_cancelling_ends_the_wait_between_two_tries():
    flaky = Flaky(*[broken() for _ in range(5)])

    async def main():
        task = asyncio.create_task(flaky.decorated(Retry(base=60.0, cap=60.0))())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert "Again" not in "".join(traceback.format_exception(caught.value))
        await asyncio.sleep(100.0)

    run(main())
    assert flaky.calls == [0.0]


# ── how long it waits ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "policy", "times"),
    [
        # min(cap, base · 2ⁿ)
        (broken, Retry(attempts=7), [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5]),
        (OwnError, Retry(attempts=4, base=1.0, cap=2.0, on=OwnError), [0.0, 1.0, 3.0, 5.0]),
        (overloaded, Retry(), [0.0, 0.5, 1.5]),
        (overloaded, Retry(base=0.0), [0.0, 0.0, 0.0]),
        # never below the server's number: the jitter comes on top
        (lambda: broken(retry_after=7.0), Retry(), [0.0, 7.5, 15.0]),
        (lambda: overloaded(retry_after=7.0), Retry(), [0.0, 7.5, 15.0]),
        (lambda: fault("400", "", retry_after=7.0), Retry(on=BadRequestError), [0.0, 7.5, 15.0]),
        (lambda: RateLimitError("", retry_after=7.0), Retry(on=RateLimitError), [0.0, 7.5, 15.0]),
    ],
)
def test_how_long_it_waits(error, policy, times):
    flaky = Flaky(*[error() for _ in range(len(times) - 1)])
    run(flaky.decorated(policy)())
    assert flaky.calls == pytest.approx(times)


def test_the_jitter_is_full_and_never_undercuts_the_server(monkeypatch):
    monkeypatch.setattr(retrying.random, "random", lambda: 0.0)
    flaky = Flaky(broken(), broken(retry_after=7.0))
    run(flaky.decorated(Retry())())
    assert flaky.calls == pytest.approx([0.0, 0.0, 7.0])


# ── the budget ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "affords"),
    [
        (broken, 4),  # 5 each of 20
        (overloaded, 4),  # nothing is paused here, so it pays like the others
        (OwnError, 4),
        (lambda: fault("lost", "may have been processed"), 2),  # 10
    ],
)
def test_the_budget_is_shared_by_all_calls_of_the_decorated_function(error, affords):
    calls = []

    @rawllm.retry(Retry(budget=20.0, on=OwnError))
    async def ask():
        calls.append(1)
        raise error()

    async def main():
        return await asyncio.gather(*[ask() for _ in range(10)], return_exceptions=True)

    run(main())
    assert len(calls) - 10 == affords


def test_a_success_gives_one_token_back():
    flaky = Flaky(broken())
    ask = flaky.decorated(Retry(budget=5.0))

    async def main():
        await ask()
        for _ in range(3):
            await ask()
        flaky.errors = [broken()]
        with pytest.raises(InternalServerError):  # 4 of the 5 are back
            await ask()
        await ask()
        flaky.errors = [broken()]
        await ask()

    run(main())


# ── what it shows nobody ──────────────────────────────────────────────────────────────────────


def test_arguments_reach_no_log_and_no_error(caplog):
    flaky = Flaky(*[broken() for _ in range(9)])
    ask = flaky.decorated(Retry())
    key = "sk-" + "hidden"  # whole, it would stand in the traceback's source line

    async def main():
        with pytest.raises(InternalServerError) as caught:
            await ask("the prompt", api_key=key)
        return caught.value

    with caplog.at_level(logging.DEBUG):
        error = run(main())
    ours = [record for record in caplog.records if record.name != "asyncio"]
    assert [record.getMessage() for record in ours] == [
        "retrying in 0.50 s after InternalServerError (try 1 of 3)",
        "retrying in 1.00 s after InternalServerError (try 2 of 3)",
    ]
    assert {record.name for record in ours} == {"rawllm"}
    text = "".join(traceback.format_exception(error))
    assert key not in text + repr(error)
    assert "Again" not in text


def test_backoff_is_given_no_handler_and_no_logger(monkeypatch):
    """Its handlers get all arguments: prompts and keys."""
    given = {}
    real = backoff.on_exception

    def spy(*args, **options):
        given.update(options)
        return real(*args, **options)

    monkeypatch.setattr(backoff, "on_exception", spy)
    spec = importlib.util.find_spec("rawllm.net.retrying")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert given == {"jitter": None, "logger": None}


def test_the_decorator_is_built_once_and_not_for_every_call(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("built again")

    monkeypatch.setattr(backoff, "on_exception", refuse)
    flaky = Flaky(broken())
    run(flaky.decorated(Retry(attempts=2))())
    assert len(flaky.calls) == 2


def test_errors_of_a_failed_call_are_freed_without_the_collector():
    """Keeping the errors of earlier tries would tie a knot of frames and errors."""
    seen = []

    class Known(APIConnectionError):
        def __init__(self):
            super().__init__("lost")
            seen.append(weakref.ref(self))

    @rawllm.retry(Retry(base=0.0, on=Known))
    async def ask():
        raise Known

    async def main():
        with contextlib.suppress(Known):
            await ask()

    gc.collect()
    gc.disable()
    try:
        run(main())
        assert len(seen) == 3
        assert [ref() for ref in seen] == [None] * 3
    finally:
        gc.enable()
