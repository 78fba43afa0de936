"""Which endpoint the options and the environment mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from rawllm import local
from rawllm.cli.common import add_endpoint_options, endpoint
from rawllm.errors import ConfigurationError

NAMES = ("OPENAI_BASE_URL", "OPENAI_API_KEY")


class StandIn:
    """For LocalServer: starts nothing."""

    base_url = "http://127.0.0.1:1/v1"
    api_key = "made-for-it"
    ended = 0

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        StandIn.ended += 1


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(local, "installed", lambda: True)
    monkeypatch.setattr(local, "LocalServer", StandIn)
    StandIn.ended = 0


def parse(argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_endpoint_options(parser)
    return parser.parse_args(argv.split())


REMOTE = "http://127.0.0.1:2/v1"


@pytest.mark.parametrize(
    ("argv", "environ", "url", "says"),
    [
        ("", {}, StandIn.base_url, True),
        ("", {"OPENAI_BASE_URL": " ", "OPENAI_API_KEY": ""}, StandIn.base_url, True),
        ("--local", {}, StandIn.base_url, False),
        ("--local", {"OPENAI_BASE_URL": REMOTE}, StandIn.base_url, False),
        (f"--base-url {REMOTE}", {}, REMOTE, False),
        ("", {"OPENAI_BASE_URL": REMOTE}, REMOTE, False),
        ("", {"OPENAI_API_KEY": "sk-x"}, "https://api.openai.com/v1", False),
    ],
)
def test_the_endpoint_is_what_was_asked_for_or_else_the_embedded_model(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: str,
    environ: dict[str, str],
    url: str,
    says: bool,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    args = parse(argv)
    with endpoint(args) as client:
        assert client.base_url.rstrip("/") == url
        assert args.local is (url == StandIn.base_url)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == (1 if says else 0)
    assert ("embedded SmolLM2-135M-Instruct" in err) is says


def test_the_embedded_server_ends_with_the_command_even_when_it_fails() -> None:
    with pytest.raises(RuntimeError), endpoint(parse("--local")):
        raise RuntimeError
    assert StandIn.ended == 1


def test_nothing_configured_and_nothing_installed_names_both_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "installed", lambda: False)
    with pytest.raises(ConfigurationError) as caught, endpoint(parse("")):
        pass
    assert "OPENAI_BASE_URL" in str(caught.value)
    assert "pip install 'rawllm[local]'" in str(caught.value)


def test_the_embedded_model_answers_to_its_own_name_only(tmp_path: Path) -> None:
    with endpoint(parse("--local"), "smollm2") as client:
        assert client.model == "smollm2"
    with (
        pytest.raises(ConfigurationError, match="embedded model is smollm2"),
        endpoint(parse("--local"), "gpt-9"),
    ):
        pass


def test_the_timeout_reaches_the_client() -> None:
    with endpoint(parse(f"--base-url {REMOTE} --timeout 2.5")) as client:
        assert client.timeout == 2.5
