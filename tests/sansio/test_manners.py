"""What is learned of a server that closes the connections it promised to keep."""

from __future__ import annotations

import pytest

from rawllm.sansio.manners import StreamManners


def test_at_first_the_promise_is_believed() -> None:
    assert not StreamManners().closes(0.0)
    assert not StreamManners().closes(1e9)


def test_two_deaths_soon_after_a_stream_are_a_habit() -> None:
    manners = StreamManners()
    manners.died(10.0, 9.5)
    assert not manners.closes(10.0)
    manners.died(20.0, 19.0)
    assert manners.closes(20.0)


@pytest.mark.parametrize("drained_at", [None, 8.9, 0.0])
def test_other_deaths_teach_nothing(drained_at: float | None) -> None:
    manners = StreamManners()
    for _ in range(10):
        manners.died(10.0, drained_at)
    assert not manners.closes(10.0)


def test_the_lesson_is_forgotten_and_must_be_learned_anew() -> None:
    manners = StreamManners()
    for _ in range(2):
        manners.died(10.0, 10.0)
    assert manners.closes(10.0 + 599.9)
    assert not manners.closes(10.0 + 600.0)
    manners.died(700.0, 700.0)
    assert not manners.closes(700.0)
    manners.died(701.0, 701.0)
    assert manners.closes(701.0)
