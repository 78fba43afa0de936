"""What a run was begun with, and the lock."""

import errno
import json
import os

import pytest

from rawllm.batch import manifest as module
from rawllm.batch.index import Index
from rawllm.batch.manifest import Manifest, describe
from rawllm.batch.source import Survey
from rawllm.errors import ConfigurationError

SURVEY = Survey(name="in", bytes=9, lines=2, sha256="abc", index=Index(2))


def wanted(survey=SURVEY, base_url="http://a/v1", **configuration):
    return describe(survey, {"model": "m", **configuration}, base_url)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.manifest"


def made(path):
    return Manifest(str(path), out="out")


def stored(path, given):
    first = made(path)
    first.write(given, power=False)
    first.close()


def test_what_was_written_is_found(path):
    stored(path, wanted())
    again = made(path)
    assert again.stored == wanted() | {"created": again.stored["created"]}
    again.check(wanted())
    assert again.notes == []
    again.close()
    on_disk = json.loads(path.read_bytes())
    assert on_disk["input"] == {"name": "in", "bytes": 9, "lines": 2, "sha256": "abc"}
    assert on_disk["configuration"] == {"model": "m"}


def test_a_shorter_one_takes_the_place_of_a_longer_one(path):
    stored(path, wanted(system="long" * 99))
    stored(path, wanted())
    assert json.loads(path.read_bytes())["configuration"] == {"model": "m"}


def test_every_piece_of_it_is_that_of_a_run_that_died(path):
    stored(path, wanted())
    content = path.read_bytes()
    for end in range(len(content) - 2):
        for filled in (content[:end], content[:end] + bytes(len(content) - end)):
            path.write_bytes(filled)
            torn = made(path)
            assert torn.stored is None
            torn.check(wanted(temperature=1))
            torn.write(wanted(), power=False)
            torn.close()
            assert path.read_bytes()[: len(content) - 60] == content[: len(content) - 60]


@pytest.mark.parametrize(
    "content", [b"x", b"{}", b"[1, 2]", b'{"format": "tar"}', b'{\n  "format": 3']
)
def test_what_is_none_is_not_overwritten(path, content):
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is no manifest of a run"):
        made(path)
    assert path.read_bytes() == content


def test_nor_is_that_of_another_version(path):
    stored(path, wanted() | {"format": "rawllm batch 2"})
    with pytest.raises(ConfigurationError, match="another version of rawllm"):
        made(path)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (
            wanted(Survey("new", 9, 3, "def", Index(1))),
            "another input (in with 2 requests, now new",
        ),
        (wanted(model="n"), "model 'm', which is now 'n'"),
        (wanted(temperature=1), "temperature None, which is now 1"),
        (describe(SURVEY, {}, None), "model 'm', which is now None"),
    ],
)
def test_what_has_changed_is_said_and_the_two_ways_on(path, now, words):
    stored(path, wanted())
    again = made(path)
    with pytest.raises(ConfigurationError) as caught:
        again.check(now)
    again.close()
    assert words in str(caught.value)
    assert "Write to another file" in str(caught.value)
    assert f"delete {path}" in str(caught.value)


def test_the_same_input_by_another_name_is_the_same(path):
    stored(path, wanted())
    again = made(path)
    again.check(wanted(Survey("moved", 9, 2, "abc", Index(2))))
    again.close()


def test_another_server_is_allowed_and_told(path):
    stored(path, wanted())
    again = made(path)
    again.check(wanted(base_url="http://b/v1"))
    assert again.notes == ["earlier answers came from http://a/v1, this run asks http://b/v1"]
    again.close()


def test_a_second_run_is_kept_away_until_the_first_ends(path):
    first = made(path)
    with pytest.raises(ConfigurationError, match="another run is writing out"):
        made(path)
    first.close()
    made(path).close()


def test_a_lock_that_was_removed_meanwhile_keeps_nobody_away(path, monkeypatch):
    """The first run ends and removes the file between the second's open and its lock."""
    first = made(path)
    real = os.open

    class Opens:
        def __getattr__(self, name):
            return getattr(os, name)

        def open(self, *args):
            fd = real(*args)
            if first._fd >= 0:
                first.discard()
                first.close()
            return fd

    monkeypatch.setattr(module, "os", Opens())
    second = made(path)
    with pytest.raises(ConfigurationError, match="another run"):
        made(path)
    second.close()


@pytest.mark.parametrize("missing", ["the module", "the deed"])
def test_where_there_are_no_locks_it_says_so(path, monkeypatch, missing):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    if missing == "the module":
        monkeypatch.setattr(module, "fcntl", None)
    else:
        monkeypatch.setattr(module.fcntl, "flock", refuse)
    alone = made(path)
    assert "no locks" in alone.notes[0]
    alone.close()


def test_only_a_lock_without_a_run_is_discarded(path):
    empty = made(path)
    empty.discard()
    empty.close()
    assert not path.exists()
    stored(path, wanted())
    full = made(path)
    full.discard()
    full.close()
    assert path.exists()
