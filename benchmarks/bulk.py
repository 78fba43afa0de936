"""`rawllm batch` in bulk: a server that goes away for a minute, memory, and what a record costs.

    python -m benchmarks.bulk outage     # 10,000 prompts, the server down for 60 s in the middle
    python -m benchmarks.bulk memory     # peak memory with 10,000 and with 1,000,000 lines
    python -m benchmarks.bulk cost       # instructions per record and per bare call; needs valgrind

Exit code 0 where nothing failed or was lost, a million lines take at most 50 MB more than ten
thousand, and a record at most 1.5 × the instructions of a bare call of the client; 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.apart import ServerApart
from benchmarks.kill.ground import Answers, Plan, read, write_input
from benchmarks.peers.environments import ROOT, child
from benchmarks.peers.processes import Server
from rawllm import Client, batch

__all__ = ["cost", "main", "memory", "outage"]

#: What is promised: MB (10⁶ bytes) and a ratio.
MORE_MEMORY, DEARER = 50.0, 1.5

#: What the canned server says to everything: a whole answer with so many characters.
BEHAVIOUR = "text=600"


def command(folder: Path, url: str, *more: str) -> list[str]:
    words = ["-m", "rawllm", "batch", str(folder / "in.jsonl"), "-o", str(folder / "out.jsonl")]
    return [sys.executable, *words, "--base-url", url, "--model", "m", *more]


def table(rows: dict[str, str]) -> None:
    print("\n".join(f"{name:<44} {value:>16}" for name, value in rows.items()))


def outage(prompts: int, down: float) -> list[str]:
    """The server stops to listen for `down` seconds when two of five prompts are answered."""
    plan = Plan(prompts, 1_000, 32, 0.1)
    with tempfile.TemporaryDirectory() as name, ServerApart(Answers()) as server:
        folder = Path(name)
        write_input(folder / "in.jsonl", plan, "bulk")
        words = command(folder, server.url, "--concurrency", str(plan.concurrency), "--json")
        began = time.monotonic()
        process = subprocess.Popen(words, cwd=ROOT, env=child(), stdout=subprocess.PIPE)
        _wait(process, lambda: server.ask("attempts") > prompts * 2 / 5)
        server.ask("refuse")
        refused, attempts = time.monotonic(), server.ask("attempts")
        time.sleep(down)
        back = time.monotonic()
        server.ask("accept")
        _wait(process, lambda: server.ask("attempts") > attempts)
        first = time.monotonic()
        output, _ = process.communicate()
        ended = time.monotonic()
        asked = server.ask("handler").of("bulk")
        found = read(folder / "out.jsonl", size=plan.size)
    counts: dict[str, Any] = json.loads(output)
    table(
        {
            "prompts": f"{prompts:,}",
            "right answers in the output": f"{len(found.records) - found.failed:,}",
            "failed records": f"{counts['failed']:,}",
            "requests at the server": f"{asked:,}",
            "attempts in all, refused ones included": f"{counts['answered'] + counts['retries']:,}",
            "down for": f"{back - refused:.1f} s",
            "first request after it was back": f"{first - back:.1f} s",
            "before, and after it was back": f"{refused - began:.1f} s, {ended - back:.1f} s",
        }
    )
    problems = []
    if process.returncode:
        problems.append(f"exit code {process.returncode}")
    if counts["failed"] or found.failed:
        problems.append(f"{counts['failed']} failed, {found.failed} not the right answer")
    if len(found.records) != prompts or any(found[1:4]):
        problems.append(f"{prompts - len(found.records)} lost, {found[1:4]} lines wrong")
    if asked > prompts + plan.concurrency:
        problems.append(f"{asked - prompts} requests twice, of {plan.concurrency} in flight")
    return problems


def _wait(process: subprocess.Popen[bytes], condition: Any) -> None:
    while process.poll() is None and not condition():
        time.sleep(0.01)


def memory(few: int, many: int) -> list[str]:
    """The peak of the resident memory of the process, as the kernel has it."""
    peaks, rows = [], {}
    with Server() as server:
        for prompts in (few, many):
            peak, seconds = _peak(server.url(BEHAVIOUR), prompts)
            peaks.append(peak)
            rows[f"{prompts:,} lines"] = f"{peak:.1f} MB"
            rows["  took"] = f"{seconds:.0f} s, {prompts / seconds:,.0f}/s"
            table(rows)
            rows = {}
    more = peaks[1] - peaks[0]
    table({"more": f"{more:.1f} MB"})
    return [f"{more:.1f} MB more than {MORE_MEMORY:.0f}"] if more > MORE_MEMORY else []


def _peak(url: str, prompts: int) -> tuple[float, float]:
    """(MB, seconds)"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_small(folder / "in.jsonl", prompts)
        began = time.monotonic()
        words = command(folder, url, "--concurrency", "32")
        process = subprocess.Popen(words, cwd=ROOT, env=child(), stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with (folder / "out.jsonl").open("rb") as file:
            lines = sum(1 for _ in file)
        if process.returncode or lines != prompts:
            raise SystemExit(f"exit code {process.returncode}, {lines} of {prompts} lines")
        return used.ru_maxrss * 1024 / 1e6, time.monotonic() - began


def _write_small(path: Path, prompts: int) -> None:
    with path.open("w") as file:
        for number in range(prompts):
            messages = [{"role": "user", "content": f"Why is number {number} the way it is?"}]
            body = {"model": "m", "messages": messages, "max_tokens": 100}
            line = {
                "custom_id": f"request-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            print(json.dumps(line), file=file)


def cost(few: int, many: int, concurrency: int) -> list[str]:
    """Instructions, from the difference of two sizes, so that starting and importing fall out."""
    each = {}
    with Server() as server, tempfile.TemporaryDirectory() as name:
        for what in CHILDREN:
            counts = []
            for prompts in (few, many):
                folder = Path(name, f"{what}-{prompts}")
                folder.mkdir()
                _write_small(folder / "in.jsonl", prompts)
                words = ["-m", "benchmarks.bulk", what, "--url", server.url(BEHAVIOUR)]
                words += ["--prompts", str(prompts), "--concurrency", str(concurrency)]
                words += ["--folder", str(folder)]
                counts.append(_instructions([sys.executable, *words]))
            each[what] = (counts[1] - counts[0]) / (many - few)
    ratio = each["recorded"] / each["bare"]
    table(
        {
            "instructions of a bare call": f"{each['bare']:,.0f}",
            "instructions of a record": f"{each['recorded']:,.0f}",
            "ratio": f"{ratio:.2f}",
        }
    )
    return [f"a record costs {ratio:.2f} × a bare call"] if ratio > DEARER else []


def _instructions(words: Sequence[str]) -> int:
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    environment = child(PYTHONHASHSEED="0")
    done = subprocess.run(
        [*valgrind, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        raise SystemExit(done.stderr[-2000:])
    return int(found[1])


async def bare(folder: Path, url: str, prompts: int, concurrency: int) -> None:
    """What one writes without `rawllm batch`, and without reading or keeping anything."""

    async def work(numbers: range) -> None:
        for number in numbers:
            content = f"Why is number {number} the way it is?"
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": content}], max_tokens=100
            )

    async with Client(url) as client:
        share = [range(start, prompts, concurrency) for start in range(concurrency)]
        await asyncio.gather(*(work(numbers) for numbers in share))


async def recorded(folder: Path, url: str, prompts: int, concurrency: int) -> None:
    """What `rawllm batch` does but for its display: that costs by the second, and valgrind makes
    seconds of what are milliseconds."""
    source, output = folder / "in.jsonl", folder / "out.jsonl"
    async with Client(url, model="m") as client:
        summary = await batch.run(source, output, client=client, concurrency=concurrency)
    assert summary.answered == prompts


CHILDREN = {"bare": bare, "recorded": recorded}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("what", choices=("outage", "memory", "cost", *CHILDREN))
    parser.add_argument(
        "--prompts", type=int, help="outage: 10,000; memory: 1,000,000; cost: 1,200"
    )
    parser.add_argument("--down", type=float, default=60.0, help="seconds, for outage")
    parser.add_argument("--concurrency", type=int, default=8, help="for cost")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.what in CHILDREN:
        gc.disable()  # when a collection comes depends on what ran before, and on what is loaded
        work = CHILDREN[asked.what]
        asyncio.run(work(asked.folder, asked.url, asked.prompts, asked.concurrency))
        return 0
    if asked.what == "outage":
        problems = outage(asked.prompts or 10_000, asked.down)
    elif asked.what == "memory":
        problems = memory(10_000, asked.prompts or 1_000_000)
    else:
        most = asked.prompts or 1_200
        problems = cost(most // 4, most, asked.concurrency)
    print("\n" + ("\n".join(f"WRONG: {problem}" for problem in problems) or "ok"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
