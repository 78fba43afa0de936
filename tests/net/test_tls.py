"""TLS: good and bad certificates, on both sides, against real handshakes on loopback."""

import shutil
import socket
import ssl
import subprocess
import threading

import aiohttp
import pytest
from net import certificates
from net.certificates import serving, trusting
from net.proxy import Relay

from rawllm import (
    APIConnectionError,
    APIError,
    BadRequestError,
    Client,
    ConfigurationError,
    ConnectTimeout,
    IncompleteStreamError,
    Retry,
    Timeout,
)
from rawllm.testing import FakeServer

KEY = "sk-secret-key"
FAST = Retry(base=0.001, cap=0.002)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server():
    async with FakeServer(ssl=serving()) as running:
        yield running


@pytest.fixture
def bundle(tmp_path):
    """A file with our authority's certificate."""
    path = tmp_path / "authority.pem"
    certificates.authority().cert_pem.write_to_path(str(path))
    return path


def client(port, *, scheme="https", **options):
    options = {"ssl": trusting(), "retry": FAST, **options}
    return Client(f"{scheme}://127.0.0.1:{port}/v1", api_key=KEY, model="m", **options)


async def ask(llm, *, stream):
    if not stream:
        return (await llm.complete("hi")).text
    async with llm.stream("hi") as opened:
        return "".join([chunk.text async for chunk in opened])


# ── whom the client trusts ───────────────────────────────────────────────────────────────────


async def test_a_context_that_trusts_the_authority_is_taken(server):
    async with client(server.port) as llm:
        for stream in (False, True, False):
            assert await ask(llm, stream=stream) == "echo: hi"

    assert server.connections == 1  # handshakes are dear


@pytest.mark.parametrize("given", [None, True])
async def test_ssl_cert_file_names_whom_to_trust(server, bundle, monkeypatch, given):
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    async with client(server.port, ssl=given) as llm:
        assert await ask(llm, stream=False) == "echo: hi"


