"""The harness of `benchmarks/conformance/snippets.py`, rawllm's side; what openai prints beside it
is in tests/integrations."""

from __future__ import annotations

import sys

import pytest

from benchmarks.conformance import player, snippets
from benchmarks.conformance.chosen import CHOSEN, Chosen
from benchmarks.conformance.library import Library
from benchmarks.conformance.snippets import Difference, differences, judged


def outcome(*lines, raised=None):
    return {"lines": list(lines), "raised": raised}


ROW = Chosen("one", ("b",), "because")

# ── what differs ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        (["a: 1", "b: 2"], ["a: 1", "b: 2"], []),
        (["a: 1", "b: 2"], ["a: 1", "b: 3"], [("b", ["2"], ["3"])]),
        (["a: 1", "a: 2"], ["a: 1", "a: 3"], [("a", ["2"], ["3"])]),  # only those that differ
        (["a: 1", "a: 2"], ["a: 1"], [("a", ["1", "2"], ["1"])]),
        (["a: 1"], ["a: 1", "b: 2"], [("b", [], ["2"])]),
        (["a: 1: 2"], ["a: 1: 3"], [("a", ["1: 2"], ["1: 3"])]),
        (["a:"], ["a: x"], [("a", [""], ["x"])]),
        (["a: 1", "b: 2"], ["b: 2", "a: 1"], [("order", ["a: 1", "b: 2"], ["b: 2", "a: 1"])]),
    ],
)
def test_lines_are_compared_by_the_name_before_the_colon(theirs, ours, found):
    assert differences(theirs, ours) == [Difference(*one) for one in found]


@pytest.mark.parametrize(
    ("theirs", "ours", "shown", "words"),
    [
        (outcome("b: 1"), outcome("b: 2"), "differs (chosen)", []),
        (outcome("b: 1", "a: 1"), outcome("b: 2", "a: 1"), "differs (chosen)", []),
        (outcome("b: 1", "a: 1"), outcome("b: 2", "a: 2"), "DIFFERS", ["a:", "openai  1"]),
        (outcome("b: 1"), outcome("b: 1"), "DIFFERS", ["does not differ"]),
        (outcome("b: 1"), outcome("b: 2", raised="E: x"), "DIFFERS", ["rawllm raised E: x"]),
        (outcome("b: 1", raised="E"), outcome("b: 2", raised="E"), "DIFFERS", ["openai raised E"]),
        (outcome(), outcome("b: 2"), "DIFFERS", ["prints nothing"]),
    ],
)
def test_a_chosen_difference_allows_nothing_else_and_must_be_there(theirs, ours, shown, words):
    [verdict] = judged({"one": theirs}, {"one": ours}, [ROW, Chosen("two", ("a",), "other")])
    assert verdict.shown == shown
    assert all(word in "\n".join(verdict.wrong) for word in words)


def test_the_page_names_each_chosen_difference_with_its_reason():
    found = judged(
        {"one": outcome("b: 1 | 2"), "two": outcome("a: 1")},
        {"one": outcome("b: 3"), "two": outcome("a: 1")},
        [ROW],
    )
    page = snippets.page(["openai 1", "rawllm 2"], found)
    assert "| `one`: b | `` 1 \\| 2 `` | `` 3 `` | because |" in page
    assert "the same in 1 of 2 programs" in page
    assert page.endswith("`two`.\n")


def test_chosen_differences_have_reasons_and_stand_once():
    assert all(row.reason and row.lines for row in CHOSEN)
    assert len({row.snippet for row in CHOSEN}) == len(CHOSEN)


# ── the player ───────────────────────────────────────────────────────────────────────────────


def test_only_the_name_in_an_import_changes():
    source = (
        "import openai\n"
        "from openai import OpenAI\n"
        "    from openai.types.chat import ChatCompletion\n"
        "import openaiother\n"
        "openai.OpenAI()  # import openai\n"
        'print("from openai import x")\n'
    )
    assert player.moved(source, "openai") == source
    assert player.moved(source, "rawllm").splitlines() == [
        "import rawllm as openai",
        "from rawllm import OpenAI",
        "    from rawllm.types.chat import ChatCompletion",
        "import openaiother",
        "openai.OpenAI()  # import openai",
        'print("from openai import x")',
    ]


def test_what_a_snippet_prints_and_what_its_server_saw(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "the developer's own")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def snippet(server):
        from rawllm import AsyncOpenAI

        async with AsyncOpenAI(default_query={"q": "1"}) as client:
            print("url:", client.base_url)
            await client.chat.completions.create(model="m", messages=[], stream=False)

    found = player.play(snippet)
    assert found == {
        "lines": [
            "url: http://server/v1",
            'sent: POST /v1/chat/completions?q=1 {"messages": [], "model": "m"} '
            "authorization=Bearer sk-snippet content-type=application/json",
        ],
        "raised": None,
    }


def test_what_comes_out_of_a_snippet_is_told():
    def snippet(server):
        print("first: 1")
        raise KeyError("x")

    assert player.play(snippet) == {"lines": ["first: 1"], "raised": "KeyError: 'x'"}


def test_a_snippet_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(player, "LIMIT", 1)

    def snippet(server):
        try:
            server.wait(lambda: False, timeout=30)
        except Exception:
            print("caught: it must not be")

    found = player.play(snippet)
    assert found["raised"].startswith("_Hangs: ")
    assert found["lines"] == []


def test_a_process_that_ends_is_told_of():
    with Library(sys.executable, ["-c", "print(1); input()"]) as process:
        assert process.greeting == 1
        with pytest.raises(RuntimeError, match="ended without an answer"):
            process.ask("anything")


def test_rawllms_side_of_every_snippet_runs_to_its_end():
    _, found = snippets.run("rawllm", sys.executable)
    assert len(found) >= 60
    assert not {name: one["raised"] for name, one in found.items() if one["raised"]}
    assert all(one["lines"] for one in found.values())
