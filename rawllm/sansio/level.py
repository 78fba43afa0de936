"""How many requests an endpoint may have in flight: outcomes + now → a number, never above a cap.

Pauses nothing and knows no retries; pace.py, the endpoint's one controller, asks it and obeys.

An LLM's latency says little by itself: it follows the length of the answer, and a server that
batches is slower for each and faster for all. So levels are judged by **goodput**, tokens a second
of answers that came (answers a second where no usage is told), and a higher level must bring a
tenth of what it would bring on an idle server. That finds the knee of a batching server and the
slots of one that queues alike, and does not mistake a long answer for an overload.

    start   one more for each answer, so that the level doubles with each round. The first sign ends
            it: a refusal, a timeout, or a latency per token that eats the gain: answers of requests
            that were sent at 8 to 15 in flight are compared with those at 4 to 7, and so on
    hold    goodput is measured over a window of answers at this level
    up      half as many more for a window; kept if it pays, and if it pays well: start again
    down    a fifth fewer for a window, after a level or its goodput has changed; kept if it costs
            nothing: there is no use in a queue at the server

A refusal (429, 503, 529) at a level that has never been borne takes back what was added, and that
level is tried again only after many answers. One at a level that was borne, or a timeout: seven
tenths, once for all that was in flight. Goodput is only measured where every slot is in use.
"""

from __future__ import annotations

import math

__all__ = ["Level"]

#: In flight at the very beginning. Less makes short runs slow, more meets more refusals.
START = 4
#: To double the load must bring so much goodput, else the start is over.
DOUBLING = 1.2
#: What a step must bring, as a power of the step: 0.1 is a tenth of what an idle server gives.
WORTH, WORTH_A_START = 0.1, 0.5
UP, UP_AGAIN, DOWN, CUT = 1.5, 1.25, 0.8, 0.7
#: For double the load: less than this is nothing, so rather look below; and this is surely a loss.
FLAT, LOSS = 1.05, 0.8
#: Windows between two steps up that did not pay, at most.
PATIENCE = 6
#: Goodput that differs by so much is another server's, or another time's.
CHANGED = 0.25


