"""What is read from an output file, and what is refused."""

import pytest
from batch.dying import bad, good

from rawllm.batch import scan as module
from rawllm.batch.index import Index
from rawllm.batch.scan import Found, newest, scan
from rawllm.errors import ConfigurationError

A, B = good("k0"), good("k2")
BOM = b"\xef\xbb\xbf"


@pytest.fixture
def index():
    index = Index(5)
    for i in range(5):
        index.add(f"k{i}")
    return index


def scanned(folder, content, index, *, begun=True):
    path = folder / "out"
    path.write_bytes(content)
    return scan(str(path), index, begun=begun)


SOUND = {
    "nothing": (b"", Found(0, 0)),
    "two": (A + B, Found(2, len(A + B))),
    "a byte order mark": (BOM + A, Found(1, 3 + len(A), untidy=True)),
    "CRLF": (A[:-1] + b"\r\n" + B, Found(2, len(A + B) + 1)),
    "blank lines": (b"\n" + A + b" \r\n" + B, Found(2, len(A + B) + 4, untidy=True)),
    "superseded": (A + A, Found(2, 2 * len(A), untidy=True)),
    "no last newline": (A + B[:-1], Found(2, len(A + B) - 1, newline=True)),
    "one, no newline": (A[:-1], Found(1, len(A) - 1, newline=True)),
    "a mark, no newline": (BOM + A[:-1], Found(1, len(A) + 2, newline=True, untidy=True)),
    "NULs": (A + bytes(9), Found(1, len(A), torn=9)),
    "NULs for a newline": (A + B[:-1] + bytes(9), Found(2, len(A + B) - 1, torn=9, newline=True)),
    "NULs for an end": (A + B[:-9] + bytes(99), Found(1, len(A), torn=len(B) + 90)),
    "only NULs": (bytes(9), Found(0, 0, torn=9)),
    "a piece": (A + B[:9], Found(1, len(A), torn=9)),
    "only a piece": (A[:9], Found(0, 0, torn=9)),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_a_run_or_its_death_leaves_is_read(tmp_path, index, name):
    content, expected = SOUND[name]
    assert scanned(tmp_path, content, index) == expected
    assert index.recorded == expected.records - (name == "superseded")


FOREIGN = {
    "text": (b"Dear diary\n", 1),
    "text without a newline": (b"Dear diary", 1),
    "JSON without a newline": (b'{"my": "only copy"}', 1),
    "JSON behind records": (A + b'{"my": "only copy"}', 2),
    "text behind records": (A + b"Dear diary", 2),
    "a broken line": (A + b'{"id": \n' + B, 2),
    "NULs in a line": (A + bytes(9) + b"\n" + B, 2),
    "a broken last line": (A + B[:-9] + b"\n", 2),
    "another request": (A + good("k9"), 2),
    "another request without a newline": (A + good("k9")[:-1], 2),
    "another request and NULs": (A + good("k9")[:-1] + bytes(9), 2),
    "a request": (b'{"prompt": "x"}\n', 1),
    "behind blank lines": (b"\n\nDear diary\n", 3),
    "two records in a line": (A[:-1] + B, 1),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("begun", [False, True])
def test_what_is_not_ours_is_refused_with_its_line(tmp_path, index, name, begun):
    content, line = FOREIGN[name]
    with pytest.raises(ConfigurationError, match=rf"out, line {line}: .*Nothing was changed"):
        scanned(tmp_path, content, index, begun=begun)
    assert (tmp_path / "out").read_bytes() == content


@pytest.mark.parametrize("content", [A[:9], bytes(9), b"\n\n" + A[:9], b"{"])
def test_a_piece_is_removed_only_where_a_run_left_it(tmp_path, index, content):
    with pytest.raises(ConfigurationError):
        scanned(tmp_path, content, index, begun=False)
    assert scanned(tmp_path, content, index, begun=True).torn


def test_the_newest_record_stands(tmp_path, index):
    content = BOM + bad("k0") + B + b"\n" + good("k0") + bad("k1")
    scanned(tmp_path, content, index)
    assert list(newest(str(tmp_path / "out"), index)) == [
        (B, False),
        (good("k0"), False),
        (bad("k1"), True),
    ]
    assert (index.recorded, index.failed) == (3, 1)


def test_a_file_of_one_endless_line_is_not_read_to_its_end(tmp_path, index, monkeypatch):
    monkeypatch.setattr(module, "MAX_LINE", 50)
    with pytest.raises(ConfigurationError, match="line 1"):
        scanned(tmp_path, b"x" * 1000, index)


def test_a_file_that_is_not_there_holds_nothing(tmp_path, index):
    assert scan(str(tmp_path / "none"), index, begun=True) == Found(0, 0)
