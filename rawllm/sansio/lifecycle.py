"""A stream's states and legal moves, in one table.

Rule 1: whether a stream is complete is decided here and nowhere else.
Rule 2: nothing here knows bytes, clocks or errors; signals in, states out.

Completeness: `[DONE]` came, or every choice has a finish_reason. Neither alone will do:
transformers serve never sends `[DONE]`; Ollama may finish with a null finish_reason.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["MOVES", "Lifecycle", "Signal", "State"]


class State(Enum):
    __hash__ = object.__hash__  # Enum's own is written in Python, and MOVES is asked all the time

    OPENING = "opening"  # nothing has come yet but roles
    STREAMING = "streaming"  # some choice goes on
    SEEN_FINISHED = "seen_finished"  # every choice that appeared has finished, some never appeared
    FINISHED = "finished"  # every choice that was asked for has finished
    COMPLETE = "complete"
    BROKEN = "broken"
    CLOSED = "closed"  # by the user, half-read


class Signal(Enum):
    __hash__ = object.__hash__

    OUTPUT = "output"  # a chunk, and some choice that appeared has not finished
    SEEN_FINISHED = "seen_finished"  # a chunk, and all that appeared have
    FINISHED = "finished"  # a chunk, and all that were asked for have
    DONE = "done"  # `data: [DONE]`
    EOF = "eof"  # the body ended properly
    LOST = "lost"  # the connection died, or the last chunk is missing
    SILENCE = "silence"  # the clock of this state ran out
    ERROR = "error"  # the server reported an error, or sent what is no chunk
    CLOSE = "close"  # the user left


_OUTPUT = {
    Signal.OUTPUT: State.STREAMING,
    Signal.SEEN_FINISHED: State.SEEN_FINISHED,
    Signal.FINISHED: State.FINISHED,
}
_FAILURES = {Signal.ERROR: State.BROKEN, Signal.CLOSE: State.CLOSED}
_LOSSES = {Signal.LOST: State.BROKEN, Signal.SILENCE: State.BROKEN}

#: state → signal → next state. A missing entry is an illegal move.
MOVES: dict[State, dict[Signal, State]] = {
    # `[DONE]` without a single chunk is no answer: vLLM sends it for aborted requests.
    State.OPENING: {
        **_OUTPUT,
        **_FAILURES,
        **_LOSSES,
        Signal.DONE: State.BROKEN,
        Signal.EOF: State.BROKEN,
    },
    # `[DONE]` with no finish_reason: complete, and finish_reason None stays visible.
    State.STREAMING: {
        **_OUTPUT,
        **_FAILURES,
        **_LOSSES,
        Signal.DONE: State.COMPLETE,
        Signal.EOF: State.BROKEN,
    },
    # Several servers answer n=2 with one choice and a proper end; a reset there is a loss.
    State.SEEN_FINISHED: {
        **_OUTPUT,
        **_FAILURES,
        **_LOSSES,
        Signal.DONE: State.COMPLETE,
        Signal.EOF: State.COMPLETE,
    },
    # All is here that was asked for: usage may still follow, nothing after it can do harm.
    State.FINISHED: {
        **_OUTPUT,
        **_FAILURES,
        Signal.DONE: State.COMPLETE,
        Signal.EOF: State.COMPLETE,
        Signal.LOST: State.COMPLETE,
        Signal.SILENCE: State.COMPLETE,
    },
    State.COMPLETE: {},
    State.BROKEN: {},
    State.CLOSED: {},
}


class Lifecycle:
    """Where one stream stands. expected: int, choices asked for (n × prompts). ended: no move is
    left."""

    __slots__ = ("done_seen", "ended", "expected", "state")

    def __init__(self, expected: int = 1) -> None:
        self.expected = expected
        self.state = State.OPENING
        self.done_seen = False
        self.ended = False

    def move(self, signal: Signal) -> State:
        try:
            self.state = MOVES[self.state][signal]
        except KeyError:
            raise ValueError(f"{signal} is no legal move of a stream in {self.state}") from None
        self.ended = not MOVES[self.state]
        if signal is Signal.DONE:
            self.done_seen = True
        return self.state

    def chunk(self, *, seen: int, finished: int, output: bool) -> State:
        """A chunk came. seen, finished: int, choices so far; output: it held more than a role."""
        if finished >= max(self.expected, seen):
            return self.move(Signal.FINISHED)
        if seen and finished >= seen:
            return self.move(Signal.SEEN_FINISHED)
        if output or self.state is not State.OPENING:
            return self.move(Signal.OUTPUT)
        return self.state

    def __repr__(self) -> str:
        return f"<Lifecycle {self.state.value}>"
