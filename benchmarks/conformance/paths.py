"""`rawllm/types`: a module wherever openai-python has one whose names rawllm has.

    python -m benchmarks.conformance.paths --openai-python /path/to/python --write

Real modules, since type checkers read files; written by this program, since there are a hundred and
each only says where its names live. Defines no type: those stand in `rawllm/types/dicts` and
`rawllm/sansio`. Without --write it says what would change: exit code 1 where anything would.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

__all__ = ["modules", "written"]

ROOT = Path(__file__).parents[2] / "rawllm" / "types"

#: Where types are defined, below rawllm; in the order in which an answer's name is looked for.
ANSWERS = (
    "sansio.types",
    "sansio.parsed",
    *(f"sansio.{path.stem}" for path in sorted(ROOT.parent.glob("sansio/responses*.py"))),
)
DICTS = tuple(
    f"types.dicts.{name}"
    for name in ("parts", "messages", "tools", "formats", "requests", "responses")
)

#: The packages that are gone through, and the modules beside them.
PACKAGES = ("chat", "responses", "shared", "shared_params")
BESIDE = ("chat_model", "completion", "create_embedding", "embedding", "model")

#: Names that are too common to be looked up: they are what LOCAL says, in its module only.
COMMON = {"Audio", "Choice", "Custom", "Function", "FunctionCall", "Logprobs", "Moderation", "Text"}
COMMON |= {"CompletionUsage", "Reasoning", "Usage", "ContentPart", "Part", "Item"}

#: Where openai-python's name is another one here, or one of several: module → name → home:name.
LOCAL: dict[str, dict[str, str]] = {
    "chat.chat_completion": {
        "Choice": "sansio.types:Choice",
        "ChoiceLogprobs": "sansio.types:Logprobs",
    },
    "chat.chat_completion_assistant_message_param": {
        "Audio": "types.dicts.messages:Audio",
        "FunctionCall": "types.dicts.messages:Function",
    },
    "chat.chat_completion_chunk": {
        "Choice": "sansio.types:ChunkChoice",
        "ChoiceDeltaFunctionCall": "sansio.types:DeltaFunction",
        "ChoiceDeltaToolCall": "sansio.types:DeltaToolCall",
        "ChoiceDeltaToolCallFunction": "sansio.types:DeltaFunction",
        "ChoiceLogprobs": "sansio.types:Logprobs",
    },
    "chat.chat_completion_custom_tool_param": {"Custom": "types.dicts.tools:Custom"},
    "chat.chat_completion_message": {"FunctionCall": "sansio.types:FunctionCall"},
    "chat.chat_completion_message_custom_tool_call": {
        "ChatCompletionMessageCustomToolCall": "sansio.types:ToolCall",
        "Custom": "sansio.types:CustomCall",
    },
    "chat.chat_completion_message_custom_tool_call_param": {
        "Custom": "types.dicts.messages:CustomCall"
    },
    "chat.chat_completion_message_function_tool_call": {
        "ChatCompletionMessageFunctionToolCall": "sansio.types:ToolCall",
        "Function": "sansio.types:FunctionCall",
    },
    "chat.chat_completion_message_function_tool_call_param": {
        "Function": "types.dicts.messages:Function"
    },
    "chat.chat_completion_message_tool_call": {
        "ChatCompletionMessageToolCall": "sansio.types:ToolCall",
        "ChatCompletionMessageToolCallUnion": "sansio.types:ToolCall",
        "Function": "sansio.types:FunctionCall",
    },
    "chat.chat_completion_message_tool_call_param": {"Function": "types.dicts.messages:Function"},
    "chat.chat_completion_named_tool_choice_custom_param": {
        "Custom": "types.dicts.tools:NamedCustom"
    },
    "chat.chat_completion_named_tool_choice_param": {"Function": "types.dicts.tools:NamedFunction"},
    "chat.chat_completion_token_logprob": {
        "ChatCompletionTokenLogprob": "sansio.types:TokenLogprob",
        "TopLogprob": "sansio.types:TopLogprob",
    },
    "chat.completion_create_params": {
        "CompletionCreateParams": "types.dicts.requests:ChatCreateParamsEither",
        "CompletionCreateParamsBase": "types.dicts.requests:ChatCreateParams",
        "CompletionCreateParamsNonStreaming": "types.dicts.requests:ChatCreateParamsNonStreaming",
        "CompletionCreateParamsStreaming": "types.dicts.requests:ChatCreateParamsStreaming",
        "Function": "types.dicts.requests:OldFunction",
        "FunctionCall": "types.dicts.requests:FunctionCallOption",
        "WebSearchOptionsUserLocation": "types.dicts.requests:UserLocation",
        "WebSearchOptionsUserLocationApproximate": "types.dicts.requests:ApproximateLocation",
    },
    "completion_choice": {"Logprobs": "sansio.types:CompletionLogprobs"},
    "completion_create_params": {
        "CompletionCreateParams": "types.dicts.requests:TextCreateParamsEither",
        "CompletionCreateParamsBase": "types.dicts.requests:TextCreateParams",
        "CompletionCreateParamsNonStreaming": "types.dicts.requests:TextCreateParamsNonStreaming",
        "CompletionCreateParamsStreaming": "types.dicts.requests:TextCreateParamsStreaming",
    },
    "completion_usage": {"CompletionUsage": "sansio.types:Usage"},
    "create_embedding_response": {"Usage": "sansio.types:Usage"},
    "shared.reasoning": {"Reasoning": "sansio.responses:ResponseReasoning"},
    "shared_params.reasoning": {"Reasoning": "types.dicts.formats:Reasoning"},
}


#: Package → names that it has besides: what openai-python has in its modules only.
EXTRA = {
    "responses": (
        *("FunctionCallOutput", "IncompleteDetails", "InputTokensDetails", "OutputTokensDetails"),
        *("ParsedResponseFunctionToolCall", "ResponseInputContentParam", "ResponseInputItemParam"),
        *("ResponseInputParam", "ResponseOtherEvent", "ResponseOutputItem", "ToolParam"),
    ),
}

WRITTEN = "Defines nothing. Written by benchmarks/conformance/paths.py."


def homes() -> dict[str, str]:
    """Name → home, of what rawllm defines. Read and not imported: that would need the modules which
    are to be written."""
    found: dict[str, str] = {}
    for home in (*ANSWERS, *DICTS):
        source = ROOT.parent.joinpath(*home.split(".")).with_suffix(".py").read_text("utf-8")
        [names] = [
            ast.literal_eval(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        for name in names:
            found.setdefault(name, home)
    return found


def modules(theirs: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Module below `types` → name → home:name. theirs: openai-python's modules and names."""
    known = homes()
    found: dict[str, dict[str, str]] = {}
    packages: dict[str, dict[str, str]] = {"": {}, **{name: {} for name in PACKAGES}}
    for module, names in theirs.items():
        package, _, last = module.rpartition(".")
        if module in packages or package not in packages:
            continue
        if not package and not last.startswith(BESIDE):
            continue
        local = LOCAL.get(module, {})
        there = {
            name: local.get(name) or f"{known[name]}:{name}"
            for name in (*names, *local)
            if name in local or (name in known and name not in COMMON)
        }
        if names[0] in there:  # the one it is named after
            found[module] = dict(sorted(there.items()))
            packages[package] |= {
                name: home for name, home in there.items() if name in theirs[package]
            }
    for name, home in {
        name: home for part in ("shared", "shared_params") for name, home in packages[part].items()
    }.items():
        if name in theirs[""]:
            packages[""].setdefault(name, home)
    for package, extra in EXTRA.items():
        packages[package] |= {name: f"{known[name]}:{name}" for name in extra}
    packages["chat"]["ChatCompletionMessageToolCall"] = "sansio.types:ToolCall"
    return found | {name: dict(sorted(names.items())) for name, names in packages.items() if names}


