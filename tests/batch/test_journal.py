"""Nothing acknowledged is lost, by whatever death: the output file, opened, written, finished."""

import asyncio
import errno
import gzip
import itertools
import json
import os
import signal
import stat
import time

import pytest
from batch.dying import (
    DIED,
    FULL,
    Proxy,
    bad,
    child,
    dies,
    good,
    ids,
    install,
    limited,
    opened,
    requests,
    work,
)

from rawllm.batch import journal as module
from rawllm.batch.journal import Journal, JournalError
from rawllm.batch.source import Source
from rawllm.errors import ConfigurationError


@pytest.fixture(params=["out.jsonl", "out.jsonl.gz"])
def any_out(request, tmp_path):
    requests(tmp_path)
    return tmp_path / request.param


@pytest.fixture
def out(tmp_path):
    requests(tmp_path)
    return tmp_path / "out.jsonl"


def content(out):
    return gzip.decompress(out.read_bytes()) if out.suffix == ".gz" else out.read_bytes()


def fill(out, *custom_ids, **options):
    with opened(out, **options) as made:
        for custom_id in custom_ids:
            made.append(custom_id, good(custom_id), failed=False)


def sound(out, *, ordered=False):
    """The output of a run that has come to its end: one line for each request, and nothing else
    beside it."""
    lines = content(out).splitlines(keepends=True)  # bytes: at line ends only
    assert [json.loads(line) for line in lines]
    expected = [good(f"k{i}") for i in range(5)]
    assert (lines if ordered else sorted(lines)) == (expected if ordered else sorted(expected))
    assert (out.parent / "errors.jsonl").read_bytes() == b""
    assert set(os.listdir(out.parent)) - {"acknowledged"} == {
        *("in.jsonl", "errors.jsonl"),
        *(out.name, out.name + ".manifest"),
    }
    return True


# Without faults


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_run_and_the_same_again(any_out, ordered, durability):
    work(any_out, ordered=ordered, durability=durability)
    assert sound(any_out, ordered=ordered)
    before = content(any_out)

    def never(*_):
        raise AssertionError("asked again")

    work(any_out, acknowledged=never, ordered=ordered)
    assert content(any_out) == before


def test_what_is_done_is_known_at_once_and_after_a_start(out):
    for again in (False, True):
        with opened(out) as made:
            if not again:
                made.append("k0", good("k0"), failed=False)
                made.append("k1", bad("k1"), failed=True)
            assert [made.done(f"k{i}") for i in range(3)] == [True, True, False]
            assert (made.recorded, made.failed, made.remaining) == (2, 1, 3)
            assert made.notes == []
    assert out.read_bytes() == good("k0") + bad("k1")


def test_failures_of_earlier_runs_are_asked_again_on_request(out):
    with opened(out) as made:
        for i in range(5):
            made.append(f"k{i}", bad(f"k{i}") if i < 3 else good(f"k{i}"), failed=i < 3)
        assert made.remaining == 0
    with opened(out, retry_failed=True) as made:
        assert [made.done(f"k{i}") for i in range(5)] == [False, False, False, True, True]
        assert made.remaining == 3
        made.append("k0", bad("k0"), failed=True)
        made.append("k1", good("k1"), failed=False)
        assert [made.done(f"k{i}") for i in range(3)] == [True, True, False]
        assert (made.remaining, made.failed) == (1, 2)
        assert made.copy_failed(out.parent / "errors.gz") == 2
        made.finish()  # with k2 not asked again: its failure stands
    assert sorted(out.read_bytes().splitlines(keepends=True)) == sorted(
        [bad("k0"), good("k1"), bad("k2"), good("k3"), good("k4")]
    )
    errors = gzip.decompress((out.parent / "errors.gz").read_bytes())
    assert sorted(errors.splitlines(keepends=True)) == sorted([bad("k0"), bad("k2")])


def test_order_that_leaves_records_out_is_refused(out):
    with opened(out) as made:
        made.append("k0", good("k0"), failed=False)
        made.append("k4", good("k4"), failed=False)
        with pytest.raises(ConfigurationError, match="2 records, 1 of them"):
            made.finish(["k3", "k4"])
    assert out.read_bytes() == good("k0") + good("k4")
    assert not (out.parent / "out.jsonl.tmp").exists()


