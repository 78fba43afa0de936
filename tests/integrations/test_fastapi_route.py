"""What all of rawllm's routes have in common: key, places, sizes, headers, errors."""

import asyncio

import pytest

pytest.importorskip("uvicorn", reason="needs fastapi and uvicorn")

from fastapi import FastAPI
from integrations.serving import Caller, serving

from rawllm import Client, ConfigurationError
from rawllm.integrations.fastapi import (
    LLM,
    generate_router,
    install_error_handlers,
    lifespan,
    openai_router,
    route,
)
from rawllm.testing import Reply

PATH = "/v1/chat/completions"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi there"}]}


def application(server, client_options=None, **options):
    client = Client(server.url, **{"max_retries": 0, **(client_options or {})})
    app = FastAPI(lifespan=lifespan(client, **options))
    app.include_router(openai_router())
    app.include_router(generate_router())
    return app


async def post(url, path=PATH, body=CHAT, **headers):
    return await (await Caller.post(url, path, body, **headers)).answer()


# ── the type and the size of a body ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [PATH, "/v1/embeddings", "/generate"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_taken_for_json(server, path, kind):
    """A page on any site may post the others without a preflight."""
    body = {**CHAT, "input": "hi"} if path != "/generate" else {"prompt": "hi"}
    async with serving(application(server)) as url:
        status, _, answer = await post(url, path, body, content_type=kind)
        assert (status, b"Content-Type: application/json" in answer) == (415, True)
        kind = "Application/JSON; charset=utf-8"
        assert (await post(url, path, body, content_type=kind))[0] == 200


async def test_a_body_that_stays_away_is_408_and_its_place_free_again(server, monkeypatch):
    monkeypatch.setattr(route, "PATIENCE", 0.05)
    monkeypatch.setattr(route, "DISCARD_SECONDS", 0.0)
    async with serving(application(server, concurrency=1)) as url:
        status, _, body = await post(url, body=b"{", content_length="100")
        assert (status, b"did not come" in body) == (408, True)
        assert (await post(url))[0] == 200


async def test_who_announces_too_much_and_sends_nothing_is_told(server, monkeypatch):
    monkeypatch.setattr(route, "DISCARD_SECONDS", 0.05)
    async with serving(application(server, max_body=300)) as url:
        assert (await post(url, body=b"", content_length="301"))[0] == 413


@pytest.mark.parametrize(("size", "status"), [(300, 200), (301, 413)])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_over_its_bound_is_413_whether_announced_or_not(server, size, status, chunked):
    body = b'{"prompt": "x", "model": "m"'
    body += b" " * (size - len(body) - 1) + b"}"
    async with serving(application(server, max_body=300)) as url:
        if chunked:
            half = size // 2
            pieces = (body[:half], body[half:])
            wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            caller = await Caller.post(
                url,
                "/generate",
                wire + b"0\r\n\r\n",
                transfer_encoding="chunked",
                content_length="",
            )
            answer = await caller.answer()
        else:
            answer = await post(url, "/generate", body)
    assert answer[0] == status
    assert server.attempts == (status == 200)
    if status == 413:
        assert b'"message":"the body is larger than 300 bytes"' in answer[2]


async def test_a_refused_caller_sees_the_answer_though_nobody_wanted_the_body(server):
    body = {"prompt": "x" * 3_000_000}
    async with serving(application(server, api_key="k", max_body=1000)) as url:
        assert (await post(url, "/generate", body))[0] == 401
        assert (await post(url, "/generate", body, authorization="Bearer k"))[0] == 413


async def test_a_caller_who_leaves_within_the_body_gives_its_place_back(server):
    async with serving(application(server, concurrency=1)) as url:
        caller = await Caller.post(url, "/generate", b'{"prompt', content_length="100")
        async with asyncio.timeout(10):
            while (await post(url, "/generate", {"prompt": "x"}))[0] == 200:
                pass  # until the other one has its place
            caller.leave()
            while (await post(url, "/generate", {"prompt": "x"}))[0] == 503:
                pass


async def test_who_waits_to_be_asked_for_a_body_that_is_too_large_is_refused_unasked(server):
    async with serving(application(server, max_body=1000)) as url:
        headers = {"expect": "100-continue", "content_length": "2000"}
        assert (await post(url, "/generate", b"", **headers))[0] == 413


# ── how many at once ──────────────────────────────────────────────────────────────────────────


