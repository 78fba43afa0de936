"""Where the newest record of each request lies, and what that costs."""

import random

import pytest

from rawllm.batch import index as module
from rawllm.batch.index import Index


def size(index):
    return sum(len(array) * array.itemsize for array in (index._digests, index._low, index._high))


def test_at_most_sixteen_bytes_for_each_line():
    index = Index(100_000)
    for i in range(100_000):
        assert index.add(f"request-{i}")
    assert size(index) <= 16 * len(index)
    assert len(index) == 100_000


def test_it_agrees_with_a_dictionary():
    chance = random.Random(4)
    index, model = Index(300), {}
    for i in range(300):
        index.add(f"é{i}")
    for _ in range(3000):
        custom_id, offset = f"é{chance.randrange(300)}", chance.randrange(1 << 47)
        failed = chance.random() < 0.5
        assert index.put(custom_id, offset, failed=failed) == (custom_id in model)
        model[custom_id] = (offset, failed)
        assert index.find(custom_id) == (offset, failed)
        assert index.recorded == len(model)
        assert index.failed == sum(failed for _, failed in model.values())
    assert {f"é{i}": index.find(f"é{i}") for i in range(300)} == {
        f"é{i}": model.get(f"é{i}") for i in range(300)
    }


def test_an_id_is_added_once():
    index = Index(2)
    assert index.add("a")
    assert not index.add("a")
    assert "a" in index
    assert "b" not in index
    assert len(index) == 1


def test_what_was_not_added_has_no_record():
    index = Index(2)
    index.add("a")
    assert index.find("a") is None
    assert index.find("b") is None
    with pytest.raises(KeyError):
        index.put("b", 0, failed=False)


@pytest.mark.parametrize("offset", [0, 2**32 - 1, 2**32, 2**40 + 5, 2**47 - 2])
@pytest.mark.parametrize("failed", [False, True])
def test_an_offset_may_lie_far_into_a_file(offset, failed):
    index = Index(1)
    index.add("a")
    index.put("a", offset, failed=failed)
    assert index.find("a") == (offset, failed)


@pytest.mark.parametrize("lines", [1, 2, 9, 10, 11])
def test_a_full_one_still_finds_and_takes_no_more(lines):
    index = Index(lines)
    assert all(index.add(str(i)) for i in range(lines))
    with pytest.raises(IndexError):
        sum(index.add(str(i)) for i in range(lines, 3 * lines + 3))
    assert all(str(i) in index for i in range(len(index)))
    assert "x" not in index


def test_a_digest_of_nothing_but_zeros_is_not_a_free_slot(monkeypatch):
    class Zeros:
        def __init__(self, *_, **__):
            pass

        def digest(self):
            return bytes(8)

    monkeypatch.setattr(module.hashlib, "blake2b", Zeros)
    index = Index(3)
    assert "a" not in index
    assert index.add("a")
    assert "a" in index
    assert not index.add("b")  # the same digest: whoever adds has to compare the text
