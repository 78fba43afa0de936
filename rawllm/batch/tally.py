"""What is counted while a batch runs: answers, failures, retries, tokens, errors, latencies.

Reads no clock (`now` comes in) and keeps no record: its memory does not grow with the run.
"""

from __future__ import annotations

import math
from collections import Counter, deque

import msgspec

__all__ = ["Latencies", "Latency", "Progress", "Summary", "Tally"]


class Latency(msgspec.Struct, frozen=True):
    """Seconds from sending a request to its whole answer (of the attempt that succeeded, without
    waiting in queues): the median, and what 90 and 99 of 100 stay below, to within 3 %."""

    p50: float
    p90: float
    p99: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to.

    lines: requests in the input; None where nobody counted them (stdin).
    resumed: of them, those whose record was there before the run; resumed_failed: of these again,
    the records of failures. answered, failed: recorded by this run. retries: requests sent beyond
    one for each of these. prompt_tokens, completion_tokens: as the server counted them. errors:
    failures by the name of their class. seconds: how long this run took. latency: None without an
    answer. notes: what was found and mended at the start, for people.
    """

    lines: int | None = None
    resumed: int = 0
    resumed_failed: int = 0
    answered: int = 0
    failed: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: dict[str, int] = {}
    seconds: float = 0.0
    latency: Latency | None = None
    notes: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """Recorded by this run."""
        return self.answered + self.failed

    @property
    def recorded(self) -> int:
        """Requests that have a record now."""
        return self.resumed + self.done

    @property
    def left(self) -> int | None:
        """Requests without a record; None where nobody counted the input."""
        return None if self.lines is None else self.lines - self.recorded

    @property
    def failures(self) -> int:
        """Records of failures there are now."""
        return self.resumed_failed + self.failed


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A run while it goes on.

    counts: what it came to so far. requests_per_second, tokens_per_second: of the last ten seconds
    (output tokens, or input where there is no output, as with embeddings). in_flight, waiting:
    requests sent, and those that wait for a slot, a limit or a pause to end. eta: seconds that the
    rest will take at this run's throughput so far; None where nobody can say. refusing: what the
    endpoint refuses requests with, "HTTP 503" or "no connection"; None while it takes them.
    refused_for: seconds since it last took one, and max_outage: how many of them end the run.
    stopping: no new request is taken any more.
    """

    counts: Summary
    requests_per_second: float = 0.0
    tokens_per_second: float = 0.0
    in_flight: int = 0
    waiting: int = 0
    eta: float | None = None
    refusing: str | None = None
    refused_for: float = 0.0
    max_outage: float = 0.0
    stopping: bool = False


#: Buckets in a doubling of the time: each is 4.4 % wide, its middle at most 2.2 % off.
FINENESS = 16
#: Seconds at the lower end of the first bucket, and doublings from there: up to 29 hours.
SHORTEST = 1e-4
DOUBLINGS = 30


class Latencies:
    """A histogram with buckets of equal ratio: 480 numbers, however many are put in."""

    __slots__ = ("_buckets", "_count")

    def __init__(self) -> None:
        self._buckets = [0] * (FINENESS * DOUBLINGS)
        self._count = 0

    def put(self, seconds: float) -> None:
        place = int(math.log2(max(seconds, SHORTEST) / SHORTEST) * FINENESS)
        self._buckets[min(place, len(self._buckets) - 1)] += 1
        self._count += 1

    def below(self, share: float) -> float:
        """Seconds that `share` (0 to 1) of them stay below; 0.0 where there is none."""
        wanted = max(1, math.ceil(share * self._count))
        for place, number in enumerate(self._buckets):
            wanted -= number
            if wanted <= 0:
                return float(SHORTEST * 2.0 ** ((place + 0.5) / FINENESS))
        return 0.0

    def latency(self) -> Latency | None:
        if not self._count:
            return None
        return Latency(*(float(f"{self.below(share):.3g}") for share in (0.5, 0.9, 0.99)))


#: Seconds that the rates shown look back over, and between two marks of it.
WINDOW = 10.0
STEP = 0.25


class Tally:
    """The counts of one run. lines, resumed, resumed_failed, notes: as in `Summary`, to be set
    when they are known."""

    def __init__(self) -> None:
        self.lines: int | None = None
        self.resumed = self.resumed_failed = 0
        self.notes: tuple[str, ...] = ()
        self._started: float | None = None
        self._answered = self._failed = self._attempts = 0
        self._prompt_tokens = self._completion_tokens = self._tokens = 0
        self._errors: Counter[str] = Counter()
        self._latencies = Latencies()
        self._marks: deque[tuple[float, int, int]] = deque()

    def start(self, now: float) -> None:
        """The first request is about to go: from here on time counts."""
        self._started = now
        self._marks.append((now, 0, 0))

    def _seconds(self, now: float) -> float:
        return 0.0 if self._started is None else now - self._started

    def answered(
        self, seconds: float, *, attempts: int, prompt_tokens: int, completion_tokens: int
    ) -> None:
        self._answered += 1
        self._attempts += attempts
        self._prompt_tokens += prompt_tokens
        self._completion_tokens += completion_tokens
        self._tokens += completion_tokens or prompt_tokens
        self._latencies.put(seconds)

    def failed(self, name: str, *, attempts: int) -> None:
        self._failed += 1
        self._attempts += max(1, attempts)  # refused before it was sent: no retry either
        self._errors[name] += 1

    def summary(self, now: float) -> Summary:
        return Summary(
            lines=self.lines,
            resumed=self.resumed,
            resumed_failed=self.resumed_failed,
            answered=self._answered,
            failed=self._failed,
            retries=self._attempts - self._answered - self._failed,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            errors=dict(self._errors.most_common()),
            seconds=round(self._seconds(now), 3),
            latency=self._latencies.latency(),
            notes=self.notes,
        )

    def rates(self, now: float) -> tuple[float, float]:
        """(requests, tokens) a second over the last WINDOW, once it has started. To be asked now
        and then: it notes where the counts stand."""
        done = self._answered + self._failed
        marks = self._marks
        while len(marks) > 1 and now - marks[1][0] >= WINDOW:
            marks.popleft()
        since, done_then, tokens_then = marks[0]
        if now - marks[-1][0] >= STEP:
            marks.append((now, done, self._tokens))
        if now <= since:
            return 0.0, 0.0
        return (done - done_then) / (now - since), (self._tokens - tokens_then) / (now - since)

    def eta(self, now: float) -> float | None:
        """Seconds until the rest is done at the run's throughput so far, which does not count what
        was resumed."""
        done = self._answered + self._failed
        if self.lines is None or not done:
            return None
        left = self.lines - self.resumed - done
        return left * self._seconds(now) / done