@pytest.fixture
def folder(bundle):
    """A folder as OpenSSL reads it: certificates found by the hash of their name."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    subprocess.run(["openssl", "rehash", bundle.parent], check=True)
    return bundle.parent


async def test_ssl_cert_dir_names_whom_to_trust(server, folder, monkeypatch):
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    async with client(server.port, ssl=None) as llm:
        assert await ask(llm, stream=False) == "echo: hi"


async def test_a_context_that_was_given_wins_over_the_environment(server, bundle, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    async with client(server.port, ssl=trusting(certificates.stranger())) as llm:
        with pytest.raises(APIConnectionError, match="unable to get local issuer"):
            await ask(llm, stream=False)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_an_ssl_cert_file_without_certificates_is_refused_at_once(tmp_path, monkeypatch, content):
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        Client("https://llm.test/v1")


@pytest.mark.parametrize(
    ("base_url", "options", "wanted"),
    [
        ("https://llm.test/v1", {}, True),
        ("http://llm.test/v1", {"proxy": "https://proxy.test:1"}, True),
        ("http://llm.test/v1", {"proxy": "http://proxy.test:1"}, False),
        ("http://llm.test/v1", {}, False),
        ("unix:///llm.sock", {}, False),
    ],
)
def test_certificates_load_only_where_something_is_checked_against_them(
    monkeypatch, base_url, options, wanted
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    if wanted:
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            Client(base_url, **options)
    else:
        Client(base_url, **options)


def test_they_load_for_the_environments_proxy_too(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    monkeypatch.setenv("http_proxy", "https://proxy.test:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        Client("http://llm.test/v1")
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        Client("http://127.0.0.1/v1").with_options(base_url="http://llm.test/v1")


async def test_a_connector_of_the_users_needs_none_of_ours(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    async with aiohttp.TCPConnector() as connector:
        Client("https://llm.test/v1", connector=connector)


@pytest.mark.parametrize("given", ["bundle.pem", 1, {"ca": "x"}])
def test_ssl_takes_a_context_or_a_bool(given):
    with pytest.raises(ConfigurationError, match=r"ssl= takes an ssl\.SSLContext"):
        Client("https://llm.test/v1", ssl=given)


async def test_the_users_connector_brings_its_own_tls(server):
    async with aiohttp.TCPConnector(ssl=trusting()) as connector:
        async with client(server.port, ssl=None, connector=connector) as llm:
            assert await ask(llm, stream=False) == "echo: hi"
        with pytest.raises(ConfigurationError, match="ssl= belongs to the connector"):
            Client(server.url, ssl=trusting(), connector=connector)


# ── certificates that are not accepted ───────────────────────────────────────────────────────

BAD = {
    "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid",
    "wrong_host": "certificate is not valid for '127.0.0.1'",
    "self_signed": "self-signed certificate",
    "of_a_stranger": "unable to get local issuer certificate",
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("which", BAD)
async def test_a_bad_certificate_is_said_and_never_tried_again(which, stream):
    context = serving(getattr(certificates, which)())
    async with (
        FakeServer(ssl=context) as server,
        Relay(server.port) as relay,
        client(relay.port) as llm,
    ):
        with pytest.raises(APIConnectionError) as caught:
            await ask(llm, stream=stream)

    error = caught.value
    assert error.kind == "tls"
    assert f"the certificate of 127.0.0.1:{relay.port} was not accepted" in str(error)
    assert BAD[which] in str(error)
    assert "http://" not in str(error)  # nobody is sent to plain HTTP by a bad certificate
    assert error.attempts == relay.connections == 1
    assert error.sent is False
    assert server.attempts == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("which", BAD)
async def test_ssl_false_accepts_every_certificate(which, stream):
    context = serving(getattr(certificates, which)())
    async with FakeServer(ssl=context) as server, client(server.port, ssl=False) as llm:
        assert await ask(llm, stream=stream) == "echo: hi"


async def test_after_a_bad_certificate_the_next_call_works():
    """As when a server gets its new certificate: nothing is remembered of the old one."""
    context = serving(certificates.expired())
    async with FakeServer(ssl=context) as server, client(server.port) as llm:
        with pytest.raises(APIConnectionError, match="expired"):
            await ask(llm, stream=False)
        certificates.good().configure_cert(context)
        assert await ask(llm, stream=False) == "echo: hi"


async def test_trust_is_not_shared_with_a_client_of_another_context():
    context = serving(certificates.self_signed())
    async with FakeServer(ssl=context) as server, client(server.port, ssl=False) as llm:
        assert await ask(llm, stream=False) == "echo: hi"
        async with llm.with_options(ssl=trusting()) as strict:
            with pytest.raises(APIConnectionError, match="self-signed"):
                await ask(strict, stream=False)


# ── the wrong scheme ─────────────────────────────────────────────────────────────────────────


async def test_https_to_a_plain_port_names_the_mistake():
    async with FakeServer() as server, client(server.port) as llm:
        with pytest.raises(APIConnectionError, match="does it speak plain http://") as caught:
            await ask(llm, stream=False)

    assert caught.value.kind == "tls"
    assert caught.value.attempts == server.connections == 1
    assert server.attempts == 0


async def test_http_to_a_tls_port_is_never_an_answer(server):
    """asyncio's servers, uvicorn's among them, close without a word: it looks like a crash."""
    async with client(server.port, scheme="http") as llm:
        with pytest.raises(APIConnectionError) as caught:
            await ask(llm, stream=False)

    assert caught.value.kind == "lost"
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert server.attempts == 0


async def test_a_tls_alert_in_answer_to_http_names_the_mistake():
    """The two bytes of the alert say "fatal, protocol version"; OpenSSL sends it to plain HTTP."""
    async with FakeServer() as server, client(server.port, scheme="http") as llm:
        server.raw([b"\x15\x03\x01\x00\x02\x02\x46"], end="close")
        with pytest.raises(APIConnectionError, match="https://") as caught:
            await ask(llm, stream=False)

    assert caught.value.kind == "tls"
    assert caught.value.attempts == 1


async def test_what_a_tls_server_says_to_http_in_words_is_shown():
    async with FakeServer() as server, client(server.port, scheme="http") as llm:
        said = "Client sent an HTTP request to an HTTPS server."  # Go's net/http
        server.fail(400, body=said, headers={"content-type": "text/plain"})
        with pytest.raises(BadRequestError, match=said):
            await ask(llm, stream=False)


# ── client certificates, and handshakes that fail on the server's side ───────────────────────


def asking(version=ssl.TLSVersion.TLSv1_3):
    """A server's context that demands a client certificate of our authority."""
    context = serving()
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    certificates.authority().configure_trust(context)
    return context


def showing(ca=None):
    """A client's context with a certificate of its own."""
    context = trusting()
    certificates.client(ca).configure_cert(context)
    return context


class Blunt(threading.Thread):
    """A TLS server that fails handshakes as most do, with an alert. asyncio's sends none, so that
    `FakeServer` cannot stand in. attempts: int, handshakes so far."""

    def __init__(self, context):
        super().__init__(daemon=True)
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.attempts = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.join()

    def run(self):
        while True:
            try:
                raw, _ = self._socket.accept()
            except OSError:
                return
            self.attempts += 1
            with self._context.wrap_socket(
                raw, server_side=True, do_handshake_on_connect=False
            ) as connection:
                try:
                    connection.do_handshake()
                except OSError:
                    # Unread bytes would turn the close into a reset, which overtakes the alert.
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_certificate_is_shown_where_it_is_asked_for(version, stream):
    async with (
        FakeServer(ssl=asking(version)) as server,
        client(server.port, ssl=showing()) as llm,
    ):
        assert await ask(llm, stream=stream) == "echo: hi"


