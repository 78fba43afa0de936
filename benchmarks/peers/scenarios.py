"""What is measured: the loads, the counted work and the calls held in flight, in two sizes.

Runs nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "CALL",
    "COUNTED",
    "EVENTS",
    "FLIGHTS",
    "HELD",
    "HELD_EVENTS",
    "HOLDS",
    "LAST",
    "LOADS",
    "PACED",
    "SHORT",
    "TEXT",
    "Load",
]

#: Characters of an answer, tokens of a stream: about what a short chat brings.
TEXT, EVENTS = 600, 200

#: A paced stream takes half a second however little there is to do.
PACED = 100

CALL = f"text={TEXT}"
SIXTEEN = f"events={EVENTS},write=16"
ONE = f"events={EVENTS},write=1"
#: Few events, so that what is measured is a stream and not what has come and waits to be read.
HELD, HELD_EVENTS = "events=8,write=1", 8
SLOW = f"events={PACED},write=1,pace=5"


class Load(NamedTuple):
    """behaviour: of the server. heavy: in how many of the rounds heavy peers take part; none where
    a round would take them minutes."""

    name: str
    behaviour: str
    concurrency: int
    heavy: int = 1000

    @property
    def stream(self) -> bool:
        return self.behaviour != CALL

    @property
    def paced(self) -> bool:
        """The server's clock decides how long it takes."""
        return self.behaviour == SLOW

    @property
    def wanted(self) -> int:
        """What each call must bring: characters, or tokens."""
        return TEXT if not self.stream else PACED if self.paced else EVENTS

    @property
    def each(self) -> int:
        """What a call's figure is divided by."""
        return self.wanted if self.stream else 1


#: 1,000 paced streams are 200,000 events/s, more than a core can wake up for.
LOADS = {
    load.name: load
    for load in (
        *(Load(f"call, {n}", CALL, n) for n in (1, 32, 256)),
        Load("call, 1000", CALL, 1000, heavy=1),
        *(Load(f"16 a write, {n}", SIXTEEN, n) for n in (1, 32)),
        *(Load(f"16 a write, {n}", SIXTEEN, n, heavy=0) for n in (256, 1000)),
        *(Load(f"one a write, {n}", ONE, n) for n in (1, 32)),
        *(Load(f"one a write, {n}", ONE, n, heavy=0) for n in (256, 1000)),
        Load("paced, 1", SLOW, 1, heavy=1),
        Load("paced, 32", SLOW, 32, heavy=1),
        *(Load(f"paced, {n}", SLOW, n, heavy=0) for n in (256, 1000)),
    )
}

SHORT = ("call, 1", "call, 32", "16 a write, 32", "one a write, 32")

#: Calls held in flight, for memory; and of rawllm and the plain loop alone, for CPU a call.
HOLDS, FLIGHTS = (1000, 10_000), (1, 100, 10_000)

#: One client makes so many calls one after the other.
LAST = 1_000_000

#: Instructions are the same at any concurrency but for the loop's share, so one will do.
COUNTED: tuple[dict[str, Any], ...] = (
    {"name": "call", "behaviour": CALL, "stream": False, "calls": 200, "wanted": TEXT, "each": 1},
    {
        "name": "16 a write",
        "behaviour": SIXTEEN,
        "stream": True,
        "calls": 20,
        "wanted": EVENTS,
        "each": EVENTS,
    },
    {
        "name": "one a write",
        "behaviour": ONE,
        "stream": True,
        "calls": 20,
        "wanted": EVENTS,
        "each": EVENTS,
    },
)
