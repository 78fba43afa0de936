"""`rawllm models` against a scripted server."""

from __future__ import annotations

import json

import pytest

from rawllm.cli import main
from rawllm.testing import FakeServer


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(models=["one", "two"])


def test_the_ids_come_one_a_line(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    with server:
        assert main(["models", "--base-url", server.url]) == 0
    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_json_is_the_whole_list(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    with server:
        assert main(["models", "--base-url", server.url, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert [model["id"] for model in json.loads(out)["data"]] == ["one", "two"]


def test_the_environment_says_where(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert main(["models"]) == 0
    assert capsys.readouterr().out == "one\ntwo\n"