class Level:
    """cap: int, never more in flight. `limit` is the number."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.limit = min(START, cap)
        self._proven = 0  # the highest load that was borne
        self._cut_at = -math.inf
        self._ceiling = cap + 1  # a load that was refused
        self._rest = 0  # answers until that is tried again
        self._rests = 1  # how often it was refused in a row, doubling
        self._start()

    def finished(self, sent: float, load: int, now: float, *, work: float, busy: int) -> None:
        """A request was answered. sent: float, when; load: how many were in flight then, itself
        included; busy: how many are now, itself included; work: float, its tokens, or 1."""
        self._proven = max(self._proven, min(load, self.limit))
        self._rest -= 1
        full = busy >= min(self.limit - 1, 0.9 * self.limit)
        if self._phase == "start":
            self._learn(load, work, now - sent)
            self._work += work
            if full and self._phase == "start":
                self._grow(self.cap)
                self._doubled(now)
        elif not full:
            self._measure(now, settle=self._settle)
        elif self._phase == "up" and self.limit < self._target:
            self._grow(self._target)
        else:
            self._watch(now, work)

    def refused(self, sent: float, load: int, now: float, *, busy: int) -> bool:
        """Too much, says the server. True: only because of what was added just now, and to have
        fewer in flight is answer enough."""
        if load > self._proven and busy > 1:
            if load <= self._ceiling:
                self._ceiling = max(2, load)
                self._rest = max(32, min(256, 16 * load)) * self._rests
                self._rests = min(4, 2 * self._rests)
            if self.limit >= load:
                self._hold(max(1, load - 1))
            return True
        self.strained(sent, now)
        return False

    def strained(self, sent: float, now: float) -> None:
        """A request failed as they do where there are too many: multiplicative decrease, once for
        all that was in flight."""
        if sent > self._cut_at:
            self._cut_at = now
            self._hold(max(1, int(self.limit * CUT)))
            self._proven = min(self._proven, self.limit)
        self.interrupted(now)

    def interrupted(self, now: float) -> None:
        """Nothing was sent for a while: what is being measured says nothing."""
        self._measure(now, settle=self.limit)

    # ---------------------------------------------------------------- start

    def _start(self) -> None:
        self._phase = "start"
        # For loads of as many binary digits: answers, tokens, seconds, and the sum of loads.
        self._seen: dict[int, list[float]] = {}
        self._since, self._work, self._goodput = math.inf, 0.0, 0.0

    def _grow(self, bound: int) -> None:
        self.limit = min(bound, self.limit + 1)

    def _learn(self, load: int, work: float, seconds: float) -> None:
        digits = load.bit_length()
        seen = self._seen.setdefault(digits, [0.0, 0.0, 0.0, 0.0])
        for place, value in enumerate((1.0, work, seconds, float(load))):
            seen[place] += value
        before = self._seen.get(digits - 1)
        if before is None or seen[0] < max(4, 2 ** (digits - 2)) or before[0] < 4:
            return
        gain = _goodput(seen) / _goodput(before)
        if gain < DOUBLING:
            self._hold(min(self.limit, 2 ** (digits - 1)), upward=gain > FLAT)

    def _doubled(self, now: float) -> None:
        """At each power of two: where no usage is told, the first answers are the short ones, and
        seconds for each look good. What came in the whole time cannot."""
        if self.limit < self.cap and self.limit & (self.limit - 1):
            return
        before = self._goodput
        self._goodput = self._work / (now - self._since) if now > self._since else 0.0
        self._since, self._work = now, 0.0
        if before and self.limit >= 64 and self._goodput < LOSS * before:
            self._hold(self.limit // 2, upward=False)
        elif self.limit == self.cap:
            self._hold(self.limit)

    # ---------------------------------------------------------------- windows

    def _hold(self, level: int, *, upward: bool = True) -> None:
        """Find out what `level` brings, and then what is above or below it."""
        self._phase, self._base, self.limit = "hold", level, level
        self._goodput = 0.0
        self._patience, self._windows = 1, 0
        self._look_down, self._up, self._down = True, UP, DOWN
        self._upward = upward
        self._measure(0.0, settle=level)

    def _measure(self, now: float, *, settle: int) -> None:
        self._settle = settle  # answers that still belong to another level
        self._since, self._work, self._answers = now, 0.0, 0

    def _watch(self, now: float, work: float) -> None:
        if self._settle > 0:
            self._settle -= 1
            self._since = now
            return
        self._answers += 1
        self._work += work
        # The edges of a window are √n answers of unequal length; 20 times as many within drown it.
        if self._answers < 20 * math.sqrt(self.limit) or now <= self._since:
            return
        goodput = self._work / (now - self._since)
        self._measure(now, settle=0)
        if self._phase == "hold":
            self._held(goodput)
        else:
            self._tried(goodput)

    def _held(self, goodput: float) -> None:
        if self._goodput and abs(goodput / self._goodput - 1.0) > CHANGED:
            self._patience, self._look_down = 1, True
        self._goodput = goodput
        self._windows += 1
        if self._windows >= self._patience:
            self._step()

    def _step(self) -> None:
        """Try another level, if there is one to try."""
        self._windows = 0
        up = min(self.cap, max(self._base + 1, int(self._base * self._up)))
        if up >= self._ceiling:
            up = self._ceiling if self._rest <= 0 else self._ceiling - 1
        down = min(self._base - 1, int(self._base * self._down))
        if self._upward and up > self._base:
            self._phase, self._target = "up", up
        elif self._look_down and down >= 1:
            self._phase, self._target, self.limit = "down", down, down
        else:
            self._phase = "hold"
            self._upward = True
            return
        self._measure(0.0, settle=self._target)

    def _tried(self, goodput: float) -> None:
        step, gain = self._target / self._base, goodput / self._goodput
        if self._phase == "up" and self._target >= self._ceiling:
            self._ceiling, self._rests = self.cap + 1, 1
        if gain >= step**WORTH:
            self._base, self._goodput = self._target, goodput
            self._patience, self._look_down = 1, True
            self._up = UP
            self._down = 0.5 if self._phase == "down" and gain > 1.0 + 0.5 * (1.0 - step) else DOWN
            if self._phase == "up" and gain >= step**WORTH_A_START:
                self._start()
            else:
                self._step()
            return
        if self._phase == "down":
            self._look_down = False
        elif gain < 0.95:
            self._up = UP_AGAIN  # to look again costs, but less
        self._upward = self._phase == "down"
        self._patience = min(PATIENCE, 2 * self._patience)
        self._phase, self.limit = "hold", self._base
        self._measure(0.0, settle=self._base)


def _goodput(seen: list[float]) -> float:
    """By Little's law: the mean load, times tokens a second of each."""
    answers, work, seconds, loads = seen
    return loads / answers * work / max(seconds, 1e-9)
