"""The command `rawllm`: picks the subcommand and turns errors into one line and an exit code.

Does no work itself and imports nothing heavy: `rawllm --version` loads no aiohttp. The commands
are the only place in rawllm that prints; a new one is a file beside this and a name in `COMMANDS`.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from typing import Final, NoReturn

from .. import __version__
from ..errors import ConfigurationError, RawLLMError
from . import ask, batch, models, serve

__all__ = ["main"]

COMMANDS: Final = (ask, batch, models, serve)

EPILOG: Final = """\
environment: OPENAI_BASE_URL and OPENAI_API_KEY say where to and with which key; RAWLLM_GGUF names
another model file for the embedded model.

exit codes: 0 done; 1 it failed; 2 wrong usage or configuration; 3 `rawllm batch` was stopped by an
outage, a refusal of the key or a full disk; 130 interrupted (Ctrl-C), 143 by SIGTERM; 141 whoever
read the output has gone. `rawllm serve` ends with 0 on SIGTERM and on Ctrl-C.
"""


class _Parser(argparse.ArgumentParser):
    """One line instead of argparse's usage and message."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"rawllm: {message} (see {self.prog} --help)\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="rawllm",
        description="Talk to any OpenAI-compatible server, or to the embedded model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rawllm {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns the exit code; raises nothing but bugs."""
    # `>&-` leaves Python without the stream: what would go there goes nowhere.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        args = _parser().parse_args(argv)
        args.argv = sys.argv[1:] if argv is None else argv
        code: int = args.run(args)
        sys.stdout.flush()
    except SystemExit as exc:  # argparse: --help, --version, wrong usage
        return exc.code if isinstance(exc.code, int) else 1
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the prompt's own line, after "^C"
        return 130
    except RawLLMError as exc:
        print("rawllm:", " ".join(str(exc).split()), file=sys.stderr)
        return 2 if isinstance(exc, ConfigurationError) else 1
    except OSError as exc:
        # What is left in the buffer cannot be written either, and the interpreter would say so
        # when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if exc.errno in (errno.EPIPE, errno.EINVAL):  # EINVAL: a closed pipe on Windows
            return 141
        print(f"rawllm: {exc.strerror or exc}", file=sys.stderr)
        return 1
    return code
