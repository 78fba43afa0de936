"""A client's life around that of loops, threads, processes and the interpreter: it works wherever
it is used, never touches what belongs to others, and says so once if it is dropped unclosed."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import aiohttp
import pytest

import rawllm
from rawllm import Client, Limits, Retry
from rawllm.testing import FakeServer, Reply, Stream

WARNING = "a rawllm.Client was dropped with its connections open"

#: The key's callable takes part, so that nothing of it is bound to a loop either.
OPTIONS = {"api_key": lambda: "sk-key", "retry": Retry(base=0.001)}


@pytest.fixture
def server():
    """In a thread of its own: it outlives the tests' loops."""
    with FakeServer() as server:
        yield server


@pytest.fixture
def complaints(monkeypatch):
    """What is warned of, raised in finalizers or told to a loop's exception handler."""
    found = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: found.append(repr(one.exc_value)))
    handle = asyncio.BaseEventLoop.call_exception_handler

    def call_exception_handler(loop, context):
        found.append(context["message"])
        handle(loop, context)

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_exception_handler", call_exception_handler)
    collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [str(warning.message) for warning in caught] + found


def collect():
    for _ in range(3):  # what is revived by its finalizer is collected the next time
        gc.collect()


def drop(box):
    box.clear()
    collect()


async def everything(llm):
    """A whole answer, a streamed one, a stream that is left, and a cancelled call."""
    assert (await llm.complete("x")).text == "echo: x"
    async with llm.stream("y") as stream:
        assert (await stream.result()).text == "echo: y"
    async with llm.stream("z") as stream:
        await anext(stream)
    cancelled = asyncio.create_task(llm.complete("never"))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])


# ── loops and threads ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", ["m", None])
def test_one_client_serves_one_loop_after_another(server, complaints, model):
    server.fail(500)
    llm = Client(server.url, model=model, limits=Limits(concurrency=1), **OPTIONS)
    for _ in range(3):
        asyncio.run(everything(llm))
    asyncio.run(llm.close())
    server.wait(lambda: server.open_connections == 0)
    del llm
    collect()
    assert complaints() == []


def test_a_stream_left_open_in_one_loop_is_no_use_in_the_next_and_holds_no_slot_there(server):
    llm = Client(server.url, model="m", limits=Limits(concurrency=1), **OPTIONS)
    server.stream(["a"], end="hang")

    async def opened():
        return await llm.stream("x")

    async def read(stream):
        assert (await anext(stream)).text == "a"  # it had come before
        with pytest.raises(RuntimeError, match="opened in another event loop"):
            await stream.result()

    stream = asyncio.run(opened())
    server.wait(lambda: server.aborted == 1)
    asyncio.run(everything(llm))
    asyncio.run(read(stream))
    asyncio.run(llm.close())


