"""The soak of `benchmarks/soak.py`, short: each fault of its list, and nothing left at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.soak import MIB, Faults, Report, words
from rawllm.testing.request import Headers, Request

ROOT = Path(__file__).parents[1]

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads memory and files from /proc")


@LINUX
def test_a_hundred_streams_with_faults_leave_nothing_behind():
    process = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks.soak", "--seconds=2", "--streams=100"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert process.stderr == ""
    assert process.returncode == 0, process.stdout
    assert process.stdout.endswith("\nok\n")


def report(*, ends=None, strange=None, left=None, grown=0.0):
    """A run of 60 s whose memory grows by so many MiB over its last two thirds."""
    slope = grown / 40.0
    memory = [(at / 4, int((100.0 + slope * at / 4) * MIB)) for at in range(241)]
    return Report(
        60.0, Counter(ends or {"answer": 9}), Counter(strange or {}), memory, dict(left or {})
    )


@pytest.mark.parametrize(
    ("found", "problems"),
    [
        (report(), []),
        (report(ends={"answer": 9, "IdleTimeout": 5}, left={"tasks": 0}, grown=2.0), []),
        (report(ends={"IdleTimeout": 5}), ["not one right answer"]),
        (report(strange={"no typed error: KeyError()": 2}), ["2 × no typed error: KeyError()"]),
        (report(left={"tasks": 1, "slots": 0}), ["1 tasks left"]),
        (report(grown=20.0), ["memory grew by 20.0 MiB, more than 8.0"]),
    ],
)
def test_the_verdict_names_what_went_wrong(found, problems):
    assert found.problems() == problems
    assert found.table()


def test_each_fault_is_an_answer_that_the_server_can_give(monkeypatch):
    now = 0.0
    monkeypatch.setattr("benchmarks.soak.time.monotonic", lambda: now)
    faults = Faults(seed=1, seconds=60.0, length=1.0)
    for number in range(4000):
        now = number * 0.014
        body = b'{"messages": [{"role": "user", "content": "7:5"}], "stream": %b}' % (
            b"true" if number % 2 else b"false"
        )
        request = Request("POST", "/v1/chat/completions", "", Headers(), body, 0, number, 0.0)
        play = faults(request).play(request, {})
        assert all(isinstance(part, (bytes, float)) for part in play.parts)

    assert len(faults.tried) == 22
    now = 61.0
    assert faults(request).tokens == words("7:5") == ["7.0 ", "7.1 ", "7.2 ", "7.3 ", "7.4 "]
