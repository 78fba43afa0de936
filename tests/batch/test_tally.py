"""What is counted while a batch runs."""

import random

import pytest

from rawllm.batch.tally import Latencies, Latency, Summary, Tally


def tallied(answers=0, failures=(), lines=None, resumed=0, resumed_failed=0):
    tally = Tally()
    tally.lines, tally.resumed, tally.resumed_failed = lines, resumed, resumed_failed
    tally.start(100.0)
    for _ in range(answers):
        tally.answered(0.5, attempts=1, prompt_tokens=3, completion_tokens=7)
    for name in failures:
        tally.failed(name, attempts=1)
    return tally


def test_everything_adds_up():
    tally = tallied(4, ["A", "B", "B"], lines=20, resumed=5, resumed_failed=1)
    counts = tally.summary(102.5)
    assert (counts.answered, counts.failed, counts.done) == (4, 3, 7)
    assert (counts.recorded, counts.left, counts.failures) == (12, 8, 4)
    assert (counts.prompt_tokens, counts.completion_tokens) == (12, 28)
    assert counts.seconds == 2.5
    assert list(counts.errors.items()) == [("B", 2), ("A", 1)]


def test_an_input_that_nobody_counted_has_nothing_left_to_count():
    counts = tallied(4).summary(101.0)
    assert (counts.lines, counts.left, counts.recorded) == (None, None, 4)


def test_a_retry_is_a_request_beyond_the_first_of_each():
    tally = tallied()
    tally.answered(0.1, attempts=3, prompt_tokens=0, completion_tokens=0)
    tally.failed("A", attempts=2)
    tally.failed("B", attempts=0)  # refused before it was sent
    assert tally.summary(101.0).retries == 3


def test_time_counts_from_the_start_on():
    tally = Tally()
    assert tally.summary(50.0).seconds == 0.0
    tally.start(60.0)
    assert tally.summary(61.0).seconds == 1.0


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_latencies_are_right_to_three_percent(share):
    rng = random.Random(7)
    values = sorted(rng.lognormvariate(0, 2) for _ in range(5000))
    latencies = Latencies()
    for value in values:
        latencies.put(value)
    exact = values[int(share * 5000) - 1]
    assert latencies.below(share) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, 1e-4), (-1.0, 1e-4), (1e9, 1e-4 * 2**30)])
def test_latencies_beyond_the_histogram_go_to_its_ends(seconds, shown):
    latencies = Latencies()
    latencies.put(seconds)
    assert latencies.below(0.5) == pytest.approx(shown, rel=0.05)


def test_without_an_answer_there_is_no_latency():
    assert tallied(0, ["A"]).summary(101.0).latency is None
    assert isinstance(tallied(1).summary(101.0).latency, Latency)


def test_rates_are_those_of_the_last_ten_seconds():
    tally = tallied()
    now = 100.0
    for _ in range(80):  # 4 a second for 20 s
        now += 0.25
        tally.answered(0.1, attempts=1, prompt_tokens=3, completion_tokens=7)
        rates = tally.rates(now)
    assert rates == (pytest.approx(4.0, rel=0.05), pytest.approx(28.0, rel=0.05))
    for _ in range(50):  # then none for 12.5 s
        now += 0.25
        rates = tally.rates(now)
    assert rates == (0.0, 0.0)


def test_embeddings_have_no_output_so_their_input_is_the_rate():
    tally = tallied()
    tally.answered(0.1, attempts=1, prompt_tokens=50, completion_tokens=0)
    assert tally.rates(101.0) == (1.0, 50.0)


def test_rates_at_the_very_start_are_nothing():
    assert tallied(3).rates(100.0) == (0.0, 0.0)


def test_what_was_resumed_is_no_throughput_of_this_run():
    tally = tallied(10, lines=1000, resumed=890)
    assert tally.eta(105.0) == pytest.approx(50.0)  # 100 left at 2 a second


@pytest.mark.parametrize("tally", [tallied(0, lines=10), tallied(5)])
def test_without_a_throughput_or_an_end_there_is_no_eta(tally):
    assert tally.eta(105.0) is None


def test_an_empty_summary_is_one():
    assert (Summary().recorded, Summary().failures, Summary().left) == (0, 0, None)
