"""`rawllm ask` against a scripted server, and against the real embedded model."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from real_model import gguf

from rawllm.cli import main
from rawllm.testing import FakeServer


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def ask(server: FakeServer, *argv: str) -> int:
    return main(["ask", *argv, "--base-url", server.url, "--model", "m"])


def sent(server: FakeServer) -> dict[str, Any]:
    body: dict[str, Any] = server.requests[-1].json
    return body


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


def test_the_answer_and_a_newline_is_all_of_stdout(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.reply("Guten Tag 👋")
    assert ask(fake_server, "hi") == 0
    assert capsys.readouterr() == ("Guten Tag 👋\n", "")


def test_the_options_reach_the_wire(fake_server: FakeServer) -> None:
    fake_server.reply("ok")
    ask(fake_server, "hi", "--system", "be brief", "--max-tokens", "5", "--temperature", "0")
    body = sent(fake_server)
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("m", 5, 0)
    assert body["stream"] is True


def test_what_was_not_asked_for_is_not_sent(fake_server: FakeServer) -> None:
    fake_server.reply("ok")
    ask(fake_server, "hi")
    assert set(sent(fake_server)) == {"model", "messages", "stream", "stream_options"}
    assert sent(fake_server)["messages"] == [{"role": "user", "content": "hi"}]


def test_json_is_one_object_of_the_whole_completion(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.reply("one two three")
    assert ask(fake_server, "hi", "--json") == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert json.loads(out)["choices"][0]["message"]["content"] == "one two three"
    assert err == ""


@pytest.mark.parametrize(
    ("data", "prompt"),
    [(b"caf\xc3\xa9\n", "café"), (b"\xef\xbb\xbfa\nb\n\n", "a\nb\n")],
)
def test_a_dash_reads_utf_8_from_stdin(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch, data: bytes, prompt: str
) -> None:
    stdin(monkeypatch, data)
    fake_server.reply("ok")
    assert ask(fake_server, "-") == 0
    assert sent(fake_server)["messages"] == [{"role": "user", "content": prompt}]


@pytest.mark.parametrize(
    ("argv", "data", "says"),
    [
        ([""], b"", "the prompt is empty"),
        ([" \n"], b"", "the prompt is empty"),
        (["-"], b"\n", "the prompt is empty"),
        (["hi", "--system", ""], b"", "--system is empty"),
        (["-"], b"caf\xe9", "stdin is not UTF-8 (byte 3)"),
        (["a\udcff"], b"", "the prompt is not UTF-8 (character 1)"),
        (["hi", "--system", "\ud83d"], b"", "--system is not UTF-8 (character 0)"),
    ],
)
def test_a_prompt_that_is_none_is_refused_before_anything_is_sent(
    fake_server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: Sequence[str],
    data: bytes,
    says: str,
) -> None:
    stdin(monkeypatch, data)
    assert ask(fake_server, *argv) == 2
    assert capsys.readouterr() == ("", f"rawllm: {says}\n")
    assert fake_server.requests == []


def test_an_error_of_the_server_is_one_line(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.fail(401)
    assert ask(fake_server, "hi") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rawllm: ")
    assert err.count("\n") == 1


def test_a_stream_that_breaks_shows_what_came_and_fails(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.stream(["half an ", "answ"], end="close")
    assert ask(fake_server, "hi") == 1
    out, err = capsys.readouterr()
    assert out == "half an answ"
    assert err.startswith("rawllm: ")


def test_a_terminal_that_lacks_a_character_shows_the_rest(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding="latin-1", newline=""))
    fake_server.reply("é 👋 !")
    assert ask(fake_server, "hi") == 0
    assert screen.getvalue() == "é ? !\n".encode("latin-1")


def command(server: FakeServer) -> list[str]:
    # Ctrl-C is ignored where the tests run in the background of a shell: not so here.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.path[:0] = {sys.path!r}; from rawllm.cli import main; sys.exit(main())"
    )
    return [sys.executable, "-c", code, "ask", "hi", "--base-url", server.url, "--model", "m"]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_in_an_answer_ends_without_a_traceback(fake_server: FakeServer) -> None:
    fake_server.stream(["first", 60.0, "never"])
    process = subprocess.Popen(
        command(fake_server), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout is not None
    assert process.stdout.read(5) == b"first"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.skipif(os.name != "posix", reason="pipes break in another way")
def test_a_reader_that_has_gone_ends_it_quietly(fake_server: FakeServer) -> None:
    fake_server.stream(["first", *["more"] * 10_000])
    process = subprocess.Popen(
        command(fake_server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        # Buffered, as it usually is: what is left in the buffer must not complain at exit.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(5) == b"first"
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), err) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_one_line(
    fake_server: FakeServer, unbuffered: str
) -> None:
    fake_server.reply("text")
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command(fake_server), stdout=full, stderr=subprocess.PIPE, text=True, env=environ
        )
    assert (done.returncode, done.stderr) == (1, "rawllm: No space left on device\n")


@pytest.mark.real_model
@pytest.mark.parametrize("argv", [["--local"], []])
def test_the_embedded_model_answers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    monkeypatch.setenv("RAWLLM_GGUF", str(gguf()))
    options = ["--max-tokens", "8", "--temperature", "0"]
    assert main(["ask", "What is the capital of France?", *options, *argv]) == 0
    out, err = capfd.readouterr()
    assert len(out.strip()) > 1
    assert out.endswith("\n")
    # capfd sees what native code prints as well.
    assert err == "" if argv else err.startswith("rawllm: no endpoint configured")
    assert err.count("\n") == (0 if argv else 1)


@pytest.mark.real_model
def test_the_embedded_model_gets_its_short_system_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAWLLM_GGUF", str(gguf()))
    tokens = []
    for argv in (["--system", "You are a helpful assistant."], [], ["--system", "Short."]):
        assert main(["ask", "hi", "--local", "--json", "--max-tokens", "1", *argv]) == 0
        tokens.append(json.loads(capsys.readouterr().out)["usage"]["prompt_tokens"])
    assert tokens[0] == tokens[1] > tokens[2]