async def test_beyond_the_concurrency_a_request_is_503_with_retry_after(server):
    server.default = Reply("one two", delay=3600.0)
    async with serving(application(server, concurrency=2)) as url:
        callers = [await Caller.post(url, PATH, {**CHAT, "stream": True}) for _ in range(2)]
        for caller in callers:  # a stream holds its place until its end
            await caller.reader.readuntil(b'"one"')
        status, headers, body = await post(url)
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"too many requests" in body
        assert (await post(url, "/generate", {"prompt": "x"}))[0] == 503  # one limit for all
        callers[0].leave()
        await server.wait_for(lambda: server.aborted == 1)
        server.default = Reply("ok")
        async with asyncio.timeout(10):
            while (await post(url))[0] == 503:
                pass
        callers[1].leave()


async def test_every_end_of_a_request_gives_its_place_back(server):
    async with serving(application(server, concurrency=1, max_body=1000)) as url:
        server.fail(400)
        assert (await post(url))[0] == 400
        assert (await post(url, body=b"{"))[0] == 400
        assert (await post(url, body=b"{" + b" " * 1000))[0] == 413
        assert (await post(url, "/generate", {}))[0] == 422
        server.stream(["one"], end="close")
        assert (await post(url, body={**CHAT, "stream": True}))[0] == 200
        assert (await post(url))[0] == 200


# ── keys ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer sk-gatewa"}, 401),
        ({"authorization": "sk-gateway"}, 401),
        ({"authorization": "Bearer ünicode"}, 401),
        ({"authorization": "Bearer sk-gateway"}, 200),
    ],
)
async def test_a_gateway_with_a_key_wants_it(server, sent, status):
    async with serving(application(server, api_key="sk-gateway")) as url:
        got, headers, body = await post(url, **sent)
        health = await Caller.post(url, "/healthz", b"")
        assert (await health.answer())[0] == 405  # and not 401
    assert got == status
    assert server.attempts == (status == 200)
    if status == 401:
        assert headers["www-authenticate"] == "Bearer"
        assert b"sk-gateway" not in body


async def test_the_callers_authorization_stays_here(server):
    async with serving(application(server, {"api_key": "sk-upstream"})) as url:
        await post(url, authorization="Bearer sk-caller", cookie="a=b", x_api_key="sk-caller")
    sent = server.requests[0].headers
    assert sent["authorization"] == "Bearer sk-upstream"
    assert "sk-caller" not in str(sent)
    assert "cookie" not in sent


async def test_without_a_key_of_the_clients_no_authorization_goes_upstream(server):
    async with serving(application(server)) as url:
        await post(url, authorization="Bearer sk-caller")
    assert "authorization" not in server.requests[0].headers


async def test_it_goes_upstream_where_that_is_chosen(server):
    options = {"api_key": "sk-upstream"}
    async with serving(application(server, options, forward_authorization=True)) as url:
        await post(url, authorization="Bearer sk-caller")
        await post(url)
    keys = [request.headers["authorization"] for request in server.requests]
    assert keys == ["Bearer sk-caller", "Bearer sk-upstream"]


async def test_a_forwarded_key_that_upstream_echoes_is_struck_out(server):
    server.fail(400, body={"error": {"message": "what is sk-caller-123?"}})
    async with serving(application(server, forward_authorization=True)) as url:
        _, _, body = await post(url, authorization="Bearer sk-caller-123")
    assert b"what is ***?" in body


# ── headers ───────────────────────────────────────────────────────────────────────────────────


async def test_headers_of_one_connection_do_not_go_on(server):
    async with serving(application(server)) as url:
        await post(
            url, te="trailers", accept_encoding="br", user_agent="curl", x_forwarded_for="1.2.3.4"
        )
    sent = server.requests[0].headers
    assert not {"te", "connection", "x-forwarded-for"} & {name.lower() for name in sent}
    assert sent["user-agent"].startswith("rawllm/")
    assert sent["accept-encoding"] == "gzip, deflate"


async def test_the_callers_request_id_and_trace_go_upstream_and_come_back(server):
    server.reply("ok", headers={"x-request-id": ""})
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with serving(application(server)) as url:
        await post(url, x_request_id="mine-1", traceparent=trace, tracestate="a=1")
    sent = server.requests[0].headers
    assert (sent["x-request-id"], sent["traceparent"], sent["tracestate"]) == (
        "mine-1",
        trace,
        "a=1",
    )


async def test_a_request_without_an_id_gets_one(server):
    async with serving(application(server)) as url:
        _, headers, _ = await post(url, body=b"{")
        await post(url)
    assert len(headers["x-request-id"]) == 32
    assert len(server.requests[0].headers["x-request-id"]) == 32


@pytest.mark.parametrize("given", ["x" * 201, "a b", "\xfc"])
async def test_an_id_that_is_none_is_replaced_and_a_trace_that_is_none_dropped(server, given):
    async with serving(application(server)) as url:
        await post(url, x_request_id=given, traceparent="\xfc")
    sent = server.requests[0].headers
    assert len(sent["x-request-id"]) == 32
    assert "traceparent" not in sent


