"""Each in an interpreter of its own: what is imported here would hide what is tested."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import rawllm

ROOT = Path(rawllm.__file__).parent.parent


def run(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split()


HEAVY = "aiohttp", "asyncio", "backoff", "logging", "msgspec", "ssl", "yarl"


def test_importing_rawllm_loads_two_modules_of_ours_and_nothing_heavy():
    loaded = set(
        run(
            "import sys; before = set(sys.modules); import rawllm\n"
            "print(*set(sys.modules) - before)"
        )
    )
    assert {name for name in loaded if name.startswith("rawllm")} == {"rawllm", "rawllm._version"}
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("name", ["APIError", "Timeout", "Limits", "Retry", "NOT_GIVEN"])
def test_errors_and_options_load_no_dependency(name):
    loaded = set(run(f"import sys; from rawllm import {name}; print(*sys.modules)"))
    assert loaded & {"aiohttp", "backoff", "msgspec", "yarl"} == set()


#: What a call that is answered in plain text has no use for.
LATE = (
    "rawllm.resources.chat_stream",
    "rawllm.resources.typed",
    "rawllm.sansio.events",
    "rawllm.sansio.jsontext",
    "rawllm.sansio.parsed",
    "rawllm.sansio.schema",
    "rawllm.sansio.signature",
    "rawllm.tools",
)
ASK = """
import asyncio, sys
import rawllm
from rawllm.testing import FakeServer

def add(a: int, b: int) -> int: ...

async def main():
    async with FakeServer() as server, rawllm.Client(server.url) as llm:
        await llm.complete("hi")
        async with llm.stream("hi") as stream:
            [chunk async for chunk in stream]
        %s

asyncio.run(main())
print(*sys.modules)
"""
ASK_AND_WAIT = """
import asyncio, sys
import rawllm
from rawllm.testing import FakeServer

async def main():
    async with FakeServer() as server:
        await asyncio.to_thread(ask, server.url)

def ask(url):
    with rawllm.OpenAI(base_url=url) as llm:
        llm.complete("hi")

asyncio.run(main())
print(*sys.modules)
"""


@pytest.mark.parametrize("code", [ASK % "", ASK_AND_WAIT], ids=["Client", "OpenAI"])
def test_plain_text_loads_nothing_for_tools_types_or_responses(code):
    loaded = run(code)
    assert [name for name in loaded if name in LATE] == []
    assert [name for name in loaded if re.match(r"rawllm\.(?!testing).*responses", name)] == []


def test_a_plain_call_loads_nothing_for_raw_responses():
    assert [name for name in run(ASK % "") if name.startswith("rawllm.resources.raw")] == []


def test_what_loads_late_does_load():
    ask = "await llm.chat.completions.parse(messages=[], tools=[add])"
    stream = "llm.chat.completions.stream(messages=[])"
    assert set(LATE) - set(run(ASK % f"{ask}; {stream}")) == set()


def test_a_name_is_looked_up_once():
    assert run(
        "import rawllm; print('Client' in vars(rawllm)); rawllm.Client\n"
        "print('Client' in vars(rawllm), rawllm.Client is rawllm.AsyncOpenAI)"
    ) == ["False", "True", "True"]


def test_a_star_import_brings_the_public_names():
    assert run("from rawllm import *; print(Client.__name__, retry.__name__, __version__)") == [
        "Client",
        "retry",
        rawllm.__version__,
    ]


def test_it_works_where_there_is_neither_fcntl_nor_resource_nor_fork():
    """As on Windows. asyncio comes first: on Linux it needs fcntl itself."""
    code = """
import asyncio, os, subprocess, sys
import aiohttp
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty"):
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "getuid"):
    delattr(os, name)
import rawllm
from rawllm.testing import FakeServer

async def main():
    async with FakeServer() as server, rawllm.Client(server.url) as llm:
        print((await llm.complete("hi")).choices[0].finish_reason)

asyncio.run(main())
"""
    assert run(code) == ["stop"]
