"""`rawllm batch --dry-run`: the input checked and counted, its tokens estimated.

Sends nothing and writes nothing but its answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import Any

from .progress import number


def run(args: argparse.Namespace) -> int:
    from itertools import islice

    import msgspec

    from ..batch import lines
    from ..batch.source import Source, numbered
    from ..sansio.estimate import BYTES_A_TOKEN, FIRST_GUESS

    if args.input == "-":
        found: Any = numbered(sys.stdin.buffer)
    else:
        found = Source(args.input)
        found.survey(model=args.model)
    requests: Counter[str] = Counter()
    tokens_in: Counter[str] = Counter()
    tokens_out: Counter[str] = Counter()
    for line_number, line in islice(found, args.limit):
        path, body = (request := lines.request(line, line_number)).path, request.body
        requests[path] += 1
        tokens_in[path] += round(len(msgspec.json.encode(body)) / BYTES_A_TOKEN)
        if path != "/embeddings":
            most = _whole(body, "max_completion_tokens") or _whole(body, "max_tokens")
            tokens_out[path] += round(most or FIRST_GUESS) * (_whole(body, "n") or 1)
    shown = {
        path: {
            "requests": requests[path],
            "tokens_in": tokens_in[path],
            "tokens_out": tokens_out[path],
        }
        for path in requests
    }
    if args.json:
        print(json.dumps(shown))
        return 0
    for path, counts in shown.items():
        print(
            f"{path:<18} {counts['requests']:>11,} requests, about {number(counts['tokens_in'])} "
            f"tokens in and {number(counts['tokens_out'])} out"
        )
    return 0


def _whole(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and value > 0 else 0