@pytest.mark.parametrize("stream", [True, False])
async def test_the_servers_own_request_id_is_what_the_caller_sees(server, stream):
    server.reply("ok", headers={"x-request-id": "theirs-1"})
    async with serving(application(server)) as url:
        _, headers, _ = await post(url, body={**CHAT, "stream": stream}, x_request_id="mine-1")
    assert headers["x-request-id"] == "theirs-1"


# ── errors ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("upstream", "status"), [(400, 400), (404, 404), (422, 422), (401, 502), (500, 502)]
)
async def test_a_status_from_upstream_is_told_as_the_table_says(server, upstream, status):
    server.fail(upstream)
    async with serving(application(server)) as url:
        got, headers, body = await post(url)
    assert got == status
    assert headers["content-type"] == "application/json"
    assert b'{"error":{"message":' in body


async def test_a_server_that_is_not_there_is_502(server):
    server.refuse()
    async with serving(application(server)) as url:
        status, _, body = await post(url)
    assert status == 502
    assert str(server.port).encode() not in body


async def test_a_server_that_does_not_answer_in_time_is_504(server):
    server.default = Reply("x", first_delay=3600.0)
    async with serving(application(server, {"timeout": 0.02})) as url:
        assert (await post(url))[0] == 504
        assert (await post(url, body={**CHAT, "stream": True}))[0] == 504


async def test_an_app_without_a_lifespan_says_what_is_missing(caplog):
    app = FastAPI()
    app.include_router(openai_router())
    async with serving(app) as url:
        assert (await post(url))[0] == 500
    assert "make the app as FastAPI(lifespan=lifespan(client))" in caplog.text


async def ask(llm: LLM):
    return (await llm.complete("hi", model="m")).text


async def test_an_own_endpoints_errors_are_told_alike_once_that_is_installed(server):
    app = application(server)
    app.add_api_route("/ask", ask, methods=["POST"])
    install_error_handlers(app)
    async with serving(app) as url:
        server.fail(401)
        assert (await post(url, "/ask"))[0] == 502
        server.fail(429, headers={"retry-after": "5"})
        status, headers, _ = await post(url, "/ask")
        assert (status, headers["retry-after"]) == (429, "5")


# ── the lifespan ──────────────────────────────────────────────────────────────────────────────


async def test_the_client_is_closed_with_the_app(server):
    client = Client(server.url)
    app = FastAPI(lifespan=lifespan(client))
    async with serving(app):
        assert not client._endpoint.sessions.closed
    assert client._endpoint.sessions.closed


async def test_an_app_may_be_started_twice_where_the_client_is_made_each_time(server):
    app = FastAPI(lifespan=lifespan(lambda: Client(server.url, model="m")))
    app.include_router(generate_router())
    for _ in range(2):
        async with serving(app) as url:
            assert (await post(url, "/generate", {"prompt": "x"}))[0] == 200


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"max_body": 0}, "max_body"),
        ({"api_key": " "}, "empty"),
        ({"api_key": "x", "forward_authorization": True}, "exclude"),
        ({"hosts": "localhost"}, "a list"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(server, options, says):
    with pytest.raises(ConfigurationError, match=says):
        lifespan(Client(server.url), **options)
    with pytest.raises(ConfigurationError, match="not str"):
        lifespan("http://a/v1")


async def test_a_second_start_with_a_closed_client_fails_and_says_what_to_do(server):
    opened = lifespan(Client(server.url))
    async with opened(None):
        pass
    with pytest.raises(ConfigurationError, match="what makes one"):
        async with opened(None):
            pass
    again = lifespan(lambda: Client(server.url))
    for _ in range(2):
        async with again(None):
            pass


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("[::1]:8080", 200),
        ("[::1]", 200),
        ("evil.example", 421),
        ("localhost.evil.example:8080", 421),
        ("evil.example:localhost", 421),
    ],
)
async def test_only_the_names_in_hosts_are_answered_to(server, host, status):
    """A page may make its own name lead to this machine, and is then of the same origin."""
    async with serving(application(server, hosts=["Localhost", "[::1]"])) as url:
        assert (await post(url, host=host))[0] == status
    assert server.attempts == (status == 200)


def test_the_key_shows_nowhere():
    from rawllm.integrations.fastapi.state import Gateway

    gateway = Gateway(concurrency=1, max_body=1, api_key="sk-x1", forward_authorization=False)
    assert "sk-x1" not in repr(vars(gateway))
