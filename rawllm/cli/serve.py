"""`rawllm serve`: the embedded model as an OpenAI-compatible server, until it is told to stop.

Listens on 127.0.0.1 only, and makes a new key each time.
"""

from __future__ import annotations

import argparse
import os
import signal
from typing import Any

from ..errors import RawLLMError
from .common import say


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "serve",
        help="run the embedded model as a server",
        description="Run the embedded model (rawllm[local]) as an OpenAI-compatible server on "
        "127.0.0.1. Once it is ready, two lines on stdout say where and with which key, as "
        "assignments for a shell: OPENAI_BASE_URL=… and OPENAI_API_KEY=…. SIGTERM and Ctrl-C end "
        "it with exit code 0.",
    )
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="default 8080; 0: a free one"
    )
    parser.add_argument(
        "--slots", type=int, default=4, metavar="N", help="answers at once, default 4"
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="for computing, default 1"
    )
    parser.set_defaults(run=run)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def run(args: argparse.Namespace) -> int:
    from ..local import LocalServer

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with LocalServer(
            port=args.port, slots=args.slots, threads=args.threads, progress=say
        ) as server:
            print(f"OPENAI_BASE_URL={server.base_url}")
            print(f"OPENAI_API_KEY={server.api_key}", flush=True)
            # Windows does not interrupt a wait for a process: look up now and then.
            step = None if os.name == "posix" else 0.5
            while (ending := server.wait(step)) is None:
                pass
    except KeyboardInterrupt:  # also while it starts: who stops it gets what was asked for
        return 0
    raise RawLLMError(f"the embedded model's server died ({ending})")
