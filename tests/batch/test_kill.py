"""The kills of `benchmarks/kill`, a sample of them, and the verdict over what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("there is no fork and no SIGKILL", allow_module_level=True)

from benchmarks.kill.ground import Score, judge, read, text

ROOT = Path(__file__).parents[2]


def test_runs_that_are_killed_starved_and_disturbed_lose_nothing():
    process = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks.kill", "--short"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert process.stderr == ""
    assert process.returncode == 0, process.stdout
    assert process.stdout.endswith("\nok\n")


def line(number: int, said: str | None = None) -> bytes:
    content = text(number, 100) if said is None else said
    body = {"choices": [{"message": {"content": content}}]}
    response = {"status_code": 200, "request_id": f"req-{number}", "body": body}
    record = {"custom_id": f"n-{number}", "response": response, "error": None}
    return json.dumps(record).encode() + b"\n"


WHOLE = [line(0), line(1), line(2)]


@pytest.mark.parametrize(
    ("output", "asked", "problems"),
    [
        (WHOLE, 3, []),
        (WHOLE, 5, []),
        (WHOLE[::-1], 5, ["--ordered, and not in the order of the input"]),
        (WHOLE, 6, ["3 extra requests for 1 kills × 2"]),
        (WHOLE, 2, ["-1 extra requests for 1 kills × 2"]),
        (WHOLE[:2], 3, ["1 records missing", "--ordered, and not in the order of the input"]),
        ([*WHOLE, line(1)], 3, ["1 records twice"]),
        ([*WHOLE[:2], line(2, "?")], 3, ["1 records other than without interruption"]),
        (
            [*WHOLE, line(3)],
            3,
            [
                "1 records other than without interruption",
                "--ordered, and not in the order of the input",
            ],
        ),
        ([*WHOLE, b'{"custom_id": "n-2", \n'], 3, ["1 lines unparsable"]),
        ([*WHOLE, b'{"custom_id": "n-2"}\n'], 3, ["1 lines unparsable"]),
        ([*WHOLE, b'{"custom_id":'], 3, ["1 lines unparsable"]),
    ],
)
def test_the_verdict_names_what_went_wrong(tmp_path, output, asked, problems):
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"".join(WHOLE))
    wanted = read(path, size=100).records
    path.write_bytes(b"".join(output))
    score = Score("here")

    judge(score, path, wanted=wanted, asked=asked, kills=1, concurrency=2, ordered=True)

    assert score.problems() == [f"here: {problem}" for problem in problems]


def test_an_answer_of_another_prompt_is_not_right(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(line(0) + line(1, text(2, 100)))

    assert read(path, size=100).failed == 1
