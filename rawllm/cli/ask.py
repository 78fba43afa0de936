"""`rawllm ask`: one prompt, its answer streamed to stdout.

Keeps no history and formats nothing: the text as it comes, or one line of JSON.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .common import add_endpoint_options, at_least_zero, count, endpoint

if TYPE_CHECKING:
    from .. import Client


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "ask",
        help="stream the answer to one prompt",
        description="Stream the answer to one prompt to stdout. With no endpoint configured and "
        "rawllm[local] installed, the embedded model answers.",
    )
    parser.add_argument("prompt", metavar="PROMPT", help="the question; - reads stdin as UTF-8")
    parser.add_argument("--system", metavar="TEXT", help="a system message")
    parser.add_argument("--model", metavar="ID", help="the model; may be left out if there is one")
    parser.add_argument(
        "--max-tokens", type=count, metavar="N", help="end the answer after N tokens"
    )
    parser.add_argument("--temperature", type=at_least_zero, metavar="T", help="0: the likeliest")
    parser.add_argument("--json", action="store_true", help="the whole completion as one JSON line")
    add_endpoint_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import asyncio  # here: it is half of what `rawllm --version` would cost

    prompt = _checked("the prompt", _read_stdin() if args.prompt == "-" else args.prompt)
    if args.system is not None:
        _checked("--system", args.system)
    with endpoint(args, args.model) as client:
        asyncio.run(_ask(client, prompt, args))
    return 0


async def _ask(client: Client, prompt: str, args: argparse.Namespace) -> None:
    system: str | None = args.system
    given: dict[str, Any] = {}
    if args.local:
        from ..local import SYSTEM

        # So small a model wanders at other temperatures, and now and then does not stop.
        given = {"temperature": 0, "max_tokens": 512}
        system = SYSTEM if system is None else system
    options = {"max_tokens": args.max_tokens, "temperature": args.temperature}
    given |= {name: value for name, value in options.items() if value is not None}
    async with client, client.stream(prompt, system=system, **given) as stream:
        async for chunk in stream:
            if not args.json:
                _write(chunk.text)
    _write(f"{stream.completion.model_dump_json()}\n" if args.json else "\n")


def _write(text: str) -> None:
    if not text:
        return
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # a terminal of an older encoding: show what it can
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"stdin is not UTF-8 (byte {exc.start})") from None


def _checked(what: str, text: str) -> str:
    if not text.strip():
        raise ConfigurationError(f"{what} is empty")
    try:
        # Bytes of the command line that are not UTF-8 arrive as lone surrogates.
        text.encode()
    except UnicodeEncodeError as exc:
        raise ConfigurationError(f"{what} is not UTF-8 (character {exc.start})") from None
    return text
