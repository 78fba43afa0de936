"""`rawllm batch`: a file of requests in, a file of answers out, killed and resumed at will.

Parses, shows, and turns endings into exit codes; what is done rawllm.batch does.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from . import dry_run
from .common import (
    add_endpoint_options,
    at_least_zero,
    count,
    endpoint,
    say,
    seconds,
    whole,
)
from .progress import Drawer, table

if TYPE_CHECKING:
    from .. import Client
    from ..batch import Progress, Summary

DESCRIPTION = """\
Send every request of a file and record every answer. IN holds one JSON object a line: OpenAI Batch
lines (custom_id, method, url, body), or {"prompt": "..."} or {"messages": [...]}. OUT gets Batch
lines, one for each request. Whatever ends it, the same command again goes on where it was.
"""

EXIT_CODES = """\
exit codes: 0 every request has an answer; 1 some failed; 2 wrong usage or configuration; 3 stopped
by an outage, a refusal of the key, or a full disk; 130, 143 interrupted; 141 whoever read the
output has gone.
"""


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "batch",
        help="send a file of requests, record the answers",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("input", metavar="IN", help="JSON lines, .gz or not; - reads stdin")
    add("-o", "--output", metavar="OUT", help="JSON lines, .gz or not; - writes stdout")
    add("--model", metavar="ID", help="for all requests, whatever model they name")
    add(
        "--concurrency",
        type=_concurrency,
        default="auto",
        metavar="N",
        help="requests at once; default auto: as many as the server takes",
    )
    add("--rpm", type=seconds, metavar="N", help="requests a minute at most")
    add("--tpm", type=seconds, metavar="N", help="tokens a minute at most")
    add(
        "--max-retries",
        type=whole,
        default=2,
        metavar="N",
        help="tries after the first, for a request that fails by itself; default 2",
    )
    add(
        "--max-outage",
        type=at_least_zero,
        default=600.0,
        metavar="SECONDS",
        help="stop when the server takes nothing for so long; default 600",
    )
    add("--ordered", action="store_true", help="OUT in the order of IN")
    add("--limit", type=count, metavar="N", help="only the first N requests")
    add("--retry-failed", action="store_true", help="send again what has failed before")
    add("--errors", metavar="FILE", help="a copy of the failed requests' lines of OUT")
    add(
        "--durability",
        choices=("process", "power"),
        default="process",
        help="what an answer survives once it counts: the end of the process (default), or a "
        "power cut too, which costs an fsync",
    )
    add("--dry-run", action="store_true", help="check IN, count it, send nothing, write nothing")
    add("--json", action="store_true", help="the summary as one JSON line on stdout")
    add_endpoint_options(parser)
    parser.set_defaults(run=run)


def _concurrency(text: str) -> int | str:
    return text if text == "auto" else count(text)


def run(args: argparse.Namespace) -> int:
    if args.input != "-" and not os.path.exists(args.input):
        raise ConfigurationError(f"{args.input}: no such file")
    if args.dry_run:
        return dry_run.run(args)
    if args.output is None:
        raise ConfigurationError("say where the answers go: -o OUT, or -o - for stdout")
    if args.json and args.output == "-":
        raise ConfigurationError("--json and -o - exclude each other: both write to stdout")
    if "-" in (args.input, args.output):
        say("a run with stdin or stdout keeps no journal: it cannot be resumed")
    import asyncio  # here: it is half of what `rawllm --version` would cost

    display = _Display(args)
    try:
        with display.signals, endpoint(args, args.model, **_options(args)) as client:
            asyncio.run(_carry_out(client, args, display))
    except KeyboardInterrupt:  # before anything was sent, or for the second time
        display.interrupted()
    except BaseException:
        display.drawer.clear()
        raise
    return display.code


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """The client's."""
    from ..options import Limits, Retry, Timeout

    options: dict[str, Any] = {
        "limits": Limits(
            concurrency=args.concurrency,
            requests_per_minute=args.rpm,
            tokens_per_minute=args.tpm,
        ),
        "retry": Retry(attempts=args.max_retries + 1, max_outage=args.max_outage),
    }
    if args.timeout is not None:  # and no total: a request may have to sit out an outage
        options["timeout"] = Timeout(first_token=args.timeout, idle=args.timeout)
    return options


