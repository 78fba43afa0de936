"""Whether an endpoint keeps the connections it promises to keep, learned from what happened.

Opens and closes nothing; net/transport.py asks before each stream.

llama.cpp's server closes TCP after every streamed answer while promising keep-alive, so that about
half of back-to-back streamed POSTs meet a connection that is just dying (aiohttp#6138). Each can be
sent again for free, but it is better not to try: after two such deaths the endpoint's streams go
on connections of their own.
"""

from __future__ import annotations

__all__ = ["StreamManners"]

#: Seconds after a drained stream within which the death of its connection is the server's habit
#: and not an idle timeout.
HABIT = 1.0

#: Seconds after which the lesson is forgotten: servers get restarted and replaced.
MEMORY = 600.0

DEATHS = 2


class StreamManners:
    __slots__ = ("_deaths", "_until")

    def __init__(self) -> None:
        self._deaths = 0
        self._until = 0.0

    def died(self, now: float, drained_at: float | None) -> None:
        """A reused connection died without an answer; a stream on it had ended at `drained_at`."""
        if drained_at is None or now - drained_at > HABIT:
            return
        self._deaths += 1
        if self._deaths >= DEATHS:
            self._deaths = 0
            self._until = now + MEMORY

    def closes(self, now: float) -> bool:
        """Whether the endpoint's streams should get connections of their own."""
        return now < self._until
