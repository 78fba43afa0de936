"""The parts of the protocol: what is done to runs, each a function that fills a Score.

Every run ends in `ground.judge`: however it was disturbed, the same command brings it to its end.
"""

from __future__ import annotations

import shlex
import signal
import time
from typing import NamedTuple

from benchmarks.kill.attempt import Attempt
from benchmarks.kill.ground import Plan, Score, read
from benchmarks.kill.run import Ground, Run
from benchmarks.kill.scenes import crash_chains, crash_points

__all__ = ["Amount", "parts"]

#: 1 kB, 300 kB, 2 MB; one, eight, sixty-four at once. Each takes about a second undisturbed.
PLANS = (
    Plan(120, 1_000, 1, 0.010),
    Plan(600, 1_000, 8, 0.015),
    Plan(2400, 1_000, 64, 0.040),
    Plan(60, 300_000, 1, 0.015),
    Plan(200, 300_000, 8, 0.030),
    Plan(400, 300_000, 64, 0.100),
    Plan(30, 2_000_000, 1, 0.020),
    Plan(60, 2_000_000, 8, 0.060),
    Plan(128, 2_000_000, 64, 0.200),
)


class Amount(NamedTuple):
    """How much of each part is done; `every`: one of so many points and prefixes."""

    kills: int = 200
    runs: int = 20
    plans: tuple[Plan, ...] = PLANS
    every: int = 1
    sizes: int = 50
    rounds: int = 3
    chains: int = 30