def written(theirs: Mapping[str, Sequence[str]]) -> dict[Path, str]:
    """Path below rawllm/types → what stands there."""
    found = modules(theirs)
    files = {}
    for module, names in found.items():
        package = module in ("", *PACKAGES)
        path = (
            Path(*module.split("."), "__init__.py")
            if package
            else Path(*module.split(".")).with_suffix(".py")
        )
        files[path] = (_package if package else _module)(module, names)
    return files


def _relative(home: str, module: str, *, package: bool) -> str:
    depth = module.count(".") + (1 if package and module else 0) if module else 0
    if home.startswith("types."):
        return "." * (depth + 1) + home.removeprefix("types.")
    return "." * (depth + 2) + home


def _imports(module: str, names: Mapping[str, str], *, package: bool) -> list[str]:
    lines = []
    for name, home in names.items():
        where, _, there = home.partition(":")
        source = _relative(where, module, package=package)
        line = f"from {source} import {there} as {name}"
        if len(line) > 95:  # beyond it ruff would leave a line that is too long for itself
            line = f"from {source} import (\n    {there} as {name},\n)"
        lines.append(line)
    return lines


def _listed(names: Sequence[str]) -> str:
    return "__all__ = [\n" + "".join(f"    {name!r},\n" for name in names) + "]\n"