def test_a_thread_with_a_loop_of_its_own_shares_the_client(server, complaints):
    box = [Client(server.url, model="m", limits=Limits(concurrency=2), **OPTIONS)]
    errors = []

    def work():
        try:
            for _ in range(3):
                asyncio.run(everything(box[0]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    assert errors == []
    asyncio.run(box[0].close())
    server.wait(lambda: server.open_connections == 0)
    drop(box)
    assert complaints() == []


# ── dropped ───────────────────────────────────────────────────────────────────────────────────


async def used(server, **options):
    llm = Client(server.url, model="m", **OPTIONS, **options)
    assert (await llm.complete("x")).text == "echo: x"
    return llm


def test_a_client_dropped_in_its_loop_warns_once_and_its_connections_are_closed(server, complaints):
    async def main():
        llm = await used(server)
        await asyncio.gather(*(llm.complete("x") for _ in range(5)))
        del llm
        collect()
        assert [text.partition(":")[0] for text in complaints()] == [WARNING]
        assert "async with Client" in complaints()[0]
        assert "await client.close()" in complaints()[0]
        await asyncio.to_thread(server.wait, lambda: server.open_connections == 0)

    asyncio.run(main())
    collect()
    assert len(complaints()) == 1


def test_it_is_a_resource_warning(server):
    async def main():
        llm = await used(server)
        box = [llm]
        del llm
        with pytest.warns(ResourceWarning, match=WARNING):
            drop(box)

    asyncio.run(main())


def test_dropped_in_another_thread_it_warns_once_too(server, complaints):
    async def main():
        box = [await used(server)]
        await asyncio.to_thread(drop, box)
        await asyncio.to_thread(server.wait, lambda: server.open_connections == 0)

    asyncio.run(main())
    assert [text.partition(":")[0] for text in complaints()] == [WARNING]


def test_copies_share_the_pool_and_only_the_last_one_warns(server, complaints):
    async def main():
        llm = await used(server)
        copies = [llm.with_options(timeout=seconds) for seconds in (1, 2, 3)]
        copies.append(copies[0].copy(api_key="other"))
        await asyncio.gather(*(one.complete("x") for one in copies))
        del llm
        while copies:
            assert complaints() == []
            assert (await copies[-1].complete("x")).text == "echo: x"
            copies.pop()
            collect()
        assert len(complaints()) == 1
        assert server.connections <= 4

    asyncio.run(main())
    assert [text.partition(":")[0] for text in complaints()] == [WARNING]


def test_a_copy_that_was_closed_has_closed_them_all(server, complaints):
    async def main():
        llm = await used(server)
        async with llm.with_options(timeout=5) as copy:
            await copy.complete("x")
        assert llm.is_closed()

    asyncio.run(main())
    collect()
    assert complaints() == []


def test_a_stream_outlives_the_client_that_it_came_from(server, complaints):
    server.stream(["a", 0.05, "b"], end="done")

    async def main():
        stream = await Client(server.url, model="m").stream("x")
        collect()
        assert complaints() == []
        assert (await stream.result()).text == "ab"
        del stream
        collect()
        assert len(complaints()) == 1

    asyncio.run(main())
    assert [text.partition(":")[0] for text in complaints()] == [WARNING]


QUIET = {
    "never used": lambda server: asyncio.sleep(0, Client(server.url, model="m")),
    "closed": lambda server: closed(server),
    "async with": lambda server: within(server),
    "closed with its loop": used,
}


async def closed(server):
    llm = await used(server)
    await llm.close()
    return llm


async def within(server):
    async with Client(server.url, model="m") as llm:
        await everything(llm)
    return llm


@pytest.mark.parametrize("way", QUIET)
def test_a_client_that_leaves_nothing_open_goes_without_a_word(server, complaints, way):
    llm = asyncio.run(QUIET[way](server))
    del llm
    collect()
    assert complaints() == []


@pytest.mark.parametrize("closes_loop", [False, True])
def test_dropped_with_a_loop_that_runs_no_more_it_has_one_warning_of_ours(
    server, complaints, closes_loop
):
    loop = asyncio.new_event_loop()
    llm = loop.run_until_complete(used(server))
    if closes_loop:
        loop.close()
    del llm
    collect()
    if not closes_loop:
        loop.run_until_complete(asyncio.sleep(0))
        server.wait(lambda: server.open_connections == 0)
        loop.close()
    ours = [text for text in complaints() if text.startswith(WARNING)]
    assert len(ours) == 1
    # asyncio's own, of a loop closed with sockets open; none of aiohttp's.
    assert not [text for text in complaints() if "nclosed c" in text or "never" in text]


def test_a_connector_of_the_users_own_is_left_alone(server, complaints):
    async def main():
        async with aiohttp.TCPConnector() as connector:
            llm = await used(server, connector=connector)
            del llm
            collect()
            assert not connector.closed
        await asyncio.to_thread(server.wait, lambda: server.open_connections == 0)

    asyncio.run(main())
    assert [text.partition(":")[0] for text in complaints()] == [WARNING]


# ── closed in mid-flight ──────────────────────────────────────────────────────────────────────


def test_closing_ends_what_is_in_flight_with_an_error_that_says_so(server):
    server.handler = lambda request: (
        Stream(["a"], end="hang") if request.json.get("stream") else Reply(first_delay=60)
    )

    async def main():
        llm = Client(server.url, model="m", limits=Limits(concurrency=3))
        whole = asyncio.create_task(llm.complete("x"))
        opening = asyncio.create_task(llm.complete("x"))
        stream = await llm.stream("x")
        reading = asyncio.create_task(stream.result())
        queued = [asyncio.create_task(llm.complete("x")) for _ in range(3)]
        await server.wait_for(lambda: server.in_flight == 3)
        for _ in range(3):
            await asyncio.sleep(0)  # until the reader waits
        await llm.close()
        async with asyncio.timeout(5):
            for call in (whole, opening, reading, *queued):
                with pytest.raises(rawllm.APIConnectionError, match="the client was closed") as c:
                    await call
                assert c.value.kind == "closed"
        with pytest.raises(rawllm.APIConnectionError, match="the client was closed") as caught:
            await reading
        assert caught.value.partial.text == "a"
        assert llm._endpoint.limiter().in_flight == 0

    asyncio.run(main())
    # Nothing was tried again on the way out.
    assert server.attempts == 3


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
        b"HTTP/1.1 400 Bad\r\ncontent-length: 100\r\n\r\n{",
    ],
    ids=["length", "chunked", "half an error"],
)
def test_closing_ends_a_call_within_its_body(server, head):
    server.raw([head], end="hang")

    async def main():
        llm = Client(server.url, model="m", max_retries=0)
        call = asyncio.create_task(llm.complete("x"))
        await server.wait_for(lambda: server.in_flight == 1)
        await asyncio.sleep(0.05)
        await llm.close()
        async with asyncio.timeout(5):
            with pytest.raises(rawllm.APIError):
                await call
        assert llm._endpoint.limiter().in_flight == 0

    asyncio.run(main())


