"""`rawllm serve`: the embedded model, or a gateway before another server, until it is told to stop.

The embedded model listens on 127.0.0.1 only, and makes a new key each time; what a gateway does is
for integrations/fastapi to know.
"""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import suppress
from typing import Any

from ..errors import ConfigurationError, RawLLMError
from .common import count, say, whole

#: Callers of a gateway must send it, where it is set.
KEY = "RAWLLM_GATEWAY_KEY"

#: Seconds that a gateway's callers wait where the server behind it asks for patience. Of more they
#: are told: many would have given up before.
PATIENCE = 10.0

#: Addresses that nobody else reaches, and the names that lead there.
LOCAL = ("127.0.0.1", "::1", "localhost")
HOSTS = ("127.0.0.1", "[::1]", "localhost")

#: What belongs to one of the two only, and what it is where nothing is given.
EMBEDDED = {"slots": 4, "threads": 1}
GATEWAY = {"host": "127.0.0.1", "model": None, "max_body": None, "concurrency": None}


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "serve",
        help="run the embedded model, or a gateway, as a server",
        description="Run the embedded model (rawllm[local]) as an OpenAI-compatible server on "
        "127.0.0.1, or, with --upstream, a gateway before another server (rawllm[serve]): OpenAI's "
        "API, POST /generate, a chat page at / and /metrics. Once it is ready, lines on stdout say "
        "where and with which key, as assignments for a shell: OPENAI_BASE_URL=… and, for the "
        "embedded model, OPENAI_API_KEY=…. SIGTERM and Ctrl-C end it with exit code 0.",
    )
    parser.add_argument(
        "--port", type=whole, default=8080, metavar="N", help="default 8080; 0: a free one"
    )
    embedded = parser.add_argument_group("the embedded model")
    embedded.add_argument("--slots", type=count, metavar="N", help="answers at once, default 4")
    embedded.add_argument("--threads", type=count, metavar="N", help="for computing, default 1")
    gateway = parser.add_argument_group(
        "the gateway",
        "OPENAI_API_KEY is the key for the server behind it. Callers must send what is in "
        f"{KEY}, where that is set.",
    )
    gateway.add_argument("--upstream", metavar="URL", help="base URL of the server behind it")
    gateway.add_argument("--host", metavar="ADDRESS", help="to listen on, default 127.0.0.1")
    gateway.add_argument("--model", metavar="NAME", help="for requests that name none")
    gateway.add_argument(
        "--concurrency",
        type=count,
        metavar="N",
        help="requests taken at once, default 1000; beyond it 503",
    )
    gateway.add_argument(
        "--max-body",
        type=count,
        metavar="BYTES",
        help="of a request, default 16777216; beyond it 413",
    )
    parser.set_defaults(run=run)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def run(args: argparse.Namespace) -> int:
    own, others = (EMBEDDED, GATEWAY) if args.upstream is None else (GATEWAY, EMBEDDED)
    for name in others:
        if getattr(args, name) is not None:
            option = "--" + name.replace("_", "-")
            raise ConfigurationError(
                f"{option} needs --upstream URL: it belongs to the gateway"
                if args.upstream is None
                else f"{option} belongs to the embedded model: leave it, or --upstream, out"
            )
    for name, default in own.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
    signal.signal(signal.SIGTERM, _interrupt)
    with suppress(KeyboardInterrupt):  # also while it starts: who stops it gets what was asked for
        return _embedded(args) if args.upstream is None else _gateway(args)
    return 0


def _embedded(args: argparse.Namespace) -> int:
    from ..local import LocalServer

    with LocalServer(
        port=args.port, slots=args.slots, threads=args.threads, progress=say
    ) as server:
        print(f"OPENAI_BASE_URL={server.base_url}")
        print(f"OPENAI_API_KEY={server.api_key}", flush=True)
        # Windows does not interrupt a wait for a process: look up now and then.
        step = None if os.name == "posix" else 0.5
        while (ending := server.wait(step)) is None:
            pass
    raise RawLLMError(f"the embedded model's server died ({ending})")


def _gateway(args: argparse.Namespace) -> int:
    try:
        from ..integrations.fastapi import gateway
        from ..integrations.fastapi.serving import serve
        from ..integrations.prometheus import PrometheusHooks
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--upstream needs {error.name}: pip install 'rawllm[serve]'"
        ) from None
    from .. import Client, Retry

    if not args.upstream.strip():  # Client would take OPENAI_BASE_URL, or OpenAI's own
        raise ConfigurationError("--upstream is empty: give the base URL of the server behind it")
    key = os.environ.get(KEY, "").strip() or None
    local = args.host in LOCAL
    client = Client(
        args.upstream,
        model=args.model,
        retry=Retry(max_retry_after=PATIENCE),
        hooks=PrometheusHooks(),
    )
    given = {name: getattr(args, name) for name in ("concurrency", "max_body")}
    limits = {name: value for name, value in given.items() if value is not None}

    def ready(url: str) -> None:
        if key is None and not local:
            say(f"whoever reaches {args.host} can use this gateway: {KEY} sets a key for it")
        print(f"OPENAI_BASE_URL={url}/v1", flush=True)

    hosts = HOSTS if local and key is None else None
    app = gateway(client, api_key=key, hosts=hosts, **limits)
    serve(app, host=args.host, port=args.port, ready=ready)
    return 0
