"""Runs that die at a chosen file operation, from each way in which their files may stand.

Needs one request at a time: file operations then come in the same order each time.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.kill.attempt import Attempt
from benchmarks.kill.doom import MOMENTS, Doom
from benchmarks.kill.ground import Plan, Score, custom_id
from benchmarks.kill.run import Ground, Run

__all__ = ["crash_chains", "crash_points"]

#: Flags, output, how the files stand when it begins.
SCENES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    ((), "out.jsonl", "nothing"),
    (("--ordered",), "out.jsonl", "some"),
    ((), "out.jsonl", "torn"),
    ((), "out.jsonl", "no newline"),
    ((), "out.jsonl.gz", "torn"),
    (("--retry-failed", "--errors", "ERRORS"), "out.jsonl", "failures"),
    (("--retry-failed",), "out.jsonl.gz", "failures"),
)


def _die_after(run: Run, records: int) -> None:
    """The run from its beginning until so many records count. At one request at a time it does
    the same each time."""
    told = Attempt(run.argv, doom=Doom()).end().told
    acknowledged = [place for place, word in enumerate(told) if word[0] != "#"]
    operations = sum(word[0] == "#" for word in told[: acknowledged[records - 1]])
    for path in (run.out, run.journal, run.manifest):
        path.unlink(missing_ok=True)
    if Attempt(run.argv, doom=Doom(operations, "before")).end().acknowledged != [
        custom_id(number) for number in range(records)
    ]:
        run.wrong("the preparation failed")


class _Scene:
    """A run that can be set back to its beginning."""

    def __init__(self, run: Run, stand: str) -> None:
        self.run = run
        if stand == "failures":
            argv = [word for word in run.argv if word != "--retry-failed"]
            if Attempt(argv).end().code != 1:
                run.wrong("nothing failed in the preparation")
        elif stand != "nothing":
            _die_after(run, 3)
            content = run.journal.read_bytes()
            last = content[content[:-1].rfind(b"\n") + 1 :]
            stands = {
                "some": content,
                "torn": content + last[: len(last) // 2],
                "no newline": content[:-1],
            }
            run.journal.write_bytes(stands[stand])
        #: Requests for what stands there already.
        self.base = 3 if stand not in ("nothing", "failures") else 0
        self._files = {path: path.read_bytes() for path in run.folder.iterdir()}

    def reset(self) -> None:
        """As it stood, and nothing beside it."""
        for path in self.run.folder.iterdir():
            if path not in self._files:
                path.unlink()
        for path, content in self._files.items():
            path.write_bytes(content)
        self.run.again()


def scenes(ground: Ground, score: Score) -> Iterator[tuple[_Scene, list[str]]]:
    """Each way to begin, and the file operations that it takes from there, as "#write"."""
    for durability in ("process", "power"):
        for flags, out, stand in SCENES:
            more = [str(ground.folder / word) if word == "ERRORS" else word for word in flags]
            plan = Plan(5, 300, 1, fails=1 if stand == "failures" else 0)
            with ground.run(score, plan, *more, "--durability", durability, out=out) as run:
                scene = _Scene(run, stand)
                scene.reset()
                end = run.ended(Attempt(run.argv, doom=Doom()).end())
                if end.code:
                    run.wrong(f"exit code {end.code} without any kill: {end.stderr}")
                last = "#fsync" if durability == "power" else "#write"
                for before, word in zip(end.told, end.told[1:], strict=False):
                    if word[0] != "#" and before != last:
                        run.wrong(f"{word} was acknowledged after {before}, not {last}")
                run.finish(base=scene.base)
                yield scene, [word for word in end.told if word[0] == "#"]


def crash_points(ground: Ground, *, every: int) -> Score:
    """Death before and after each file operation, and within each write; one of `every`."""
    score = Score("death at each file operation")
    count = 0
    for scene, operations in scenes(ground, score):
        for number, operation in enumerate(operations):
            for moment in MOMENTS if operation == "#write" else ("before", "after"):
                count += 1
                if count % every:
                    continue
                scene.reset()
                end = scene.run.ended(Attempt(scene.run.argv, doom=Doom(number, moment)).end())
                if not end.killed:
                    scene.run.wrong(f"not killed {moment} {number} {operation}: {end}")
                scene.run.finish(base=scene.base)
    return score


def crash_chains(ground: Ground, *, chains: int) -> Score:
    """`chains` times in each scene five such deaths in a row, in the run and in its resumes."""
    score = Score("5 such deaths in a row")
    dice = ground.dice
    for scene, operations in scenes(ground, score) if chains else ():
        for _ in range(chains):
            scene.reset()
            for _ in range(5):
                doom = Doom(dice.randrange(len(operations)), dice.choice(["before", "after"]))
                scene.run.ended(Attempt(scene.run.argv, doom=doom).end())
            scene.run.finish(base=scene.base)
    return score