# ── fork ──────────────────────────────────────────────────────────────────────────────────────

#: A program: uses its client, forks, and uses it again. What the child does is an argument.
FORKS = """
    import asyncio, gc, os, sys
    from rawllm import Client

    async def use(llm):
        async with asyncio.timeout(10):
            await llm.complete("x")

    async def stream(llm):
        return await llm.stream("x")

    url, way = sys.argv[1:]
    llm = Client(url, model="m")
    runner = asyncio.Runner()
    runner.run(use(llm))
    opened = runner.run(stream(llm))
    pid = os.fork()
    if pid == 0:
        if way == "uses it":
            asyncio.run(use(llm))
        elif way == "closes it":
            asyncio.run(llm.close())
        elif way == "uses it and closes it":
            asyncio.run(use(llm))
            asyncio.run(llm.close())
        elif way == "drops all":
            del llm, opened, runner
            gc.collect()
        sys.exit(0)  # and not os._exit: destructors and exit handlers run
    assert os.waitpid(pid, 0)[1] == 0
    runner.run(use(llm))
    assert runner.run(opened.result()).text == "a b c"
    runner.run(llm.close())
    runner.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize(
    ("way", "requests"),
    [
        ("leaves it", 3),
        ("uses it", 4),
        ("closes it", 3),
        ("uses it and closes it", 4),
        ("drops all", 3),
    ],
)
def test_a_forked_child_never_touches_the_parents_connections(server, way, requests):
    server.handler = lambda request: (
        Reply("a b c", delay=0.3) if request.json.get("stream") else None
    )
    done = program(FORKS, server.url, way)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.attempts == requests
    # The parent's two: its pooled one was still good.
    assert server.connections == 2 + requests - 3
    assert server.aborted == 0


def program(text, *arguments, options=()):
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(text), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


# ── the interpreter's end ─────────────────────────────────────────────────────────────────────

ENDS = """
    import asyncio, sys
    from rawllm import Client

    url, way = sys.argv[1:]
    llm = Client(url, model="m")

    async def main():
        global held
        held = [await llm.stream("x") for _ in range(3)]
        await anext(held[0])
        held.append(asyncio.create_task(llm.complete("x")))
        await asyncio.sleep(0.01)
        if way == "exits":
            sys.exit(0)

    if way == "loop left open":
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
    else:
        asyncio.run(main())
"""


@pytest.mark.parametrize("options", [(), ("-X", "dev")], ids=["", "dev"])
@pytest.mark.parametrize("way", ["returns", "exits"])
def test_the_interpreter_ends_with_streams_open_without_a_word(server, way, options):
    server.handler = lambda request: (
        Stream(["a"], end="hang") if request.json.get("stream") else Reply(first_delay=60)
    )
    done = program(ENDS, server.url, way, options=options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    server.wait(lambda: server.in_flight == 0)


def test_the_interpreter_ends_with_a_loop_left_open_and_one_warning_of_ours(server):
    server.default = Stream(["a"], end="hang")
    quiet = program(ENDS, server.url, "loop left open")
    assert quiet.returncode == 0
    assert "Unclosed client" not in quiet.stderr  # aiohttp's
    assert "Traceback" not in quiet.stderr
    told = program(ENDS, server.url, "loop left open", options=("-W", "default"))
    assert told.returncode == 0
    assert told.stderr.count(WARNING) == 1
    assert "Unclosed client" not in told.stderr
    server.wait(lambda: server.in_flight == 0)


DEV = """
    import asyncio, sys
    from rawllm import APIError, Client, Limits, Retry, Timeout

    async def main():
        asyncio.get_running_loop().slow_callback_duration = 60  # not a matter of speed
        async with Client(
            sys.argv[1], api_key=lambda: "sk-key", limits=Limits(concurrency=2),
            retry=Retry(base=0.001), timeout=Timeout(idle=0.2),
        ) as llm:
            await llm.complete("fails first")
            await asyncio.gather(*(llm.complete(str(number)) for number in range(10)))
            async with llm.stream("read") as stream:
                await stream.result()
            async with llm.stream("left") as stream:
                await anext(stream)
            await llm.stream("dropped")
            call = asyncio.create_task(llm.complete("cancelled"))
            await asyncio.sleep(0.001)
            call.cancel()
            await asyncio.wait([call])
            try:
                await llm.with_options(max_retries=0).complete("stalls")
            except APIError:
                pass

    for _ in range(2):
        asyncio.run(main())
"""


def test_asyncios_debug_mode_and_every_warning_find_nothing_to_say(server):
    def answer(request):
        if request.method == "POST" and "stalls" in request.prompts:
            return Stream(["a"], end="hang")
        return Reply(status=500) if request.index == 1 else None

    server.handler = answer
    done = program(DEV, server.url, options=("-X", "dev", "-W", "error"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
