import asyncio
import copy
import json
import logging
import math
import pickle
import re
import ssl
import time
import traceback

import aiohttp
import pytest
from aiohttp import web
from aioresponses.compat import normalize_url
from yarl import URL

import rawllm
from rawllm import (
    NOT_GIVEN,
    AsyncOpenAI,
    Client,
    ConfigurationError,
    Limits,
    Retry,
    Timeout,
    omit,
)
from rawllm.testing import FakeServer, Reply


def shown(value):
    """A test's name: the same in every run, whatever addresses there are."""
    return re.sub(r" at 0x\w+", "", str(value))


BASE = "http://llm.test/v1"
CHAT = f"{BASE}/chat/completions"
KEY = "sk-zebra-4242"
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


class Sent:
    """The only request that aioresponses has seen."""

    def __init__(self, mocked):
        [((self.method, self.url), [call])] = mocked.requests.items()
        self.options = call.kwargs
        self.headers = dict(call.kwargs["headers"])
        self.body = json.loads(call.kwargs["data"]) if call.kwargs["data"] else None

    def header(self, name):
        """All values of the header, whatever the case of its name."""
        return [value for known, value in self.headers.items() if known.lower() == name.lower()]


async def sent(mocked, *, client=None, call=None):
    """What goes out for one completion."""
    mocked.post(CHAT, payload=ANSWER)
    async with Client(BASE, **{"model": "m", "api_key": "", **(client or {})}) as llm:
        await llm.complete("hello", **(call or {}))
    return Sent(mocked)


# ── where it goes ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("base_url", "options", "call", "expected"),
    [
        (BASE, {}, {}, CHAT),
        (f"{BASE}/", {}, {}, CHAT),
        (f"{BASE}///", {}, {}, CHAT),
        ("http://llm.test", {}, {}, "http://llm.test/chat/completions"),
        ("HTTP://llm.test/V1", {}, {}, "http://llm.test/V1/chat/completions"),
        (f"{BASE}#here", {}, {}, CHAT),
        ("http://[::1]:8080/v1", {}, {}, "http://[::1]:8080/v1/chat/completions"),
        ("http://x.test/a%20b/v1", {}, {}, "http://x.test/a%20b/v1/chat/completions"),
        (BASE, {"default_query": {"a": "1"}}, {}, f"{CHAT}?a=1"),
        (BASE, {}, {"extra_query": {"a": 1, "b": "x y"}}, f"{CHAT}?a=1&b=x+y"),
        (BASE, {}, {"extra_query": {"yes": True, "no": False}}, f"{CHAT}?yes=true&no=false"),
        (BASE, {}, {"extra_query": {"nothing": None}}, CHAT),
        (BASE, {"default_query": {"a": "1"}}, {"extra_query": {"a": "2"}}, f"{CHAT}?a=2"),
        # As Azure's deployments have it:
        (f"{BASE}?api-version=7", {}, {}, f"{CHAT}?api-version=7"),
        (f"{BASE}?v=7", {"default_query": {"a": "1"}}, {}, f"{CHAT}?v=7&a=1"),
    ],
)
async def test_urls_join_and_keep_their_queries(mocked, base_url, options, call, expected):
    mocked.post(expected, payload=ANSWER)
    async with Client(base_url, model="m", **options) as llm:
        await llm.complete("hello", **call)
    assert list(mocked.requests) == [("POST", normalize_url(expected))]


