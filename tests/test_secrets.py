"""A key is never shown: every way a call can end, with keys in every place where people put them,
searched in every place where people look.

What of a failure is searched stands in `rendered`, where keys are in `HOLDERS`, the ways to fail in
`faults`. A test's own frames hold the key: only rawllm's, aiohttp's and asyncio's are searched.
"""

import asyncio
import base64
import logging
import os
import pickle
import subprocess
import sys
import textwrap
import traceback

import pytest
from net.virtual import run
from test_cancellation import Obstacles, Stepped
from test_cancellation import streamed as stepped_stream
from test_cancellation import whole as stepped_whole

import rawllm
from rawllm import Client, Limits, Retry, Timeout
from rawllm.testing import FakeServer, Raw, Reply, Stream

KEY = "sk-zebra/+5==Quagga.0123456789"
BASIC = base64.b64encode(f"me:{KEY}".encode()).decode()


# ── where a key may be ────────────────────────────────────────────────────────────────────────


async def slow_key():
    await asyncio.sleep(0)
    return KEY


#: Each: options of the client, options of a call, what is sent.
HOLDERS = {
    "api_key": ({"api_key": KEY}, {}),
    "a callable": ({"api_key": lambda: KEY}, {}),
    "a coroutine": ({"api_key": slow_key}, {}),
    "default_headers": ({"default_headers": {"api-key": KEY}}, {}),
    "default Authorization": ({"default_headers": {"authorization": f"Bearer {KEY}"}}, {}),
    "extra_headers": ({}, {"extra_headers": {"api-key": KEY}}),
    "extra Authorization": ({"api_key": "another"}, {"extra_headers": {"Authorization": KEY}}),
    "default_query": ({"default_query": {"key": KEY}}, {}),
    "extra_query": ({}, {"extra_query": {"api-key": KEY}}),
    "Basic": ({"default_headers": {"Authorization": f"Basic {BASIC}"}}, {}, BASIC),
    "everywhere": (
        {"api_key": KEY, "default_headers": {"api-key": KEY}, "default_query": {"key": KEY}},
        {"extra_headers": {"x-auth-token": KEY}},
    ),
}


# ── how a call may end ────────────────────────────────────────────────────────────────────────


def http(body, *, status="200 OK", length=None, headers=()):
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", *headers]
    lines.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def quoting(key):
    """An error of a server that quotes the key wherever it can."""
    message = f"Incorrect API key provided: {key}."
    return {"error": {"message": message, "code": key, "param": [key], "type": {key: key}, key: 1}}


