"""The synchronous face: the same calls, from plain code, threads, notebooks, dying programs."""

import asyncio
import gc
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
from contextlib import suppress

import pytest
import real_model
from test_secrets import HOLDERS, KEY, rendered, shown

import rawllm
from rawllm import Client, ConfigurationError, IncompleteStreamError, Limits, OpenAI, SyncClient
from rawllm.local import SYSTEM, LocalServer
from rawllm.resources.chat import ChatCompletions
from rawllm.sync import background
from rawllm.testing import Reply

MESSAGES = [{"role": "user", "content": "one two"}]


@pytest.fixture
def server(fake_server):
    """In a thread of its own: this one waits."""
    return fake_server


@pytest.fixture
def llm(server):
    with SyncClient(server.url, model="m") as client:
        yield client


def one_at_a_time(server, **options):
    return SyncClient(server.url, model="m", limits=Limits(concurrency=1), **options)


@pytest.fixture
def hops(monkeypatch):
    """What the loop's thread was woken for. What others left unclosed is closed before."""
    gc.collect()
    woken = []
    start = background.Started.start
    monkeypatch.setattr(
        background.Started, "start", lambda self: (woken.append(self), start(self))[1]
    )
    return woken


# ── the same calls ────────────────────────────────────────────────────────────────────────────

CALLS = {
    "complete": (lambda c: c.complete("one two").text, "echo: one two"),
    "stream": (lambda c: "".join(chunk.text for chunk in c.stream("one two")), "echo: one two"),
    "result": (lambda c: c.stream("one two").result().text, "echo: one two"),
    "map": (
        lambda c: [item.completion.text for item in c.map(["a", "b"], ordered=True)],
        ["echo: a", "echo: b"],
    ),
    "embed": (lambda c: len(c.embed(["a", "b"]).vectors), 2),
    "embed one": (lambda c: len(c.embed("a").vectors), 1),
    "embed a generator": (lambda c: len(c.embed(iter("abc"), batch_size=2).vectors), 3),
    "create": (lambda c: c.chat.completions.create(messages=MESSAGES).text, "echo: one two"),
    "create streamed": (
        lambda c: "".join(
            x.text for x in c.chat.completions.create(messages=MESSAGES, stream=True)
        ),
        "echo: one two",
    ),
    "completions": (lambda c: c.completions.create(prompt="one").choices[0].text, "echo: one"),
    "completions streamed": (
        lambda c: "".join(
            x.choices[0].text for x in c.completions.create(prompt="one", stream=True) if x.choices
        ),
        "echo: one",
    ),
    "embeddings": (lambda c: len(c.embeddings.create(input=["a", "b"]).data), 2),
    "models": (lambda c: [model.id for model in c.models.list().data], ["fake"]),
    "model": (lambda c: c.models.retrieve("fake").id, "fake"),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_gives_what_the_asynchronous_one_gives(llm, call):
    make, expected = CALLS[call]
    assert make(llm) == expected


def test_typed_answers_and_tools_work_too(server, llm):
    def double(n: int) -> str:
        return f"{2 * n}"

    server.reply("[1, 2]", times=2)
    assert llm.complete("x", response_type=list[int]).choices[0].message.parsed == [1, 2]
    typed = llm.chat.completions.parse(messages=MESSAGES, response_format=list[int])
    assert typed.choices[0].message.parsed == [1, 2]
    server.reply(tool_calls=[{"name": "double", "arguments": {"n": 4}}])
    run = llm.run_tools("x", tools=[double])
    assert [message["content"] for message in run.messages if message["role"] == "tool"] == ["8"]


def test_openai_is_its_other_name_and_reads_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with OpenAI() as client:
        assert type(client) is SyncClient
        assert repr(client) == f"<SyncClient {server.url}>"
        assert client.base_url == server.url
        assert client.chat.completions.create(model="m", messages=MESSAGES).text == "echo: one two"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SyncClient, Client),
        (SyncClient.complete, Client.complete),
        (OpenAI(base_url="http://x").chat.completions.create, ChatCompletions.create),
        (OpenAI(base_url="http://x").models.list, OpenAI(base_url="http://x")._async.models.list),
    ],
)
def test_arguments_and_docstring_are_those_of_the_asynchronous_one(ours, theirs):
    arguments = dict(inspect.signature(theirs).parameters)
    if ours is not SyncClient and "self" not in inspect.signature(ours).parameters:
        arguments.pop("self", None)
    assert dict(inspect.signature(ours).parameters) == arguments
    assert not inspect.iscoroutinefunction(ours)
    if ours is not SyncClient:
        assert ours.__doc__ == theirs.__doc__