@pytest.mark.parametrize(
    ("environment", "arguments", "base_url"),
    [
        ({"OPENAI_BASE_URL": BASE}, {}, BASE),
        ({"OPENAI_BASE_URL": f" {BASE} \n"}, {}, BASE),
        ({"OPENAI_BASE_URL": "http://env.test/v1"}, {"base_url": BASE}, BASE),
        ({"OPENAI_API_KEY": KEY}, {}, "https://api.openai.com/v1"),
        ({}, {"api_key": KEY}, "https://api.openai.com/v1"),
        ({}, {"api_key": lambda: KEY}, "https://api.openai.com/v1"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": BASE}, {}, BASE),
    ],
)
def test_the_endpoint_comes_from_the_argument_the_environment_or_the_key(
    monkeypatch, environment, arguments, base_url
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Client(**arguments).base_url == base_url


# ── what is sent ─────────────────────────────────────────────────────────────────────────────


async def test_a_completion_is_a_post_of_the_json_that_was_given(mocked):
    request = await sent(
        mocked,
        call={
            "temperature": 0.5,
            "top_k": 20,
            "min_p": 0.05,
            "priority": 3,
            "chat_template_kwargs": {"enable_thinking": False},
            "max_tokens": None,
            "seed": NOT_GIVEN,
            "extra_body": {"guided_regex": "a+", "temperature": 1},
        },
    )
    assert request.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 1,
        "top_k": 20,
        "min_p": 0.05,
        "priority": 3,
        "chat_template_kwargs": {"enable_thinking": False},
        "max_tokens": None,
        "guided_regex": "a+",
    }
    assert request.header("content-type") == ["application/json"]
    assert request.header("accept") == ["application/json"]
    assert request.header("user-agent") == [f"rawllm/{rawllm.__version__}"]
    assert request.options["allow_redirects"] is False
    assert request.options["proxy"] is None
    assert request.options["timeout"].total is None


async def test_text_goes_out_as_utf8(mocked):
    mocked.post(CHAT, payload=ANSWER)
    async with Client(BASE, model="m") as llm:
        await llm.complete("grüß 🙂", system="日本")
    [[call]] = mocked.requests.values()
    assert "grüß 🙂".encode() in call.kwargs["data"]
    assert json.loads(call.kwargs["data"])["messages"] == [
        {"role": "system", "content": "日本"},
        {"role": "user", "content": "grüß 🙂"},
    ]


@pytest.mark.parametrize("prompt", [[{"role": "user", "content": "x"}], ({"role": "tool"},)])
async def test_messages_are_passed_on_as_they_are(mocked, prompt):
    mocked.post(CHAT, payload=ANSWER)
    async with Client(BASE, model="m") as llm:
        await llm.complete(prompt)
    assert Sent(mocked).body["messages"] == list(prompt)


class _Omit:
    """As openai-python's own sentinels, known by their names alone."""

    def __bool__(self):
        return False


@pytest.mark.parametrize("name", ["Omit", "NotGiven"])
async def test_openais_own_sentinels_leave_an_argument_out(mocked, name):
    sentinel = type(name, (_Omit,), {})()
    request = await sent(mocked, call={"n": sentinel, "seed": sentinel, "extra_body": {}})
    assert set(request.body) == {"model", "messages"}


@pytest.mark.parametrize(
    ("client", "call", "authorization"),
    [
        ({}, {}, []),
        ({"api_key": KEY}, {}, [f"Bearer {KEY}"]),
        ({"api_key": lambda: KEY}, {}, [f"Bearer {KEY}"]),
        ({"api_key": lambda: None}, {}, []),
        ({"api_key": lambda: ""}, {}, []),
        # The user's own header wins over the key, whatever its case, as in openai-python.
        ({"api_key": KEY, "default_headers": {"authorization": "mine"}}, {}, ["mine"]),
        ({"api_key": lambda: KEY, "default_headers": {"AUTHORIZATION": "mine"}}, {}, ["mine"]),
        ({"api_key": KEY}, {"extra_headers": {"authorization": "mine"}}, ["mine"]),
        ({"api_key": lambda: KEY}, {"extra_headers": {"authorization": "mine"}}, ["mine"]),
    ],
)
async def test_the_key_is_a_bearer_token_and_none_is_sent_without_one(
    mocked, client, call, authorization
):
    request = await sent(mocked, client=client, call=call)
    assert request.header("authorization") == authorization


async def test_an_async_key_is_asked_before_every_call(mocked):
    keys = iter(["first", "second"])

    async def key():
        await asyncio.sleep(0)
        return next(keys)

    mocked.post(CHAT, payload=ANSWER, repeat=True)
    async with Client(BASE, api_key=key, model="m") as llm:
        await llm.complete("a")
        await llm.complete("b")
    [calls] = mocked.requests.values()
    assert [call.kwargs["headers"]["Authorization"] for call in calls] == [
        "Bearer first",
        "Bearer second",
    ]


async def test_a_key_of_the_environment_is_used_unless_the_argument_is_empty(mocked, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")  # `export KEY="$(cat file)"` and its kin
    assert (await sent(mocked, client={"api_key": None})).header("authorization") == [
        f"Bearer {KEY}"
    ]
    mocked.requests.clear()
    assert (await sent(mocked, client={"api_key": ""})).header("authorization") == []


async def test_omit_takes_a_header_away(mocked):
    request = await sent(
        mocked,
        client={"api_key": KEY, "default_headers": {"X-One": "1", "X-Two": "2"}},
        call={"extra_headers": {"x-one": omit, "authorization": NOT_GIVEN, "X-Three": omit}},
    )
    found = {name.lower() for name in request.headers}
    assert "x-two" in found
    assert not {"x-one", "x-three", "authorization"} & found


@pytest.mark.parametrize("key", [KEY, lambda: KEY])
@pytest.mark.parametrize("extra", [None, {"X-One": "1"}])
async def test_a_key_that_the_clients_own_headers_omit_is_sent_with_no_call(mocked, key, extra):
    request = await sent(
        mocked,
        client={"api_key": key, "default_headers": {"authorization": omit}},
        call={"extra_headers": extra},
    )
    assert request.header("authorization") == []


async def test_headers_come_from_the_environment_the_client_and_the_call(mocked, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-env")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-env")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-One: env\nX-Two: env: with colon\n\n")
    request = await sent(
        mocked,
        client={"project": "proj-arg", "default_headers": {"x-one": "client", "accept": "a/b"}},
        call={"extra_headers": {"X-THREE": "call", "Content-type": "x/y"}},
    )
    found = {name.lower(): value for name, value in request.headers.items()}
    assert len(found) == len(request.headers)  # no name twice, in two spellings
    assert found["openai-organization"] == "org-env"
    assert found["openai-project"] == "proj-arg"
    assert found["x-one"] == "client"
    assert found["x-two"] == "env: with colon"
    assert found["x-three"] == "call"
    assert found["accept"] == "a/b"
    assert found["content-type"] == "x/y"


async def test_a_stream_asks_for_events_uncompressed_and_for_usage(server):
    async with Client(server.url, model="m") as llm, llm.stream("hi") as stream:
        await stream.result()
    [request] = server.requests
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["accept-encoding"] == "identity"
    assert request.json == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


# ── bad input ────────────────────────────────────────────────────────────────────────────────


def refusal(call, *arguments, **options):
    """The message of the ConfigurationError: one line, without the key."""
    with pytest.raises(rawllm.ConfigurationError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert KEY not in message
    assert isinstance(caught.value, ValueError)
    return message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"base_url": None}, "no endpoint: pass base_url"),
        ({"base_url": ""}, "OPENAI_BASE_URL"),
        ({"base_url": "localhost:8000/v1"}, "no scheme: put http:// or https://"),
        ({"base_url": KEY}, "no scheme"),
        ({"base_url": "ftp://h/v1"}, "must be http://host:port/v1"),
        ({"base_url": "http://"}, "base_url"),
        ({"base_url": "http:///v1"}, "base_url"),
        ({"base_url": "http://h:99999/v1"}, "host or port"),
        ({"base_url": "http://h:x/v1"}, "host or port"),
        ({"base_url": "http://h:0/v1"}, "base_url"),
        ({"base_url": "http://[::1/v1"}, "host or port"),
        ({"base_url": "http://h/\ud800/v1"}, "half a surrogate pair"),
        ({"base_url": "http://h/v1\r\nX: y"}, "line break"),
        ({"base_url": "http://h/v 1"}, "blank"),
        ({"base_url": f"http://me:{KEY}@h/v1"}, "api_key"),
        ({"base_url": "unix://relative.sock"}, "unix:///absolute/path.sock"),
        ({"base_url": f"{BASE}/chat/completions/"}, "rawllm adds /chat/completions itself"),
        ({"base_url": f"{BASE}/completions"}, "ends at the version"),
        ({"base_url": URL(BASE)}, "is a str, not URL"),
        ({"base_url": "https://api.openai.com/v1"}, "needs a key"),
        ({"api_key": f"{KEY}\r\nX: y"}, "api_key"),
        ({"api_key": f"{KEY}\n"}, "newline"),
        ({"api_key": f"{KEY}é"}, "ASCII"),
        ({"api_key": 5}, "api_key is a str or a callable, not int"),
        ({"organization": "a\nb"}, "organization"),
        ({"project": "a\r\nX: y"}, "project"),
        ({"default_headers": {"X-Key": f"{KEY}\n"}}, "default_headers"),
        ({"default_headers": {"X Y": "z"}}, "header name"),
        ({"default_headers": {"X\r\nY": "z"}}, "header name"),
        ({"default_headers": {3: "z"}}, "header name"),
        ({"default_headers": 3}, "names and values"),
        ({"default_query": {"a": math.nan}}, "default_query"),
        ({"default_query": {"a": object()}}, "default_query"),
        ({"default_query": {"a": "\ud800"}}, "default_query"),
        ({"default_query": 3}, "default_query"),
        ({"proxy": "localhost:3128"}, "proxy= takes http://host:port"),
        ({"proxy": "socks5://localhost:1080"}, "proxy= takes http://host:port"),
        ({"proxy": f"http://me:{KEY}\r\n@h:1"}, "line break"),
        ({"proxy": 3128}, "proxy= is a str"),
        ({"ssl": "cert.pem"}, "ssl.SSLContext"),
        ({"hooks": [print, 3]}, "callables"),
        ({"hooks": 3}, "callables that take one event, not int"),
        ({"hooks": Timeout}, "Timeout is a class: call it"),
        ({"hooks": [print, Timeout]}, "Timeout is a class: call it"),
        ({"limits": 5}, "rawllm.Limits"),
        ({"timeout": "5"}, "seconds"),
        ({"timeout": -1}, "positive"),
        ({"timeout": 0}, "positive"),
        ({"timeout": math.nan}, "positive"),
        ({"timeout": True}, "seconds"),
        ({"max_retries": -1}, "0 or more"),
        ({"max_retries": 1.5}, "whole number"),
        ({"max_retries": math.inf}, "retry=Retry(attempts=…)"),
        ({"max_retries": True}, "whole number"),
        ({"retry": 3}, "max_retries="),
        ({"retry": Retry(), "max_retries": 3}, "say the same"),
        ({"http_client": object()}, "connector=aiohttp.TCPConnector"),
    ],
    ids=shown,
)
def test_a_client_refuses_what_cannot_work(arguments, says):
    assert says in refusal(Client, **{"base_url": BASE, **arguments})


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        (Timeout, {"total": -1}, "Timeout(total=-1) must be a positive number of seconds"),
        (Timeout, {"idle": math.nan}, "Timeout(idle=nan)"),
        (Timeout, {"connect": "3"}, "takes seconds as a number"),
        (Limits, {"concurrency": 0}, "1 or more"),
        (Limits, {"concurrency": 2.5}, "whole number"),
        (Limits, {"requests_per_minute": -1}, "0 or more"),
        (Limits, {"requests_per_minute": 0}, "never let a request go"),
        (Limits, {"tokens_per_minute": math.nan}, "tokens_per_minute=nan"),
        (Limits, {"burst": 0}, "1 or more"),
        (Limits, {"max_response_bytes": -5}, "1 or more"),
        (Retry, {"attempts": 0}, "1 or more"),
        (Retry, {"cap": math.inf}, "cap=inf"),
    ],
    ids=shown,
)
def test_limits_and_timeouts_refuse_what_is_no_number_or_negative(kind, arguments, says):
    assert says in refusal(kind, **arguments)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OPENAI_BASE_URL", "localhost:8000/v1", "no scheme"),
        ("OPENAI_API_KEY", f"{KEY}\nX: y", "api_key"),
        ("OPENAI_ORG_ID", "a\nb", "organization"),
        ("OPENAI_CUSTOM_HEADERS", KEY, "'Name: value' a line"),
        ("OPENAI_CUSTOM_HEADERS", f"X-Key: {KEY}\rX: y", "OPENAI_CUSTOM_HEADERS"),
        ("SSL_CERT_FILE", "/no/such/file.pem", "SSL_CERT_FILE"),
        ("https_proxy", "socks5://localhost:1080", "socks5 proxy"),
    ],
)
def test_a_broken_environment_is_refused_with_its_name(monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)
    arguments = {} if name == "OPENAI_BASE_URL" else {"base_url": "https://llm.test/v1"}
    assert says in refusal(Client, **arguments)


