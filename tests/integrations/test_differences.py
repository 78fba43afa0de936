"""docs/differences.md and rawllm/types are those of the openai-python that is installed here."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from benchmarks.conformance import differences, paths

pytest.importorskip("openai")

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"


@pytest.fixture(scope="module")
def theirs():
    return paths.survey(sys.executable, "openai")


def test_the_page_is_current(theirs):
    ours = paths.survey(sys.executable, "rawllm")
    assert differences.page(theirs, ours) == PAGE.read_text("utf-8")


def test_every_module_is_there_with_its_names(theirs):
    for module, names in paths.modules(theirs["types"]).items():
        path = ".".join(("rawllm.types", *([module] if module else [])))
        found = importlib.import_module(path)
        assert set(names) <= set(found.__all__), path
        for name, home in names.items():
            where, _, there = home.partition(":")
            assert getattr(found, name) is getattr(
                importlib.import_module(f"rawllm.{where}"), there
            )
