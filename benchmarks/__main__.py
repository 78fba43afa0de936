"""rawllm beside the plain aiohttp loop and other clients: CPU, instructions, memory, imports.

    python -m benchmarks --short                        # two minutes, tables on stdout
    python -m benchmarks --json run.json --write docs/benchmarks.md     # everything: 20 minutes
    python -m benchmarks --from run.json --write docs/benchmarks.md     # the page, as far as it is
    python -m benchmarks --clients rawllm,aiohttp --parts loads --loads "call, 32"

The first run makes an environment for each client, which takes minutes and the package index; after
that nothing leaves the machine. Needs Linux and two cores; for instructions, valgrind. Run nothing
else meanwhile, and leave the checkout alone: it is what is measured. Exit code 0, 1 where a client
brought a wrong answer, or 130 where the run was interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import measure, scale
from benchmarks.peers.environments import PEERS, Environment, environment
from benchmarks.peers.page import charts, page
from benchmarks.peers.processes import Failure
from benchmarks.peers.scenarios import FLIGHTS, HOLDS, LAST, LOADS, SHORT
from benchmarks.peers.targets import unexplained

__all__ = ["main"]

PARTS = (
    "loads",
    "counts",
    "holds",
    "flights",
    "lasts",
    "limiter",
    "imports",
    "sizes",
    "parses",
)


def _some(known: Sequence[str]) -> Any:
    """An argparse type: names, separated by semicolons or, where none has one inside, commas."""

    def names(text: str) -> list[str]:
        separator = ";" if any("," in name for name in known) else ","
        found = [name.strip() for name in text.split(separator)]
        if unknown := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among: {'; '.join(known)}")
        return found

    return names


def _above_zero(kind: type[int] | type[float]) -> Any:
    """An argparse type."""

    def number(text: str) -> float:
        found = kind(text)
        if found <= 0:
            raise argparse.ArgumentTypeError(f"not above zero: {text}")
        return found

    return number


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
    add("--rounds", type=_above_zero(int), help="5; with --short 1")
    add("--seconds", type=_above_zero(float), help="of one measurement, 0.2; with --short 0.15")
    add(
        "--flight",
        type=_above_zero(int),
        metavar="N",
        help="in flight at most, 10,000; with --short 1,000",
    )
    add(
        "--calls",
        type=_above_zero(int),
        metavar="N",
        help="one after the other, 1,000,000; --short 20,000",
    )
    add("--cache", type=Path, default=Path(cache, "rawllm-benchmarks"), help="of environments")
    add("--fresh", action="store_true", help="make the environments anew, with newest versions")
    add("--write", type=Path, metavar="FILE", help="the page; charts go into FILE without suffix")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="every figure of each round, as soon as it is there",
    )
    add(
        "--from",
        type=Path,
        dest="source",
        metavar="FILE",
        help="measure nothing, take that JSON, also of an interrupted run",
    )
    return parser


def _environments(asked: argparse.Namespace, say: measure.Say) -> measure.Environments:
    made: dict[str, Environment] = {}  # by package: two clients may share one
    for name in asked.clients:
        peer = PEERS[name]
        if peer.package not in made:
            say(f"environment: {name}")
            made[peer.package] = environment(peer, asked.cache, fresh=asked.fresh)
    return {name: made[PEERS[name].package] for name in asked.clients}


def _steps(
    asked: argparse.Namespace, environments: measure.Environments, say: measure.Say
) -> dict[str, Iterable[Any]]:
    """Part → what has been found so far, again and again; nothing is measured before it is asked
    for."""
    short = asked.short
    rounds = asked.rounds or (1 if short else 5)
    seconds = asked.seconds or (0.15 if short else 0.2)
    loads = asked.loads or (SHORT if short else [*LOADS])
    counted = {
        name: made
        for name, made in environments.items()
        if not short or name in ("rawllm", measure.REFERENCE)
    }
    most = asked.flight or (1000 if short else HOLDS[-1])
    if most > scale.room():
        most = scale.room()
        say(f"no more than {most:,} calls can be in flight: open files (ulimit -n) or ports")
    held = sorted({min(most, number) for number in HOLDS})
    flown = sorted({min(most, number) for number in FLIGHTS})
    calls = asked.calls or (20_000 if short else LAST)
    return {
        "loads": measure.loads(environments, loads, rounds, seconds, say),
        "counts": measure.counts(counted, say),
        "holds": scale.holds(environments, held, 0 if short else HOLDS[0], say),
        "flights": scale.flights(environments, flown, min(rounds, 3), seconds, say),
        "lasts": scale.lasts(environments, calls, say),
        "limiter": measure.limiter(environments, say, count=not short and "counts" in asked.parts),
        "imports": measure.imports(environments, rounds, say),
        "sizes": measure.sizes(environments),
        "parses": measure.parses(environments, say),
    }


def _measure(asked: argparse.Namespace, command: str) -> Iterator[dict[str, Any]]:
    """The results so far, after each step."""
    say = measure.progress(time.monotonic())
    environments = _environments(asked, say)
    versions = {name: _version(name, made.versions) for name, made in environments.items()}
    results: dict[str, Any] = {
        "run": {
            **measure.machine(),
            "rounds": asked.rounds or (1 if asked.short else 5),
            "command": command,
        },
        "clients": asked.clients,
        "versions": versions,
    }
    for part, steps in _steps(asked, environments, say).items():
        if part in asked.parts:
            try:
                for found in steps:
                    results[part] = found
                    yield results
            except Failure as failure:  # the other parts are not to be lost
                say(f"FAILED: {failure}")
                results.setdefault("failures", {})[part] = str(failure).splitlines()[-1]
                yield results
    say("done")


def _save(results: dict[str, Any], path: Path) -> None:
    """Whole or not at all: it may be the machine that ends the run."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(results, indent=1) + "\n")
    new.replace(path)


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
    if not asked.source and "counts" in asked.parts and not shutil.which("valgrind"):
        parser.error(
            "valgrind is not installed: apt-get install valgrind, or --parts without counts"
        )
    results: dict[str, Any] = {}
    try:
        if asked.source:
            results = json.loads(asked.source.read_text())
        else:
            for results in _measure(asked, _command(given)):
                if asked.json:
                    _save(results, asked.json)
    except KeyboardInterrupt:
        kept = f"; what was measured: --from {asked.json}" if asked.json and results else ""
        print(f"interrupted{kept}", file=sys.stderr)
        return 130
    folder = (asked.write or Path("benchmarks")).with_suffix("")
    text = page(results, folder.name)
    if asked.write:
        asked.write.write_text(text)
        folder.mkdir(exist_ok=True)
        for name, svg in charts(results).items():
            (folder / f"{name}.svg").write_text(svg)
    print(text)
    failures = {**results.get("loads", {}).get("failures", {}), **results.get("failures", {})}
    for what, why in failures.items():
        print(f"FAILED: {what}: {why}", file=sys.stderr)
    for what in unexplained(results):
        print(f"missed, and causes.py does not say why: {what}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