def random_kills(ground: Ground, amount: Amount) -> Score:
    """SIGKILL at any moment, most of them while requests are in flight; the plain command in one
    of two starts, a telling one in the other; --ordered and power durability now and then."""
    score = Score("SIGKILL at random moments")
    number = 0
    while (score.kills < amount.kills or number < amount.runs) and number < 3 * amount.runs:
        plan = amount.plans[number % len(amount.plans)]
        more = ["--ordered"] * (number % 3 == 2) + ["--durability", "power"] * (number % 4 == 3)
        number += 1
        with ground.run(score, plan, *more) as run:
            left = -(-amount.kills // amount.runs)
            while left and score.kills < amount.kills:
                attempt = Attempt(run.argv, fresh=True, telling=bool(left % 2))
                _kill_some_time(ground, run, attempt, left)
                end = run.ended(attempt.end())
                if not end.killed:
                    if end.code:
                        run.wrong(f"exit code {end.code}: {end.stderr}")
                    break
                left -= 1
            run.finish()
    if score.kills < amount.kills:
        score.wrong.append(f"{score.kills} kills are fewer than {amount.kills}")
    return score


def _kill_some_time(ground: Ground, run: Run, attempt: Attempt, left: int) -> None:
    """left: kills for the rest of this run: it is to last for all of them."""
    plan = run.plan
    if ground.dice.random() < 0.2:  # in the survey, the scan, the repair
        time.sleep(ground.dice.uniform(0.0, 0.7))
    else:
        rest = (plan.prompts - run.recorded()) * plan.delay / plan.concurrency
        ground.wait_for_records(run, attempt)
        time.sleep(ground.dice.uniform(0.0, 1.5 * rest / (left + 1)))
    attempt.signal()


def kills_in_resume(ground: Ground, amount: Amount) -> Score:
    """Five times in a row while it reads what there is and repairs its torn end."""
    score = Score("5 SIGKILLs during a resume")
    for plan in amount.plans:
        with ground.run(score, plan) as run:
            attempt = Attempt(run.argv)
            ground.wait_for_records(run, attempt)
            beginning = time.monotonic() - attempt.began
            time.sleep(plan.prompts * plan.delay / plan.concurrency / 3)
            attempt.signal()
            run.ended(attempt.end())
            for _ in range(5):
                with run.journal.open("ab") as file:
                    file.write(b'{"id":"batch_req_0123","custom_id":"n-')
                attempt = Attempt(run.argv)
                time.sleep(ground.dice.uniform(0.0, 1.2 * beginning))
                attempt.signal()
                run.ended(attempt.end())
            run.finish()
    return score


def deaths(ground: Ground, amount: Amount) -> Score:
    return crash_points(ground, every=amount.every)


def chains(ground: Ground, amount: Amount) -> Score:
    return crash_chains(ground, chains=amount.chains)


def torn_tails(ground: Ground, amount: Amount) -> Score:
    """Every prefix of the last record, bare and with NULs behind it, and of the manifest. The
    record is asked for again where it is not whole, and only then."""
    score = Score("each prefix of the last record")
    with ground.run(score, Plan(4, 400, 1)) as run:
        Attempt(run.argv).end()
        content, described = run.out.read_bytes(), run.manifest.read_bytes()
        start = content[:-1].rfind(b"\n") + 1
        length = len(content) - start
        run.again()
        lengths = [*range(0, length - 3, amount.every), *range(length - 3, length + 1)]
        for tail in (b"", b"\0" * 100):
            for piece in lengths if not tail else lengths[:: max(1, 20 // amount.every)]:
                if tail and piece == length:
                    continue
                run.out.write_bytes(content[: start + piece] + tail)
                run.again()
                run.finish(base=3 if piece < length - 1 else 4)
        for piece in range(0, len(described), 5 * amount.every):
            run.out.unlink()
            run.manifest.write_bytes(described[:piece])
            run.again()
            run.finish()
    return score


ROOMS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "out.jsonl"),
    (("--durability", "power"), "out.jsonl"),
    ((), "out.jsonl.gz"),
    (("--ordered",), "out.jsonl"),
    (("--ordered",), "out.jsonl.gz"),
)


def disk_full(ground: Ground, amount: Amount) -> Score:
    """No file may grow beyond a random size: exit code 3, a message, nothing torn is left."""
    score = Score("disk full at a random size")
    for number in range(amount.sizes):
        plan = Plan(40, 1_000, 8) if number % 2 else Plan(12, 300_000, 3)
        flags, out = ROOMS[number % len(ROOMS)]
        with ground.run(score, plan, *flags, out=out) as run:
            if "--ordered" in flags:  # where it is all there, and is put in order
                run.ended(Attempt([word for word in run.argv if word != "--ordered"]).end())
            room = int(ground.dice.uniform(0.0, 0.9) * plan.prompts * plan.size)
            end = run.ended(Attempt(run.argv, room=room).end())
            if end.code != 3 or "cannot be written" not in end.stderr:
                run.wrong(f"with room for {room} bytes exit code {end.code}: {end.stderr}")
            if torn := read(run.journal).torn:
                run.wrong(f"with room for {room} bytes {torn} torn bytes are left")
            run.finish(disturbed=1)
    return score


def two_runs(ground: Ground, amount: Amount) -> Score:
    """On one file: the second is refused, with exit code 2, and the first does not notice."""
    score = Score("two runs on one file")
    for number in range(2 * amount.rounds):
        at_once = number % 2 == 0
        with ground.run(score, Plan(60, 1_000, 8, 0.1)) as run:
            first = Attempt(run.argv)
            if not at_once:
                ground.wait_for_records(run, first)
            second = Attempt(run.argv)
            ends = sorted((run.ended(first.end()), run.ended(second.end())), key=lambda e: e.code)
            if [end.code for end in ends] != [0, 2] or "another run" not in ends[1].stderr:
                run.wrong(f"they ended {ends}")
            run.finish()
    return score


def signals(ground: Ground, amount: Amount) -> Score:
    """Once: what is in flight is kept. Twice: it ends now. Both say how to go on, and that is
    what is done."""
    score = Score("SIGINT and SIGTERM, once and twice")
    for number in range(4 * amount.rounds):
        which = (signal.SIGINT, signal.SIGTERM)[number % 2]
        twice = number % 4 > 1
        with ground.run(score, Plan(12, 1_000, 8, 1.0 if twice else 0.3)) as run:
            attempt = Attempt(run.argv, fresh=amount.rounds > 1)
            ground.wait_for_records(run, attempt)
            attempt.signal(which)
            if twice:
                time.sleep(0.05)
                attempt.signal(which)
            end = run.ended(attempt.end())
            if end.code != 128 + which:
                run.wrong(f"exit code {end.code} after {which.name}: {end.stderr}")
            if twice and run.recorded() == run.asked():
                run.wrong(f"after a second {which.name} it still waited for what was in flight")
            if unsaid := not_told(end.stderr, run.argv):
                run.wrong(f"{unsaid} after {which.name}: {end.stderr}")
            run.finish(disturbed=int(twice))
    return score


def not_told(stderr: str, argv: list[str]) -> str:
    """What is missing of "to go on: COMMAND", "" where it is right."""
    found = [
        line.partition("to go on: ")[2] for line in stderr.splitlines() if "to go on: " in line
    ]
    if not found:
        return "no line says how to go on"
    return "" if shlex.split(found[0]) == ["rawllm", *argv] else "the command to go on is another"


parts = (
    random_kills,
    kills_in_resume,
    deaths,
    chains,
    torn_tails,
    disk_full,
    two_runs,
    signals,
)
