"""The names under which code written for openai-python imports its types."""

import ast
import importlib
import pkgutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import rawllm
from rawllm import types
from rawllm.sansio import responses as response_objects
from rawllm.sansio import responses_events, responses_parsed
from rawllm.sansio import types as answers
from rawllm.types import chat, responses

MODULES = [
    "rawllm.types",
    *(found.name for found in pkgutil.walk_packages(types.__path__, "rawllm.types.")),
]


@pytest.mark.parametrize("name", [name for name in MODULES if name != "rawllm.types.dicts"])
def test_every_name_is_there(name):
    module = importlib.import_module(name)
    assert module.__all__
    for one in module.__all__:
        assert getattr(module, one) is not None
    with pytest.raises((AttributeError, ImportError), match="Nothing"):
        exec(f"from {name} import Nothing")


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("chat.chat_completion:Choice", answers.Choice),
        ("chat.chat_completion:ChoiceLogprobs", answers.Logprobs),
        ("chat.chat_completion_chunk:Choice", answers.ChunkChoice),
        ("chat.chat_completion_chunk:ChoiceDelta", answers.ChoiceDelta),
        ("chat.chat_completion_chunk:ChoiceDeltaToolCall", answers.DeltaToolCall),
        ("chat.chat_completion_chunk:ChoiceDeltaToolCallFunction", answers.DeltaFunction),
        ("chat.chat_completion_message_tool_call:Function", answers.FunctionCall),
        ("chat.chat_completion_message_param:ChatCompletionMessageParam", None),
        ("chat.completion_create_params:CompletionCreateParamsNonStreaming", None),
        ("completion_usage:CompletionUsage", answers.Usage),
        ("completion_choice:Logprobs", answers.CompletionLogprobs),
        ("create_embedding_response:Usage", answers.Usage),
        ("embedding:Embedding", answers.Embedding),
        ("responses.response:Response", response_objects.Response),
        ("responses.response_input_param:ResponseInputParam", None),
        ("responses.response_usage:InputTokensDetails", response_objects.InputTokensDetails),
        ("shared_params:FunctionDefinition", types.FunctionDefinition),
        ("shared_params.response_format_json_schema:JSONSchema", None),
    ],
)
def test_deep_paths_lead_to_the_same_objects(path, what):
    module, _, name = path.partition(":")
    found = getattr(importlib.import_module(f"rawllm.types.{module}"), name)
    assert found is what if what is not None else found


def test_nothing_is_defined_twice():
    defined = [name for name in MODULES if ".dicts" in name or name.endswith("_lazy")]
    for name in set(MODULES) - set(defined):
        tree = ast.parse(Path(importlib.import_module(name).__file__).read_text("utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, (ast.ClassDef))], name
        assert "benchmarks/conformance/paths.py" in importlib.import_module(name).__doc__


def test_the_answers_are_the_clients_own():
    assert types.CompletionUsage is answers.Usage
    assert types.Completion is rawllm.Completion
    assert chat.ChatCompletion is rawllm.ChatCompletion
    assert chat.ChatCompletionMessageToolCall is answers.ToolCall
    assert chat.ParsedChatCompletion is rawllm.ParsedChatCompletion
    assert responses.Response is response_objects.Response
    assert responses.ResponseTextDeltaEvent is responses_events.ResponseTextDeltaEvent
    assert responses.ParsedResponse is responses_parsed.ParsedResponse


def test_the_types_can_be_read_at_run_time():
    seen = 0
    for name in MODULES:
        module = importlib.import_module(name)
        for value in (getattr(module, one) for one in getattr(module, "__all__", ())):
            if hasattr(value, "__required_keys__"):  # typing_extensions', too
                seen += 1
                assert typing.get_type_hints(value)
    assert seen > 100


def test_annotations_load_nothing_heavy():
    code = """
import sys
from rawllm.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from rawllm.types import ResponseFormatJSONSchema
from rawllm.types.responses import FunctionToolParam, ResponseInputParam
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
        "rawllm.types._lazy",
        "rawllm.types.chat",
        *(f"rawllm.types.dicts{name}" for name in ("", ".formats", ".messages", ".parts")),
        *(f"rawllm.types.dicts.{name}" for name in ("responses", "tools", "typed_dict")),
        *("rawllm.types.responses", "rawllm.types.shared", "rawllm.types.shared_params"),
    ], done.stderr


def test_models_of_pydantic_take_them():
    pydantic = pytest.importorskip("pydantic")
    asked = pydantic.TypeAdapter(list[chat.ChatCompletionMessageParam])
    message = {"role": "user", "content": "hi"}
    assert asked.validate_python([message]) == [message]
    with pytest.raises(ValueError, match="role"):
        asked.validate_python([{"content": "hi"}])


def test_the_package_has_them_where_only_it_was_imported():
    code = "import rawllm; print(rawllm.types.chat.ChatCompletion.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "ChatCompletion\n", done.stderr


def test_what_code_for_openai_imports_beside_them():
    assert issubclass(rawllm.ChatStream, rawllm.AsyncStream)
    assert issubclass(rawllm.SyncStream, rawllm.Stream)
    assert rawllm.AsyncClient is rawllm.AsyncOpenAI
    assert rawllm.AsyncStream[rawllm.ChatCompletionChunk]
    assert rawllm.Stream[rawllm.ChatCompletionChunk]
    assert rawllm.APIResponse[rawllm.ChatCompletion]
    assert rawllm.AsyncAPIResponse[rawllm.ChatCompletion]
    client = rawllm.AsyncOpenAI(base_url="http://x")
    assert client.timeout == rawllm.DEFAULT_TIMEOUT
    assert client.max_retries == rawllm.DEFAULT_MAX_RETRIES
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
