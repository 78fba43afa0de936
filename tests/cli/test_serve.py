"""`rawllm serve` as a process, with the real model, as other programs would use it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from real_model import gguf

pytestmark = [
    pytest.mark.real_model,
    pytest.mark.skipif(os.name != "posix", reason="stops it with signals"),
]


def launch(*argv: str, file: Path | None = None) -> subprocess.Popen[str]:
    # Ctrl-C is ignored where the tests run in the background of a shell: not so here.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.path[:0] = {sys.path!r}; from rawllm.cli import main; sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "serve", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RAWLLM_GGUF": str(file or gguf())},
    )


class Serving:
    """A running `rawllm serve`, and what it said when it was ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.lines = [process.stdout.readline(), process.stdout.readline()]
        url, key = (line.rstrip("\n").partition("=")[2] for line in self.lines)
        self.port = int(url.removeprefix("http://127.0.0.1:").removesuffix("/v1"))
        self.key = key

    @contextmanager
    def post(self, path: str, key: str, **body: Any) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            connection.request("POST", f"/v1/{path}", json.dumps(body), headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def stop(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def serving() -> Iterator[Serving]:
    process = launch("--port", "0")
    try:
        yield Serving(process)
    finally:
        process.kill()
        process.communicate()


CHAT: dict[str, Any] = {"model": "smollm2", "messages": [{"role": "user", "content": "hi"}]}


def test_two_lines_say_where_and_with_which_key_and_both_hold(serving: Serving) -> None:
    assert serving.lines == [
        f"OPENAI_BASE_URL=http://127.0.0.1:{serving.port}/v1\n",
        f"OPENAI_API_KEY={serving.key}\n",
    ]
    with serving.post("chat/completions", serving.key, max_tokens=4, **CHAT) as response:
        assert response.status == 200
        answer = json.loads(response.read())
    assert (answer["model"], answer["usage"]["completion_tokens"]) == ("smollm2", 4)
    with serving.post("embeddings", serving.key, input="hi") as response:
        assert response.status == 200
        assert len(json.loads(response.read())["data"][0]["embedding"]) == 576
    with serving.post("chat/completions", "wrong", **CHAT) as response:
        assert response.status == 401
    # Nothing else was printed, by us or by native code.
    assert serving.stop(signal.SIGTERM) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stream", [True, False])
def test_it_ends_at_once_while_it_answers(serving: Serving, number: int, stream: bool) -> None:
    body = {**CHAT, "max_tokens": 1900, "ignore_eos": True, "stream": stream}
    if not stream:
        connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=60)
        headers = {"Authorization": f"Bearer {serving.key}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        assert serving.stop(number) == (0, "", "")
        connection.close()
        return
    with serving.post("chat/completions", serving.key, **body) as response:
        assert response.readline().startswith(b"data: ")
        assert serving.stop(number) == (0, "", "")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", serving.port)) != 0


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_a_server_that_dies_is_an_error(serving: Serving) -> None:
    owner = serving.process.pid
    server = int(Path(f"/proc/{owner}/task/{owner}/children").read_text())
    os.kill(server, signal.SIGKILL)
    _, err = serving.process.communicate(timeout=30)
    assert serving.process.returncode == 1
    assert err == "rawllm: the embedded model's server died (SIGKILL)\n"


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = launch("--port", str(port))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == f"rawllm: port {port} is in use; choose another, or 0 for a free one\n"


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [(b"<html>", 2, "is no gguf file"), (b"GGUF" + bytes(1000), 1, "cannot load")],
)
def test_a_file_that_is_no_model_is_one_line(
    tmp_path: Path, content: bytes, code: int, says: str
) -> None:
    gguf()  # skips where xllamacpp is missing
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    process = launch(file=file)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert err.startswith("rawllm: ")
    assert says in err
    assert str(file) in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_it_starts(number: int) -> None:
    marks = "signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = (
        f"import os, signal, sys; {marks}sys.path[:0] = {sys.path!r}\n"
        "from rawllm import local\n"
        "def starting(**_): os.kill(os.getpid(), int(sys.argv.pop())); signal.pause()\n"
        "local.LocalServer = starting\n"
        "from rawllm.cli import main; sys.exit(main(['serve', '--port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(int(number))], capture_output=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
