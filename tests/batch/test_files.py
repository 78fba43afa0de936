"""Where may be written, and that a file is replaced whole or not at all."""

import errno
import gzip
import os
import pickle
import stat
from contextlib import suppress

import pytest
from batch.dying import Proxy

from rawllm.batch import files
from rawllm.batch.files import JournalError, check_output, replacing, trouble, write_all
from rawllm.errors import ConfigurationError


def test_a_file_in_a_folder_will_do_made_or_not(tmp_path):
    path = tmp_path / "out"
    assert check_output(path) == str(path)
    path.touch()
    assert check_output(path) == str(path)
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_stands_for_what_it_points_to(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert check_output(tmp_path / "link") == str(tmp_path / "real")


def loop(folder):
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder, "is a directory"),
        (lambda folder: "/dev/full", "no regular file"),
        (lambda folder: folder / "none" / "out", "there is no folder"),
        (lambda folder: folder / ("x" * 300), "File name too long"),
        (loop, "symbolic links"),
    ],
)
def test_where_nothing_can_be_written_is_said_and_nothing_made(tmp_path, make, words):
    path = make(tmp_path)
    before = os.listdir(tmp_path)
    with pytest.raises(ConfigurationError, match=words):
        check_output(path)
    assert os.listdir(tmp_path) == before


def test_a_folder_that_may_not_be_written_in_is_found_before_the_work(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "access", lambda *of: asked.append(of))  # root may write anywhere
    with pytest.raises(ConfigurationError, match="is read-only"):
        check_output(tmp_path / "out")
    assert asked == [(str(tmp_path), os.W_OK | os.X_OK)]


@pytest.mark.parametrize("ending", ["", ".manifest", ".tmp", ".part", ".part.tmp"])
@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_an_input_is_not_overwritten_by_whatever_name(tmp_path, ending, link):
    source = tmp_path / ("out" + ending)
    source.write_text("x")
    named = source
    if link:
        named = tmp_path / "named"
        getattr(named, link)(source)
    with pytest.raises(ConfigurationError, match="would overwrite"):
        check_output(tmp_path / "out", apart_from=[tmp_path / "other", named])


def test_a_write_that_comes_back_short_is_gone_on_with(tmp_path, monkeypatch):
    pieces = iter([3, 1, 100])
    monkeypatch.setattr(
        files, "os", Proxy(lambda count, name, real, args: real(args[0], args[1][: next(pieces)]))
    )
    path = tmp_path / "x"
    with path.open("wb") as file:
        write_all(file.fileno(), b"0123456789")
    assert path.read_bytes() == b"0123456789"


def test_a_write_that_writes_nothing_does_not_go_on_for_ever(monkeypatch):
    pieces = iter([3, 0])
    monkeypatch.setattr(files, "os", Proxy(lambda *_: next(pieces)))
    with pytest.raises(OSError, match="No space left"):
        write_all(1, b"0123456789")


def test_a_full_device_says_so():
    with open("/dev/full", "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        write_all(file.fileno(), b"x")


@pytest.mark.parametrize("name", ["out", "out.gz"])
def test_a_file_is_replaced_in_one_step(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    path.chmod(0o600)
    (tmp_path / (name + ".tmp")).write_bytes(b"of a run that died")
    with replacing(str(path)) as write:
        for _ in range(3):
            write(b"n\xff" * 700_000)
        assert path.read_bytes() == b"old"
    content = path.read_bytes()
    assert (gzip.decompress(content) if name.endswith("gz") else content) == b"n\xff" * 2_100_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [name]


def test_after_an_exception_it_is_the_old_one(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with suppress(KeyError), replacing(str(path)) as write:
        write(b"new")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_nor_does_any_operation_that_fails_leave_anything(tmp_path, monkeypatch, name, number):
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def at(count, operation, real, args):
        if operation == name:
            raise OSError(number, os.strerror(number))
        return real(*args)

    monkeypatch.setattr(files, "os", Proxy(at))
    with pytest.raises(JournalError) as caught, replacing(str(path)) as write:
        write(b"new")
    assert caught.value.errno == number
    assert os.strerror(number) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_replaced_file_and_then_its_directory_are_written_out(tmp_path, monkeypatch):
    done = []

    def at(count, operation, real, args):
        synced = operation == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
        done.append("directory" if synced else operation)
        return real(*args)

    monkeypatch.setattr(files, "os", Proxy(at))
    with replacing(str(tmp_path / "out")) as write:
        write(b"new")
    assert done == ["unlink", "open", "write", "fsync", "replace", "open", "directory"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, JournalError),
        (errno.EDQUOT, JournalError),
        (errno.EACCES, ConfigurationError),
        (errno.EROFS, ConfigurationError),
    ],
)
def test_a_full_disk_is_no_wrong_argument(number, kind):
    error = trouble("out", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert str(error) == f"out cannot be written: {os.strerror(number)}"


def test_the_error_can_be_sent_to_another_process():
    error = pickle.loads(pickle.dumps(JournalError("full", errno.ENOSPC)))
    assert (str(error), error.errno) == ("full", errno.ENOSPC)
