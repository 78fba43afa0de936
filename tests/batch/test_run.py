"""A run from a file to a file: what is sent, what is recorded, and how it ends."""

import asyncio
import gzip
import io
import json
import pickle
import sys
from importlib import import_module

import pytest

from rawllm import AuthenticationError, Client, ConfigurationError, Limits, Retry, Timeout
from rawllm.batch import BatchStopped, Summary, journal, run
from rawllm.batch.lines import Request
from rawllm.batch.run import _prepared
from rawllm.batch.source import Source
from rawllm.batch.tally import Tally
from rawllm.batch.work import Work, _Record
from rawllm.sansio.types import ChatCompletion, Timing
from rawllm.testing import Reply

#: `rawllm.batch.run` is the function.
run_module = import_module("rawllm.batch.run")

FAST = Retry(base=0.001, cap=0.01)


def chat(name, **arguments):
    body = {"model": "m", "messages": [{"role": "user", "content": name}], **arguments}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def names(n):
    return [f"r{i}" for i in range(n)]


def name_of(request):
    return request.prompts[0]


def write(path, requests):
    path.write_bytes(b"".join(json.dumps(request).encode() + b"\n" for request in requests))
    return path


def read(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def ids(path):
    return [record["custom_id"] for record in read(path)]


@pytest.fixture
def paths(tmp_path):
    return write(tmp_path / "in.jsonl", map(chat, names(20))), tmp_path / "out.jsonl"


@pytest.fixture
async def client(server):
    async with Client(server.url, retry=FAST, limits=Limits(concurrency=4)) as client:
        yield client


def sent(server):
    return [name_of(request) for request in server.requests if request.generates]


# ── all goes well ─────────────────────────────────────────────────────────────────────────────


async def test_every_request_has_one_record(server, client, paths):
    server.handler = lambda request: Reply(f"<{name_of(request)}>", first_delay=0.01)
    counts = await run(*paths, client=client)
    answers = {
        record["custom_id"]: record["response"]["body"]["choices"][0]["message"]["content"]
        for record in read(paths[1])
    }
    assert answers == {name: f"<{name}>" for name in names(20)}
    assert (counts.lines, counts.answered, counts.failed, counts.left) == (20, 20, 0, 0)
    assert counts.latency is not None
    assert counts.completion_tokens == 20
    assert server.max_in_flight == 4


async def test_all_three_endpoints_are_asked(server, client, tmp_path):
    requests = [
        chat("a"),
        {"prompt": "b", "max_tokens": 7},
        {"custom_id": "c", "url": "/v1/completions", "body": {"model": "m", "prompt": "c"}},
        {"custom_id": "d", "url": "/v1/embeddings", "body": {"model": "m", "input": ["x", "y"]}},
    ]
    out = tmp_path / "out.jsonl"
    counts = await run(write(tmp_path / "in.jsonl", requests), out, client=client, ordered=True)
    assert [(r["custom_id"], r["response"]["body"]["object"]) for r in read(out)] == [
        ("a", "chat.completion"),
        ("request-2", "chat.completion"),
        ("c", "text_completion"),
        ("d", "list"),
    ]
    assert counts.failed == 0
    plain = next(r.json for r in server.requests if r.generates and b"max_tokens" in r.body)
    assert plain["messages"] == [{"role": "user", "content": "b"}]
    assert plain["model"] == "fake"  # the server's only one, for a line that names none


async def test_the_body_goes_out_and_the_answer_comes_in_as_they_are(server, client, tmp_path):
    odd = chat("a", timeout=3, extra_headers={"x": "y"}, extra_body={"z": 1})
    answer = '{"choices": [{"message": {"content": "x"}}],\n "timings": {"ms": 1.50}}'
    server.reply(body=answer)
    out = tmp_path / "out.jsonl"
    await run(write(tmp_path / "in.jsonl", [odd]), out, client=client)
    assert server.requests[-1].json == odd["body"]
    assert answer.replace("\n", " ").encode() in out.read_bytes()


async def test_a_model_given_takes_the_place_of_all(server, client, paths):
    await run(*paths, client=client, model="other", limit=3)
    assert {request.json["model"] for request in server.requests} == {"other"}


@pytest.mark.parametrize("limit", [1, 7, 20, 99])
async def test_a_limit_takes_the_first(server, client, paths, limit):
    counts = await run(*paths, client=client, limit=limit)
    assert sorted(sent(server)) == sorted(names(20)[:limit])
    assert (counts.lines, counts.left) == (min(limit, 20), 0)


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_output_is_in_order_where_that_is_asked_for(server, client, paths, ordered):
    server.handler = lambda request: Reply(first_delay=0.03 if name_of(request) == "r0" else 0.0)
    await run(*paths, client=client, ordered=ordered)
    assert sorted(ids(paths[1])) == sorted(names(20))
    assert (ids(paths[1]) == names(20)) is ordered


async def test_gzip_in_and_out(client, paths, tmp_path):
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    await run(packed, tmp_path / "out.jsonl.gz", client=client)
    lines = gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()
    assert sorted(json.loads(line)["custom_id"] for line in lines) == sorted(names(20))


async def test_a_record_counts_before_the_next_request_is_sent(server, paths):
    """So a kill loses no more than what is in flight."""
    acknowledged, seen = [], []

    def handler(request):
        lines = paths[1].read_bytes().count(b"\n")
        seen.append((len(acknowledged), lines))

    server.handler = handler
    async with Client(server.url, limits=Limits(concurrency=1)) as client:
        await run(*paths, client=client, on_record=acknowledged.append)
    assert seen == [(n, n) for n in range(20)]
    assert acknowledged == names(20)


# ── failures, and starting again ──────────────────────────────────────────────────────────────


def failing(*which, status=400):
    return lambda request: Reply(status=status) if name_of(request) in which else None


async def test_a_request_that_fails_by_itself_is_recorded(server, client, paths):
    server.handler = failing("r3", "r5")
    counts = await run(*paths, client=client)
    assert (counts.answered, counts.failed, counts.errors) == (18, 2, {"BadRequestError": 2})
    failed = {r["custom_id"]: r for r in read(paths[1]) if r["response"]["status_code"] != 200}
    assert set(failed) == {"r3", "r5"}


async def test_the_same_call_again_sends_nothing(server, client, paths):
    server.handler = failing("r3")
    first = await run(*paths, client=client)
    before, attempts = paths[1].read_bytes(), server.attempts
    again = await run(*paths, client=client)
    assert (paths[1].read_bytes(), server.attempts) == (before, attempts)
    assert (again.resumed, again.resumed_failed, again.done) == (20, 1, 0)
    assert first.failures == again.failures == 1


@pytest.mark.parametrize("limit", [None, 5])
async def test_failures_are_sent_again_on_request(server, client, paths, tmp_path, limit):
    server.handler = failing("r3", "r5")
    copy = tmp_path / "errors.jsonl"
    await run(*paths, client=client, errors=copy)
    assert sorted(ids(copy)) == ["r3", "r5"]
    server.handler = None
    server.requests.clear()
    counts = await run(*paths, client=client, errors=copy, retry_failed=True, limit=limit)
    assert sorted(sent(server)) == (["r3", "r5"] if limit is None else ["r3"])
    assert ids(copy) == ([] if limit is None else ["r5"])
    assert sorted(ids(paths[1])) == sorted(names(20))  # one line for each
    assert counts.resumed == (18 if limit is None else 4)
    assert counts.failures == 0


async def test_a_run_goes_on_where_another_was_cut_off(server, client, paths):
    await run(*paths, client=client, limit=6)
    with paths[1].open("ab") as out:
        out.write(b'{"id":"batch_req_0","custom')
    server.requests.clear()
    counts = await run(*paths, client=client)
    assert sorted(sent(server)) == sorted(names(20)[6:])
    assert (counts.resumed, counts.answered) == (6, 14)
    assert any("unfinished" in note for note in counts.notes)
    assert sorted(ids(paths[1])) == sorted(names(20))


@pytest.mark.parametrize(("origin", "notes"), [("here", 0), (None, 1), ("there", 1)])
async def test_another_origin_is_told(client, paths, origin, notes):
    await run(*paths, client=client, limit=6, origin="here")
    counts = await run(*paths, client=client, origin=origin)
    assert len(counts.notes) == notes
    assert all("here" in note and (origin or client.base_url) in note for note in counts.notes)


async def test_a_limit_counts_only_what_it_covers(server, client, paths):
    server.handler = failing("r1", "r8")
    await run(*paths, client=client, limit=10)
    counts = await run(*paths, client=client, limit=4)
    assert (counts.lines, counts.resumed, counts.resumed_failed, counts.left) == (4, 4, 1, 0)
    assert len(ids(paths[1])) == 10


# ── what is no request's fault ────────────────────────────────────────────────────────────────


async def test_an_outage_in_the_middle_fails_nothing(server, paths):
    def handler(request):
        if server.attempts == 8:
            server.refuse()
            asyncio.get_running_loop().call_later(0.1, server.accept)

    server.handler = handler
    async with Client(server.url, retry=FAST, limits=Limits(concurrency=4)) as client:
        counts = await run(*paths, client=client, max_outage=60)
    assert (counts.answered, counts.failed) == (20, 0)
    assert sorted(ids(paths[1])) == sorted(names(20))


QUOTA = {"error": {"message": "no money", "code": "insufficient_quota"}}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Reply(status=503), "outage"),
        (Reply(status=429), "outage"),
        (Reply(status=401), "refused"),
        (Reply(status=429, body=QUOTA), "refused"),
        (Reply(status=307, headers={"location": "/elsewhere"}), "refused"),
    ],
)
async def test_a_failure_of_all_ends_the_run_and_is_no_record(
    server, client, paths, answer, reason
):
    ill = True

    def handler(request):
        return answer if ill and server.attempts > 8 else None

    server.handler = handler
    with pytest.raises(BatchStopped) as stopped:
        await run(*paths, client=client, max_outage=0.05)
    assert stopped.value.reason == reason
    counts = stopped.value.summary
    assert (counts.failed, counts.answered, counts.lines) == (0, 8, 20)
    assert len(ids(paths[1])) == 8
    ill = False
    assert (await run(*paths, client=client)).resumed == 8
    assert sorted(ids(paths[1])) == sorted(names(20))