@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ("", {}, "the prompt is empty"),
        (" \n", {}, "the prompt is empty"),
        ([], {}, "the list of messages is empty"),
        (None, {}, "not NoneType"),
        ("half \ud83d", {}, "messages[0].content holds half a surrogate pair"),
        ([{"role": "user", "content": "\udc80"}], {}, "surrogateescape"),
        ("x", {"temperature": math.nan}, "temperature is NaN"),
        ("x", {"logit_bias": {"5": math.inf}}, "logit_bias.5 is NaN or infinite"),
        ("x", {"extra_body": {"a": [1, -math.inf]}}, "a[1] is NaN or infinite"),
        ("x", {"tools": [object()]}, "cannot be written as JSON"),
        ("x", {"extra_body": [1]}, "extra_body= takes a dict, not list"),
        ("x", {"extra_headers": {"X": "a\r\nY: b"}}, "extra_headers"),
        ("x", {"extra_headers": [1]}, "extra_headers"),
        ("x", {"extra_query": {"a": math.nan}}, "extra_query"),
        ("x", {"timeout": -1}, "positive"),
        ("x", {"timeout": math.nan}, "positive"),
        ("x", {"n": 0}, "n= takes a whole number"),
        ("x", {"extra_body": {"n": "two"}}, "n= takes a whole number"),
    ],
    ids=shown,
)
@pytest.mark.parametrize("verb", ["complete", "stream"])
async def test_a_call_that_cannot_be_sent_is_refused_before_anything_is_sent(
    mocked, verb, prompt, options, says
):
    async with Client(BASE, model="m", api_key=KEY) as llm:
        with pytest.raises(rawllm.ConfigurationError) as caught:
            await getattr(llm, verb)(prompt, **options)
    assert says in str(caught.value)
    assert KEY not in str(caught.value)
    assert not mocked.requests


