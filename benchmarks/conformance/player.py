"""The library's side of the snippets: runs each as a program of its own would, in the Python where
the library is, against a FakeServer that the snippet scripts.

    python -m benchmarks.conformance.player rawllm   # a name a line on stdin, what it printed out

Judges nothing, and needs neither rawllm's dependencies nor openai's: only the library's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import io
import json
import os
import re
import signal
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rawllm.testing import FakeServer, Request

CODE = Path(__file__).with_name("code")

#: Seconds after which a snippet hangs.
LIMIT = 10

#: The one thing in a snippet that differs: the name in an import.
IMPORT = re.compile(r"^(\s*)import openai$|^(\s*)from openai(?=[. ])", re.MULTILINE)

#: Request headers that say who sends and how, not what: each library has its own. And
#: content-type, where there is no content.
HOW = re.compile(
    "host|connection|content-length|user-agent|accept|accept-encoding|x-stainless-.*|"
    "transfer-encoding"
)


def moved(source: str, library: str) -> str:
    """A snippet's source with its imports of openai made imports of the library."""

    def named(found: re.Match[str]) -> str:
        if found[1] is None:
            return f"{found[2]}from {library}"
        return f"{found[1]}import {library} as openai"

    return source if library == "openai" else IMPORT.sub(named, source)


def snippets(library: str) -> dict[str, Callable[..., Any]]:
    """Name → function, in the order in which they are written."""
    found: dict[str, Callable[..., Any]] = {}
    for path in sorted(CODE.glob("*.py")):
        if path.stem == "__init__":
            continue
        module = types.ModuleType(f"snippets_{path.stem}")
        sys.modules[module.__name__] = module  # pickle looks for a snippet's classes there
        exec(compile(moved(path.read_text("utf-8"), library), str(path), "exec"), vars(module))
        for name, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and list(inspect.signature(value).parameters) == ["server"]:
                assert name not in found, f"two snippets are called {name}"
                found[name] = value
    return found


class _Hangs(BaseException):
    """Not an Exception: a snippet that catches those must not catch this."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _Hangs(f"hangs: given up after {LIMIT} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    """These variables of openai's, and none of the developer's own."""
    kept = dict(os.environ)
    for name in [*os.environ]:
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def play(snippet: Callable[..., Any]) -> dict[str, Any]:
    """lines: what it printed, then what the server saw. raised: what came out of it, or None."""
    printed = io.StringIO()
    raised = None
    with FakeServer() as server:
        known = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-snippet"}
        with environment(known), contextlib.redirect_stdout(printed):
            try:
                with limited():
                    if inspect.iscoroutinefunction(snippet):
                        asyncio.run(snippet(server))
                    else:
                        snippet(server)
            except (Exception, _Hangs) as error:
                raised = f"{type(error).__name__}: {error}"
        address = f"127.0.0.1:{server.port}"
        lines = printed.getvalue().splitlines()
        for request in server.requests:
            lines.append(seen(request))
        # A port and an object's address are other ones in each run.
        lines = [
            re.sub(r" at 0x[0-9a-f]+", " at 0x…", line.replace(address, "server")) for line in lines
        ]
    return {"lines": lines, "raised": raised}


def seen(request: Request) -> str:
    query = f"?{request.query}" if request.query else ""
    body = ""
    if request.body:
        try:
            body = json.dumps(without_defaults(request.json), sort_keys=True, ensure_ascii=False)
        except ValueError:
            body = repr(request.body)
    headers = [
        f"{name}={value}"
        for name, value in request.headers.items()
        if not HOW.fullmatch(name) and (request.body or name != "content-type")
    ]
    sent = [f"{request.method} {request.path}{query}", body, *sorted(headers)]
    return f"sent: {' '.join(filter(None, sent))}"


def without_defaults(body: Any) -> Any:
    """`"stream": false` is what the API takes where nothing is said; openai's parse says it."""
    if isinstance(body, dict) and body.get("stream") is False:
        return {name: value for name, value in body.items() if name != "stream"}
    return body


def main(library: str) -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr  # nothing but answers may stand between answers
    known = snippets(library)
    version = importlib.import_module(library).__version__
    print(json.dumps([f"{library} {version}", list(known)]), file=answers, flush=True)
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(play(known[json.loads(line)])), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