def faults(key):
    """How a server may fail, quoting what it was sent."""
    says = f"Incorrect API key provided: {key}."
    raw, head = key.encode(), "HTTP/1.1 200 OK\r\n"
    cut = "x" * (490 - len(key) // 2) + key  # the limit of a message is within the key
    return {
        "401 that echoes": Reply(status=401, body=quoting(key), headers={"x-request-id": key}),
        "400 in text": Reply(status=400, body=says, headers={"x-echo": key}),
        "422 of FastAPI": Reply(status=422, body={"detail": [{"loc": [key], "msg": says}]}),
        "429": Reply(status=429, body=quoting(key), headers={"retry-after": "300"}),
        "503 in html": Reply(status=503, body=f"<html>{says}"),
        "a long message": Reply(status=400, body={"error": {"message": cut}}),
        "a long page": Reply(body=cut),
        "a redirect": Reply(status=307, body="", headers={"location": f"http://h/?key={key}"}),
        "200 with an error": Reply(body=quoting(key)),
        "200 in html": Reply(body=f"<html>{says}"),
        "200 of another kind": Reply(body={"id": key, "data": key}),
        "half a JSON": Reply(body=f'{{"choices": "{key}'),
        "empty": Reply(body=""),
        "cut": Raw(http(raw, length=4000)),
        "reset": Raw([http(raw, length=4000), 0.02], end="reset"),
        "hung": Raw(http(raw, length=4000), end="hang"),
        "no answer": Raw([], end="hang"),
        "closed": Raw([], end="close"),
        "no HTTP": Raw(raw + b"\r\n\r\n"),
        "a bad status": Raw(b"HTTP/1.1 abc " + raw + b"\r\n\r\n"),
        "a bad header": Raw(f"{head}{key}\r\nx: \x00\r\n\r\n".encode()),
        "a large header": Raw(http(b"", headers=[f"x-{n}: {key}" for n in range(400)])),
        "a bad chunk": Raw(f"{head}transfer-encoding: chunked\r\n\r\n{key}\r\n{key}".encode()),
        "not gzip": Raw(http(raw, headers=["content-encoding: gzip"])),
        "an error event": Stream(["a", quoting(key)]),
        "an error event first": Stream([quoting(key)]),
        "an event: error": Stream(["a", f"event: error\ndata: {says}\n\n".encode()]),
        "an error field": Stream(["a", f"error: {says}\n\n".encode()]),
        "a bad event": Stream(["a", b"data: " + raw + b"\n\n"]),
        "an event too long": Stream(["a", b"data: " + raw * 4000]),
        "a stream cut": Stream(["a", 0.02, b"data: " + raw], end="close"),
        "a stream reset": Stream(["a", 0.02], end="reset"),
        "a stream hung": Stream(["a"], end="hang"),
        "a stream of comments": Stream([b": " + raw + b"\n\n"], end="eof"),
        "another kind of stream": Stream([{"choices": key}]),
    }


async def whole(llm, **options):
    await llm.complete("x", **options)


async def streamed(llm, **options):
    async with llm.stream("x", **options) as stream:
        await stream.result()


async def created(llm, **options):
    messages = [{"role": "user", "content": "x"}]
    async for _ in await llm.chat.completions.create(messages=messages, stream=True, **options):
        pass


async def completed(llm, **options):
    await llm.completions.create(prompt="x", **options)


async def embedded(llm, **options):
    await llm.embed("x", **options)


async def listed(llm, **options):
    await llm.models.list(**options)


async def retrieved(llm, **options):
    await llm.models.retrieve("m", **options)


async def with_others(llm, **options):
    await llm.with_options(timeout=llm.timeout, default_headers={"x-more": "1"}).complete(
        "x", **options
    )


# ── where people look ─────────────────────────────────────────────────────────────────────────


def rendered(error):
    """Everything that can be seen of an exception, and of those that hang on it."""
    texts, seen = [], []
    todo = [error]
    while todo:
        one = todo.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        todo += [one.__cause__, one.__context__]
        texts += [repr(one), str(one), repr(one.args), repr(vars(one)), f"{one.args}"]
        if isinstance(one, rawllm.RawLLMError):
            restored = pickle.loads(pickle.dumps(one))
            texts += [repr(vars(restored)), pickle.dumps(one).decode("latin-1")]
            texts.append(repr(one.response.headers) if isinstance(one, rawllm.APIError) else "")
        # As the tools do that show the locals of every frame.
        told = traceback.TracebackException.from_exception(one, capture_locals=True)
        texts += told.format_exception_only()
        for (frame, _), summary in zip(
            traceback.walk_tb(one.__traceback__), told.stack, strict=True
        ):
            if frame.f_code.co_filename != __file__:
                texts += [str(summary.locals), f"{summary.name} {summary.line}"]
                texts += [repr(vars(value)) for value in _reachable(frame)]
    return texts


def _reachable(frame):
    """What of rawllm's hangs on a frame's locals: some tools look one step further."""
    for value in frame.f_locals.values():
        if type(value).__module__.startswith("rawllm") and hasattr(value, "__dict__"):
            yield value


def shown(texts):
    # A cut through a key leaves a piece of it: none of this length may be seen.
    secrets = (KEY[:8], BASIC[:8])  # so short that no quoting hides them
    return [
        text[max(0, text.index(secret) - 200) :][:400]
        for text in texts
        for secret in secrets
        if secret in text
    ]


def hold(name):
    held, options, *key = HOLDERS[name]
    return held, options, key[0] if key else KEY


@pytest.fixture
def seen(caplog):
    """Everything that is logged at DEBUG, exceptions with it, and what hooks are told."""
    caplog.set_level(logging.DEBUG)
    loop_errors, events = [], []

    def texts():
        found = [caplog.text, repr(events), repr(loop_errors)]
        for record in caplog.records:
            found += [repr(record.args), record.getMessage()]
            if record.exc_info and record.exc_info[1] is not None:
                found += rendered(record.exc_info[1])
        return found

    texts.events = events
    texts.loop_errors = loop_errors
    return texts


def client(server, seen, held, **options):
    return Client(
        server.url,
        **{
            "model": "m",
            "max_retries": 0,
            "timeout": Timeout(first_token=0.2, idle=0.2),
            "hooks": seen.events.append,
            "limits": Limits(max_event_bytes=50_000),
            **options,
            **held,
        },
    )


async def error_of(work):
    with pytest.raises((rawllm.RawLLMError, asyncio.CancelledError)) as caught:
        await work
    return caught.value


# ── every failure ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", faults(KEY))
@pytest.mark.parametrize("verb", [whole, streamed])
@pytest.mark.parametrize("holder", ["everywhere", "Basic"])
async def test_no_failure_shows_the_key(server, seen, fault, verb, holder):
    asyncio.get_running_loop().set_exception_handler(lambda _, c: seen.loop_errors.append(c))
    held, options, key = hold(holder)
    server.handler = lambda request: faults(key)[fault]
    # Only where it ends the wait does it have to be short: a loaded machine is slow to answer.
    seconds = 0.2 if fault in ("hung", "no answer", "a stream hung") else 10.0
    clocks = Timeout(first_token=seconds, idle=seconds)
    async with client(server, seen, held, timeout=clocks) as llm:
        error = await error_of(verb(llm, **options))
        assert shown(rendered(error)) == []
        logging.getLogger("app").error("it failed: %r", error, exc_info=error)
        assert shown([repr(llm), repr(vars(llm)), repr(llm.chat), repr(llm._endpoint)]) == []
    assert shown(seen()) == []
    assert any(key in value for value in server.requests[0].headers.values())
    assert shown([repr(server), repr(server.requests[0].headers)]) == []


@pytest.mark.parametrize(
    "verb", [created, completed, embedded, listed, retrieved, with_others], ids=lambda v: v.__name__
)
@pytest.mark.parametrize("holder", HOLDERS)
async def test_no_verb_shows_the_key(server, seen, verb, holder):
    held, options, key = hold(holder)
    server.fail(401, body=quoting(key))
    async with client(server, seen, held) as llm:
        assert shown(rendered(await error_of(verb(llm, **options)))) == []
    assert shown(seen()) == []


@pytest.mark.parametrize("holder", HOLDERS)
async def test_no_connection_error_and_no_retry_shows_the_key(server, seen, holder):
    held, options, key = hold(holder)
    server.refuse()
    async with client(server, seen, held, max_retries=None, retry=Retry(base=0.001)) as llm:
        for verb in (whole, streamed):
            assert shown(rendered(await error_of(verb(llm, **options)))) == []
        server.accept()
        server.handler = lambda request: Reply(status=500, body=quoting(key))
        assert shown(rendered(await error_of(whole(llm, **options)))) == []
        await llm.close()
        assert shown(rendered(await error_of(whole(llm, **options)))) == []
    assert shown(seen()) == []
    assert "Retrying" in str(seen())


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("bad", [{"model": float("nan")}, {"extra_body": KEY}, {"n": 0}])
async def test_no_wrong_argument_shows_the_key(server, seen, holder, bad):
    held, options, _ = hold(holder)
    async with client(server, seen, held) as llm:
        for verb in (whole, streamed):
            error = await error_of(verb(llm, **{**options, **bad}))
            assert isinstance(error, rawllm.ConfigurationError)
            texts = rendered(error)
            if "extra_body" in bad:  # what the user gave in the wrong place is a local of theirs
                texts = [repr(error), str(error)]
            assert shown(texts) == []


BAD_KEY = f"{KEY}\n"


@pytest.mark.parametrize(
    "made",
    [
        lambda llm: whole(llm, extra_headers={"api-key": BAD_KEY}),
        lambda llm: whole(llm.with_options(api_key=lambda: BAD_KEY)),
        lambda llm: streamed(llm, extra_headers={"api-key": BAD_KEY}),
        lambda llm: listed(llm, extra_query={"key": [KEY, {}]}),
    ],
)
async def test_no_refused_header_shows_the_key(server, seen, made):
    async with client(server, seen, {}) as llm:
        error = await error_of(made(llm))
    assert isinstance(error, rawllm.ConfigurationError)
    assert shown(rendered(error)) == []
    assert server.attempts == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"default_headers": {"api-key": BAD_KEY}},
        {"default_headers": {"api-key": KEY}, "limits": 5},
        {"default_query": {"key": KEY}, "timeout": -1},
        {"default_query": {"key": object(), "other": KEY}},
        {"proxy": f"http://me:{KEY}@h:1", "max_retries": -1},
    ],
)
def test_no_refused_client_shows_the_key(arguments):
    for make in (Client, Client("http://llm.test/v1").with_options):
        with pytest.raises(rawllm.ConfigurationError) as caught:
            make(**{"base_url": "http://llm.test/v1", **arguments})
        assert shown(rendered(caught.value)) == []