async def test_create_passes_empty_messages_on_since_servers_differ(mocked):
    mocked.post(CHAT, payload=ANSWER)
    async with Client(BASE, model="m") as llm:
        await llm.chat.completions.create(messages=[])
    assert Sent(mocked).body["messages"] == []


@pytest.mark.parametrize("key", [lambda: 5, lambda: lambda: "key", lambda: f"{KEY}\n"])
async def test_a_key_callable_that_gives_no_key_is_refused(mocked, key):
    async with Client(BASE, model="m", api_key=key) as llm:
        with pytest.raises(rawllm.ConfigurationError, match="api_key") as caught:
            await llm.complete("x")
    assert KEY not in str(caught.value)


def test_with_options_refuses_what_it_does_not_know():
    assert "'organisation'" in refusal(Client(BASE).with_options, organisation="x")


# ── what comes back ──────────────────────────────────────────────────────────────────────────


async def answered(server, **reply):
    """The error that one reply becomes, without retries."""
    server.reply(**reply)
    async with Client(server.url, model="m", api_key=KEY, max_retries=0) as llm:
        with pytest.raises(rawllm.APIError) as caught:
            await llm.complete("x")
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, rawllm.BadRequestError),
        (401, rawllm.AuthenticationError),
        (402, rawllm.APIStatusError),
        (403, rawllm.PermissionDeniedError),
        (404, rawllm.NotFoundError),
        (405, rawllm.APIStatusError),
        (408, rawllm.APIStatusError),
        (409, rawllm.ConflictError),
        (413, rawllm.APIStatusError),
        (422, rawllm.UnprocessableEntityError),
        (425, rawllm.APIStatusError),
        (429, rawllm.RateLimitError),
        (451, rawllm.APIStatusError),
        (500, rawllm.InternalServerError),
        (501, rawllm.InternalServerError),
        (502, rawllm.InternalServerError),
        (503, rawllm.InternalServerError),
        (504, rawllm.InternalServerError),
        (529, rawllm.InternalServerError),
        (599, rawllm.InternalServerError),
    ],
)
async def test_a_status_becomes_openais_class(mocked, status, kind):
    body = {"error": {"message": "because", "type": "t", "param": "p", "code": "c"}}
    mocked.post(CHAT, status=status, payload=body, headers={"X-Request-ID": "req-9"})
    async with Client(f"{BASE}?k=1", model="m", max_retries=0) as llm:
        mocked.post(f"{CHAT}?k=1", status=status, payload=body, headers={"X-Request-ID": "req-9"})
        with pytest.raises(rawllm.APIStatusError) as caught:
            await llm.complete("x")
    error = caught.value
    assert type(error) is kind
    assert str(error) == error.message == f"HTTP {status}: because"
    assert (error.status_code, error.response.status_code) == (status, status)
    assert (error.code, error.param, error.type) == ("c", "p", "t")
    assert error.body == body["error"]
    assert error.request_id == "req-9"
    assert error.headers["x-request-id"] == error.response.headers["x-request-id"] == "req-9"
    assert error.attempts == 1
    assert error.endpoint == CHAT
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again)) == (kind, vars(error))