def test_no_method_of_the_client_is_missing():
    def public(cls):
        return {name for name in vars(cls) if not name.startswith("_")}

    assert public(Client) - public(SyncClient) == set()


@pytest.mark.parametrize("name", ["stream", "map", "embed"])
def test_what_is_written_out_takes_the_same_arguments(name):
    ours, theirs = (inspect.signature(getattr(cls, name)) for cls in (SyncClient, Client))
    for parameters in zip(ours.parameters.values(), theirs.parameters.values(), strict=True):
        assert len({(p.name, p.kind, p.default) for p in parameters}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no endpoint"),
        ({"base_url": "ftp://x"}, "http"),
        ({"base_url": "http://x", "max_retries": -1}, "max_retries"),
        ({"base_url": "http://x", "connector": object()}, "use Client"),
        ({"base_url": "http://x", "http_client": object()}, "http_client"),
    ],
)
def test_what_cannot_work_is_refused_when_the_client_is_made(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        SyncClient(**arguments)


def test_with_options_gives_a_synchronous_client_of_the_same_endpoint(server, llm):
    other = llm.with_options(model="other")
    assert type(other) is SyncClient
    assert type(other.copy(max_retries=0)) is SyncClient
    llm.complete("x")
    other.complete("x")
    assert [request.json["model"] for request in server.requests] == ["m", "other"]
    assert server.connections == 1
    other.close()
    assert llm.is_closed()
    with pytest.raises(ConfigurationError, match="use Client"):
        llm.with_options(connector=object())


def test_a_closed_client_takes_no_calls(llm):
    llm.close()
    llm.close()
    with pytest.raises(rawllm.APIConnectionError, match="closed"):
        llm.complete("x")


def test_an_error_shows_the_line_that_called(server, llm):
    server.fail(400)
    with pytest.raises(rawllm.BadRequestError) as caught:
        llm.complete("x")  # this line
    [line] = [frame.line for frame in traceback.extract_tb(caught.tb) if frame.filename == __file__]
    assert line == 'llm.complete("x")  # this line'


def without_our_frames(error):
    """This file's hold the key, and come first."""
    trace = error.__traceback__
    while trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


CALLED = {
    "complete": lambda client, **call: client.complete("x", **call),
    "stream": lambda client, **call: client.stream("x", **call),
    "map": lambda client, **call: list(client.map(["x"], on_error="raise", **call)),
    "create": lambda client, **call: client.chat.completions.create(messages=MESSAGES, **call),
    "models": lambda client, **call: client.models.list(**call),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("verb", CALLED)
def test_no_failure_shows_the_key(server, holder, verb):
    options, call, *key = HOLDERS[holder]
    body = {"error": {"message": f"Wrong: {key[0] if key else KEY}"}}
    server.handler = lambda request: Reply(status=401, body=body)
    client = SyncClient(server.url, **{"model": "m", "max_retries": 0, **options})
    with client, pytest.raises(rawllm.AuthenticationError) as caught:
        CALLED[verb](client, **call)
    assert shown(rendered(without_our_frames(caught.value))) == []
    assert not shown([repr(client)])


def test_a_refused_argument_shows_no_key():
    with pytest.raises(ConfigurationError) as caught:
        SyncClient(
            f"http://me:{KEY}@llm.test/v1",
            api_key=KEY,
            default_headers={"a": KEY},
            proxy=f"http://me:{KEY}@h:1",
            max_retries=-1,
        )
    assert shown(rendered(without_our_frames(caught.value))) == []
    with SyncClient("http://llm.test/v1") as llm, pytest.raises(ConfigurationError) as caught:
        llm.map([], on_error="ignore", extra_headers={"api-key": KEY})
    assert shown(rendered(without_our_frames(caught.value))) == []


# ── streams ───────────────────────────────────────────────────────────────────────────────────


def left_by_break(llm):
    for _ in llm.stream("x"):
        break


def left_and_held(llm):
    stream = llm.stream("x")
    for _ in stream:
        break
    assert llm.complete("next", timeout=5).text == "echo: next"
    assert repr(stream) == "<SyncStream closed>"


def left_by_an_error(llm):
    with suppress(ZeroDivisionError):
        for _ in llm.stream("x"):
            _ = 1 / 0


def left_with(llm):
    with llm.stream("x") as stream:
        next(stream)
    assert stream.timing is not None


def dropped(llm):
    next(iter(llm.stream("x")))


def dropped_unread(llm):
    llm.stream("x")


def closed(llm):
    stream = llm.stream("x")
    next(stream)
    stream.close()
    with pytest.raises(IncompleteStreamError, match="closed before its end"):
        list(stream)


def dropped_in_another_thread(llm):
    held = [llm.stream("x")]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    "leave",
    [
        *(
            left_by_break,
            left_and_held,
            left_by_an_error,
            left_with,
            dropped,
            dropped_unread,
            closed,
        ),
        dropped_in_another_thread,
    ],
)
def test_a_stream_that_is_left_gives_slot_and_connection_back(server, leave):
    server.reply(tokens=["a"] * 100, delay=0.5)
    with one_at_a_time(server) as llm:
        leave(llm)
        assert llm.complete("next", timeout=5).text == "echo: next"
        server.wait(lambda: server.aborted == 1)


def test_a_break_within_with_keeps_the_rest(server, llm):
    server.reply(tokens=["a", "b", "c"], delay=0.05)
    with llm.stream("x") as stream:
        for chunk in stream:
            if chunk.text == "a":
                break
        assert [chunk.text for chunk in stream if chunk.text] == ["b", "c"]
        assert (stream.completion.text, stream.done_seen) == ("abc", True)
        assert stream.completion.usage is not None
        assert stream.response.status_code == 200
        assert repr(stream) == "<SyncStream complete>"
    assert server.aborted == 0
    with pytest.raises(StopIteration):
        next(stream)


def test_a_cut_stream_is_an_error_with_what_had_arrived(server, llm):
    server.stream(["Once", " upon"], end="reset")
    got = []
    with pytest.raises(IncompleteStreamError) as caught:
        got.extend(chunk.text for chunk in llm.stream("x"))
    assert caught.value.partial.text == "Once upon"


def test_chunks_that_have_arrived_together_cost_one_hop_and_not_one_each(server, llm, hops):
    server.reply(tokens=["a"] * 50)
    stream = llm.stream("x")
    server.wait(lambda: server.in_flight == 0)
    hops.clear()
    assert sum(chunk.text == "a" for chunk in stream) == 50
    assert len(hops) <= 4  # what is left of the body, perhaps in pieces, and its end
    hops.clear()
    llm.complete("x")
    assert len(hops) == 1


# ── map ───────────────────────────────────────────────────────────────────────────────────────


def test_inputs_are_pulled_in_the_callers_thread_and_as_results_are_taken(server, llm):
    pulled = []

    def inputs():
        for n in range(1000):
            pulled.append(threading.current_thread())
            yield f"{n}"

    results = llm.map(inputs(), concurrency=4)
    assert pulled == []
    for _ in range(10):
        next(results)
    assert len(pulled) <= 10 + 2 * 4
    assert set(pulled) == {threading.current_thread()}
    results.close()


def test_a_result_that_is_there_is_handed_out_before_the_next_input_is_pulled(llm):
    answered = []

    def typed_in():
        for n in range(5):
            assert len(answered) == n  # or somebody who types would wait for the answer before
            yield "x"

    answered.extend(llm.map(typed_in(), concurrency=1))
    assert len(answered) == 5


def test_results_carry_index_key_and_error(server, llm):
    server.handler = lambda request: Reply(status=400) if request.prompts == ["bad"] else None
    items = list(llm.map([("k", "good"), "bad"], ordered=True))
    assert [(item.index, item.key, item.ok) for item in items] == [(0, "k", True), (1, None, False)]
    with pytest.raises(rawllm.BadRequestError):
        list(llm.map(["bad"], on_error="raise"))


def test_an_error_of_the_inputs_comes_out_after_the_results_before_it(llm):
    def inputs():
        yield "a"
        yield "b"
        raise KeyError("no more")

    results = llm.map(inputs(), ordered=True)
    got = [next(results).completion.text, next(results).completion.text]
    with pytest.raises(KeyError, match="no more"):
        next(results)
    assert got == ["echo: a", "echo: b"]


def test_leaving_the_loop_cancels_what_is_under_way_and_tells_the_inputs(server):
    told = []

    def inputs():
        try:
            yield from ["quick", "slow", "slow", "slow"]
        finally:
            told.append(threading.current_thread())

    async def answer(request):
        if request.prompts == ["slow"]:
            return Reply(first_delay=30)
        await server.wait_for(lambda: server.in_flight == 3)
        return None

    server.handler = answer
    with SyncClient(server.url, model="m", limits=Limits(concurrency=3)) as llm:
        for item in llm.map(inputs()):
            assert item.index == 0
            break
        assert told == [threading.current_thread()]
        server.wait(lambda: server.aborted == 2)
        server.handler = None
        assert llm.complete("x", timeout=5).text == "echo: x"


def test_inputs_may_call_the_same_client(server):
    with one_at_a_time(server) as llm:
        inputs = (llm.complete(f"{n}").text[-1] for n in range(5))
        assert [item.completion.text for item in llm.map(inputs)] == [
            f"echo: {n}" for n in range(5)
        ]


def test_inputs_that_block_hold_up_nobody_else(server, llm):
    blocked, go_on = threading.Event(), threading.Event()

    def inputs():
        yield "a"
        blocked.set()
        assert go_on.wait(10)
        yield "b"

    got = []
    thread = threading.Thread(target=lambda: got.extend(llm.map(inputs())))
    thread.start()
    assert blocked.wait(10)
    assert llm.complete("meanwhile", timeout=5).text == "echo: meanwhile"
    go_on.set()
    thread.join(10)
    assert len(got) == 2


async def asynchronous():
    yield "a"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": "one"}, "of type str"),
        ({"inputs": {"prompt": "x"}}, "of type dict"),
        ({"inputs": 5}, "of type int"),
        ({"inputs": asynchronous()}, "asynchronous one"),
        ({"inputs": [], "concurrency": 0}, "concurrency"),
        ({"inputs": [], "on_error": "ignore"}, "on_error"),
    ],
)
def test_what_map_cannot_take_is_refused_when_it_is_called(llm, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        llm.map(**arguments)


def test_inputs_of_embed_are_pulled_in_the_callers_thread(llm):
    pulled = []
    llm.embed(pulled.append(threading.current_thread()) or "x" for _ in range(3))
    assert set(pulled) == {threading.current_thread()}


def test_asynchronous_inputs_of_embed_are_refused_too(llm):
    with pytest.raises(ConfigurationError, match="asynchronous one"):
        llm.embed(asynchronous())


# ── threads, loops, hooks, keys ───────────────────────────────────────────────────────────────


def test_it_works_within_a_running_loop(llm):
    async def notebook():
        with llm.stream("one two") as stream:
            return llm.complete("x").text, "".join(chunk.text for chunk in stream)

    assert asyncio.run(notebook()) == ("echo: x", "echo: one two")


def test_many_threads_share_one_client(server, llm):
    server.handler = lambda request: Reply(request.prompts[0], first_delay=0.02)
    got = {}

    def work(n):
        got[n] = [llm.complete(f"{n}").text, *(item.completion.text for item in llm.map([f"{n}"]))]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got == {n: [f"{n}", f"{n}"] for n in range(8)}
    assert server.max_in_flight > 1


def test_a_call_from_a_hook_is_refused_and_not_a_deadlock(server):
    refused = []

    def hook(event):
        for call in (llm.complete, lambda x: next(llm.map([x])), llm.stream):
            try:
                call("x")
            except RuntimeError as error:
                refused.append(str(error))

    with SyncClient(server.url, model="m", hooks=hook) as llm:
        llm.complete("x")
    assert len(refused) >= 3
    assert all("would wait for itself" in text for text in refused)
    assert server.attempts == 1


async def fetched():
    return "a-key"


@pytest.mark.parametrize("key", [lambda: "a-key", fetched, lambda: fetched()])
def test_a_key_may_come_from_any_callable(server, key):
    server.api_key = "a-key"
    with SyncClient(server.url, model="m", api_key=key) as llm:
        assert llm.complete("x").text == "echo: x"
        assert llm.with_options(max_retries=0).complete("x").text == "echo: x"


def test_a_key_that_is_long_in_coming_holds_up_its_own_call_only(server, llm):
    asked, go_on = threading.Event(), threading.Event()

    def key():
        asked.set()
        assert go_on.wait(10)
        return llm.complete("a-key").text.removeprefix("echo: ")  # it may use a client too

    slow = SyncClient(server.url, model="m", api_key=key)
    got = []
    thread = threading.Thread(target=lambda: got.append(slow.complete("x").text))
    thread.start()
    assert asked.wait(10)
    assert llm.complete("x", timeout=5).text == "echo: x"
    go_on.set()
    thread.join(10)
    assert got == ["echo: x"]
    assert server.requests[-1].headers["authorization"] == "Bearer a-key"


def test_a_client_that_is_dropped_closes_its_connections(server):
    llm = SyncClient(server.url, model="m")
    llm.complete("x")
    assert server.open_connections == 1
    del llm
    gc.collect()
    server.wait(lambda: server.open_connections == 0)


def test_a_stream_outlives_the_name_of_its_client(server):
    server.reply(tokens=["a", "b"], delay=0.05)
    stream = iter(SyncClient(server.url, model="m").stream("x"))
    gc.collect()
    assert "".join(chunk.text for chunk in stream) == "ab"


# ── Ctrl-C ────────────────────────────────────────────────────────────────────────────────────


def blocked_inputs():
    yield "x"
    threading.Event().wait()


def read_on(stream, reading):
    for _ in stream:
        reading.set()


def read_within_with(llm, reading):
    with llm.stream("x") as stream:
        read_on(stream, reading)


INTERRUPTED = {
    "complete": (lambda llm, _: llm.complete("x"), 1),
    "first token": (lambda llm, _: llm.stream("silent"), 1),
    "stream": (lambda llm, reading: read_on(llm.stream("x"), reading), 1),
    "with": (read_within_with, 1),
    "map": (lambda llm, _: list(llm.map(["x"] * 9, concurrency=3)), 3),
    "inputs": (lambda llm, _: list(llm.map(blocked_inputs())), 1),
    "embed": (lambda llm, _: llm.embed(["x"] * 99), 3),
}


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill is another thing there")
@pytest.mark.parametrize("what", INTERRUPTED)
def test_ctrl_c_comes_out_at_once_and_cancels_upstream(server, what):
    call, requests = INTERRUPTED[what]
    reading = threading.Event()

    def answer(request):
        streams = request.json.get("stream") and request.prompts != ["silent"]
        return Reply(tokens=["a"] * 9, first_delay=0 if streams else 60, delay=60)

    def press():
        server.wait(lambda: server.in_flight == requests)
        if what in ("stream", "with"):
            assert reading.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    server.handler = answer
    with SyncClient(server.url, model="m", limits=Limits(concurrency=3)) as llm:
        thread = threading.Thread(target=press)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            call(llm, reading)
        thread.join()
        server.wait(lambda: server.in_flight == 0)
        assert server.aborted == requests
        server.handler = None
        assert llm.complete("next", timeout=5).text == "echo: next"


def test_what_arrives_as_the_wait_is_given_up_is_let_go(server):
    server.reply(tokens=["a"] * 9, delay=30)
    with one_at_a_time(server) as llm:

        async def opened():
            return await llm._async.stream("x")

        loop = background.background()
        ended = threading.Event()
        started = background.Started(loop, opened(), lambda _: ended.set())
        started.start()
        assert ended.wait(10)
        started.abandon()  # held on to, as by a traceback
        assert llm.complete("next", timeout=5).text == "echo: next"


def test_an_error_that_nobody_waits_for_any_more_is_not_logged(llm, caplog):
    begun, ended = threading.Event(), threading.Event()

    async def failing():
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            raise ZeroDivisionError  # in the place of the cancellation

    started = background.Started(background.background(), failing(), lambda _: ended.set())
    started.start()
    assert begun.wait(10)
    started.abandon()
    assert ended.wait(10)
    del started
    llm.complete("x")  # the loop has come round
    gc.collect()
    assert caplog.records == []


# ── programs ──────────────────────────────────────────────────────────────────────────────────


def program(text, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


ENDS = {
    "made and not used": "",
    "used and not closed": "llm.complete('x')",
    "a stream half-read": "held = llm.stream('slow'); next(held)",
    "an iterator half-read": "held = iter(llm.stream('slow')); next(held)",
    "a map half-read": "held = llm.map(['x', 'slow', 'slow']); next(held)",
    "a daemon thread waits": """
        import threading, time
        threading.Thread(target=llm.complete, args=['slow'], daemon=True).start()
        time.sleep(0.2)
    """,
    "an exit handler calls": """
        import atexit
        def late():
            try:
                llm.complete('x')
            except RuntimeError as error:
                assert 'interpreter is exiting' in str(error), error
        atexit.register(late)
        llm.complete('x')
    """,
    "an exit handler closes": "import atexit; atexit.register(llm.close); llm.complete('x')",
    "an exit handler closes what was not used": "import atexit; atexit.register(llm.close)",
    "a destructor closes": """
        class App:
            def __del__(self, close=llm.close):
                close()
        app = App()
        llm.complete('x')
    """,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_closes_nothing_ends_in_silence(server, end):
    server.handler = lambda request: Reply("a b", delay=30 if request.prompts == ["slow"] else 0)
    text = "import sys, rawllm\nllm = rawllm.SyncClient(sys.argv[1], model='m')\n"
    done = program(text + textwrap.dedent(ENDS[end]), server.url)
    assert (done.returncode, done.stderr) == (0, "")


#: Forks with a call and a stream under way. What the child does is an argument.
FORKS = """
    import gc, os, sys, threading, warnings
    warnings.filterwarnings("ignore", message=".*fork.*")
    from rawllm import SyncClient

    url, way = sys.argv[1:]
    llm = SyncClient(url, model="m")
    llm.complete("x")
    opened = llm.stream("slow")
    got = []
    thread = threading.Thread(target=lambda: got.append(llm.complete("slow").text))
    thread.start()
    pid = os.fork()
    if pid == 0:
        if way.startswith("uses it"):
            assert llm.complete("x").text == "a b c"
        if way.endswith("closes it"):
            llm.close()
        if way == "drops all":
            del llm, opened
            gc.collect()
        sys.exit(0)  # and not os._exit: destructors and exit handlers run
    assert os.waitpid(pid, 0)[1] == 0
    thread.join()
    assert got == ["a b c"]
    assert opened.result().text == "a b c"
    assert llm.complete("x").text == "a b c"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize(
    "way", ["leaves it", "uses it", "closes it", "uses it and closes it", "drops all"]
)
def test_after_a_fork_parent_and_child_go_on(server, way):
    server.handler = lambda request: Reply(
        "a b c",
        first_delay=0 if request.json.get("stream") else 0.3 * (request.prompts == ["slow"]),
    )
    done = program(FORKS, server.url, way)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.aborted == 0


@pytest.mark.real_model
def test_the_embedded_model_answers_whole_streamed_and_mapped():
    asked = {"system": SYSTEM, "max_tokens": 8, "temperature": 0}
    with (
        LocalServer(real_model.gguf(), slots=2) as local,
        OpenAI(base_url=local.base_url, api_key=local.api_key) as llm,
    ):
        whole = llm.complete("Say hello!", **asked)
        with llm.stream("Say hello!", **asked) as stream:
            pieces = [chunk.text for chunk in stream]
        assert "".join(pieces) == stream.completion.text == whole.text != ""
        for _ in llm.stream("Count to a thousand.", system=SYSTEM):
            break
        prompts = (f"What is {n} and {n}?" for n in range(4))
        items = list(llm.map(prompts, ordered=True, **asked))
        assert [item.index for item in items if item.completion.text] == [0, 1, 2, 3]