def _module(module: str, names: Mapping[str, str]) -> str:
    return "\n".join(
        [
            f'"""`openai.types.{module}`.',
            "",
            WRITTEN,
            '"""',
            "",
            *_imports(module, names, package=False),
            "",
            _listed(list(names)),
        ]
    )


def _package(module: str, names: Mapping[str, str]) -> str:
    path = ".".join(("openai.types", *([module] if module else [])))
    children = [] if module else list(PACKAGES)
    dots = "." * (2 if module else 1)
    table: dict[str, dict[str, str]] = {}
    for name, home in names.items():
        where, _, there = home.partition(":")
        table.setdefault(where, {})[name] = there
    return "\n".join(
        [
            f'"""`{path}`: its names load on first use, since an annotation needs no msgspec.',
            "",
            WRITTEN,
            '"""',
            "",
            "from typing import TYPE_CHECKING",
            "",
            *(f"from . import {name} as {name}" for name in children),
            f"from {dots}_lazy import getter",
            "",
            "if TYPE_CHECKING:",
            *(indent(line, "    ") for line in _imports(module, names, package=True)),
            "",
            _listed(sorted([*names, *children], key=lambda name: (not name[0].isupper(), name))),
            "#: Module below rawllm → name here → name there.",
            f"_HOMES = {dict(sorted(table.items()))!r}",
            "",
            "if not TYPE_CHECKING:  # or a type checker would take any name for one that is here",
            "    __getattr__ = getter(__name__, _HOMES)",
            "",
        ]
    )


def formatted(text: str) -> str:
    """As ruff has it."""
    for what in (["check", "--fix-only"], ["format"]):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *what,
            "-q",
            "--stdin-filename",
            f"{ROOT}/x.py",
            "-",
        ]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        text = done.stdout
    return text


def survey(python: str, library: str) -> dict[str, Any]:
    """What survey.py says of a library."""
    script = Path(__file__).with_name("survey.py")
    done = subprocess.run(
        [python, str(script), library], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--openai-python", required=True, help="a Python that has openai")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    wanted = written(survey(options.openai_python, "openai")["types"])
    changed = 0
    for path, text in wanted.items():
        text = formatted(text)
        there = ROOT / path
        if not there.exists() or there.read_text("utf-8") != text:
            changed += 1
            print(path)
            if options.write:
                there.parent.mkdir(exist_ok=True)
                there.write_text(text, "utf-8")
    for there in ROOT.rglob("*.py"):
        if there.relative_to(ROOT) not in wanted and WRITTEN in there.read_text("utf-8"):
            changed += 1
            print("not any more, delete it:", there.relative_to(ROOT))
    return 0 if options.write or not changed else 1


if __name__ == "__main__":
    sys.exit(main())
