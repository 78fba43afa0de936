"""A run that is disturbed and brought to its end, and the ground that all of them stand on.

Decides nothing about when and how: that is parts.py's and scenes.py's.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.apart import ServerApart
from benchmarks.kill.attempt import Attempt, End
from benchmarks.kill.ground import Answers, Plan, Score, custom_id, judge, read, write_input

__all__ = ["Ground", "Run"]


class Run:
    """One input and output, and the command that belongs to them."""

    def __init__(
        self, ground: Ground, plan: Plan, *more: str, out: str = "out.jsonl", score: Score
    ) -> None:
        self.plan = plan
        self.folder = Path(tempfile.mkdtemp(dir=ground.folder))
        self.input = self.folder / "in.jsonl"
        self.out = self.folder / out
        #: Where records are until the run is finished.
        self.journal = self.folder / f"{out}.part" if out.endswith(".gz") else self.out
        self.manifest = self.folder / f"{out}.manifest"
        self.score = score
        self.kills = 0
        self.acknowledged: set[str] = set()
        self.wanted = ground.reference(plan)
        self._ground = ground
        self._tag = self.folder.name
        self._ordered = "--ordered" in more
        write_input(self.input, plan, self._tag)
        self.argv = ["batch", str(self.input), "-o", str(self.out), "--base-url", ground.url]
        self.argv += ["--model", "m", "--concurrency", str(plan.concurrency), *more]
        self._asked_before = 0

    def asked(self) -> int:
        return self._ground.answers().of(self._tag)

    def again(self) -> None:
        """The same run from its beginning, on files that the caller has put there."""
        self.kills = 0
        self.acknowledged = set()
        self._asked_before = self.asked()

    def ended(self, end: End) -> End:
        """What it acknowledged has to stand in the file; all has to, once each, where it ended
        well."""
        self.kills += end.killed
        self.score.kills += end.killed
        self.score.acknowledged += len(end.acknowledged)
        self.acknowledged.update(end.acknowledged)
        found = read(self.out)
        there = {**read(self.journal).records, **found.records}
        self.score.lost += len(self.acknowledged - there.keys())
        if end.code == 0 and (found.repeated or len(found.records) != self.plan.prompts):
            count, twice = len(found.records), found.repeated
            self.wrong(f"it ended well, with {count} records and {twice} twice")
        return end

    def recorded(self) -> int:
        return len(read(self.journal).records)

    def finish(self, *, disturbed: int = 0, base: int = 0) -> None:
        """The same command once more, undisturbed, and the verdict. base: requests that were made
        before the run began to be watched. disturbed: ends that were no kill."""
        end = self.ended(Attempt(self.argv).end())
        if end.code:
            self.wrong(f"exit code {end.code} at the end: {end.stderr}")
        judge(
            self.score,
            self.out,
            wanted=self.wanted,
            asked=base + self.asked() - self._asked_before,
            kills=self.kills + disturbed,
            concurrency=self.plan.concurrency,
            ordered=self._ordered,
        )

    def wrong(self, sentence: str) -> None:
        self.score.wrong.append(f"{sentence.strip()} ({' '.join(self.argv[1:])})")


class Ground:
    """A folder, a server and what they give without interruption."""

    def __init__(self, folder: Path, server: ServerApart, seed: int) -> None:
        self.folder = folder
        self.url = server.url
        self.dice = random.Random(seed)
        self._server = server
        self._references: dict[tuple[int, int], dict[str, bytes]] = {}

    def answers(self) -> Answers:
        found: Answers = self._server.ask("handler")
        return found

    def reference(self, plan: Plan) -> dict[str, bytes]:
        """custom_id → digest of its record in a run that nobody disturbed, made by the very
        command; in the order of the input."""
        key = plan.prompts, plan.size
        if key not in self._references:
            self._references[key] = {}  # for the Run made here
            run = Run(self, plan._replace(delay=0.0, fails=0), score=Score("reference"))
            end = Attempt(run.argv, telling=False, fresh=True).end()
            found = read(run.out, size=plan.size)
            names = [custom_id(number) for number in range(plan.prompts)]
            whole = end.code == 0 and run.asked() == plan.prompts == len(found.records)
            if not whole or any(found[1:]) or found.records.keys() != set(names):
                raise AssertionError(f"a run without interruption is wrong: {found[1:]} {end}")
            self._references[key] = {name: found.records[name] for name in names}
            self.clear(run)
        return self._references[key]

    @contextmanager
    def run(self, score: Score, plan: Plan, *more: str, out: str = "out.jsonl") -> Iterator[Run]:
        run = Run(self, plan, *more, out=out, score=score)
        yield run
        self.clear(run)

    def clear(self, run: Run) -> None:
        for path in run.folder.iterdir():
            path.unlink()
        run.folder.rmdir()

    def wait_for_records(self, run: Run, attempt: Attempt) -> None:
        """Until the output gets one, or is repaired, or the command ends."""
        before = _size(run.journal)
        while attempt.running() and _size(run.journal) in (0, before):
            time.sleep(0.001)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
