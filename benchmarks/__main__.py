"""rawllm beside the plain aiohttp loop and other clients: CPU, instructions, memory, imports.

    python -m benchmarks --short                        # two minutes, tables on stdout
    python -m benchmarks --write docs/benchmarks.md     # everything: the page and its charts
    python -m benchmarks --clients rawllm,aiohttp --parts loads --loads "call, 32"

The first run makes an environment for each client, which takes minutes and the package index; after
that nothing leaves the machine. Needs Linux and two cores; for instructions, valgrind. Run nothing
else meanwhile. Exit code 0, or 1 where a client brought a wrong answer.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import measure
from benchmarks.peers.environments import PEERS, environment
from benchmarks.peers.page import charts, page
from benchmarks.peers.processes import Failure
from benchmarks.peers.scenarios import LOADS, SHORT

__all__ = ["main"]

PARTS = ("loads", "counts", "holds", "imports", "sizes", "parses")


def _some(known: Sequence[str]) -> Any:
    """An argparse type: names, separated by semicolons or, where none has one inside, commas."""

    def names(text: str) -> list[str]:
        separator = ";" if any("," in name for name in known) else ","
        found = [name.strip() for name in text.split(separator)]
        if unknown := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among: {'; '.join(known)}")
        return found

    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    add = parser.add_argument
    add("--short", action="store_true", help="one round, few loads, 1,000 in flight at most")
    add("--clients", type=_some([*PEERS]), default=[*PEERS], help="separated by commas")
    add("--parts", type=_some(PARTS), default=PARTS, help=",".join(PARTS))
    add("--loads", type=_some([*LOADS]), help='separated by semicolons: "call, 1; call, 32"')
    add("--rounds", type=int, help="5; with --short 1")
    add("--seconds", type=float, help="of one measurement, 0.2; with --short 0.15")
    add("--cache", type=Path, default=Path(cache, "rawllm-benchmarks"), help="of environments")
    add("--fresh", action="store_true", help="make the environments anew, with newest versions")
    add("--write", type=Path, metavar="FILE", help="the page; charts go into FILE without suffix")
    add("--json", type=Path, metavar="FILE", help="every figure, also of each round")
    add("--from", type=Path, dest="source", metavar="FILE", help="measure nothing, take that JSON")
    return parser


def _measure(asked: argparse.Namespace, command: str) -> dict[str, Any]:
    say = measure.progress(time.monotonic())
    rounds = asked.rounds or (1 if asked.short else 5)
    seconds = asked.seconds or (0.15 if asked.short else 0.2)
    clients = asked.clients
    environments = {}
    made: dict[str, Any] = {}
    for name in clients:
        package = PEERS[name].package
        if package not in made:
            say(f"environment: {name}")
            made[package] = environment(PEERS[name], asked.cache, fresh=asked.fresh)
        environments[name] = made[package]
    results: dict[str, Any] = {
        "run": {**measure.machine(), "rounds": rounds, "command": command},
        "clients": clients,
        "versions": {name: _version(name, environments[name].versions) for name in clients},
    }
    if "loads" in asked.parts:
        loads = asked.loads or (SHORT if asked.short else [*LOADS])
        results["loads"] = measure.loads(environments, loads, rounds, seconds, say)
    if "counts" in asked.parts:
        counted = {
            name: made
            for name, made in environments.items()
            if not asked.short or name in ("rawllm", measure.REFERENCE)
        }
        results["counts"] = measure.counts(counted, say)
    if "holds" in asked.parts:
        numbers = (1000,) if asked.short else (1000, 10_000)
        results["holds"] = measure.holds(environments, numbers, 0 if asked.short else 1000, say)
    if "imports" in asked.parts:
        results["imports"] = measure.imports(environments, rounds, say)
    if "sizes" in asked.parts:
        results["sizes"] = measure.sizes(environments)
    if "parses" in asked.parts:
        results["parses"] = measure.parses(environments, say)
    say("done")
    return results


def _command(given: Sequence[str]) -> str:
    """As it is to be repeated: where this machine keeps its files is nobody else's business."""
    parser = argparse.ArgumentParser(add_help=False)
    for option in ("--cache", "--json", "--write"):
        parser.add_argument(option)
    return shlex.join(["python", "-m", "benchmarks", *parser.parse_known_args(given)[1]])


def _version(name: str, versions: dict[str, str]) -> str:
    """The package's own, and what carries its requests."""
    own = name.partition("[")[0].partition("+")[0]
    shown = [own] + [other for other in ("aiohttp", "httpx", "httpx2", "openai") if other != own]
    return ", ".join(f"{one} {versions[one]}" for one in shown if one in versions)


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    asked = parser.parse_args(argv)
    for target in filter(None, (asked.write, asked.json)):
        if not target.parent.is_dir():  # before the minutes that it would cost
            parser.error(f"there is no folder {target.parent}")
    given = sys.argv[1:] if argv is None else argv
    command = _command(given)
    try:
        source = asked.source
        results = json.loads(source.read_text()) if source else _measure(asked, command)
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n")
    folder = (asked.write or Path("benchmarks")).with_suffix("")
    text = page(results, folder.name)
    if asked.write:
        asked.write.write_text(text)
        folder.mkdir(exist_ok=True)
        for name, svg in charts(results).items():
            (folder / f"{name}.svg").write_text(svg)
    print(text)
    failures = results.get("loads", {}).get("failures", {})
    for what, why in failures.items():
        print(f"FAILED: {what}: {why}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