async def test_nothing_more_is_sent_once_that_is_known(paths, monkeypatch):
    asked = []

    async def refuse(client, method, path, *_, **__):
        asked.append(path)
        raise AuthenticationError("no")

    monkeypatch.setattr(Client, "_request", refuse)
    async with Client("http://127.0.0.1:9/v1", limits=Limits(concurrency=2)) as client:
        with pytest.raises(BatchStopped):
            await run(*paths, client=client)
    assert len(asked) == 1


async def test_an_address_where_nobody_listens_is_an_outage(server, paths):
    server.refuse()
    async with Client(server.url, retry=FAST) as client:
        with pytest.raises(BatchStopped, match="no request was taken") as stopped:
            await run(*paths, client=client, max_outage=0.05)
    assert stopped.value.reason == "outage"
    assert "refused" in str(stopped.value)


async def test_a_wrong_certificate_is_no_request_s_fault(server, paths):
    async with Client(server.url.replace("http:", "https:"), retry=FAST) as client:
        with pytest.raises(BatchStopped) as stopped:
            await run(*paths, client=client, max_outage=0.05)
    assert stopped.value.reason == "outage"
    assert read(paths[1]) == []


async def test_a_full_disk_ends_the_run_and_keeps_what_is_there(
    client, paths, monkeypatch, tmp_path
):
    room = [3]

    def full(fd, data):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        original(fd, data)

    original = journal.write_all
    monkeypatch.setattr(journal, "write_all", full)
    with pytest.raises(BatchStopped, match="No space left") as stopped:
        await run(*paths, client=client, errors=tmp_path / "errors.jsonl")
    assert stopped.value.reason == "disk"
    assert stopped.value.summary.answered == len(read(paths[1])) == 3
    monkeypatch.undo()
    assert (await run(*paths, client=client)).resumed == 3


