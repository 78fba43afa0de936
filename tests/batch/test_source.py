"""The input: what counts as a line, and what is said of a file that cannot be used."""

import gzip
import hashlib
import io
import json
import os

import pytest

from rawllm.batch import index, source
from rawllm.batch.source import Source, numbered
from rawllm.errors import ConfigurationError


def prompt(text, **more):
    return json.dumps({"prompt": text, **more}, ensure_ascii=False).encode()


def file(folder, content, name="in.jsonl"):
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_a_survey_counts_hashes_and_knows_every_id(tmp_path, name):
    content = b"\xef\xbb\xbf" + prompt("a") + b"\r\n\n  \n" + prompt("b\u2028\x85", custom_id="é")
    path = file(tmp_path, content, name)
    survey = Source(path).survey()
    assert (survey.name, survey.bytes, survey.lines) == (name, len(content), 2)
    assert survey.sha256 == hashlib.sha256(content).hexdigest()
    assert len(survey.index) == 2
    assert "request-1" in survey.index
    assert "é" in survey.index
    read = Source(path)
    assert [number for number, _ in read] == [1, 4]
    assert list(read) == list(read)
    assert json.loads(next(iter(read))[1]) == {"prompt": "a"}


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_a_line_ends_at_a_newline_and_nowhere_else(separator):
    content = f"a{separator}b\nc".encode()
    assert list(numbered(io.BytesIO(content))) == [(1, f"a{separator}b".encode()), (2, b"c")]


def test_a_byte_order_mark_is_one_only_at_the_start():
    mark = b"\xef\xbb\xbf"
    content = mark + b"a\n" + mark + b"b\n"
    assert list(numbered(io.BytesIO(content))) == [(1, b"a"), (2, mark + b"b")]


def no_request(folder):
    return file(folder, prompt("a") + b"\n\n" + b'{"prompt": 3}\n')


def twice(folder):
    rows = [prompt("a"), b"", prompt("b", custom_id="x"), prompt("c", custom_id="request-1")]
    return file(folder, b"\n".join(rows))


def directory(folder):
    return folder


def pipe(folder):
    os.mkfifo(folder / "p")
    return folder / "p"


def no_gzip(folder):
    path = folder / "in.gz"
    path.write_bytes(prompt("a"))
    return path


def cut(folder):
    path = file(folder, prompt("a" * 1000), "in.gz")
    path.write_bytes(path.read_bytes()[:-9])
    return path


def broken(folder):
    path = file(folder, os.urandom(3000), "in.gz")
    content = bytearray(path.read_bytes())
    content[100:2000] = bytes(1900)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none", "No such file"),
        (lambda folder: file(folder, b"x") / "under", "Not a directory"),
        (directory, "is a directory"),
        (pipe, "'-' to read a pipe"),
        (lambda folder: file(folder, b""), "holds no request"),
        (lambda folder: file(folder, b"\n \r\n"), "holds no request"),
        (no_request, "in.jsonl, line 3: a prompt is"),
        (twice, "line 4: line 1 has the same custom_id, 'request-1'"),
        (no_gzip, "no sound gzip file"),
        (cut, "ends too early"),
        (broken, "gzip"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place(tmp_path, make, words):
    path = make(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        Source(path).survey()
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_a_line_without_end_is_not_read_to_its_end(tmp_path, monkeypatch, name):
    monkeypatch.setattr(source, "MAX_LINE", 100)
    rest = b"x" * 1000
    good = prompt("a" * (100 - len(prompt(""))))
    assert len(good) == 100
    path = file(tmp_path, good[:-3] + b'"}\n' + rest, name)
    with pytest.raises(ConfigurationError, match="line 2: it is longer"):
        Source(path).survey()
    file_like = io.BytesIO(rest)
    with pytest.raises(ConfigurationError, match="line 1: it is longer"):
        list(numbered(file_like))
    assert file_like.tell() == 101


def changes_the_text(path):
    path.write_bytes(path.read_bytes().replace(b"b", b"c"))
    os.utime(path, ns=(1, 1))


def appends(path):
    with path.open("ab") as added:
        added.write(prompt("more") + b"\n")


def replaces(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    stat = path.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [changes_the_text, appends, replaces])
def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path, change):
    path = file(tmp_path, prompt("a") + b"\n" + prompt("b") + b"\n")
    read = Source(path)
    read.survey()
    lines = iter(read)
    next(lines)
    change(path)
    with pytest.raises(ConfigurationError, match="was changed while it was read"):
        list(lines)


def test_a_file_that_grows_between_count_and_check_is_noticed(tmp_path, monkeypatch):
    path = file(tmp_path, prompt("a"))

    def grow(most):
        path.write_bytes(b"".join(prompt(str(i)) + b"\n" for i in range(50)))
        return index.Index(most)

    monkeypatch.setattr(source, "Index", grow)
    with pytest.raises(ConfigurationError, match="was changed while it was read"):
        Source(path).survey()


def test_two_ids_of_one_digest_are_no_duplicate_but_cannot_both_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_digest", lambda custom_id: 7)
    path = file(tmp_path, prompt("a") + b"\n" + prompt("b"))
    with pytest.raises(
        ConfigurationError, match=r"line 2: the digest of its custom_id, 'request-2"
    ):
        Source(path).survey()


def test_the_model_of_the_run_is_checked_with_the_line(tmp_path):
    path = file(tmp_path, prompt("a", model="theirs"))
    assert Source(path).survey(model="ours").lines == 1
