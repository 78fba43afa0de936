"""The command as a whole: what is light, exit codes, one line an error."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rawllm
from rawllm import cli
from rawllm.cli import ask, main
from rawllm.errors import APIError, ConfigurationError


@pytest.mark.parametrize("argument", ["--version", "--help", "ask --help"])
def test_help_and_version_import_nothing_heavy(argument: str) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from rawllm.cli import main\n"
        f"code = main({argument.split()!r})\n"
        "heavy = {'aiohttp', 'msgspec', 'backoff', 'asyncio', 'xllamacpp'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_dash_m_runs_the_command() -> None:
    code = (
        f"import runpy, sys; sys.path[:0] = {sys.path!r}; sys.argv[1:] = ['--version']\n"
        "runpy.run_module('rawllm', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"rawllm {rawllm.__version__}\n")


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for code in ("0 done", "1 it failed", "2 wrong usage", "130 interrupted", "141 "):
        assert code in text


def test_every_command_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    text = capsys.readouterr().out
    for command in cli.COMMANDS:
        assert command.__name__.rpartition(".")[2] in text


@pytest.mark.parametrize(
    "argv",
    [
        "",
        "frobnicate",
        "ask",
        "ask hi --local --base-url http://127.0.0.1/v1",
        "ask hi --max-tokens 0",
        "ask hi --max-tokens x",
        "ask hi --temperature nan",
        "ask hi --temperature -1",
        "ask hi --timeout 0",
        "ask hi --timeout inf",
        "ask hi --timeout soon",
        "serve --port x",
        "serve --port 65536",
        "serve --slots 0",
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    argv: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rawllm: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code", "err"),
    [
        (ConfigurationError("no\nsuch  endpoint"), 2, "rawllm: no such endpoint\n"),
        (APIError("it broke"), 1, "rawllm: it broke\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    err: str,
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(ask, "run", fail)
    assert main(["ask", "hi"]) == code
    assert capsys.readouterr().err == err


def test_closed_standard_streams_are_no_traceback(fake_server) -> None:
    """`rawllm ask hi >&- 2>&-`: Python then has None for them."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; sys.stdout = sys.stderr = None\n"
        "from rawllm.cli import main\n"
        f"sys.exit(main(['ask', 'hi', '--base-url', {fake_server.url!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
