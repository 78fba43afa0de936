"""The quirk table: rawllm and openai-python against one server that behaves as real ones do.

    python -m benchmarks.conformance.quirks                                   # prints the table
    python -m benchmarks.conformance.quirks --write docs/conformance.md
    python -m benchmarks.conformance.quirks --openai-python /path/to/python   # has openai installed

Without --openai-python: this Python where it has openai, else an environment that is thrown away.
Exit code 0 where rawllm is right in every row, 1 otherwise. Rows are in rows.py, the clients' side
in probe.py; this file only brings them together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.conformance.library import Library, openai_python
from benchmarks.conformance.rows import ROWS, Row, Scene
from rawllm.testing import Answer, FakeServer, Request

__all__ = ["Found", "page", "run"]

PROBE = Path(__file__).with_name("probe.py")


class Found(NamedTuple):
    """What one client made of one row. shown: in a few words."""

    right: bool
    shown: str


def run(library: str, python: str, rows: Sequence[Row] = ROWS) -> tuple[str, dict[str, Found]]:
    """The library's name and version, and what it made of each row."""
    with (
        FakeServer() as server,
        FakeServer() as other,
        Library(python, [str(PROBE), library]) as probe,
    ):
        found = {}
        for row in rows:
            scene = Scene(other.url)
            server.handler = _handler(row, scene)
            before = other.attempts
            task = {name: getattr(row, name) for name in ("verb", "timeout", "retries", "keyed")}
            task |= {"url": server.url, "limit": row.limit}
            outcome = probe.ask(task)
            scene.elsewhere = other.attempts - before
            found[row.name] = Found(row.right(outcome, scene), _shown(outcome, scene))
    return probe.greeting, found


def _handler(row: Row, scene: Scene) -> Any:
    def handler(request: Request) -> Answer | None:
        scene.seen.append(request)
        return row.serve(request, scene)

    return handler


def _shown(outcome: dict[str, Any], scene: Scene) -> str:
    if outcome["error"] == "hangs":
        return f"hangs (given up after {outcome['seconds']:.0f} s)"
    if outcome["error"] is not None:
        what = f"`{outcome['error']}`"
        if outcome["seconds"] > 0.3:
            what += f" after {outcome['seconds']:.1f} s"
        return what + (", the key in its pickle" if outcome["leaks"] else "")
    what = f"“{outcome['text']}”" if outcome["text"] or not outcome["tools"] else ""
    what += "".join(f"`{name}({arguments})` " for _, name, arguments in outcome["tools"])
    if outcome["finish"] is None:
        what += ", finish_reason None"
    if outcome["usage"] is not None:
        what += f", usage {outcome['usage']}"
    if scene.elsewhere:
        what += ", fetched from the other host"
    return what.strip()


INTRODUCTION = """\
# Conformance

What two clients make of what real servers do. Each row is one behaviour that was seen on the wire
or in a bug report, played by a scripted server; both clients run the same few lines, with
`max_retries=0` where the row names no retries. "Right" is decided by code, and the code is the same
for both. An error that is not the library's own comes out of it as it is, or out of the program's
own lines: a `TypeError` is what they meet where the library hands over None for an answer.

`python -m benchmarks.conformance.quirks --write docs/conformance.md` makes this page;
the rows are in `benchmarks/conformance/rows.py`. They were collected while looking for what breaks
clients on local servers, so they are no fair sample of what openai-python, made for api.openai.com,
meets every day.
"""


def page(versions: Sequence[str], tables: Sequence[dict[str, Found]]) -> str:
    """The Markdown page."""
    lines = [INTRODUCTION]
    counts = [
        f"{version} is right in {sum(found.right for found in table.values())} of {len(ROWS)} rows"
        for version, table in zip(versions, tables, strict=True)
    ]
    lines.append("; ".join(counts) + ".\n")
    lines.append("| the server … | wanted | " + " | ".join(versions) + " | verdict |")
    lines.append("|---|---|" + "---|" * len(versions) + "---|")
    for row in ROWS:
        cells = [_cell(table[row.name].shown) for table in tables]
        right = [
            version.split()[0]
            for version, table in zip(versions, tables, strict=True)
            if table[row.name].right
        ]
        verdict = (
            "both right" if len(right) == 2 else f"{right[0]} right" if right else "none right"
        )
        lines.append("| " + " | ".join([_cell(row.does), row.wanted, *cells, verdict]) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--openai-python", metavar="PYTHON", help="a Python that has openai")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page there")
    arguments = parser.parse_args()
    ours, ours_found = run("rawllm", sys.executable)
    with openai_python(arguments.openai_python) as python:
        theirs, theirs_found = run("openai", python)
    text = page([ours, theirs], [ours_found, theirs_found])
    if arguments.write is not None:
        arguments.write.write_text(text, "utf-8")
    print(text)
    wrong = [name for name, found in ours_found.items() if not found.right]
    if wrong:
        print("rawllm is wrong in", *wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
