"""The table of differences: every public name of openai-python, and what rawllm has of it.

    python -m benchmarks.conformance.differences --openai-python /path/to/python
    python -m benchmarks.conformance.differences --openai-python … --write docs/differences.md

Decides nothing: survey.py finds the names of both, reasons.py holds what was chosen. Stops where a
name that is not here has no reason, so that a new release of openai-python is looked at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.conformance.paths import survey
from benchmarks.conformance.reasons import DIFFERS, reason_of

__all__ = ["Row", "page", "rows"]

SAME, DIFFERENT, ABSENT = "same", "differs", "not here"

#: Names that typing and the import system leave in the module.
STRAY = {"annotations", "override"}


class Row(NamedTuple):
    """part: the page's section. names: openai-python's, of which all have this verdict."""

    part: str
    names: tuple[str, ...]
    verdict: str
    how: str = ""


def rows(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[Row]:
    """What page() shows, in its order. theirs, ours: what survey.py says."""
    yield from _clients(theirs["clients"], ours["clients"])
    yield from _errors(theirs["errors"], ours["errors"])
    yield from _top(theirs, ours)
    yield from _types(theirs["types"], ours["types"])


def _judged(
    part: str, name: str, here: bool, missing: set[str] | frozenset[str] = frozenset()
) -> Row:
    if not here:
        return Row(part, (name,), ABSENT, reason_of(name))
    how = DIFFERS.get(name, "")
    if missing:
        how = "; ".join([*([how] if how else []), f"without {', '.join(sorted(missing))}"])
    return Row(part, (name,), DIFFERENT if how else SAME, how)


def _clients(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[Row]:
    """Of both faces; what only one of ours has counts as missing."""
    wanted = theirs["AsyncOpenAI"]
    both = {name: found for name, found in ours["AsyncOpenAI"].items() if name in ours["OpenAI"]}
    for name in wanted["(constructor)"]:
        if not name.startswith("_"):
            yield _judged(
                "The clients' arguments", f"AsyncOpenAI({name}=)", name in both["(constructor)"]
            )
    for name in sorted(path for path in wanted if "." not in path and path != "(constructor)"):
        missing: set[str] = set()
        if wanted[name] and "**" not in both.get(name, ["**"]):
            missing = set(wanted[name]) - set(both[name])
        yield _judged("What a client has", f"client.{name}", name in both, missing)
    methods = sorted(path for path in wanted if "." in path)
    for root, paths in groupby(methods, key=lambda path: path.split(".")[0]):
        group = list(paths)
        if not any(path in both for path in group):
            calls = tuple(f"client.{path}" for path in group if ".with_" not in path)
            yield Row("Resources and their methods", calls, ABSENT, reason_of(f"client.{root}."))
            continue
        for path in group:
            owner = path.rpartition(".")[0]
            if ".with_" in path and not any(one.startswith(f"{owner}.") for one in both):
                continue  # of a resource that is not here
            missing = set()
            if path in both and "**" not in both[path]:
                missing = set(wanted[path]) - set(both[path])
            yield _judged("Resources and their methods", f"client.{path}", path in both, missing)


def _errors(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[Row]:
    for name, attributes in theirs.items():
        missing = set(attributes) - set(ours.get(name, ()))
        yield _judged("Exceptions", f"openai.{name}", name in ours, missing)


def _top(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[Row]:
    found = [
        _judged("Names of the module", f"openai.{name}", name in ours["top"])
        for name in theirs["top"]
        if name not in theirs["errors"] and name not in STRAY
    ]
    yield from (row for row in found if row.verdict != ABSENT)
    absent = [row for row in found if row.verdict == ABSENT]
    for how in dict.fromkeys(row.how for row in absent):
        names = tuple(row.names[0] for row in absent if row.how == how)
        yield Row("Names of the module", names, ABSENT, how)


def _types(theirs: Mapping[str, list[str]], ours: Mapping[str, list[str]]) -> Iterator[Row]:
    """A row for each module that is here, of packages that are not here one for each package."""
    part = "Types"
    absent: dict[str, list[str]] = {}
    for module, names in theirs.items():
        path = ".".join(("openai.types", *([module] if module else [])))
        here = set(ours.get(module, ()))
        if module not in ours:
            root = module.split(".")[0]
            package = any(other.startswith(f"{root}.") for other in theirs)
            absent.setdefault(root if package else "", []).append(module)
            continue
        found = tuple(f"{path}.{name}" for name in names if name in here)
        if found:
            yield Row(part, found, SAME)
        missing = [name for name in names if name not in here]
        if missing:
            yield Row(part, (path,), DIFFERENT, f"without {', '.join(sorted(missing))}")
    for package, modules in sorted(absent.items()):
        path = ".".join(("openai.types", *([package] if package else [])))
        shown = ", ".join(sorted(one.removeprefix(f"{package}.") for one in modules))
        yield Row(part, (f"{path}.*",), ABSENT, f"its modules {shown}")


INTRODUCTION = """\
# Differences from openai-python

Every public name of {theirs}, and what {ours} has of it: the same under the same name, with a
difference, or not here. Methods are the same where they take all of openai-python's arguments; what
is asked of `client` holds for `AsyncOpenAI` and, without `await`, for `OpenAI`. `openai.types` is
`rawllm.types`, module by module; what belongs to an endpoint or a tool that is not here has no type
here either. Answers have the wire's fields and pydantic's methods that read them; they are Structs
and no pydantic models. Arguments that openai-python does not know, and refuses, go to the server.
For what rawllm has besides, see the [API](api.md); for how to change over,
[coming from openai](coming-from-openai.md); for what programs print with either,
[the same code](same-code.md).

`python -m benchmarks.conformance.differences --openai-python … --write docs/differences.md` makes
this page; why something is left out stands in `benchmarks/conformance/reasons.py`.
"""


def page(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The Markdown page."""
    found = list(rows(theirs, ours))
    lines = [INTRODUCTION.format(theirs=theirs["version"], ours="rawllm")]
    count = {
        verdict: sum(len(row.names) for row in found if row.verdict == verdict)
        for verdict in (SAME, DIFFERENT)
    }
    lines += [f"{count[SAME]:,} names are the same, {count[DIFFERENT]} differ.", ""]
    for part, group in groupby(found, key=lambda row: row.part):
        lines += [f"## {part}", "", "| openai-python | | |", "|---|---|---|"]
        for row in group:
            shown = ", ".join(f"`{name}`" for name in row.names)
            if part == "Types" and row.verdict == SAME:
                module = row.names[0].rpartition(".")[0]
                short = ", ".join(f"`{name.rpartition('.')[2]}`" for name in row.names)
                shown = f"`{module}`: {short}"
            lines.append(f"| {shown} | {row.verdict} | {row.how} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--openai-python", required=True, help="a Python that has openai")
    parser.add_argument("--write", metavar="PATH", help="the page, instead of printing it")
    options = parser.parse_args()
    text = page(survey(options.openai_python, "openai"), survey(sys.executable, "rawllm"))
    if options.write:
        Path(options.write).write_text(text, "utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