#: With TLS 1.3 the client's handshake is over before its certificate is judged: the alert comes
#: where the answer should.
@pytest.mark.parametrize(
    ("version", "context", "says"),
    [
        (ssl.TLSVersion.TLSv1_2, trusting, "ALERT_HANDSHAKE_FAILURE"),
        (ssl.TLSVersion.TLSv1_3, trusting, "CERTIFICATE_REQUIRED"),
        (ssl.TLSVersion.TLSv1_2, lambda: showing(certificates.stranger()), "UNKNOWN_CA"),
        (ssl.TLSVersion.TLSv1_3, lambda: showing(certificates.stranger()), "UNKNOWN_CA"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_certificate_missing_or_refused_is_said_and_not_tried_again(
    version, context, says, stream
):
    with Blunt(asking(version)) as server:
        async with client(server.port, ssl=context()) as llm:
            with pytest.raises(APIConnectionError, match=says) as caught:
                await ask(llm, stream=stream)

    assert caught.value.kind == "tls"
    assert "http://" not in str(caught.value)  # who sends an alert speaks TLS
    assert caught.value.attempts == server.attempts == 1
    assert caught.value.sent is False


@pytest.mark.parametrize("context", [trusting, lambda: showing(certificates.stranger())])
async def test_without_an_alert_a_refused_client_certificate_is_an_error_all_the_same(context):
    async with FakeServer(ssl=asking()) as server, client(server.port, ssl=context()) as llm:
        with pytest.raises(APIConnectionError):
            await ask(llm, stream=False)

    assert server.attempts == 0


async def test_no_common_version_of_tls_is_said_and_not_tried_again():
    old, new = serving(), trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    new.minimum_version = ssl.TLSVersion.TLSv1_3
    with Blunt(old) as server:
        async with client(server.port, ssl=new) as llm:
            with pytest.raises(APIConnectionError, match="PROTOCOL_VERSION") as caught:
                await ask(llm, stream=False)

    assert caught.value.kind == "tls"
    assert "http://" not in str(caught.value)
    assert caught.value.attempts == server.attempts == 1


class Dropping(Relay):
    """Hangs up as soon as the client has begun its handshake. dropped: int of connections that it
    does so to, the first ones."""

    def __init__(self, port, *, dropped):
        super().__init__(port)
        self._dropped = dropped

    async def _serve(self, reader, writer):
        if self.connections > self._dropped:
            await super()._serve(reader, writer)
        await reader.read(1)
        writer.transport.abort()


async def test_a_handshake_that_is_dropped_is_tried_again(server):
    """A balancer whose server restarts does that, and so may a server that knows no TLS."""
    async with Dropping(server.port, dropped=2) as relay, client(relay.port) as llm:
        assert await ask(llm, stream=False) == "echo: hi"

    assert relay.connections == 3


async def test_handshakes_that_are_always_dropped_end_with_a_hint(server):
    async with Dropping(server.port, dropped=9) as relay, client(relay.port) as llm:
        with pytest.raises(APIConnectionError, match="does it speak plain http://") as caught:
            await ask(llm, stream=False)

    assert caught.value.attempts == relay.connections == FAST.attempts
    assert caught.value.sent is False
    assert server.attempts == 0


async def test_a_handshake_without_end_is_a_connect_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        options = {"timeout": Timeout(connect=0.05), "retry": Retry(attempts=1)}
        async with client(port, **options) as llm:
            with pytest.raises(ConnectTimeout) as caught:
                await ask(llm, stream=False)

    assert caught.value.sent is False


# ── streams over TLS ─────────────────────────────────────────────────────────────────────────


async def test_a_stream_over_tls_comes_whole_and_in_order(server):
    words = [f"{number} " for number in range(2000)]  # more than the socket's buffers hold
    server.stream(words)
    async with client(server.port, timeout=Timeout(idle=5)) as llm, llm.stream("hi") as stream:
        texts = [chunk.text async for chunk in stream if chunk.text]

    assert texts == words
    assert stream.completion.text == "".join(words)
    assert stream.done_seen


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_stream_cut_off_over_tls_is_incomplete(server, end):
    server.stream(["Hel"], end=end)
    async with client(server.port) as llm:
        with pytest.raises(IncompleteStreamError) as caught:
            await ask(llm, stream=True)
        assert caught.value.partial.text == "Hel"
        assert server.attempts == 1
        assert await ask(llm, stream=True) == "echo: hi"


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_body_cut_off_over_tls_is_no_answer(server, end):
    whole = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    server.raw([head + whole[:60]], end=end)
    async with client(server.port, retry=Retry(attempts=1)) as llm:
        with pytest.raises(APIError):
            await ask(llm, stream=False)
        assert await ask(llm, stream=False) == "echo: hi"


async def test_a_stream_that_is_left_over_tls_is_aborted(server):
    server.stream(["Hel", 60, "lo"])
    async with client(server.port) as llm:
        async with llm.stream("hi") as stream:
            async for chunk in stream:
                if chunk.text:
                    break
        await server.wait_for(lambda: server.aborted == 1)
        await server.wait_for(lambda: server.open_connections == 0)


async def test_a_kept_connection_that_died_over_tls_costs_no_attempt(server):
    async with client(server.port, retry=Retry(attempts=1)) as llm:
        await llm.complete("hi")
        server.close_idle()
        assert (await llm.complete("hi")).timing.attempts == 1
