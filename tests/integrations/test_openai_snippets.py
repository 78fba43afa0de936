"""Programs written for openai, with openai and with rawllm: the same but for what was chosen, and
the page that says so."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.conformance import snippets

pytest.importorskip("openai")

PAGE = Path(__file__).parents[2] / "docs" / "same-code.md"


@pytest.fixture(scope="module")
def both():
    """((version, what each snippet printed) of openai, … of rawllm)"""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(snippets.run, ("openai", "rawllm"), (sys.executable,) * 2))


@pytest.fixture(scope="module")
def verdicts(both):
    (_, theirs), (_, ours) = both
    return snippets.judged(theirs, ours)


def test_nothing_differs_but_what_was_chosen(verdicts):
    wrong = {verdict.snippet: verdict.wrong for verdict in verdicts if verdict.wrong}
    assert not wrong, "\n".join(f"{name}: {lines}" for name, lines in wrong.items())


def test_there_are_as_many_as_promised(verdicts):
    assert len(verdicts) >= 60


def test_every_chosen_difference_is_of_a_snippet_that_is_there(verdicts):
    names = {verdict.snippet for verdict in verdicts}
    assert {row.snippet for row in snippets.CHOSEN} <= names


def test_every_snippet_prints_something_and_most_ask_the_server(both):
    (_, theirs), _ = both
    assert all(outcome["lines"] for outcome in theirs.values())
    asking = [
        name
        for name, outcome in theirs.items()
        if any(line.startswith("sent: ") for line in outcome["lines"])
    ]
    assert len(asking) > 0.8 * len(theirs)


def test_the_page_says_what_the_run_said(both, verdicts):
    page = snippets.page([version for version, _ in both], verdicts)
    assert PAGE.read_text("utf-8") == page, "python -m benchmarks.conformance.snippets --write …"
