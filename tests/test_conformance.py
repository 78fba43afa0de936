"""The quirk table of `benchmarks/conformance`, rawllm's side: right in every row. The other side
needs openai-python, which is no dependency of the tests; docs/conformance.md has it."""

from __future__ import annotations

import sys

import pytest

from benchmarks.conformance import quirks
from benchmarks.conformance.rows import ROWS, Scene


@pytest.fixture(scope="module")
def found():
    return quirks.run("rawllm", sys.executable)[1]


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_rawllm_is_right(found, name):
    assert found[name].right, found[name].shown


def test_the_rows_have_names_of_their_own():
    assert len({row.name for row in ROWS}) == len(ROWS) >= 35


WRONG = {
    "a raw error": {"error": "JSONDecodeError"},
    "a hang": {"error": "hangs", "seconds": 9.0},
    "half an answer": {"text": "It is ", "finish": None},
    "another answer": {"text": "It rains.", "finish": "stop", "tools": [["", "", ""]]},
    "an error late and with the key": {
        "error": "APITimeoutError",
        "typed": True,
        "leaks": True,
        "seconds": 9.0,
    },
}
NEUTRAL = {"error": None, "typed": False, "timeout": False, "leaks": False, "seconds": 0.1}
NEUTRAL |= {"text": "", "finish": None, "tools": [], "usage": None}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_row_takes_a_wrong_outcome_for_right(row):
    taken = {what for what in WRONG if row.right({**NEUTRAL, **WRONG[what]}, Scene("http://x"))}
    # A typed error is what many rows want; that the key is in it is judged by one.
    assert taken <= {"an error late and with the key"}
    scene = Scene("http://x")
    scene.elsewhere = 1
    if row.name in ("redirect", "pickle", "deadline"):
        assert not row.right({**NEUTRAL, **WRONG["an error late and with the key"]}, scene)


def test_the_page_shows_each_row_and_counts():
    right = {row.name: quirks.Found(True, "fine") for row in ROWS}
    wrong = {row.name: quirks.Found(row.name == "bom", "a | b\nc") for row in ROWS}
    page = quirks.page(["rawllm 1", "openai 2"], [right, wrong])
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == len(ROWS) + 2
    assert f"rawllm 1 is right in {len(ROWS)} of {len(ROWS)} rows; openai 2 is right in 1" in page
    assert sum(line.endswith("| both right |") for line in table) == 1
    assert sum(line.endswith("| a \\| b c | rawllm right |") for line in table) == len(ROWS) - 1
