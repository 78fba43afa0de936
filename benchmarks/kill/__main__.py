"""`rawllm batch` killed, starved and disturbed in every way: is anything lost?

    python -m benchmarks.kill            # all of it
    python -m benchmarks.kill --short    # a sample, as tests/batch/test_kill.py runs it

A FakeServer in a process of its own counts what it is asked; a run without interruption says what
must come out. Exit code 0 where no acknowledged record was lost at any time, and every run came to
the same output in the end, with at most one extra request for each that a kill cut off.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.apart import ServerApart
from benchmarks.kill.ground import Answers, Plan, Score
from benchmarks.kill.parts import Amount, parts
from benchmarks.kill.run import Ground

#: A sample that takes a few seconds.
SHORT = Amount(
    kills=4,
    runs=2,
    plans=(Plan(60, 1_000, 8, 0.05), Plan(12, 2_000_000, 4, 0.1)),
    every=53,
    sizes=5,
    rounds=1,
    chains=0,
)


def row(*cells: object) -> str:
    return f"{cells[0]!s:<36}" + "".join(f"{cell!s:>12}" for cell in cells[1:])


def shown(score: Score) -> str:
    return row(
        score.name,
        f"{score.runs:,}",
        f"{score.kills:,}",
        f"{score.acknowledged:,}",
        score.lost,
        score.missing,
        score.duplicates,
        score.unparsable,
        score.different,
        f" {score.extra:,} ≤ {score.allowed:,}",
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("--kills", type=int, help="SIGKILLs at random moments; 200")
    parser.add_argument("--runs", type=int, help="over so many runs; 20")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    names = [part.__name__ for part in parts]
    parser.add_argument("--only", choices=names, help="one part")
    asked = parser.parse_args(argv)
    given = {name: getattr(asked, name) for name in ("kills", "runs") if getattr(asked, name)}
    amount = (SHORT if asked.short else Amount())._replace(**given)
    heads = ("runs", "kills", "acked", "lost", "missing", "duplicate", "unparsable", "different")
    print(row("", *heads, "extra"), flush=True)
    problems: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ServerApart(Answers()) as server:
        ground = Ground(Path(folder), server, asked.seed)
        for part in parts:
            if asked.only in (None, part.__name__):
                start = time.monotonic()
                score = part(ground, amount)
                print(f"{shown(score)}{time.monotonic() - start:>8.0f} s", flush=True)
                problems += score.problems()
    print(f"\n{time.monotonic() - began:.0f} s")
    print("\n".join(f"WRONG: {problem}" for problem in problems) or "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