async def test_a_question_without_a_model_that_the_server_can_name_ends_it(server, tmp_path):
    server.models = ("a", "b")
    source = write(tmp_path / "in.jsonl", [{"prompt": "hi"}])
    async with Client(server.url) as client:
        with pytest.raises(ConfigurationError, match="lists 2"):
            await run(source, tmp_path / "out.jsonl", client=client)
    assert read(tmp_path / "out.jsonl") == []


# ── stopping ──────────────────────────────────────────────────────────────────────────────────


async def test_stop_takes_no_more_and_keeps_what_was_in_flight(server, client, paths):
    server.handler = lambda request: Reply(first_delay=0.02)
    stop = asyncio.Event()
    with pytest.raises(BatchStopped) as stopped:
        await run(*paths, client=client, stop=stop, on_record=lambda _: stop.set())
    assert stopped.value.reason == "interrupted"
    recorded = len(read(paths[1]))
    assert recorded == server.attempts == stopped.value.summary.answered
    assert 1 <= recorded < 20


async def test_what_does_not_end_within_the_grace_is_cut_off(server, client, paths):
    server.handler = lambda request: Reply(first_delay=60)
    stop = asyncio.Event()
    running = asyncio.create_task(run(*paths, client=client, stop=stop, grace=0.01))
    while server.in_flight < 4 and not running.done():
        await asyncio.sleep(0.001)
    stop.set()
    with pytest.raises(BatchStopped):
        await running
    assert read(paths[1]) == []
    while server.aborted < 4:
        await asyncio.sleep(0.001)
    assert server.attempts == 4