@pytest.mark.parametrize("bad", ["no colon", "bad name : x", "x: \x00"])
def test_a_bad_environment_does_not_show_the_key_beside_it(monkeypatch, bad):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(os, "environ", {**os.environ, "OPENAI_CUSTOM_HEADERS": f"a: {KEY}\n{bad}"})
    with pytest.raises(rawllm.ConfigurationError) as caught:
        Client("http://llm.test/v1")
    assert shown(rendered(caught.value)) == []


async def test_no_redirect_carries_the_key_anywhere(server, seen):
    async with FakeServer() as other:
        for code in (301, 302, 303, 307, 308):
            server.fail(code, headers={"location": f"{other.url}/?key={KEY}"}, body=KEY, times=2)
            async with client(server, seen, {"api_key": KEY}) as llm:
                for verb in (whole, streamed):
                    error = await error_of(verb(llm, extra_headers={"api-key": KEY}))
                    assert isinstance(error, rawllm.RedirectRefused)
                    assert shown(rendered(error)) == []
        assert (other.attempts, other.connections) == (0, 0)
    assert shown(seen()) == []


@pytest.mark.parametrize("status", [407, 502, 403])
async def test_a_proxys_password_is_not_shown(server, seen, status):
    """The proxy is the fake server itself: it gets the whole URL as its path."""
    server.handler = lambda request: Reply(status=status, body=KEY)
    login = server.url.removeprefix("http://").removesuffix("/v1")
    held = {"api_key": KEY, "proxy": f"http://me:{KEY.replace('/', '%2F')}@{login}"}
    for base in ("http://llm.test/v1", "https://llm.test/v1"):
        async with Client(base, model="m", max_retries=0, hooks=seen.events.append, **held) as llm:
            for verb in (whole, streamed):
                assert shown(rendered(await error_of(verb(llm)))) == []
            assert shown([repr(llm), repr(vars(llm)), repr(vars(llm._endpoint.transport))]) == []
    assert shown(seen()) == []
    assert any("proxy-authorization" in request.headers for request in server.requests)