async def _carry_out(client: Client, args: argparse.Namespace, display: _Display) -> None:
    import asyncio

    from .. import batch

    stop = asyncio.Event()
    display.stop = partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set)
    async with client:
        try:
            summary = await batch.run(
                args.input,
                args.output,
                client=client,
                model=client.model,  # the embedded server's, or --model
                ordered=args.ordered,
                limit=args.limit,
                retry_failed=args.retry_failed,
                errors=args.errors,
                max_outage=args.max_outage,
                durability=args.durability,
                # Its port is another one each time.
                origin="the embedded model" if args.local else None,
                progress=display.show,
                stop=stop,
            )
        except batch.BatchStopped as stopped:
            display.stopped(stopped.summary, stopped.reason, str(stopped))
        else:
            display.finished(summary)


class _Signals:
    """The first Ctrl-C or SIGTERM asks the run to stop, the second ends it; before there is a run
    to ask, the first ends it. signal.signal and not the loop's handlers: those are not called while
    the input is read, and Windows has none."""

    def __init__(self) -> None:
        self.code = 130
        self.ask: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for which in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(which) != signal.SIG_IGN:  # as under nohup
                self._before[which] = signal.signal(which, self._came)

    def __exit__(self, *_: object) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def _came(self, which: int, _: object) -> None:
        self.code = 128 + which
        ask, self.ask = self.ask, None
        if ask is None:
            raise KeyboardInterrupt
        ask()


class _Display:
    """What is shown, and the exit code that comes of it. stop: asks the run to."""

    stop: Callable[[], object]

    def __init__(self, args: argparse.Namespace) -> None:
        self.code = 0
        self.signals = _Signals()
        self.drawer = Drawer(sys.stderr, clock=time.monotonic)
        self._args = args
        self._last: Progress | None = None

    def show(self, progress: Progress) -> None:
        last, self._last = self._last, progress
        if last is None:
            self.signals.ask = self.stop  # from here on there is something to end in peace
            for note in progress.counts.notes:
                self.drawer.say(f"rawllm: {note}")
            if progress.counts.resumed and progress.counts.left:
                self.drawer.say(f"rawllm: going on, {progress.counts.resumed:,} are there already")
        elif progress.stopping and progress.in_flight and not last.stopping:
            self.drawer.say("rawllm: stopping when those in flight have ended; again: at once")
        self.drawer.draw(progress)

    def finished(self, counts: Summary) -> None:
        self.code = 1 if counts.failures else 0
        if counts.done:
            self._tell(f"{self._out}: {self._recorded(counts)}", counts)
        else:
            self.drawer.clear()
            say(f"nothing left to do in {self._out}: {self._recorded(counts)}")
        self._tell_failures(counts)
        self._print_json(counts, None)

    def stopped(self, counts: Summary, reason: str, why: str) -> None:
        self.code = self.signals.code if reason == "interrupted" else 3
        why = " ".join(why.split())
        self._tell(f"{why}; {self._out} keeps all so far: {self._recorded(counts)}", counts)
        if "-" not in (self._args.input, self._args.output):
            say(f"to go on: {_command(self._args)}")
        self._print_json(counts, reason)

    def interrupted(self) -> None:
        self.code = self.signals.code
        self.drawer.clear()
        if self._last is None:
            say("interrupted before anything was sent")
        else:
            self.stopped(self._last.counts, "interrupted", "interrupted")

    @property
    def _out(self) -> str:
        return "stdout" if self._args.output == "-" else str(self._args.output)

    def _recorded(self, counts: Summary) -> str:
        """198 of 200 requests answered, 2 failed"""
        answered = counts.recorded - counts.failures
        total = "" if counts.lines is None else f" of {counts.lines:,}"
        failed = f", {counts.failures:,} failed" if counts.failures else ""
        return f"{answered:,}{total} requests answered{failed}"

    def _tell(self, headline: str, counts: Summary) -> None:
        self.drawer.clear()
        say(headline)
        for text in table(counts):
            print(text, file=sys.stderr)

    def _tell_failures(self, counts: Summary) -> None:
        args = self._args
        if not counts.failures or "-" in (args.input, args.output):
            return
        copied = f", and a copy in {args.errors}" if args.errors else ""
        say(
            f"the failures are in {self._out}{copied}; to send them again: "
            + _command(args, "--retry-failed")
        )

    def _print_json(self, counts: Summary, stopped: str | None) -> None:
        if self._args.json:
            import msgspec

            shown = {**msgspec.to_builtins(counts), "left": counts.left, "stopped": stopped}
            print(json.dumps(shown))


def _command(args: argparse.Namespace, *more: str) -> str:
    """The very command that was given."""
    if args.base_url and "?" in args.base_url:  # keys stand there
        return " ".join(("the same command", *(f"with {word}" for word in more)))
    words = ["rawllm", *args.argv, *(word for word in more if word not in args.argv)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