async def test_nobody_waits_for_requests_that_were_not_sent(server, paths):
    """In a pause nothing is in flight: the grace would be for nothing."""
    server.refuse()
    stop = asyncio.Event()
    async with Client(server.url, retry=Retry(base=50, cap=60)) as client:
        running = asyncio.create_task(run(*paths, client=client, stop=stop, grace=1000))
        while client._endpoint.pace.error is None and not running.done():
            await asyncio.sleep(0.001)
        stop.set()
        with pytest.raises(BatchStopped) as stopped:
            await asyncio.wait_for(running, 10)
    assert stopped.value.reason == "interrupted"


@pytest.mark.parametrize("limit", [None, 10])
async def test_a_stop_after_which_nothing_is_left_is_none(server, client, paths, limit):
    most = limit or 20
    last = f"r{most - 1}"
    server.handler = lambda request: Reply(first_delay=0.05 if name_of(request) == last else 0.0)
    stop, recorded = asyncio.Event(), []

    def on_record(custom_id):
        recorded.append(custom_id)
        if len(recorded) == most - 1:
            stop.set()

    counts = await run(*paths, client=client, limit=limit, stop=stop, on_record=on_record)
    assert (counts.answered, counts.left) == (most, 0)


async def test_cancelled_it_ends_now_and_gives_the_lock_back(server, client, paths, tmp_path):
    server.handler = lambda request: Reply(first_delay=60)
    running = asyncio.create_task(run(*paths, client=client, errors=tmp_path / "errors.jsonl"))
    while server.in_flight < 4 and not running.done():
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not (tmp_path / "errors.jsonl").exists()  # all of the output would be read for it
    server.handler = None
    assert (await run(*paths, client=client)).answered == 20