# ── cancelled ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("verb", [stepped_whole, stepped_stream])
def test_a_cancellation_shows_no_key_wherever_it_strikes(seen, verb, late):
    held = {
        "api_key": slow_key,
        "default_headers": {"api-key": KEY},
        "default_query": {"key": KEY},
        "retry": Retry(attempts=4, base=0.1, cap=0.1),
    }

    async def main():
        async with FakeServer() as server:
            finished, number = False, 0
            while not finished:
                number += 1
                server.handler = obstacles = Obstacles()
                async with Client(server.url, hooks=seen.events.append, **held) as llm:
                    task = asyncio.create_task(Stepped(verb(llm), number, late, obstacles.cancel))
                    await asyncio.wait([task])
                    finished = not obstacles.cancelled
                    if not finished:
                        with pytest.raises(asyncio.CancelledError) as caught:
                            task.result()
                        assert shown([*rendered(caught.value), repr(task)]) == []
            assert number > 15

    run(main())
    assert shown(seen()) == []


# ── what observers do ─────────────────────────────────────────────────────────────────────────


async def test_hooks_that_fail_and_see_everything_show_no_key(server, seen):
    def broken(event):
        seen.events.append(event)
        raise ZeroDivisionError(repr(event))

    server.handler = lambda request: Reply(status=500, body=quoting(KEY))
    async with client(server, seen, {"api_key": KEY}, hooks=broken) as llm:
        assert shown(rendered(await error_of(whole(llm)))) == []
    assert len(seen.events) > 2
    assert "ZeroDivisionError" in str(seen())
    assert shown(seen()) == []


