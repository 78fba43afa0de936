"""`rawllm batch` as a user meets it: exit codes, what stdout and stderr get, signals."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from real_model import gguf

from rawllm.cli import batch, main
from rawllm.testing import FakeServer, Reply, Request


def chat(name: str, **arguments: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": name}], **arguments}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def lines(count: int) -> bytes:
    return b"".join(json.dumps(chat(f"r{i}")).encode() + b"\n" for i in range(count))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_bytes(lines(20))
    return tmp_path


def command(server: FakeServer, *argv: str) -> int:
    return main(["batch", *argv, "--base-url", server.url])


def run(server: FakeServer, *argv: str) -> int:
    return command(server, "in.jsonl", "-o", "out.jsonl", *argv)


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()]


def failing(*names: str) -> Any:
    return lambda request: (
        Reply(status=400) if request.generates and request.prompts[0] in names else None
    )


# ── how it ends ───────────────────────────────────────────────────────────────────────────────


def test_all_good_is_0_and_a_table_on_stderr(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(fake_server) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rawllm: out.jsonl: 20 of 20 requests answered\n  answered      20 in ")
    assert len(records()) == 20


def test_some_failed_is_1_and_says_how_to_send_them_again(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.handler = failing("r3", "r5")
    assert run(fake_server, "--errors", "bad file.jsonl") == 1
    err = capsys.readouterr().err
    assert "18 of 20 requests answered, 2 failed" in err
    assert "failed        2: BadRequestError 2" in err
    assert err.splitlines()[-1] == (
        "rawllm: the failures are in out.jsonl, and a copy in bad file.jsonl; to send them again: "
        "rawllm batch in.jsonl -o out.jsonl --errors 'bad file.jsonl' "
        f"--base-url {fake_server.url} --retry-failed"
    )
    assert len(Path("bad file.jsonl").read_bytes().splitlines()) == 2
    fake_server.handler = None
    assert main(shlex.split(err.splitlines()[-1].partition(": rawllm ")[2])) == 0
    assert len(records()) == 20


@pytest.mark.parametrize(("bad", "code"), [((), 0), (("r3",), 1)])
def test_a_finished_run_says_so(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str], bad: tuple[str, ...], code: int
) -> None:
    fake_server.handler = failing(*bad)
    run(fake_server)
    attempts = fake_server.attempts
    capsys.readouterr()
    assert run(fake_server) == code
    err = capsys.readouterr().err
    assert err.startswith("rawllm: nothing left to do in out.jsonl: ")
    assert ("--retry-failed" in err) == bool(bad)
    assert fake_server.attempts == attempts


def test_an_outage_is_3_and_says_how_to_go_on(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.refuse()
    assert run(fake_server, "--max-outage", "0.05") == 3
    err = capsys.readouterr().err
    assert "Connection refused" in err or "connect" in err
    assert "0 of 20 requests answered" in err
    assert err.splitlines()[-1].startswith("rawllm: to go on: rawllm batch in.jsonl -o out.jsonl ")
    fake_server.accept()
    assert main(shlex.split(err.splitlines()[-1].partition(": rawllm ")[2])) == 0


def test_a_refused_key_is_3(fake_server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    fake_server.api_key = "another"
    assert run(fake_server) == 3
    assert "Incorrect API key" in capsys.readouterr().err
    assert records() == []


def test_json_is_the_summary_on_stdout(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.handler = failing("r3")
    assert run(fake_server, "--json") == 1
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    summary = json.loads(out)
    assert summary["answered"] == 19
    assert summary["errors"] == {"BadRequestError": 1}
    assert set(summary["latency"]) == {"p50", "p90", "p99"}
    assert (summary["left"], summary["stopped"]) == (0, None)
    assert "19 of 20" in err


def test_json_says_what_stopped_it(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.api_key = "another"
    assert run(fake_server, "--json") == 3
    summary = json.loads(capsys.readouterr().out)
    assert (summary["left"], summary["stopped"]) == (20, "refused")


def test_a_resumed_run_says_where_it_goes_on(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run(fake_server, "--limit", "5")
    with open("out.jsonl", "ab") as out:
        out.write(b'{"id"')
    capsys.readouterr()
    assert run(fake_server) == 0
    err = capsys.readouterr().err
    assert "unfinished last record (5 bytes) is removed" in err
    assert "rawllm: going on, 5 are there already\n" in err
    assert "there before  5\n" in err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ("in.jsonl", "-o OUT"),
        ("none.jsonl -o out.jsonl", "none.jsonl: no such file"),
        ("in.jsonl -o - --json", "exclude each other"),
        ("- -o out.jsonl --retry-failed", "files"),
        ("in.jsonl -o in.jsonl", "overwrite in.jsonl"),
        ("in.jsonl -o out.jsonl --concurrency 0", "at least 1"),
        ("in.jsonl -o out.jsonl --concurrency many", "not a whole number"),
        ("in.jsonl -o out.jsonl --max-retries -1", "at least 0"),
        ("in.jsonl -o out.jsonl --max-outage -1", "at least 0"),
        ("in.jsonl -o out.jsonl --rpm 0", "above 0"),
        ("in.jsonl -o out.jsonl --limit 0", "at least 1"),
        ("in.jsonl -o out.jsonl --durability none", "--durability"),
        ("bad.jsonl -o out.jsonl", "bad.jsonl, line 2: "),
        ("bad.jsonl --dry-run", "bad.jsonl, line 2: "),
    ],
)
def test_wrong_usage_is_2_and_touches_nothing(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str], argv: str, says: str
) -> None:
    Path("bad.jsonl").write_bytes(lines(1) + b"{}\n")
    files = {path: path.read_bytes() for path in Path().iterdir()}
    assert command(fake_server, *argv.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err.splitlines()[-1]
    assert {path: path.read_bytes() for path in Path().iterdir()} == files
    assert fake_server.requests == []


def test_the_command_that_is_shown_holds_no_key(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_server.handler = failing("r3")
    url = fake_server.url + "?key=hunter2"
    assert main(["batch", "in.jsonl", "-o", "out.jsonl", "--base-url", url]) == 1
    err = capsys.readouterr().err
    assert "the same command with --retry-failed" in err
    assert "hunter2" not in err + Path("out.jsonl.manifest").read_text()


def test_a_command_is_quoted_for_the_shell_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Args:
        base_url = None
        argv = ("batch", "a b")

    assert batch._command(Args()) == "rawllm batch 'a b'"  # type: ignore[arg-type]
    monkeypatch.setattr(batch.os, "name", "nt")
    assert batch._command(Args()) == 'rawllm batch "a b"'  # type: ignore[arg-type]


# ── options ───────────────────────────────────────────────────────────────────────────────────


def test_the_options_reach_the_client_and_the_run(
    fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    async def stand_in(source: str, output: str, **options: Any) -> Any:
        from rawllm.batch import Summary

        given.update(options, source=source, output=output)
        return Summary(lines=0)

    monkeypatch.setattr("rawllm.batch.run", stand_in)
    options = "--concurrency 7 --rpm 60 --tpm 5000 --max-retries 4 --timeout 9 --model other"
    options += " --ordered --limit 3 --retry-failed --errors e --max-outage 5 --durability power"
    assert run(fake_server, *options.split()) == 0
    client = given["client"]
    limits = client._endpoint.limits
    assert (limits.concurrency, limits.requests_per_minute, limits.tokens_per_minute) == (
        7,
        60.0,
        5000.0,
    )
    assert (client.retry.attempts, client.retry.max_outage) == (5, 5.0)
    timeout = client.timeout
    assert (timeout.first_token, timeout.idle, timeout.total) == (9.0, 9.0, None)
    names = ("source", "output", "model", "ordered", "limit", "retry_failed", "errors")
    assert [given[name] for name in names] == [
        *("in.jsonl", "out.jsonl", "other", True, 3, True, "e")
    ]
    assert (given["max_outage"], given["durability"]) == (5.0, "power")


def test_without_options_the_server_is_given_what_it_takes(fake_server: FakeServer) -> None:
    seen = []

    def handler(request: Request) -> Reply:
        seen.append(fake_server.in_flight)
        return Reply(first_delay=0.005)

    Path("in.jsonl").write_bytes(lines(300))
    fake_server.handler = handler
    assert run(fake_server) == 0
    assert max(seen[:4]) <= 4
    assert max(seen) > 8


def test_a_dry_run_counts_and_does_nothing_else(
    fake_server: FakeServer, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    requests = [
        chat("a", max_tokens=100),
        chat("b", max_completion_tokens=10, n=3),
        chat("c", max_tokens="many"),  # the server's to refuse
        {"custom_id": "d", "url": "/v1/embeddings", "body": {"model": "m", "input": "x" * 400}},
    ]
    Path("in.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    assert command(fake_server, "in.jsonl", "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    chats = found["/chat/completions"]
    assert (chats["requests"], chats["tokens_out"]) == (3, 100 + 30 + 256)
    assert 30 < chats["tokens_in"] < 90
    assert found["/embeddings"]["tokens_out"] == 0
    assert 100 < found["/embeddings"]["tokens_in"] < 115
    assert command(fake_server, "in.jsonl", "--dry-run", "--limit", "2") == 0
    assert capsys.readouterr().out.startswith("/chat/completions            2 requests, about ")
    assert fake_server.requests == []
    assert os.listdir(folder) == ["in.jsonl"]


# ── pipes ─────────────────────────────────────────────────────────────────────────────────────


def test_from_stdin_to_stdout(
    fake_server: FakeServer,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(5))))
    assert command(fake_server, "-", "-o", "-", "--ordered") == 0
    out, err = capsysbinary.readouterr()
    assert [json.loads(line)["custom_id"] for line in out.splitlines()] == [
        f"r{i}" for i in range(5)
    ]
    assert err.count(b"cannot be resumed") == 1
    assert b"rawllm: stdout: 5 requests answered\n" in err


def process(server: FakeServer, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
    # Ctrl-C is ignored where the tests run in the background of a shell: not so here.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.path[:0] = {sys.path!r}; from rawllm.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "batch", *argv, "--base-url", server.url]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.skipif(os.name != "posix", reason="pipes break in another way")
def test_a_reader_that_has_gone_is_141(fake_server: FakeServer) -> None:
    fake_server.handler = lambda request: Reply("x" * 100_000)
    running = process(fake_server, "in.jsonl", "-o", "-")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.read(10)
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait(timeout=30) == 141
    assert err.count(b"\n") == 1  # that it cannot be resumed


# ── signals ───────────────────────────────────────────────────────────────────────────────────


def answered(server: FakeServer, count: int) -> None:
    limit = time.monotonic() + 30
    while server.attempts < count and time.monotonic() < limit:
        time.sleep(0.002)
    assert server.attempts >= count


posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@posix
@pytest.mark.parametrize(("which", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_peace(
    fake_server: FakeServer, which: signal.Signals, code: int
) -> None:
    fake_server.handler = lambda request: Reply(first_delay=0.1)
    running = process(fake_server, "in.jsonl", "-o", "out.jsonl", "--concurrency", "2")
    answered(fake_server, 5)
    running.send_signal(which)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (code, b"")
    last = err.decode().splitlines()[-1]
    assert last.startswith("rawllm: to go on: rawllm batch in.jsonl -o out.jsonl ")
    recorded = len(records())
    assert recorded == fake_server.attempts < 20  # what was in flight was waited for
    assert f"{recorded} of 20 requests answered" in err.decode()
    assert main(shlex.split(last.partition(": rawllm ")[2])) == 0
    assert len(records()) == 20
    assert fake_server.attempts == 20


@posix
def test_the_second_signal_ends_it_now(fake_server: FakeServer) -> None:
    fake_server.handler = lambda request: (
        # Within the grace: had the second signal been ignored, these would be recorded.
        Reply(first_delay=3) if fake_server.attempts > 4 else None
    )
    running = process(fake_server, "in.jsonl", "-o", "out.jsonl", "--concurrency", "2")
    answered(fake_server, 6)
    assert running.stderr is not None
    running.send_signal(signal.SIGINT)
    assert b"again: at once" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    err = running.communicate(timeout=30)[1].decode()
    assert running.returncode == 130
    assert "Traceback" not in err
    assert "4 of 20 requests answered" in err
    assert "to go on: " in err
    assert len(records()) == 4


@posix
def test_a_signal_while_the_input_is_read_ends_it_at_once(fake_server: FakeServer) -> None:
    os.mkfifo("pipe")
    code = (
        f"import sys, time; sys.path[:0] = {sys.path!r}; from rawllm.batch.source import Source\n"
        "def survey(*_, **__): open('pipe', 'w').close(); time.sleep(60)\n"
        "Source.survey = survey\n"
        "from rawllm.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "batch", "in.jsonl", "-o", "out.jsonl"]
    running = subprocess.Popen(
        [*words, "--base-url", fake_server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    open("pipe").close()  # it is in there now
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (143, b"")
    assert err == b"rawllm: interrupted before anything was sent\n"


def test_the_handlers_of_before_come_back(fake_server: FakeServer) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run(fake_server) == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_that_is_ignored_stays_so(fake_server: FakeServer) -> None:
    seen = []
    fake_server.handler = lambda request: seen.append(signal.getsignal(signal.SIGTERM))
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as nohup does with another
    try:
        assert run(fake_server) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert set(seen) == {signal.SIG_IGN}


@pytest.mark.real_model
def test_the_embedded_model_answers_a_file_made_for_another(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAWLLM_GGUF", str(gguf()))
    requests = [chat(f"r{i}", max_tokens=4, temperature=0) for i in range(5)]
    Path("in.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    assert main(["batch", "in.jsonl", "-o", "out.jsonl", "--local", "--ordered"]) == 0
    bodies = [record["response"]["body"] for record in records()]
    assert [body["usage"]["completion_tokens"] for body in bodies] == [4] * 5
    assert {body["model"] for body in bodies} == {"smollm2"}
    assert "5 of 5 requests answered" in capfd.readouterr().err
