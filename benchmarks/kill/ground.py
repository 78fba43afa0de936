"""What a run is judged by: prompts with one right answer each, and what has become of them.

Starts no run. Believes no summary: it reads the files, and asks the server what it was asked.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rawllm.testing import Answer, Reply, Request

__all__ = ["Answers", "Found", "Plan", "Score", "custom_id", "judge", "read", "write_input"]


class Plan(NamedTuple):
    """prompts: how many. size: bytes of an answer, about. concurrency: requests at once. delay:
    seconds until an answer comes, at most; half of it at least. fails: how often a prompt is
    answered with an error before it gets its answer."""

    prompts: int
    size: int
    concurrency: int
    delay: float = 0.0
    fails: int = 0


def custom_id(number: int) -> str:
    return f"n-{number}"


def text(number: int, size: int) -> str:
    """The right answer. It holds what a reader may stumble over: U+2028, quotes, 2 to 4 bytes a
    character; and its number, so that no other's can pass for it."""
    filler = '\u2028 "quoted" \\ caf\u00e9 \u4e2d\u6587 \U0001f600\n'
    times = max(1, size // len(json.dumps(filler, ensure_ascii=False).encode()))
    return f"answer {number}: {filler * times}"


def write_input(path: Path, plan: Plan, tag: str) -> None:
    """tag: of this run, so that the server can tell whose prompt it is."""
    with path.open("w") as file:
        for number in range(plan.prompts):
            prompt = f"{tag}/{number}/{plan.size}/{plan.delay}/{plan.fails}"
            body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
            batch = {
                "custom_id": custom_id(number),
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            plain = {"custom_id": custom_id(number), "prompt": prompt}
            print(json.dumps(batch if number % 2 else plain), file=file)


class Answers:
    """The server's side. asked: Counter of prompts, each "tag/number/size/delay/fails"."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> Answer | None:
        if not request.generates:
            return None
        prompt = request.prompts[0]
        self.asked[prompt] += 1
        _, number, size, delay, fails = prompt.split("/")
        headers = {"x-request-id": f"req-{number}"}
        if self.asked[prompt] <= int(fails):
            return Reply(status=400, headers=headers)
        body = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text(int(number), int(size))},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        # From the number and not from dice: between half and all of it.
        wait = float(delay) * (0.5 + int(number) * 7919 % 100 / 200)
        return Reply(body=body, headers=headers, first_delay=wait)

    def of(self, tag: str) -> int:
        """How many requests came for this run."""
        return sum(count for prompt, count in self.asked.items() if prompt.startswith(tag + "/"))


class Found(NamedTuple):
    """What stands in an output file. records: custom_id → digest of its line. repeated, broken:
    lines beyond the first of an id, and whole lines that are none. torn: bytes behind the last
    newline. failed: records that are no answer, or not the right one."""

    records: dict[str, bytes]
    repeated: int
    broken: int
    torn: int
    failed: int


def read(path: Path, size: int | None = None) -> Found:
    """size: of the answers, whose text is then compared too. A missing file holds nothing."""
    records: dict[str, bytes] = {}
    repeated = broken = torn = failed = 0
    for line in _lines(path):
        if not line.endswith(b"\n"):
            torn = len(line)
            break
        try:
            record = json.loads(line)
            name, response = record["custom_id"], record["response"]
        except (ValueError, LookupError, TypeError):
            broken += 1
            continue
        repeated += name in records
        records[name] = hashlib.sha256(line).digest()
        if size is not None:
            failed += not _right(name, response, size)
    return Found(records, repeated, broken, torn, failed)


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from file


def _right(name: str, response: Any, size: int) -> bool:
    number = name.removeprefix("n-")
    try:
        said = response["body"]["choices"][0]["message"]["content"]
        request_id = response["request_id"]
    except (LookupError, TypeError):
        return False
    return bool(said == text(int(number), size) and request_id == f"req-{number}")


@dataclass
class Score:
    """One row of the table: sums over runs. extra: requests beyond one for each prompt; allowed:
    as many may be. wrong: sentences, what else was not as promised."""

    name: str
    runs: int = 0
    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    missing: int = 0
    duplicates: int = 0
    unparsable: int = 0
    different: int = 0
    extra: int = 0
    allowed: int = 0
    wrong: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        counts = {
            "acknowledged records lost": self.lost,
            "records missing": self.missing,
            "records twice": self.duplicates,
            "lines unparsable": self.unparsable,
            "records other than without interruption": self.different,
        }
        found = [f"{self.name}: {count} {what}" for what, count in counts.items() if count]
        shown = self.wrong[:5] + [f"{len(self.wrong) - 5} more"] * (len(self.wrong) > 5)
        return found + [f"{self.name}: {sentence}" for sentence in shown]


def judge(
    score: Score,
    path: Path,
    *,
    wanted: dict[str, bytes],
    asked: int,
    kills: int,
    concurrency: int,
    ordered: bool = False,
) -> None:
    """A finished run into its score. wanted: custom_id → digest, of a run without interruption, in
    the order of the input. asked: requests that the server got."""
    found = read(path)
    score.runs += 1
    score.missing += len(wanted.keys() - found.records.keys())
    score.duplicates += found.repeated
    score.unparsable += found.broken + bool(found.torn)
    score.different += len(found.records.keys() - wanted.keys()) + sum(
        digest != wanted[name] for name, digest in found.records.items() if name in wanted
    )
    if ordered and list(found.records) != list(wanted):
        score.wrong.append("--ordered, and not in the order of the input")
    extra, allowed = asked - len(wanted), kills * concurrency
    score.extra += extra
    score.allowed += allowed
    if not 0 <= extra <= allowed:
        score.wrong.append(f"{extra} extra requests for {kills} kills × {concurrency}")
