"""`rawllm serve --upstream` as a process, as other programs would use it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")
pytest.importorskip("prometheus_client", reason="needs prometheus-client")

from rawllm import cli
from rawllm.testing import FakeServer, Reply

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops it with signals")

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi there"}]}


@pytest.fixture
def upstream():
    with FakeServer(api_key="sk-upstream") as server:
        yield server


class Gateway:
    def __init__(self, *argv, **environment):
        self.connections = []
        # Ctrl-C is ignored where the tests run in the background of a shell: not so here.
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            f"sys.path[:0] = {sys.path!r}; from rawllm.cli import main; sys.exit(main())"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENAI_API_KEY": "sk-upstream", **environment},
        )

    def __enter__(self):
        self.line = self.process.stdout.readline()
        self.port = int(self.line.rpartition(":")[2].removesuffix("/v1\n"))
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()
        self.process.kill()
        self.process.communicate()

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.connections.append(connection)
        data = None if body is None else json.dumps(body)
        headers = {"content-type": "application/json", **headers}
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        self.connections.append(response)
        return response

    def stop(self, number):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_serves_all_routes_and_ends_in_silence(upstream, number):
    with Gateway("--upstream", upstream.url, "--port", "0", "--model", "given") as gateway:
        assert gateway.line == f"OPENAI_BASE_URL=http://127.0.0.1:{gateway.port}/v1\n"
        for path in ("/", "/healthz", "/v1/models", "/metrics"):
            assert gateway.ask("GET", path).status == 200
        answer = json.load(gateway.ask("POST", "/generate", {"prompt": "hi there"}))
        assert (answer["text"], answer["model"]) == ("echo: hi there", "given")
        streamed = gateway.ask("POST", "/v1/chat/completions", {**CHAT, "stream": True}).read()
        assert streamed.endswith(b"data: [DONE]\n\n")
        assert b"rawllm_calls_total" in gateway.ask("GET", "/metrics").read()
        assert gateway.stop(number) == (0, "", "")


def test_an_answer_under_way_is_finished_when_it_is_stopped(upstream):
    upstream.default = Reply("whole", first_delay=0.3)
    with Gateway("--upstream", upstream.url, "--port", "0") as gateway:
        got = []
        asking = threading.Thread(
            target=lambda: got.append(json.load(gateway.ask("POST", "/v1/chat/completions", CHAT)))
        )
        asking.start()
        upstream.wait(lambda: upstream.in_flight == 1)
        assert gateway.stop(signal.SIGTERM) == (0, "", "")
        asking.join()
    assert got[0]["choices"][0]["message"]["content"] == "whole"


def test_a_second_ctrl_c_ends_it_at_once_and_the_work_upstream_with_it(upstream):
    upstream.default = Reply("one two", delay=3600.0)
    with Gateway("--upstream", upstream.url, "--port", "0") as gateway:
        response = gateway.ask("POST", "/v1/chat/completions", {**CHAT, "stream": True})
        assert response.readline().startswith(b"data: ")
        gateway.process.send_signal(signal.SIGINT)
        while True:  # until it has understood, and listens no more
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", gateway.port)):
                    break
        code, out, err = gateway.stop(signal.SIGINT)
    assert (code, out) == (0, "")
    assert err == ""
    upstream.wait(lambda: upstream.aborted == 1)


def test_its_options_and_its_key_hold(upstream):
    argv = ("--upstream", upstream.url, "--port", "0", "--max-body", "200", "--concurrency", "1")
    with Gateway(*argv, RAWLLM_GATEWAY_KEY="sk-gateway") as gateway:
        assert gateway.ask("POST", "/generate", {"prompt": "x"}).status == 401
        key = {"authorization": "Bearer sk-gateway"}
        assert gateway.ask("POST", "/generate", {"prompt": "x" * 200}, **key).status == 413
        upstream.default = Reply("one two", delay=3600.0)
        body = {**CHAT, "stream": True}
        held = gateway.ask("POST", "/v1/chat/completions", body, **key)
        assert held.status == 200
        refused = gateway.ask("POST", "/generate", {"prompt": "x"}, **key)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        held.close()


def test_without_a_key_it_answers_to_the_names_of_this_machine_only(upstream):
    with Gateway("--upstream", upstream.url, "--port", "0") as gateway:
        names = {"localhost": 200, f"127.0.0.1:{gateway.port}": 200, "evil.example": 421}
        for host, status in names.items():
            assert gateway.ask("POST", "/generate", {"prompt": "x"}, host=host).status == status
    with Gateway("--upstream", upstream.url, "--port", "0", RAWLLM_GATEWAY_KEY="k") as gateway:
        headers = {"host": "proxy.example", "authorization": "Bearer k"}
        assert gateway.ask("POST", "/generate", {"prompt": "x"}, **headers).status == 200


def test_a_long_pause_is_told_to_all_callers_and_waited_for_by_none(upstream):
    upstream.fail(429, headers={"retry-after": "60"})
    with Gateway("--upstream", upstream.url, "--port", "0") as gateway:
        for least in (60, 1):  # the second is not before the gateway itself asks again
            refused = gateway.ask("POST", "/generate", {"prompt": "x"})
            assert refused.status == 429
            assert int(refused.headers["retry-after"]) >= least
    assert upstream.attempts == 1


def test_who_listens_to_the_world_without_a_key_is_warned(upstream):
    argv = ("--upstream", upstream.url, "--port", "0", "--host", "0.0.0.0")
    with Gateway(*argv) as gateway:
        code, _, err = gateway.stop(signal.SIGTERM)
    assert code == 0
    assert err == (
        "rawllm: whoever reaches 0.0.0.0 can use this gateway: RAWLLM_GATEWAY_KEY sets a key for "
        "it\n"
    )


@pytest.fixture
def failing(capsys, monkeypatch):
    """Runs the command in this process: (exit code, what it said)."""
    # One of each process: its metrics are those of the process.
    monkeypatch.setattr("rawllm.integrations.prometheus.PrometheusHooks", lambda: ())
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(*argv):
        code = cli.main(["serve", *argv])
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return code, err

    return run


def test_a_port_in_use_is_one_line(failing):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, err = failing("--upstream", "http://a/v1", "--port", port)
    assert code == 1
    assert err == f"rawllm: port {port} is in use; choose another, or 0 for a free one\n"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--upstream", "nonsense"), "no scheme"),
        (("--upstream", " "), "--upstream is empty"),
        (("--upstream", "http://a/v1", "--port", "65536"), "port 65536: must be 0 to 65535"),
        (("--upstream", "http://a/v1", "--host", "no such host"), "no address of this machine"),
        (("--upstream", "http://a/v1", "--slots", "2"), "--slots belongs to the embedded model"),
        (("--max-body", "5"), "--max-body needs --upstream URL"),
        (("--host", "127.0.0.1"), "--host needs --upstream URL"),
    ],
)
def test_wrong_usage_is_one_line(failing, argv, says):
    code, err = failing(*argv)
    assert code == 2
    assert says in err


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "prometheus_client"])
def test_what_is_not_installed_is_named_with_its_extra(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from rawllm.cli import main; "
        "sys.exit(main(['serve', '--upstream', 'http://a/v1', '--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"rawllm: --upstream needs {missing}: pip install 'rawllm[serve]'\n"