async def test_an_unknown_model_is_named_by_the_server(server):
    error = await answered(
        server, status=404, body={"error": {"message": "The model `m` does not exist."}}
    )
    assert type(error) is rawllm.NotFoundError
    assert str(error) == "HTTP 404: The model `m` does not exist."


async def test_a_wrong_key_is_refused_and_not_shown_where_the_server_quotes_it(server):
    quoted = {"error": {"message": f"Incorrect API key: {KEY}", "code": KEY, KEY: [KEY]}}
    error = await answered(server, status=401, body=quoted, headers={"x-echo": f"is {KEY}"})
    assert type(error) is rawllm.AuthenticationError
    assert str(error) == "HTTP 401: Incorrect API key: ***"
    for shown in (repr(error), repr(vars(error)), pickle.dumps(error).decode("latin-1")):
        assert KEY not in shown


@pytest.mark.parametrize("status", [404, 405])
async def test_a_base_url_without_v1_is_suggested_as_the_cause(server, status):
    server.fail(status)
    async with Client(server.url.removesuffix("/v1"), model="m") as llm:
        with pytest.raises(rawllm.APIStatusError, match=r"has no /v1 at its end\)$") as caught:
            await llm.complete("x")
    assert caught.value.message == str(caught.value)
    server.fail(status)
    async with Client(server.url, model="m") as llm:
        with pytest.raises(rawllm.APIStatusError) as caught:
            await llm.complete("x")
    assert "/v1" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_refused_and_name_the_address_without_its_query(server, status):
    where = f"https://me:{KEY}@elsewhere.test/v1/chat/completions?token={KEY}"
    error = await answered(server, status=status, body="", headers={"location": where})
    assert type(error) is rawllm.RedirectRefused
    assert error.status_code == status
    assert "https://elsewhere.test/v1/chat/completions" in str(error)
    assert KEY not in repr(vars(error))
    assert server.attempts == 1


async def test_a_redirect_suggests_the_missing_v1(server):
    server.fail(307, headers={"location": "/v1/"}, body="")
    async with Client(server.url.removesuffix("/v1"), model="m") as llm:
        with pytest.raises(rawllm.RedirectRefused, match=r"has no /v1 at its end"):
            await llm.complete("x")


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("<html>login</html>", rawllm.APIResponseValidationError, "'<html>login</html>'"),
        ("", rawllm.APIResponseValidationError, "the body is empty"),
        ("null", rawllm.APIResponseValidationError, "null"),
        ("[1]", rawllm.APIResponseValidationError, "[1]"),
        ('{"id": "x"}', rawllm.APIResponseValidationError, "no 'choices'"),
        ('{"choices": [{"mess', rawllm.APIResponseValidationError, '[{"mess'),
        ('{"error": {"message": "boom", "code": 503}}', rawllm.InternalServerError, "boom"),
        ('{"error": "boom"}', rawllm.APIError, "boom"),
        ('{"object": "error", "message": "boom", "code": 400}', rawllm.BadRequestError, "boom"),
        ('{"detail": "boom"}', rawllm.APIError, "boom"),
    ],
)
async def test_a_200_that_is_no_answer_is_an_error_that_shows_it(server, body, kind, says):
    error = await answered(server, body=body)
    assert type(error) is kind
    assert says in str(error)
    assert error.status_code == 200


async def test_a_200_of_a_web_page_suggests_the_missing_v1(server):
    server.reply(body="<html>Ollama is running</html>")
    async with Client(server.url.removesuffix("/v1"), model="m", max_retries=0) as llm:
        with pytest.raises(rawllm.APIResponseValidationError, match="has no /v1 at its end"):
            await llm.complete("x")


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 504])
async def test_a_passing_failure_is_tried_again(server, status):
    server.fail(status)
    async with Client(server.url, model="m", retry=Retry(base=0)) as llm:
        answer = await llm.complete("x")
    assert answer.text == "echo: x"
    assert answer.timing.attempts == server.attempts == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
async def test_a_lasting_failure_is_not_tried_again(server, status):
    server.fail(status)
    async with Client(server.url, model="m", retry=Retry(base=0)) as llm:
        with pytest.raises(rawllm.APIStatusError):
            await llm.complete("x")
    assert server.attempts == 1


async def test_timing_request_id_and_usage_come_with_an_answer(server):
    server.reply("two words", first_delay=0.02)
    server.reply("two words")
    started = time.monotonic()
    async with Client(server.url, model="m") as llm:
        first, second = await llm.complete("x"), await llm.complete("x")
    elapsed = time.monotonic() - started
    assert (first._request_id, second._request_id) == ("req-0", "req-1")
    timing = first.timing
    assert 0 <= timing.queued <= timing.first_token <= timing.total <= elapsed
    assert timing.first_token >= 0.02
    assert 0 < timing.connect <= timing.first_token
    assert timing.attempts == 1
    assert second.timing.connect is None  # a pooled connection
    assert first.usage.completion_tokens == 2