async def test_no_more_is_taken_than_can_be_in_flight(server):
    """With "auto" there are workers for far more."""
    server.handler = lambda request: Reply(first_delay=60)
    taken = []

    async def requests():
        for name in names(1000):
            taken.append(name)
            request = chat(name)
            yield Request(name, "/chat/completions", request["body"])

    stop = asyncio.Event()
    async with Client(server.url, limits=Limits(concurrency="auto")) as client:
        work = Work(client, None, None, late=False, max_outage=0, on_record=None, progress=None)
        running = asyncio.create_task(work.carry_out(requests(), workers=200, stop=stop, grace=0))
        most = client._endpoint.limiter().concurrency
        while server.in_flight < most and not running.done():
            await asyncio.sleep(0.001)
        assert most < 50
        assert len(taken) <= most + 1
        stop.set()
        await running


async def test_what_is_passed_over_leaves_the_loop_to_others(client, paths, monkeypatch):
    await run(*paths, client=client, limit=19)
    monkeypatch.setattr(run_module, "TURN", 2)
    turns = 0

    async def count(found):
        nonlocal turns
        async for pair in found:
            asyncio.get_running_loop().call_soon(tick)
            yield pair

    def tick():
        nonlocal turns
        turns += 1

    with journal.Journal(
        paths[1], (source := Source(paths[0])).survey(), configuration={"model": None}
    ) as kept:
        left = run_module._requests(count(run_module._each(source)), kept, None, None)
        assert (await anext(left)).custom_id == "r19"
    assert turns >= 18


# ── what is seen of it ────────────────────────────────────────────────────────────────────────


async def test_progress_ends_with_all_of_it(server, client, paths):
    server.handler = lambda request: Reply(first_delay=0.01)
    shown = []
    counts = await run(*paths, client=client, progress=shown.append)
    assert shown[0].counts.answered == 0
    assert shown[0].counts.lines == 20
    assert shown[-1].counts.answered == counts.answered == 20
    assert shown[-1].in_flight == 0


async def test_progress_shows_an_outage(server, paths):
    server.handler = lambda request: Reply(status=503)
    shown = []
    async with Client(server.url, retry=FAST) as client:
        with pytest.raises(BatchStopped):
            await run(*paths, client=client, max_outage=0.4, progress=shown.append)
    during = [progress for progress in shown if progress.refusing]
    assert {progress.refusing for progress in during} == {"HTTP 503"}
    assert all(progress.refused_for > 0 and progress.max_outage == 0.4 for progress in during)


async def test_a_latency_is_that_of_the_server_and_not_of_the_queue():
    class Sink:
        def append(self, custom_id, line, *, failed):
            pass

        async def durable(self):
            pass

    tally = Tally()
    answer = ChatCompletion(choices=[], timing=Timing(50.0, None, None, 52.0, 3))
    async with Client("http://127.0.0.1:9/v1") as client:
        work = Work(client, Sink(), tally, late=False, max_outage=0, on_record=None, progress=None)
        await work._record(_Record("a", b"", answer, None))
    counts = tally.summary(0.0)
    assert counts.latency.p50 == pytest.approx(2.0, rel=0.03)
    assert counts.retries == 2


async def test_an_error_of_the_display_comes_out(client, paths):
    with pytest.raises(ZeroDivisionError):
        await run(*paths, client=client, progress=lambda _: 1 / 0)


def test_a_stopped_run_pickles():
    error = BatchStopped("why", "outage", Summary(lines=3))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.reason, again.summary) == ("why", "outage", Summary(lines=3))