def test_a_tidy_output_is_not_written_again(out):
    with opened(out) as made:
        made.append("k0", good("k0"), failed=False)
        before = out.stat().st_ino
        made.finish()
        with pytest.raises(JournalError, match="is closed"):
            made.append("k1", good("k1"), failed=False)
    assert out.stat().st_ino == before


def test_an_untidy_one_is(out):
    fill(out)
    out.write_bytes(b"\xef\xbb\xbf" + good("k1")[:-1] + b"\r\n\n" + good("k0"))
    with opened(out) as made:
        made.finish(ids(out))
    assert out.read_bytes() == good("k0") + good("k1")[:-1] + b"\r\n"


def test_a_finished_gz_is_unpacked_to_go_on(tmp_path):
    requests(tmp_path)
    out = tmp_path / "o.gz"
    fill(out, "k0")
    assert (tmp_path / "o.gz.part").read_bytes() == good("k0")
    assert not out.exists()
    with opened(out) as made:
        made.finish()
    assert os.listdir(tmp_path).count("o.gz.part") == 0
    fill(out, "k1")
    assert content(out) == good("k0")
    with opened(out) as made:
        assert made.recorded == 2
        made.finish()
    assert content(out) == good("k0") + good("k1")


def test_a_finished_gz_beside_an_empty_journal_is_not_lost(tmp_path):
    requests(tmp_path)
    out = tmp_path / "o.gz"
    fill(out)
    assert (tmp_path / "o.gz.part").read_bytes() == b""
    out.write_bytes(gzip.compress(good("k0")))
    with opened(out) as made:
        assert made.done("k0")


# What is not ours


def refused(out, words, **options):
    """It is, and nothing has changed."""
    folder = out.parent
    before = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    }
    with pytest.raises(ConfigurationError, match=words):
        opened(out, **options)
    after = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    }
    assert after == before


@pytest.mark.parametrize("foreign", [b"Dear diary\n", b"Dear diary", b'{"a": 1}', good("k9")])
def test_a_foreign_file_is_not_touched(out, foreign):
    out.write_bytes(good("k0") + foreign)
    refused(out, "line 2")
    out.write_bytes(foreign)
    refused(out, "line 1")


def test_nor_a_foreign_gz(tmp_path):
    requests(tmp_path)
    out = tmp_path / "o.gz"
    out.write_bytes(gzip.compress(good("k0") + b"Dear diary\n"))
    refused(out, "line 2")
    for cut in (out.read_bytes()[:-5], b"Dear diary"):
        out.write_bytes(cut)
        refused(out, "no sound gzip file")


def test_records_of_this_input_are_adopted(any_out):
    records = good("k0") + bad("k1") + good("k2")[:30]
    any_out.write_bytes(gzip.compress(records) if any_out.suffix == ".gz" else records)
    with opened(any_out) as made:
        assert [made.done(f"k{i}") for i in range(3)] == [True, True, False]
        assert "was here before: it has 2 records" in made.notes[0]
        assert "30 bytes" in made.notes[1]
    with opened(any_out) as made:
        assert made.notes == []
        assert made.recorded == 2


def test_another_input_is_noticed_and_can_be_accepted(out):
    fill(out, "k0", "k1")
    requests(out.parent, 7)
    refused(out, "another input")
    (out.parent / "out.jsonl.manifest").unlink()
    with opened(out) as made:
        assert made.remaining == 5
    requests(out.parent, 1)
    (out.parent / "out.jsonl.manifest").unlink()
    refused(out, "line 2: .*the input has no request 'k1'")


def test_another_configuration_is_noticed(any_out):
    fill(any_out, "k0")
    refused(any_out, "model None, which is now 'm'", configuration={"model": "m"})
    with opened(any_out) as made:
        made.finish()
    refused(any_out, "model None, which is now 'm'", configuration={"model": "m"})


def test_without_a_record_anything_may_change(out):
    fill(out)
    requests(out.parent, 7)
    with opened(out, configuration={"model": "m"}) as made:
        made.append("k6", good("k6"), failed=False)
    refused(out, "model 'm'")


@pytest.mark.parametrize(
    "piece", [b"", b'{\n  "form', b'{\n  "format": "rawllm batch 1",\n', bytes(5)]
)
@pytest.mark.parametrize("records", [b"", good("k0")])
def test_a_torn_manifest_is_written_again(out, piece, records):
    (out.parent / "out.jsonl.manifest").write_bytes(piece)
    if records:
        out.write_bytes(records)
    fill(out, "k1")
    with opened(out) as made:
        assert made.recorded == 1 + bool(records)
        assert made.notes == []


