"""A run: from the input through a client into the journal, and how it ends.

Prints nothing. What a line means is lines.py's, what is kept journal.py's, the traffic work.py's.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Any, BinaryIO, Literal

from ..arguments import check_count
from ..client import Client
from ..errors import ConfigurationError, RawLLMError
from ..options import Timeout
from . import lines
from .journal import Journal, JournalError, check_output
from .pipe import Outlet, numbered_lines
from .source import Source, Survey
from .tally import Progress, Summary, Tally
from .work import Halt, Reason, Work

__all__ = ["BatchStopped", "run"]

Lines = AsyncIterator[tuple[int, bytes]]

#: Requests passed over, when a run is resumed, before the event loop gets a turn.
TURN = 1000


class BatchStopped(RawLLMError):
    """A run ended before its input did. All that was answered is kept: the same call again goes on
    from there.

    reason: "outage" (the endpoint took no request for `max_outage` seconds, or cannot be reached),
    "refused" (it refuses the key, the quota is used up, it redirects), "disk" (the output cannot be
    written) or "interrupted" (`stop` was set). summary: Summary, what it came to.
    """

    def __init__(self, message: str, reason: Reason, summary: Summary) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.summary = summary

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.reason, self.summary)


async def run(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    client: Client,
    model: str | None = None,
    concurrency: int | Literal["auto"] | None = None,
    ordered: bool = False,
    limit: int | None = None,
    retry_failed: bool = False,
    errors: str | os.PathLike[str] | None = None,
    max_outage: float = 600.0,
    durability: Literal["process", "power"] = "process",
    origin: str | None = None,
    on_record: Callable[[str], Any] | None = None,
    progress: Callable[[Progress], Any] | None = None,
    stop: asyncio.Event | None = None,
    grace: float = 5.0,
) -> Summary:
    """Send every request of a file and record every answer; the same call again goes on where an
    earlier one was cut off.

    Args:
        input, output: files of JSON lines, `.gz` or not; "-" is stdin and stdout, where nothing
            can be resumed.
        client: its limits and retries hold. Its `Timeout.total`, or its plain number of seconds,
            bounds each try and not the whole call, which may have to sit out an outage.
        model: takes the place of the one that a request names.
        concurrency: int, or "auto": what the server takes. The client's own is the most.
        ordered: the output is put in the order of the input when all is done.
        limit: int, only so many requests from the input's beginning.
        retry_failed: requests whose record is a failure are sent again.
        errors: a file for a copy of the failures' records.
        max_outage: seconds for which an endpoint may refuse everything until the run stops.
        durability: what a record survives once it counts: the death of the process, or also a
            power cut.
        origin: where answers are said to come from when a later run asks elsewhere; None: the
            client's base URL.
        on_record: called with the custom_id of each record when it counts.
        progress: called with a `Progress` four times a second and at the end.
        stop: once it is set, no more requests are taken, and those in flight have `grace` seconds.

    Returns the Summary; a failed request is a record and no exception. The input is read once
    before the first request is sent, and the event loop stands still for that long.
    Raises BatchStopped where the run ends before its input; ConfigurationError for an input, an
    output or arguments that cannot work, before anything is sent.
    """
    if limit is not None:
        check_count("limit", limit)
    client, workers = _prepared(client, concurrency, max_outage)
    clock = asyncio.get_running_loop().time
    tally = Tally()
    with ExitStack() as stack:
        try:
            journal: Journal | None = None
            if "-" in (os.fspath(input), os.fspath(output)):
                if retry_failed or errors is not None or durability == "power":
                    raise ConfigurationError(
                        "retrying failures, a file of them and durability need an input and an "
                        "output that are files, not '-'"
                    )
                found = _piped(input, model, limit, tally)
                sink: Journal | Outlet = Outlet(_opened(output, stack))
            else:
                source = Source(input)
                others = [input]
                if errors is not None:
                    check_output(errors, apart_from=[input, output])
                    others.append(errors)  # OUT.manifest would be a bad name for it
                survey = source.survey(model=model)
                sink = journal = Journal(
                    output,
                    survey,
                    configuration={"model": model if model is not None else client.model},
                    base_url=client.base_url if origin is None else origin,
                    durability=durability,
                    retry_failed=retry_failed,
                    apart_from=others,
                )
                stack.callback(journal.close)
                found = _each(source)
                _count(tally, source, survey, journal, limit)
            tally.start(clock())
            work = Work(
                client,
                sink,
                tally,
                late=ordered and journal is None,
                max_outage=max_outage,
                on_record=on_record,
                progress=progress,
            )
            try:
                await work.carry_out(
                    _requests(found, journal, model, limit),
                    workers=workers,
                    stop=stop if stop is not None else asyncio.Event(),
                    grace=grace,
                )
            except (asyncio.CancelledError, KeyboardInterrupt):
                errors = None  # it is to end now, and all of the output would be read for the copy
                raise
            finally:
                if journal is not None and errors is not None:
                    journal.copy_failed(errors)
            if work.stopping and tally.summary(clock()).left != 0:
                raise Halt("interrupted", "stopped before the end")
            if journal is not None:
                journal.finish(_ids(source) if ordered else None)
        except (Halt, JournalError) as error:
            reason = error.reason if isinstance(error, Halt) else "disk"
            raise BatchStopped(str(error), reason, tally.summary(clock())) from error
    return tally.summary(clock())


def _prepared(
    client: Client, concurrency: int | Literal["auto"] | None, max_outage: float
) -> tuple[Client, int]:
    """The client as a run needs it, and how many workers."""
    timeout = client.timeout
    if timeout is not None:
        if not isinstance(timeout, Timeout):
            timeout = Timeout(connect=min(10.0, timeout), total=timeout)
        # No clock may run while a call sits out an outage.
        first, idle, total = timeout.first_token, timeout.idle, timeout.total
        timeout = replace(
            timeout, first_token=_shorter(first, total), idle=_shorter(idle, total), total=None
        )
    client = client.with_options(
        retry=replace(client.retry, max_outage=max_outage), timeout=timeout
    )
    endpoint = client._endpoint
    if concurrency == "auto":
        endpoint.adapt()
    elif concurrency is not None:
        check_count("concurrency", concurrency)
        return client, min(concurrency, endpoint.concurrency)
    return client, endpoint.concurrency


def _shorter(one: float | None, other: float | None) -> float | None:
    return min((seconds for seconds in (one, other) if seconds is not None), default=None)


async def _each(source: Source) -> Lines:
    for pair in source:
        yield pair


def _piped(
    input: str | os.PathLike[str], model: str | None, limit: int | None, tally: Tally
) -> Lines:
    """Of stdin nothing is known before it comes; a file is looked through first, as ever."""
    if os.fspath(input) == "-":
        return numbered_lines(sys.stdin.buffer)
    source = Source(input)
    count = source.survey(model=model).lines
    tally.lines = count if limit is None else min(count, limit)
    return _each(source)


def _opened(output: str | os.PathLike[str], stack: ExitStack) -> BinaryIO:
    """Standard output, or a file for what comes from standard input: a new one, since without a
    journal nobody can tell what in an old one is whole, and of this run."""
    if os.fspath(output) == "-":
        return sys.stdout.buffer
    path = check_output(output)
    if os.path.exists(path) and os.path.getsize(path):
        raise ConfigurationError(
            f"{os.fspath(output)} holds something already, and what comes from stdin cannot be "
            "resumed: name another file, or put the input into one"
        )
    try:
        return stack.enter_context(open(path, "wb"))
    except OSError as error:
        raise ConfigurationError(
            f"{os.fspath(output)} cannot be written: {error.strerror}"
        ) from None


async def _requests(
    found: Lines, journal: Journal | None, model: str | None, limit: int | None
) -> AsyncIterator[lines.Request]:
    """Those without a record, among the first `limit`."""
    taken = 0
    async for number, line in found:
        request = lines.request(line, number, model=model)
        taken += 1
        if journal is None or not journal.done(request.custom_id):
            yield request
        elif not taken % TURN:
            await asyncio.sleep(0)
        if taken == limit:
            return


def _ids(source: Source) -> Iterator[str]:
    return (lines.request(line, number).custom_id for number, line in source)


def _count(
    tally: Tally, source: Source, survey: Survey, journal: Journal, limit: int | None
) -> None:
    """What there is to do, and what was done before."""
    tally.notes = tuple(journal.notes)
    tally.lines = survey.lines
    tally.resumed = survey.lines - journal.remaining
    # With retry_failed those are to do.
    tally.resumed_failed = tally.resumed - (journal.recorded - journal.failed)
    if limit is not None and limit < survey.lines:
        tally.lines, tally.resumed, tally.resumed_failed = limit, 0, 0
        for custom_id in islice(_ids(source), limit):
            if journal.done(custom_id):
                _, failed = survey.index.find(custom_id) or (0, False)
                tally.resumed += 1
                tally.resumed_failed += failed
