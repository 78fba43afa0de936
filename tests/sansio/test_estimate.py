"""The estimate of tokens: near enough, and nearer with every answer."""

from __future__ import annotations

import pytest

from rawllm.sansio.estimate import TokenEstimate


@pytest.mark.parametrize(
    ("body_bytes", "max_tokens", "choices", "tokens"),
    [
        (400, 50, 1, 150.0),
        (400, 50, 3, 250.0),
        (400, 0, 1, 100.0),
        (0, 7, 1, 7.0),
        (2, 0, 1, 0.5),
        (400, None, 1, 356.0),
        (400, None, 2, 612.0),
    ],
)
def test_bytes_by_four_and_the_output_asked_for(
    body_bytes: int, max_tokens: int | None, choices: int, tokens: float
) -> None:
    assert TokenEstimate().of(body_bytes, max_tokens, choices) == tokens


def test_the_expected_output_moves_towards_what_comes() -> None:
    estimate = TokenEstimate()
    before = estimate.of(0, None)
    seen = [before]
    for _ in range(100):
        estimate.learn(20)
        seen.append(estimate.of(0, None))
    assert seen == sorted(seen, reverse=True)
    assert seen[1] == pytest.approx(before + 0.1 * (20 - before))
    assert seen[-1] == pytest.approx(20, rel=0.01)


def test_one_strange_answer_moves_it_by_a_tenth_only() -> None:
    estimate = TokenEstimate()
    for _ in range(200):
        estimate.learn(100)
    estimate.learn(10_000)
    assert estimate.of(0, None) == pytest.approx(1_090, rel=0.01)


def test_the_output_of_several_choices_is_learned_for_each() -> None:
    estimate = TokenEstimate()
    for _ in range(200):
        estimate.learn(80, choices=4)
    assert estimate.of(0, None) == pytest.approx(20, rel=0.01)
    assert estimate.of(0, None, 4) == pytest.approx(80, rel=0.01)
