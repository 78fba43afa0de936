"""Parsing and decoding alone, without a socket: a library against a bare split and json.loads.

    python -m benchmarks.peers.parse rawllm       # or openai
    python -m benchmarks.peers.parse rawllm 1 2   # with other sizes of the one event, in MiB

CPU nanoseconds for an event of 330 bytes, as JSON; for one event of 1 to 16 MiB in pieces of 64 KB,
nanoseconds a KB. Library and plain way take turns.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from benchmarks.peers.server import event

__all__ = ["LARGE", "main"]

NUMBER, REPEATS = 2000, 7

MIB = 1024 * 1024
#: Of one event, in MiB; the last one is the largest that rawllm takes.
LARGE = (1, 4, 16)


def _split(pieces: Iterable[bytes]) -> int:
    rest, found = b"", 0
    for piece in pieces:
        *events, rest = (rest + piece).split(b"\n\n")
        found += len([event[6:] for event in events])
    return found


def _rawllm() -> tuple[Callable[[Iterable[bytes]], int], Callable[[bytes], Any]]:
    from rawllm.sansio.decode import ChunkDecoder
    from rawllm.sansio.sse import SSEParser

    def parse(pieces: Iterable[bytes]) -> int:
        parser = SSEParser()
        return sum(len(parser.feed(piece)) for piece in pieces)

    return parse, ChunkDecoder().decode


def _openai() -> tuple[Callable[[Iterable[bytes]], int], Callable[[bytes], Any]]:
    from openai._models import construct_type
    from openai._streaming import SSEDecoder
    from openai.types.chat import ChatCompletionChunk

    def parse(pieces: Iterable[bytes]) -> int:
        return sum(1 for _ in SSEDecoder().iter_bytes(iter(pieces)))

    def decode(payload: bytes) -> Any:
        return construct_type(type_=ChatCompletionChunk, value=json.loads(payload))

    return parse, decode


def _times(
    ways: dict[str, Callable[[], Any]], number: int = NUMBER, repeats: int = REPEATS
) -> dict[str, float]:
    """Nanoseconds for each of the number, the median; the ways take turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.process_time_ns()
            way()
            taken[name].append((time.process_time_ns() - began) / number)
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    library, *sizes = sys.argv[1:]
    parse, decode = {"rawllm": _rawllm, "openai": _openai}[library]()
    one = event({"content": " token"})
    stream = one * NUMBER
    cuts = {"64 KB a piece": 65536, "one event a piece": len(one), "64 bytes a piece": 64}
    found = {}
    for name, size in cuts.items():
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert parse(pieces) == _split(pieces) == NUMBER
        ways: dict[str, Callable[[], Any]] = {
            library: partial(parse, pieces),
            "plain": partial(_split, pieces),
        }
        found[f"parse, {name}"] = _times(ways)
    for size in map(int, sizes or LARGE):
        large = b"data: %s\n\n" % (b"x" * (size * MIB - 8))
        pieces = [large[at : at + 65536] for at in range(0, len(large), 65536)]
        assert parse(pieces) == _split(pieces) == 1
        ways = {library: partial(parse, pieces), "plain": partial(_split, pieces)}
        found[f"one event, {size} MiB"] = _times(ways, size * 1024, 3)
    payload = one[6:-2]
    assert decode(payload).choices[0].delta.content == " token"
    found["decode"] = _times(
        {
            library: lambda: [decode(payload) for _ in range(NUMBER)],
            "plain": lambda: [json.loads(payload) for _ in range(NUMBER)],
        }
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
