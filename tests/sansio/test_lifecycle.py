"""The table of a stream's moves, written a second time by hand, and whole streams as signals."""

from __future__ import annotations

from typing import Any

import pytest

from rawllm.sansio.lifecycle import MOVES, Lifecycle, Signal, State

# For each state what follows, in the order of SIGNALS; "-" is an illegal move.
SIGNALS = "output seen_finished finished done eof lost silence error close"
TABLE = """
opening        streaming seen_finished finished broken   broken   broken   broken   broken closed
streaming      streaming seen_finished finished complete broken   broken   broken   broken closed
seen_finished  streaming seen_finished finished complete complete broken   broken   broken closed
finished       streaming seen_finished finished complete complete complete complete broken closed
complete       -         -             -        -        -        -        -        -      -
broken         -         -             -        -        -        -        -        -      -
closed         -         -             -        -        -        -        -        -      -
"""
ROWS = [
    (row.split()[0], signal, outcome)
    for row in TABLE.strip().splitlines()
    for signal, outcome in zip(SIGNALS.split(), row.split()[1:], strict=True)
]


def test_the_table_has_every_state_and_every_signal() -> None:
    assert {(state, signal) for state, signal, _ in ROWS} == {
        (state.value, signal.value) for state in State for signal in Signal
    }
    assert set(MOVES) == set(State)


@pytest.mark.parametrize(("state", "signal", "outcome"), ROWS)
def test_every_move(state: str, signal: str, outcome: str) -> None:
    lifecycle = Lifecycle()
    lifecycle.state = State(state)
    if outcome == "-":
        with pytest.raises(ValueError, match="no legal move"):
            lifecycle.move(Signal(signal))
        assert lifecycle.state is State(state)
        assert not lifecycle.done_seen
    else:
        assert lifecycle.move(Signal(signal)) is lifecycle.state is State(outcome)
        assert lifecycle.done_seen == (signal == "done")
        assert lifecycle.ended == (outcome in ("complete", "broken", "closed"))


# A chunk is (choices seen so far, of them finished, output?).
ROLE = (1, 0, False)
TEXT = (1, 0, True)
FINISH = (1, 1, True)
USAGE = (0, 0, True)
DONE, EOF, LOST = Signal.DONE, Signal.EOF, Signal.LOST
SILENCE, ERROR, CLOSE = Signal.SILENCE, Signal.ERROR, Signal.CLOSE

STREAMS: list[tuple[str, int, list[Any], State, bool]] = [
    ("the usual", 1, [ROLE, TEXT, TEXT, FINISH, FINISH, DONE], State.COMPLETE, True),
    ("nothing yet", 1, [], State.OPENING, False),
    ("roles do not open it", 1, [ROLE, (2, 0, False)], State.OPENING, False),
    ("not one event", 1, [EOF], State.BROKEN, False),
    ("[DONE] alone: an aborted request", 1, [DONE], State.BROKEN, True),
    ("a role and [DONE]", 1, [ROLE, DONE], State.BROKEN, True),
    ("usage opens it", 1, [USAGE], State.STREAMING, False),
    ("a finish alone is an answer", 1, [FINISH, DONE], State.COMPLETE, True),
    ("no finish_reason but [DONE]: Ollama", 1, [ROLE, TEXT, DONE], State.COMPLETE, True),
    ("no finish_reason and no [DONE]", 1, [ROLE, TEXT, EOF], State.BROKEN, False),
    ("never a [DONE]: transformers serve", 1, [TEXT, FINISH, EOF], State.COMPLETE, False),
    ("a reset after the finish", 1, [TEXT, FINISH, LOST], State.COMPLETE, False),
    ("silence after the finish", 1, [TEXT, FINISH, SILENCE], State.COMPLETE, False),
    ("usage may follow the finish", 1, [TEXT, FINISH, FINISH], State.FINISHED, False),
    ("a reset before it", 1, [TEXT, LOST], State.BROKEN, False),
    ("silence before it", 1, [TEXT, SILENCE], State.BROKEN, False),
    ("an error after the finish", 1, [TEXT, FINISH, ERROR], State.BROKEN, False),
    ("the user leaves", 1, [TEXT, CLOSE], State.CLOSED, False),
    ("the user leaves a finished stream", 1, [TEXT, FINISH, CLOSE], State.CLOSED, False),
    (
        "two of two",
        2,
        [(1, 0, True), (2, 0, True), (2, 1, True), (2, 2, True)],
        State.FINISHED,
        False,
    ),
    ("one of two goes on", 2, [(2, 0, True), (2, 1, True)], State.STREAMING, False),
    ("one of two, then a proper end", 2, [TEXT, FINISH, EOF], State.COMPLETE, False),
    ("one of two, then [DONE]", 2, [TEXT, FINISH, DONE], State.COMPLETE, True),
    ("one of two, then a reset", 2, [TEXT, FINISH, LOST], State.BROKEN, False),
    ("one of two, then silence", 2, [TEXT, FINISH, SILENCE], State.BROKEN, False),
    ("the second comes late", 2, [FINISH, (2, 1, False)], State.STREAMING, False),
    ("the second comes late and is cut", 2, [FINISH, (2, 1, True), EOF], State.BROKEN, False),
    ("one more than was asked for goes on", 1, [(2, 1, True), EOF], State.BROKEN, False),
]


@pytest.mark.parametrize(
    ("expected", "signals", "state", "done_seen"),
    [s[1:] for s in STREAMS],
    ids=[s[0] for s in STREAMS],
)
def test_whole_streams(expected: int, signals: list[Any], state: State, done_seen: bool) -> None:
    lifecycle = Lifecycle(expected)
    for signal in signals:
        if isinstance(signal, Signal):
            lifecycle.move(signal)
        else:
            seen, finished, output = signal
            assert lifecycle.chunk(seen=seen, finished=finished, output=output) is lifecycle.state
    assert lifecycle.state is state
    assert lifecycle.done_seen is done_seen
    assert state.value in repr(lifecycle)