async def test_a_pause_shows_no_other_callers_key(server, seen):
    server.fail(429, body=quoting(KEY), headers={"retry-after": "100"})
    async with client(server, seen, {"api_key": KEY}) as llm:
        first = await error_of(whole(llm))
        other = await error_of(whole(llm.with_options(api_key="sk-other")))
    assert (first.status_code, other.status_code) == (429, 429)
    assert shown([*rendered(first), *rendered(other), *seen()]) == []


async def test_a_servers_handler_that_fails_shows_no_key(server, seen):
    def handler(request):
        raise ValueError(repr(request.headers))

    server.handler = handler
    async with client(server, seen, {"api_key": KEY, "default_headers": {"api-key": KEY}}) as llm:
        assert shown(rendered(await error_of(whole(llm)))) == []
    assert "FakeServer could not answer" in str(seen())
    assert shown(seen()) == []
    assert shown([repr(server), repr(server.requests[0]), str(server.requests[0])]) == []


# ── asyncio's debug mode ──────────────────────────────────────────────────────────────────────

DEBUG = """
    import asyncio, gc, logging, sys
    from rawllm import APIError, Client, Retry, Timeout

    url = sys.argv[1]
    key = sys.stdin.read()
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)

    def told(event):
        print(event, file=sys.stderr)

    def client():
        return Client(
            url, model="m", api_key=key, default_headers={"api-key": key},
            default_query={"key": key}, hooks=told, retry=Retry(base=0.001),
            timeout=Timeout(first_token=0.2, idle=0.2),
        )

    async def main():
        asyncio.get_running_loop().slow_callback_duration = 0.0  # tells of every callback
        async with client() as llm:
            for _ in range(3):
                for prompt in ("well", "fails", "stalls"):
                    try:
                        await llm.complete(prompt)
                    except APIError:
                        logging.exception("it failed")
                    try:
                        async with llm.stream(prompt) as stream:
                            await stream.result()
                    except APIError:
                        logging.exception("it failed")
            lost = asyncio.create_task(llm.complete("fails"))  # never retrieved
            await asyncio.wait([lost])
            del lost
            gc.collect()
            llm.complete("never awaited")
            dropped = await llm.stream("well")
            del dropped
            gc.collect()

    asyncio.run(main())

    loop = asyncio.new_event_loop()  # left open, with a task pending
    llm = client()
    async def begin():
        global pending
        pending = asyncio.create_task(llm.complete("stalls"))
        await asyncio.sleep(0.01)
    loop.run_until_complete(begin())
"""


def test_asyncios_debug_mode_tells_everything_but_the_key():
    def answer(request):
        if "fails" in request.prompts:
            return Reply(status=500, body=quoting(KEY))
        return Stream(["a"], end="hang") if "stalls" in request.prompts else None

    with FakeServer() as server:
        server.handler = answer
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", textwrap.dedent(DEBUG), server.url],
            input=KEY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    assert done.returncode == 0
    for expected in (
        "Task exception was never retrieved",
        "Executing <",
        "was never awaited",
        "Task was destroyed but it is pending",
        "attempt 1: InternalServerError",
    ):
        assert expected in done.stderr
    assert shown(done.stderr.splitlines()) == []