# ── arguments ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "first_token", "idle"),
    [
        (30.0, 30.0, 30.0),
        (Timeout(total=30.0), 30.0, 30.0),
        (Timeout(first_token=5.0, idle=7.0, total=6.0), 5.0, 6.0),
        (Timeout(first_token=None, idle=None), None, None),
    ],
)
async def test_a_total_bounds_each_try_and_not_an_outage(given, first_token, idle):
    async with Client("http://127.0.0.1:9/v1", timeout=given) as client:
        timeout = _prepared(client, None, 1.0)[0].timeout
    assert (timeout.first_token, timeout.idle, timeout.total) == (first_token, idle, None)


async def test_no_timeout_stays_none():
    async with Client("http://127.0.0.1:9/v1", timeout=None) as client:
        assert _prepared(client, None, 1.0)[0].timeout is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"limit": 0}, "limit="),
        ({"concurrency": 0}, "concurrency="),
        ({"concurrency": "many"}, "concurrency="),
        ({"max_outage": -1}, "max_outage"),
        ({"errors": "in.jsonl"}, "in.jsonl"),
        ({"errors": "out.jsonl.manifest"}, "out.jsonl.manifest"),
        ({"errors": "out.jsonl.part"}, "out.jsonl.part"),
    ],
)
async def test_wrong_arguments_touch_nothing(client, paths, monkeypatch, options, says):
    monkeypatch.chdir(paths[0].parent)
    with pytest.raises(ConfigurationError, match=says):
        await run(*paths, client=client, **options)
    assert not paths[1].exists()


# ── pipes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pipe(monkeypatch, paths):
    """To be called in the test: before it, pytest puts its own streams there."""

    def pipe(stdin=None):
        data = paths[0].read_bytes() if stdin is None else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
        return sys.stdout.buffer

    return pipe


def piped(stream):
    return [json.loads(line)["custom_id"] for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("ordered", [True, False])
async def test_from_a_pipe_to_a_pipe(server, client, pipe, ordered):
    out = pipe()
    server.handler = lambda request: Reply(first_delay=0.03 if name_of(request) == "r0" else 0.0)
    counts = await run("-", "-", client=client, ordered=ordered)
    assert sorted(piped(out)) == sorted(names(20))
    assert (piped(out) == names(20)) is ordered
    assert (counts.lines, counts.answered) == (None, 20)


async def test_from_a_file_to_a_pipe_the_input_is_checked_first(client, pipe, paths):
    out = pipe()
    assert (await run(paths[0], "-", client=client, limit=5)).lines == 5
    assert len(piped(out)) == 5
    write(paths[0], [chat("a"), chat("a")])
    with pytest.raises(ConfigurationError, match="same custom_id"):
        await run(paths[0], "-", client=client)


async def test_a_pipe_may_hold_any_number_of_lines(client, pipe):
    out = pipe(b"".join(json.dumps(chat(name)).encode() + b"\n" for name in names(150)))
    await run("-", "-", client=client)
    assert len(piped(out)) == 150


async def test_from_a_pipe_only_to_a_new_file(client, pipe, tmp_path):
    pipe()
    out = tmp_path / "out.jsonl"
    await run("-", out, client=client)
    assert len(read(out)) == 20
    with pytest.raises(ConfigurationError, match="holds something"):
        await run("-", out, client=client)


async def test_a_bad_line_in_a_pipe_comes_out_after_those_before_it(client, pipe):
    out = pipe(json.dumps(chat("a")).encode() + b"\n{}\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        await run("-", "-", client=client)
    assert piped(out) == ["a"]


@pytest.mark.parametrize(
    "options", [{"retry_failed": True}, {"errors": "x"}, {"durability": "power"}]
)
async def test_what_needs_a_journal_is_refused_for_a_pipe(client, options):
    with pytest.raises(ConfigurationError, match="files"):
        await run("-", "-", client=client, **options)


async def test_a_full_disk_behind_a_pipe(client, pipe, monkeypatch):
    pipe()

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Full()))
    with pytest.raises(BatchStopped, match="No space left") as stopped:
        await run("-", "-", client=client)
    assert stopped.value.reason == "disk"
