"""Why rawllm misses a target, and what was tried: the page's words on each miss.

No code. A target (targets.py) → one paragraph of Markdown. What is met is not shown; a miss that
has nothing here is named as such on the page and on stderr.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CAUSES"]

_NOISE = (
    "On the machine of this page the ratio of one round differs from the next by 0.1 to 0.3, since "
    "others share its cores."
)
_OPENAI = (
    "The bound was set against an earlier release; what is ours to make is the ratio to the plain "
    "loop, and that is met. " + _NOISE
)
_HELD = (
    "The plain loop itself takes nearly as much: connection, parser, transport and task are "
    "aiohttp's and asyncio's. Ours are a deadline's timer, the permit, the call with its body "
    "(kept to be sent again) and five coroutines. Tried: no buffer for each connection, headers "
    "shared by all calls, no task, no payload object and no writer for a request."
)

CAUSES: Mapping[str, str] = {
    "call, 256 at once, against the plain loop": (
        "Half of it is the garbage collector, for both: with as many calls in flight, what they "
        "hold grows old. By instructions a call costs a tenth less than the plain loop's. Tried: "
        "headers and credentials made once, one read buffer a loop, fewer objects a call. " + _NOISE
    ),
    "call, 32 at once, against the plain loop": _NOISE,
    "event, 16 a write, against the plain loop": (
        "By instructions it is 0.45. msgspec's decoding of an event of eight fields is a fifth of "
        "it and the floor; adding up the answer, the error fields and the states take the rest. "
        "Tried: cutting whole events by one search, no call for a delta that is only text, larger "
        "reads. Left: to add up only where the whole answer is asked for, which would keep every "
        "chunk in memory. " + _NOISE
    ),
    "event, one a write, against the plain loop": _NOISE,
    "event, one every 5 ms, against the plain loop": (
        "An event that comes alone costs a turn of the loop, a wake-up and a system call, the same "
        "for both, and nine tenths of it. Ours beside it are a clock for each wait and the rules "
        "for SSE; decoding gains about as much back. Tried: one coroutine less in the wait, one "
        "timer that is not set anew, a read buffer that is not mapped each time. " + _NOISE
    ),
    "call: with a counting hook, against without": _NOISE,
    "event, one every 5 ms: with a counting hook, against without": (
        "No hook is called for an event: it is the same code. " + _NOISE
    ),
    "call: less CPU than openai": _OPENAI,
    "call: less CPU than openai[aiohttp]": _OPENAI,
    "call: less CPU than lm-deluge": _OPENAI,
    "memory of a call, 1,000 in flight": _HELD,
    "memory of a stream, 1,000 in flight": _HELD,
    "memory of 10,000 calls in flight, the process in all": _HELD,
    "call, 10,000 in flight, against the plain loop": (
        "Most of it is the garbage collector, for both, and connections that idled for more than "
        "4 s are opened anew: servers close them after 5 s, and a request must not meet that. "
        + _NOISE
    ),
    "installed": (
        "12.2 MB of it are aiohttp, msgspec, backoff and what those bring; rawllm is one of them "
        "since it has the Responses API, openai's type paths and the gateway."
    ),
}