def test_another_server_is_allowed_and_told(out):
    fill(out, "k0", base_url="http://a/v1")
    with opened(out, base_url="http://b/v1") as made:
        assert "http://a/v1" in made.notes[0]


def test_the_input_is_not_the_output(out):
    (out.parent / "link").symlink_to(out.parent / "in.jsonl")
    for name in ("in.jsonl", "link"):
        refused(out.parent / name, "would overwrite")
    (out.parent / "folder").mkdir()
    refused(out.parent / "folder", "is a directory")


def test_a_link_to_the_output_is_followed(out):
    fill(out, "k0")
    (out.parent / "link").symlink_to(out)
    with opened(out.parent / "link") as made:
        assert made.done("k0")
        made.append("k1", good("k1"), failed=False)
        made.append("k2", good("k2"), failed=False)
        made.finish([f"k{i}" for i in range(5)])
    assert (out.parent / "link").is_symlink()
    assert out.read_bytes() == good("k0") + good("k1") + good("k2")


def test_errors_do_not_overwrite_the_output(out):
    with opened(out) as made:
        for path in (out, str(out) + ".manifest"):
            with pytest.raises(ConfigurationError, match="would overwrite"):
                made.copy_failed(path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_directory_that_cannot_be_written_to_is_no_full_disk(out, monkeypatch, number):
    def at(count, name, real, args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("rawllm.batch.manifest.os", Proxy(at))
    refused(out, os.strerror(number))


# Two runs


def test_a_second_process_is_kept_away_until_the_first_is_dead(out):
    reading, writing = os.pipe()

    def hold():
        opened(out)
        os.write(writing, b"!")
        time.sleep(60)

    pid = os.fork()
    if not pid:
        try:
            hold()
        finally:
            os._exit(1)
    os.read(reading, 1)
    refused(out, "another run is writing")
    (out.parent / "link").symlink_to(out)
    refused(out.parent / "link", "another run is writing")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    fill(out, "k0")
    os.close(reading)
    os.close(writing)


# Tails


@pytest.mark.parametrize("last", [good("k2"), bad("k4"), good("k1")[:-1] + b"\r\n"])
@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("nuls", [0, 9])
def test_every_piece_of_the_last_record_is_repaired(out, last, begun, nuls):
    custom_id = json.loads(last)["custom_id"]
    fill(out, "k0")
    before = out.read_bytes()
    for end in range(len(last) + (not nuls)):
        out.write_bytes(before + last[:end] + bytes(nuls))
        if not begun:
            (out.parent / "out.jsonl.manifest").unlink()
        whole = end >= len(last.rstrip())
        with opened(out) as made:
            assert made.done(custom_id) == whole
            if not whole:
                assert out.read_bytes() == before
                made.append(custom_id, last, failed=b"500" in last)
            made.append("k3", good("k3"), failed=False)
            made.finish(["k3", "k2", "k1", "k4", "k0"])  # each found where it now lies
        assert out.read_bytes().replace(b"\r\n", b"\n") == good("k3") + last.replace(
            b"\r\n", b"\n"
        ) + good("k0")


# Deaths


def acknowledge(folder):
    """Notes in a file of its own what was acknowledged, as someone would who was told."""
    fd = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(custom_id, fine):
        os.write(fd, f"{custom_id} {int(fine)}\n".encode())

    return note


def acknowledged(folder):
    rows = (folder / "acknowledged").read_text().split("\n")[:-1]
    return {row.split()[0]: row.endswith("1") for row in rows}


def dying(out, number, when, **options):
    def deed():
        noted = acknowledge(out.parent)
        install(Proxy(dies(number, when)))
        work(out, acknowledged=noted, **options)

    return child(deed)


def nothing_lost(out):
    with opened(out) as made:
        for custom_id, fine in acknowledged(out.parent).items():
            assert made.done(custom_id), f"{custom_id} was acknowledged and is lost"
            assert not (fine and made._index.find(custom_id)[1]), (
                f"the answer to {custom_id} was acknowledged and is lost"
            )


def clear(folder):
    for path in folder.iterdir():
        path.unlink()
    requests(folder)


@pytest.mark.parametrize("when", ["before", "mid", "after"])
@pytest.mark.parametrize("ordered", [False, True])
def test_a_death_at_any_operation_loses_nothing(any_out, when, ordered):
    for number in itertools.count(1):
        clear(any_out.parent)
        status = dying(any_out, number, when, ordered=ordered)
        nothing_lost(any_out)
        work(any_out, ordered=ordered)
        assert sound(any_out, ordered=ordered)
        if status == 0:
            break
        assert status == DIED, number
    assert number > 20  # operations there were


@pytest.mark.parametrize("when", ["before", "mid", "after"])
def test_nor_does_one_death_after_another(any_out, when):
    """Each resume dies at the same operation of its own."""
    for number in range(1, 15):
        clear(any_out.parent)
        for _ in range(5):
            assert dying(any_out, number, when) in (0, DIED)
            nothing_lost(any_out)
        work(any_out)
        assert sound(any_out)


@pytest.mark.parametrize("when", ["before", "mid", "after"])
@pytest.mark.parametrize("begun", [True, False])
def test_nor_does_a_death_in_a_repair_or_an_adoption(any_out, when, begun):
    part = any_out.with_name(any_out.name + ".part") if any_out.suffix == ".gz" else any_out
    for tail in (good("k2")[:-1], good("k2")[:20], good("k2")[:-1] + bytes(7)):
        for number in range(1, 11):  # the rest is as without a repair
            clear(any_out.parent)
            noted = acknowledge(any_out.parent)
            fill(any_out, "k0", "k1")
            noted("k0", True)
            noted("k1", True)
            part.write_bytes(part.read_bytes() + tail)
            if not begun:
                any_out.with_name(any_out.name + ".manifest").unlink()
            status = dying(any_out, number, when)
            nothing_lost(any_out)
            work(any_out)
            assert sound(any_out)
            assert status == DIED


# Full disks


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_full_disk_at_any_size_loses_nothing(tmp_path, name):
    requests(tmp_path)
    out = tmp_path / name
    whole = sum(len(good(f"k{i}")) for i in range(5)) + len(bad("k1"))
    seen = set()
    for size in range(0, whole + 40, 17):
        clear(tmp_path)

        def deed(size=size):
            noted = acknowledge(tmp_path)
            limited(max(size, 64))  # for what was acknowledged
            try:
                work(out, acknowledged=noted)
            finally:
                torn = [path for path in (out, tmp_path / f"{name}.part") if path.exists()]
                if name.endswith("jsonl") or torn == [tmp_path / f"{name}.part"]:
                    assert torn == [] or torn[0].read_bytes()[-1:] in (b"", b"\n")

        status = child(deed)
        assert status in (0, FULL)
        seen.add(status)
        nothing_lost(out)
        assert not [path for path in os.listdir(tmp_path) if path.endswith(".tmp")]
        work(out)
        assert sound(out)
    assert seen == {0, FULL}


def test_after_a_write_that_failed_nothing_is_written(out, monkeypatch):
    made = opened(out)
    made.append("k0", good("k0"), failed=False)
    writes = iter([20, OSError(errno.ENOSPC, "No space left on device")])

    def at(count, name, real, args):
        if name == "write":
            if isinstance(found := next(writes), OSError):
                raise found
            return real(args[0], args[1][:found])
        return real(*args)

    install_here(monkeypatch, at)
    with pytest.raises(JournalError, match="No space left") as caught:
        made.append("k1", good("k1"), failed=False)
    assert caught.value.errno == errno.ENOSPC
    assert out.read_bytes() == good("k0")
    for attempt in (lambda: made.append("k1", good("k1"), failed=False), made.finish):
        with pytest.raises(JournalError, match="No space left") as caught:
            attempt()
        assert caught.value.errno == errno.ENOSPC
    assert not made.done("k1")
    assert out.read_bytes() == good("k0")
    made.close()


def install_here(monkeypatch, at):
    proxy = Proxy(at)
    for name in ("files", "manifest", "journal"):
        monkeypatch.setattr(f"rawllm.batch.{name}.os", proxy)
    return proxy


def test_where_even_cutting_fails_the_next_run_does_it(out, monkeypatch):
    with opened(out) as made:
        made.append("k0", good("k0"), failed=False)

        def at(count, name, real, args):
            if name == "write" and count == 1:
                return real(args[0], args[1][:20])
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            install_here(patch, at)
            with pytest.raises(JournalError, match="Input/output"):
                made.append("k1", good("k1"), failed=False)
    assert out.read_bytes() == good("k0") + good("k1")[:20]
    with opened(out) as made:
        assert made.recorded == 1
        assert "20 bytes" in made.notes[0]


def test_an_interruption_in_mid_write_leaves_no_piece(out, monkeypatch):
    def at(count, name, real, args):
        if name == "write":
            real(args[0], args[1][:20])
            raise KeyboardInterrupt
        return real(*args)

    with opened(out) as made:
        with monkeypatch.context() as patch:
            install_here(patch, at)
            with pytest.raises(KeyboardInterrupt):
                made.append("k0", good("k0"), failed=False)
        assert out.read_bytes() == b""


def test_a_record_is_written_with_one_call(out, monkeypatch):
    with opened(out) as made:
        proxy = install_here(monkeypatch, lambda count, name, real, args: real(*args))
        made.append("k0", good("k0"), failed=False)
        assert proxy.count == 1


# Power


class Syncs:
    """Counts what was written out, and holds it up until told."""

    def __init__(self, monkeypatch):
        self.files = self.directories = 0
        self.fails = False
        install_here(monkeypatch, self._at)

    def _at(self, count, name, real, args):
        if name == "fsync":
            if self.fails:
                raise OSError(errno.EIO, "Input/output error")
            directory = stat.S_ISDIR(os.fstat(args[0]).st_mode)
            self.directories += directory
            self.files += not directory
        return real(*args)


async def test_those_who_wait_at_the_same_time_share_one_fsync(out, monkeypatch):
    requests(out.parent, 50)
    syncs = Syncs(monkeypatch)
    fill(out, "k49", durability="power")
    assert (syncs.files, syncs.directories) == (2, 2)  # the manifest and the output
    with opened(out, durability="power") as made:
        syncs.files = 0
        await made.durable()
        assert syncs.files == 0  # nothing was appended

        async def record(i):
            made.append(f"k{i}", good(f"k{i}"), failed=False)
            before = syncs.files
            await made.durable()
            assert syncs.files > before

        await asyncio.gather(*(record(i) for i in range(49)))
        assert 1 <= syncs.files <= 3
        before = syncs.files
        await record(0)
        await record(1)
        assert syncs.files == before + 2


async def test_an_fsync_that_began_before_does_not_count(out, monkeypatch):
    started, go_on = asyncio.Event(), asyncio.Event()
    synced = []

    async def held(function, *args):
        synced.append(out.stat().st_size)
        started.set()
        await go_on.wait()

    with opened(out, durability="power") as made:
        monkeypatch.setattr(module.asyncio, "to_thread", held)
        made.append("k0", good("k0"), failed=False)
        first = asyncio.create_task(made.durable())
        await started.wait()
        made.append("k1", good("k1"), failed=False)
        second = asyncio.create_task(made.durable())
        third = asyncio.create_task(made.durable())
        await asyncio.sleep(0)
        third.cancel()  # takes nobody else's away
        go_on.set()
        await asyncio.gather(first, second)
        assert synced == [len(good("k0")), len(good("k0") + good("k1"))]


async def test_an_fsync_that_fails_is_not_tried_again(out, monkeypatch):
    syncs = Syncs(monkeypatch)
    with opened(out, durability="power") as made:
        made.append("k0", good("k0"), failed=False)
        syncs.fails = True
        with pytest.raises(JournalError, match="Input/output") as caught:
            await made.durable()
        assert caught.value.errno == errno.EIO
        syncs.fails = False
        with pytest.raises(JournalError):
            await made.durable()
        with pytest.raises(JournalError):
            made.append("k1", good("k1"), failed=False)


async def test_without_power_nothing_is_written_out(out, monkeypatch):
    syncs = Syncs(monkeypatch)
    with opened(out) as made:
        made.append("k0", good("k0"), failed=False)
        await made.durable()
    assert (syncs.files, syncs.directories) == (0, 0)


def test_closing_twice_is_closing_once(out):
    made = opened(out)
    made.close()
    made.close()
    assert isinstance(made, Journal)
    with opened(out) as again:
        assert again.remaining == Source(out.parent / "in.jsonl").survey().lines