async def test_an_answer_keeps_what_the_server_sent_and_dumps_as_openais_do(server):
    wire = {**ANSWER, "timings": {"predicted_ms": 7}}
    wire["choices"] = [{**ANSWER["choices"][0], "stop_str": "!"}]
    server.reply(body=wire)
    async with Client(server.url, model="m") as llm:
        answer = await llm.complete("x")
    assert answer.raw == wire
    assert answer.model_extra == {"timings": {"predicted_ms": 7}}
    assert answer.timings == {"predicted_ms": 7}
    assert answer.model_dump()["choices"][0]["stop_str"] == "!"
    assert answer.model_dump()["service_tier"] is None
    assert answer.to_dict() == wire
    assert json.loads(answer.model_dump_json(exclude_none=True)) == wire
    for twin in (pickle.loads(pickle.dumps(answer)), copy.copy(answer), copy.deepcopy(answer)):
        assert twin == answer
        assert twin.timing == answer.timing
        assert twin._request_id == answer._request_id
        assert twin.raw == wire


async def test_a_message_of_an_answer_can_be_sent_back(server):
    calls = [{"name": "f", "arguments": {"a": 1}, "id": "call_0"}]
    server.reply(tool_calls=calls, reasoning="hm")
    async with Client(server.url, model="m") as llm:
        first = await llm.complete("x")
        message = first.choices[0].message
        assert message.reasoning == "hm"
        await llm.complete([{"role": "user", "content": "x"}, message])
    assert server.requests[1].json["messages"][1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_0",
                "type": "function",
                "function": {"name": "f", "arguments": '{"a":1}'},
            }
        ],
    }


async def test_a_body_over_its_limit_is_refused(server):
    server.reply("x" * 2000)
    limits = Limits(max_response_bytes=1000)
    async with Client(server.url, model="m", limits=limits) as llm:
        with pytest.raises(rawllm.LimitExceeded, match="max_response_bytes"):
            await llm.complete("x")
    assert server.attempts == 1


# ── the model for calls that name none ───────────────────────────────────────────────────────


@pytest.fixture
async def lister():
    async with FakeServer(models=["only"]) as fake:
        yield fake


def lookups(server):
    return sum(request.path == "/v1/models" for request in server.requests)


async def test_the_only_model_is_looked_up_once_under_gather(lister):
    async with Client(lister.url) as llm:
        await asyncio.gather(*(llm.complete(str(i)) for i in range(50)))
        await llm.with_options(timeout=5).complete("x")
    assert lookups(lister) == 1
    models = {request.json["model"] for request in lister.requests if request.method == "POST"}
    assert models == {"only"}


@pytest.mark.parametrize(
    ("client", "call", "model"),
    [
        ({"model": "mine"}, {}, "mine"),
        ({"model": "mine"}, {"model": "other"}, "other"),
        ({}, {"model": "other"}, "other"),
        ({}, {"extra_body": {"model": "other"}}, "other"),
    ],
)
async def test_a_model_that_was_named_is_not_looked_up(lister, client, call, model):
    async with Client(lister.url, **client) as llm:
        await llm.complete("x", **call)
        async with llm.stream("x", **call) as stream:
            await stream.result()
    assert [request.json["model"] for request in lister.requests] == [model, model]


@pytest.mark.parametrize("model", [None, NOT_GIVEN])
async def test_none_and_not_given_are_no_model(lister, model):
    async with Client(lister.url) as llm:
        await llm.chat.completions.create(messages=[], model=model)
    assert lister.requests[-1].json["model"] == "only"


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ([], "lists 0: name one, model= or"),
        (["a", "b"], "lists 2 (a, b): name one, model= or"),
        (list("abcdefg"), "lists 7 (a, b, c, d, e, …): name one, model= or"),
    ],
)
async def test_a_server_of_no_or_many_models_needs_a_name(lister, models, says):
    lister.models = models
    async with Client(lister.url) as llm:
        with pytest.raises(rawllm.ConfigurationError) as caught:
            await llm.complete("x")
    assert says in str(caught.value)


@pytest.mark.parametrize("body", [None, "<html>"])
async def test_a_server_that_lists_no_models_needs_a_name(lister, body):
    lister.reply(status=200 if body else 404, body=body)
    async with Client(lister.url, max_retries=0) as llm:
        with pytest.raises(rawllm.ConfigurationError, match=r"did not list its.*Name one: model="):
            await llm.complete("x")


async def test_a_failed_lookup_raises_what_it_failed_with(lister):
    lister.api_key = "other"
    async with Client(lister.url, api_key=KEY) as llm:
        with pytest.raises(rawllm.AuthenticationError):
            await llm.complete("x")
        lister.api_key = None
        assert (await llm.complete("x")).text == "echo: x"  # and may succeed the next time


async def test_calls_that_waited_for_a_failed_lookup_do_not_repeat_it(lister):
    lister.fail(500, times=10)
    async with Client(lister.url, max_retries=0) as llm:
        errors = await asyncio.gather(
            *(llm.complete("x") for _ in range(20)), return_exceptions=True
        )
    assert {type(error) for error in errors} == {rawllm.InternalServerError}
    assert len({id(error) for error in errors}) == 20  # one object is not raised in two tasks
    assert lister.attempts == 1


async def test_a_cancelled_lookup_is_taken_over_by_the_next_call(lister):
    lister.handler = lambda request: asyncio.sleep(0.01, Reply("late"))
    async with Client(lister.url) as llm:
        lister.raw([0.05], end="close")
        first = asyncio.create_task(llm.complete("x"))
        second = asyncio.create_task(llm.complete("x"))
        await lister.wait_for(lambda: lister.attempts)
        first.cancel()
        assert (await second).text == "late"
        with pytest.raises(asyncio.CancelledError):
            await first


# ── with_options and the client's life ───────────────────────────────────────────────────────


