"""The names under which code written for openai-python imports its types."""

import subprocess
import sys
import typing

import pytest

import rawllm
from rawllm import types
from rawllm.sansio import types as answers
from rawllm.types import chat


@pytest.mark.parametrize("module", [types, chat], ids=lambda module: module.__name__)
def test_every_name_is_there(module):
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing


def test_the_answers_are_the_clients_own():
    assert types.CompletionUsage is answers.Usage
    assert types.Completion is rawllm.Completion
    assert chat.ChatCompletion is rawllm.ChatCompletion
    assert chat.ChatCompletionMessageToolCall is answers.ToolCall
    assert chat.ParsedChatCompletion is rawllm.ParsedChatCompletion
    assert set(chat.ANSWERS) <= set(chat.__all__)


def test_the_types_can_be_read_at_run_time():
    for name in chat.__all__:
        if name.endswith("Param") and isinstance(getattr(chat, name), type):
            assert typing.get_type_hints(getattr(chat, name))


def test_annotations_load_nothing_heavy():
    code = """
import sys
from rawllm.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from rawllm.types import ResponseFormatJSONSchema
message: ChatCompletionMessageParam = {"role": "user", "content": "hi"}
print(*sorted(name for name in sys.modules if name.startswith("rawllm")))
assert not {"aiohttp", "asyncio", "backoff", "msgspec", "yarl"} & sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split() == [
        "rawllm",
        "rawllm._version",
        "rawllm.types",
        "rawllm.types.chat",
    ], done.stderr


def test_the_package_has_them_where_only_it_was_imported():
    code = "import rawllm; print(rawllm.types.chat.ChatCompletion.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "ChatCompletion\n", done.stderr


def test_what_code_for_openai_imports_beside_them():
    assert rawllm.AsyncStream is rawllm.ChatStream
    assert rawllm.Stream is rawllm.SyncStream
    assert rawllm.not_given is rawllm.NOT_GIVEN
    assert isinstance(rawllm.omit, rawllm.Omit)
    assert not rawllm.omit
    assert repr(rawllm.omit) == "omit"


async def test_what_is_omitted_is_not_sent(server):
    async with rawllm.AsyncOpenAI(base_url=server.url) as client:
        await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "a"}],
            stream=rawllm.omit,
            tools=rawllm.omit,
            temperature=rawllm.not_given,
            timeout=rawllm.omit,
        )
    assert server.requests[0].arguments.keys() == {"model", "messages"}
