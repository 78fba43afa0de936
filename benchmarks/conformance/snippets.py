"""The same programs with openai and with rawllm: what each prints, and what its server saw.

    python -m benchmarks.conformance.snippets                                  # prints the table
    python -m benchmarks.conformance.snippets --only tool_loop                 # both sides of one
    python -m benchmarks.conformance.snippets --write docs/same-code.md
    python -m benchmarks.conformance.snippets --openai-python /path/to/python  # has openai

Without --openai-python: this Python where it has openai, else an environment that is thrown away.
Exit code 0 where nothing differs but what chosen.py names, 1 otherwise. The programs stand in
code/, player.py runs them; this file only compares.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.conformance.chosen import CHOSEN, Chosen
from benchmarks.conformance.library import Library, openai_python

__all__ = ["Difference", "Verdict", "judged", "page", "run"]

PLAYER = ["-m", "benchmarks.conformance.player"]


class Difference(NamedTuple):
    """what: the name before the colon. theirs, ours: the lines under that name, without it; where
    there are as many on both sides, those that differ."""

    what: str
    theirs: list[str]
    ours: list[str]


class Verdict(NamedTuple):
    """chosen: (row, difference) of those that are meant. wrong: what must not be, in words."""

    snippet: str
    chosen: list[tuple[Chosen, Difference]]
    wrong: list[str]

    @property
    def shown(self) -> str:
        if self.wrong:
            return "DIFFERS"
        return "differs (chosen)" if self.chosen else "same"


def run(library: str, python: str, only: str | None = None) -> tuple[str, dict[str, Any]]:
    """The library's name and version, and what each snippet printed under it."""
    with Library(python, [*PLAYER, library]) as process:
        version, names = process.greeting
        if only is not None and only not in names:
            raise SystemExit(f"there is no snippet {only!r}")
        return version, {name: process.ask(name) for name in names if only in (None, name)}


def judged(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], chosen: Sequence[Chosen] = CHOSEN
) -> list[Verdict]:
    """A verdict for each snippet, in their order."""
    return [
        _verdict(name, theirs[name], ours[name], [row for row in chosen if row.snippet == name])
        for name in theirs
    ]


def _verdict(name: str, theirs: Any, ours: Any, rows: Iterable[Chosen]) -> Verdict:
    allowed = {what: row for row in rows for what in row.lines}
    meant: dict[str, Difference] = {}
    wrong = [
        f"{side} raised {outcome['raised']}"
        for side, outcome in (("openai", theirs), ("rawllm", ours))
        if outcome["raised"]
    ]
    if not theirs["lines"]:
        wrong.append("prints nothing")
    for found in differences(theirs["lines"], ours["lines"]):
        if found.what in allowed:
            meant[found.what] = found
        else:
            wrong += [f"{found.what}:", *(f"  openai  {line}" for line in found.theirs)]
            wrong += [f"  rawllm  {line}" for line in found.ours]
    wrong += [
        f"{what}: is a chosen difference, and does not differ"
        for what in allowed
        if what not in meant
    ]
    return Verdict(name, [(allowed[what], found) for what, found in meant.items()], wrong)


def differences(theirs: Sequence[str], ours: Sequence[str]) -> list[Difference]:
    """By the name before the colon; and the order of the names, where all lines are the same."""
    sides = [_by_name(lines) for lines in (theirs, ours)]
    found = []
    for what in {**sides[0], **sides[1]}:
        one, other = sides[0].get(what, []), sides[1].get(what, [])
        if len(one) == len(other):
            pairs = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
            one, other = [a for a, _ in pairs], [b for _, b in pairs]
        if one or other:
            found.append(Difference(what, one, other))
    if not found and list(theirs) != list(ours):
        found.append(Difference("order", list(theirs), list(ours)))
    return found


def _by_name(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        found.setdefault(name.rstrip(":"), []).append(value)
    return found


INTRODUCTION = """\
# The same code

Programs written for openai, run with openai and with rawllm. Nothing in them changes but the name
in their imports. Each talks to a scripted server, and two things are compared: what it prints, and
what the server saw of it (method, path, query, body, and the headers that do not name the sender).

`python -m benchmarks.conformance.snippets --write docs/same-code.md` makes this page. The programs
are in `benchmarks/conformance/code/`, the differences that were chosen in
`benchmarks/conformance/chosen.py`; any other difference fails the command, and a test runs it.
"""


def page(versions: Sequence[str], verdicts: Sequence[Verdict]) -> str:
    """The Markdown page."""
    theirs, ours = versions
    same = sum(verdict.shown == "same" for verdict in verdicts)
    lines = [
        INTRODUCTION,
        f"{theirs} and {ours} print the same in {same} of {len(verdicts)} programs. In the others "
        "they differ by what stands here, and by nothing else.\n",
        "## What differs\n",
        f"| program: line | {theirs} | {ours} | why |",
        "|---|---|---|---|",
    ]
    for verdict in verdicts:
        for row, found in verdict.chosen:
            if found.what == row.lines[0] or len(row.lines) > 3:
                what = f"`{verdict.snippet}`: {found.what}"
                cells = [what, _code(found.theirs), _code(found.ours), row.reason]
                lines.append("| " + " | ".join(cells) + " |")
    lines += ["\n## What is the same\n"]
    lines.append(", ".join(f"`{one.snippet}`" for one in verdicts if one.shown == "same") + ".")
    return "\n".join(lines) + "\n"


def _code(values: Sequence[str]) -> str:
    if not values:
        return "(no such line)"
    shown = "; ".join(dict.fromkeys(values))
    shown = shown if len(shown) <= 120 else shown[:119] + "…"
    return "`` " + shown.replace("|", "\\|") + " ``"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--openai-python", metavar="PYTHON", help="a Python that has openai")
    parser.add_argument("--only", metavar="NAME", help="one snippet, and what both sides print")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page there")
    arguments = parser.parse_args()
    if arguments.write is not None and arguments.only is not None:
        parser.error("the page shows all snippets: --write goes without --only")
    with openai_python(arguments.openai_python) as python, ThreadPoolExecutor(2) as pool:
        theirs_run = pool.submit(run, "openai", python, arguments.only)
        ours_run = pool.submit(run, "rawllm", sys.executable, arguments.only)
        (theirs, theirs_found), (ours, ours_found) = theirs_run.result(), ours_run.result()
    if arguments.only is not None:
        for version, found in ((theirs, theirs_found), (ours, ours_found)):
            print(f"── {version}", *found[arguments.only]["lines"], sep="\n")
    verdicts = judged(theirs_found, ours_found)
    width = max(len(verdict.snippet) for verdict in verdicts)
    for verdict in verdicts:
        print(f"{verdict.snippet:{width}}  {verdict.shown}")
        for row, found in verdict.chosen:
            print(f"    {found.what}: {row.reason}")
        for line in verdict.wrong:
            print(f"    {line}")
    counts = [verdict.shown for verdict in verdicts]
    print(
        f"\n{theirs}, {ours}: {len(verdicts)} snippets, {counts.count('same')} the same, "
        f"{counts.count('differs (chosen)')} by choice, {counts.count('DIFFERS')} wrong"
    )
    if arguments.write is not None:
        arguments.write.write_text(page([theirs, ours], verdicts), "utf-8")
    return 1 if "DIFFERS" in counts else 0


if __name__ == "__main__":
    sys.exit(main())