def test_async_open_ai_is_the_client():
    assert AsyncOpenAI is Client


async def test_with_options_shares_the_pool_the_limits_and_what_was_learned(server):
    async with Client(server.url, model="m", limits=Limits(concurrency=1)) as llm:
        other = llm.with_options(timeout=3, api_key="k", max_retries=0, model="n")
        assert (llm.timeout, other.timeout) == (Timeout(), 3)
        assert (llm.retry.attempts, other.retry.attempts) == (3, 1)
        server.default = Reply(first_delay=0.01)
        await asyncio.gather(*(c.complete("x") for c in (llm, other) * 4))
    assert server.connections == 1
    assert server.max_in_flight == 1
    assert {request.headers.get("authorization") for request in server.requests} == {
        None,
        "Bearer k",
    }
    assert {request.json["model"] for request in server.requests} == {"m", "n"}


async def test_another_endpoint_shares_nothing(server):
    async with Client(server.url, model="m", limits=Limits(concurrency=1)) as llm:
        await llm.complete("x")
        async with llm.with_options(limits=Limits(concurrency=2)) as other:
            await other.complete("x")
        assert not llm.is_closed()
    assert server.connections == 2


async def test_with_options_adds_to_headers_and_query_as_openais_does(server):
    base = Client(
        server.url, model="m", default_headers={"X-A": "1", "X-B": "1"}, default_query={"q": 1}
    )
    async with base.copy(default_headers={"X-B": "2"}, default_query={"r": 2}) as llm:
        await llm.complete("x")
    [request] = server.requests
    assert (request.headers["x-a"], request.headers["x-b"]) == ("1", "2")
    assert request.query == "q=1&r=2"


async def test_with_options_keeps_the_hooks_of_an_iterator(server):
    seen = []
    async with Client(server.url, model="m", hooks=iter([seen.append])) as llm:
        await llm.with_options(timeout=5).complete("x")
    assert len(seen) == 2


def test_retry_and_max_retries_replace_each_other():
    llm = Client(BASE, retry=Retry(attempts=9))
    assert llm.with_options(max_retries=1).retry.attempts == 2
    assert Client(BASE, max_retries=1).with_options(retry=Retry(attempts=7)).retry.attempts == 7
    assert llm.with_options(timeout=3).retry.attempts == 9


async def test_closing_closes_every_connection(server):
    llm = Client(server.url, model="m")
    await asyncio.gather(*(llm.complete("x") for _ in range(5)))
    assert not llm.is_closed()
    await llm.close()
    assert llm.is_closed()
    await server.wait_for(lambda: server.open_connections == 0)
    await llm.close()  # twice does no harm


async def test_closing_ends_calls_in_flight(server):
    server.default = Reply(first_delay=60)
    llm = Client(server.url, model="m", max_retries=0)
    call = asyncio.create_task(llm.complete("x"))
    await server.wait_for(lambda: server.in_flight)
    await llm.close()
    with pytest.raises(rawllm.APIConnectionError):
        await call


async def test_a_closed_client_says_so_and_opens_nothing(server):
    events = []
    llm = Client(server.url, model="m", retry=Retry(base=0), hooks=events.append)
    await llm.complete("x")
    await llm.close()
    for call in (llm.complete("x"), streamed(llm, "x"), llm.with_options(timeout=3).complete("x")):
        with pytest.raises(rawllm.APIConnectionError, match="the client was closed"):
            await call
    assert server.attempts == 1
    assert "Retrying" not in {type(event).__name__ for event in events}


async def test_a_connector_of_the_users_own_is_used_and_left_open(server):
    async with aiohttp.TCPConnector() as connector:
        async with Client(server.url, model="m", connector=connector) as llm:
            await llm.complete("x")
        assert not connector.closed
        assert server.open_connections == 1


async def test_a_unix_socket_is_an_endpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []

    async def chat(request):
        seen.append((request.path, request.headers["Host"]))
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    path = tmp_path / "llm.sock"
    await web.UnixSite(runner, str(path)).start()
    async with Client(f"unix://{path}", model="m") as llm:
        assert (await llm.complete("x")).text == "hi"
        assert (await llm.complete("x")).timing.connect is None
    assert seen == [("/v1/chat/completions", "unix")] * 2
    await runner.cleanup()
    async with Client(f"unix://{path}", model="m", max_retries=0) as llm:
        with pytest.raises(rawllm.APIConnectionError, match="cannot connect to the unix socket"):
            await llm.complete("x")


async def test_certificates_come_from_the_environment(monkeypatch, tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(bad))
    assert "SSL_CERT_FILE" in refusal(Client, "https://llm.test/v1")
    Client("https://llm.test/v1", ssl=ssl.create_default_context())  # an argument wins


async def test_openai_log_shows_the_log(monkeypatch):
    logger = logging.getLogger("rawllm")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    Client(BASE)
    Client(BASE)
    assert logger.level == logging.DEBUG
    assert len(logger.handlers) == 1


# ── secrets ──────────────────────────────────────────────────────────────────────────────────


def test_a_client_does_not_show_its_key():
    llm = Client(f"{BASE}?token={KEY}", api_key=KEY, model="m")
    assert repr(llm) == f"<Client {BASE} model='m'>"
    assert KEY not in repr(vars(Client(BASE, api_key=KEY).with_options(timeout=3)))


