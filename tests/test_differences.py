"""The page of differences: what it claims to be here is here. That it is complete and current is
checked where openai-python is installed: tests/integrations/test_differences.py."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import rawllm
from benchmarks.conformance import differences, reasons

PAGE = Path(__file__).parents[1] / "docs" / "differences.md"
ROWS = re.findall(
    r"^\| (`.*`) \| (same|differs|not here) \| (.*) \|$", PAGE.read_text("utf-8"), re.M
)

CLAIMED = []
for shown, verdict, _ in ROWS:
    module, colon, names = shown.partition(": ")
    found = re.findall(r"`([^`]+)`", names if colon else shown)
    if verdict != "not here":
        CLAIMED += [f"{module.strip('`')}.{name}" for name in found] if colon else found


@pytest.fixture(scope="module")
def clients():
    given = {"base_url": "http://x/v1", "api_key": "none"}
    return [rawllm.AsyncOpenAI(**given), rawllm.OpenAI(**given)]


def there(path: str) -> object:
    """What `openai.…` is here: a module's name, or a module."""
    path = path.replace("openai", "rawllm", 1)
    try:
        return importlib.import_module(path)
    except ImportError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", CLAIMED)
def test_what_is_claimed_is_here(clients, name):
    if name.startswith("client."):
        for client in clients:
            found = client
            for part in name.split(".")[1:]:
                found = getattr(found, part)
    elif argument := re.fullmatch(r"AsyncOpenAI\((\w+)=\)", name):
        for client in clients:
            assert argument[1] in inspect.signature(type(client)).parameters
    else:
        assert there(name) is not None


def test_the_page_has_every_part():
    assert len(CLAIMED) > 400
    assert sum(verdict == "not here" for _, verdict, _ in ROWS) > 50
    assert {name.split(".")[0] for name in CLAIMED} >= {"client", "openai"}
    assert [how for _, verdict, how in ROWS if verdict != "same" and not how] == []


def test_what_differs_is_on_the_page():
    """A row of the table that no name needs any more would say nothing to anybody."""
    text = PAGE.read_text("utf-8")
    assert [name for name in reasons.DIFFERS if f"`{name}` | differs" not in text] == []


OURS = {
    "version": "rawllm 1",
    "clients": {
        "AsyncOpenAI": {"(constructor)": ["timeout"], "chat.f": ["a", "**"], "chat.g": ["a"]},
        "OpenAI": {"(constructor)": ["timeout"], "chat.f": ["a", "**"], "chat.g": ["a"]},
    },
    "errors": {"APIError": ["body"]},
    "top": ["omit"],
    "types": {"": ["Model"], "chat": ["Choice"]},
}


def test_the_verdicts():
    theirs = {
        "version": "openai 9",
        "clients": {
            "AsyncOpenAI": {
                "(constructor)": ["timeout", "webhook_secret", "_hidden"],
                "chat.f": ["a", "b"],
                "chat.g": ["a", "b"],
                "audio.h": ["a"],
                "audio.with_raw_response": [],
            }
        },
        "errors": {"APIError": ["body", "code"], "OAuthError": []},
        "top": ["APIError", "omit", "VERSION", "annotations"],
        "types": {"": ["Model", "Batch"], "chat": ["Choice"], "audio": ["A"], "audio.b": ["B"]},
    }
    found = {row.names: (row.verdict, row.how) for row in differences.rows(theirs, OURS)}
    assert found.pop(("client.audio.h",))[0] == "not here"
    assert found.pop(("AsyncOpenAI(webhook_secret=)",))[0] == "not here"
    assert found.pop(("openai.OAuthError",))[0] == found.pop(("openai.VERSION",))[0] == "not here"
    assert found.pop(("openai.APIError",))[1].endswith("; without code")
    assert found.pop(("openai.types.audio.*",)) == ("not here", "its modules audio, b")
    assert found == {
        ("AsyncOpenAI(timeout=)",): ("differs", reasons.DIFFERS["AsyncOpenAI(timeout=)"]),
        ("client.chat.f",): ("same", ""),
        ("client.chat.g",): ("differs", "without b"),
        ("openai.omit",): ("same", ""),
        ("openai.types.Model",): ("same", ""),
        ("openai.types",): ("differs", "without Batch"),
        ("openai.types.chat.Choice",): ("same", ""),
    }


def test_a_name_without_a_reason_stops_it():
    with pytest.raises(KeyError, match=r"client\.telepathy is not here"):
        reasons.reason_of("client.telepathy")