@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": f"{KEY}\n"},
        {"api_key": KEY, "limits": 5},
        {"base_url": KEY},
        {"base_url": f"http://me:{KEY}@h/v1"},
        {"base_url": f"http://me:{KEY}@h:x/v1"},
        {"proxy": f"socks5://me:{KEY}@h:1"},
        {"proxy": f"http://me:{KEY}@h:1", "timeout": -1},
    ],
    ids=shown,
)
def test_a_refusal_does_not_show_keys_and_passwords_among_its_locals(arguments):
    with pytest.raises(rawllm.ConfigurationError) as caught:
        Client(**{"base_url": BASE, **arguments})
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert len(told.stack) > 1
    assert not [frame for frame in told.stack[1:] if KEY in f"{frame.line} {frame.locals}"]


FAULTS = {
    "refused": lambda server: server.refuse(),
    "401": lambda server: server.fail(401, body={"error": {"message": KEY}}),
    "redirect": lambda server: server.fail(307, headers={"location": f"http://x/?k={KEY}"}),
    "garbage": lambda server: server.raw(b"\x00\x01\x02\r\n\r\n"),
    "bad status": lambda server: server.raw(b"HTTP/1.1 abc\r\n\r\n"),
    "reset": lambda server: server.raw([0.01], end="reset"),
    "cut": lambda server: server.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),
    "html": lambda server: server.reply(body="<html>"),
    "hang": lambda server: server.raw([], end="hang"),
    "error event": lambda server: server.stream(["a", {"error": {"message": "x"}}]),
    "cut stream": lambda server: server.stream(["a"], end="reset"),
}


async def streamed(llm, prompt):
    async with llm.stream(prompt) as stream:
        return await stream.result()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", [Client.complete, streamed])
@pytest.mark.parametrize("key", [KEY, lambda: KEY], ids=["str", "callable"])
async def test_no_failure_shows_the_key(server, caplog, fault, verb, key):
    FAULTS[fault](server)
    caplog.set_level(logging.DEBUG, logger="rawllm")
    events = []
    timeout = Timeout(first_token=0.05, idle=0.05)
    async with Client(
        server.url, model="m", api_key=key, max_retries=0, timeout=timeout, hooks=events.append
    ) as llm:
        with pytest.raises(rawllm.APIError) as caught:
            await verb(llm, "x")
    error = caught.value
    # As the tools do that show the locals of every frame; this test's own frame holds the key.
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain = []
    while told is not None:
        chain += [str(told), *(f"{frame.line} {frame.locals}" for frame in told.stack[1:])]
        told = told.__cause__ or told.__context__
    shown = [*chain, repr(error), repr(vars(error)), pickle.dumps(error).decode("latin-1")]
    shown += [caplog.text, repr(events)]
    assert all(KEY not in text for text in shown)
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_the_key_is_struck_out_of_an_error_in_a_stream(server):
    server.stream(["a", {"error": {"message": f"no {KEY}"}}])
    async with Client(server.url, model="m", api_key=KEY) as llm, llm.stream("x") as stream:
        with pytest.raises(rawllm.APIError, match=r"error: no \*\*\*$") as caught:
            await stream.result()
    assert KEY not in repr(vars(caught.value))


async def test_with_options_keeps_the_environment_that_was_read(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://a.test:1/v1")
    llm = Client(api_key="sk-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://b.test:1/v1")
    other = llm.with_options(timeout=3)
    assert other.base_url == "http://a.test:1/v1"
    assert other._endpoint is llm._endpoint
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert llm.with_options(limits=Limits(concurrency=1)).base_url == "http://a.test:1/v1"


async def test_copies_share_the_look_up_of_the_only_model(server):
    async with Client(server.url) as llm:
        copies = [llm.with_options(timeout=9) for _ in range(20)]
        await asyncio.gather(*(each.complete("hi") for each in copies))
    assert sum(request.path == "/v1/models" for request in server.requests) == 1


async def test_a_connector_with_a_limit_bounds_the_concurrency(server):
    """aiohttp's connect timeout runs while a call waits for a place in the connector's pool."""
    connector = aiohttp.TCPConnector(limit=2)
    timeout = Timeout(connect=0.3)
    async with Client(
        server.url, model="m", connector=connector, timeout=timeout, max_retries=0
    ) as llm:
        server.default = Reply("hi", first_delay=0.1)
        answers = await asyncio.gather(*(llm.complete("x") for _ in range(10)))
    assert len(answers) == 10
    assert server.max_in_flight == 2
    await connector.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda llm: llm.complete("x", stream=True), "stream()"),
        (lambda llm: llm.models.retrieve("../chat"), "leads out of /models"),
    ],
)
async def test_calls_that_would_do_something_else_are_refused(make, said):
    async with Client("http://a.test:1/v1", model="m") as llm:
        with pytest.raises(ConfigurationError, match=re.escape(said)):
            await make(llm)


def test_hooks_that_nobody_would_await_are_refused():
    async def hook(event):
        pass

    with pytest.raises(ConfigurationError, match="async def"):
        Client("http://a.test:1/v1", hooks=hook)


async def test_a_copy_that_sits_out_outages_widens_what_it_shares():
    async with Client("http://h/v1", limits=Limits(concurrency=100)) as client:
        endpoint = client._endpoint
        assert (endpoint.budget.capacity, endpoint.pace.longest) == (500, 120)
        copy = client.with_options(retry=Retry(max_outage=600))
        assert copy._endpoint is endpoint
        assert (endpoint.budget.capacity, endpoint.pace.longest) == (1000, 600)
