"""Headers as numbers: the cases of the sample file, the three dates, and junk that never raises."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from rawllm.sansio.headers import remaining, request_id, retry_after, should_retry

SAMPLES = Path(__file__).parent.parent / "samples"
CASES = [
    json.loads(line) for line in (SAMPLES / "retry_after_cases.jsonl").read_bytes().splitlines()
]
CAP = 120.0
NEW_YEAR = 1767225600.0  # 2026-01-01T00:00:00Z


def action(headers: dict[str, str], delay: float | None) -> str:
    """What a policy with a cap of 120 s makes of the numbers."""
    if should_retry(headers) is False:
        return "give_up"
    if delay is None:
        return "own_backoff"
    return "wait" if delay <= CAP else "give_up_or_failover"


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["name"])
def test_the_sample_cases(row: dict[str, Any]) -> None:
    delay = retry_after(row["headers"], now_epoch=row["now_epoch"])
    # `overflow` has no number in the file; it must read as more than any cap.
    assert delay == (math.inf if row["name"] == "overflow" else row["delay_s"])
    assert action(row["headers"], delay) == row["action"]


def test_the_sample_cases_are_all_there() -> None:
    assert len(CASES) == 24
    assert {row["action"] for row in CASES} == {
        "wait",
        "own_backoff",
        "give_up",
        "give_up_or_failover",
    }


DATES = [
    "Thu, 01 Jan 2026 00:00:30 GMT",
    "Thursday, 01-Jan-26 00:00:30 GMT",
    "Thu Jan  1 00:00:30 2026",
]


@pytest.mark.parametrize("date", DATES)
def test_a_date_is_measured_against_the_servers_own_clock(date: str) -> None:
    # The client's clock is an hour fast: by it, the date has passed.
    headers = {"Retry-After": date, "Date": "Thu, 01 Jan 2026 00:00:10 GMT"}
    assert retry_after(headers, now_epoch=NEW_YEAR + 3600) == 20.0
    assert retry_after(headers) == 20.0


@pytest.mark.parametrize("date", DATES)
def test_without_a_readable_date_header_the_given_clock_counts(date: str) -> None:
    assert retry_after({"Retry-After": date}, now_epoch=NEW_YEAR) == 30.0
    assert retry_after({"Retry-After": date, "Date": "soon"}, now_epoch=NEW_YEAR) == 30.0
    assert retry_after({"Retry-After": date}) is None


def test_a_date_in_the_past_means_now() -> None:
    assert retry_after({"Retry-After": DATES[0]}, now_epoch=NEW_YEAR + 31) == 0.0


@pytest.mark.parametrize(
    "value",
    [
        *("-1", "nan", "NaN", "infinity", "٣", "²", "1.", ".5", "5s", "1,5", "0x10", "soon"),
        *("12:30", "::", "Thu, 01 Jan 2026 25:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT"),
        "Thu, 01 Jan 2026 00:00:30 +9999999999",
        "Thu, 01 Jan 2026 00:00:30 +99999999999999999999",
    ],
)
def test_what_is_not_a_delay_is_none(value: str) -> None:
    assert retry_after({"Retry-After": value}, now_epoch=NEW_YEAR) is None
    assert retry_after({"retry-after-ms": value}, now_epoch=NEW_YEAR) is None


def test_unreadable_milliseconds_leave_the_seconds_their_say() -> None:
    assert retry_after({"retry-after-ms": "soon", "retry-after": "3"}) == 3.0


@pytest.mark.parametrize("digits", [400, 5_000])
def test_an_absurd_number_is_infinite(digits: int) -> None:
    assert retry_after({"retry-after": "9" * digits}) == math.inf
    assert retry_after({"retry-after-ms": "9" * digits}) == math.inf


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", True),
        ("false", False),
        (" True ", True),
        ("FALSE", False),
        ("1", None),
        ("", None),
        ("no", None),
    ],
)
def test_should_retry_knows_two_words(value: str, expected: bool | None) -> None:
    assert should_retry({"X-Should-Retry": value}) is expected


def test_without_headers_there_is_nothing_to_say() -> None:
    assert retry_after({}) is None
    assert should_retry({}) is None
    assert request_id({}) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-Id": "a"}, "a"),
        ({"request-id": "b"}, "b"),
        ({"request-id": "b", "x-request-id": "a"}, "a"),
        ({"request-id": "b", "x-request-id": ""}, "b"),
        ({"x-request-id": ""}, None),
        ({"x-request-identity": "c"}, None),
    ],
)
def test_the_request_id_is_under_either_name(headers: dict[str, str], expected: str | None) -> None:
    assert request_id(headers) == expected


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("59", 59.0),
        (" 0 ", 0.0),
        ("12.5", 12.5),
        ("9" * 400, math.inf),
        (None, None),
        ("-1", None),
        ("many", None),
        ("", None),
        ("nan", None),
    ],
)
def test_an_unreadable_remainder_is_unknown(value: str | None, left: float | None) -> None:
    assert remaining(value) == left


@pytest.mark.parametrize("mapping", [dict, CIMultiDict, MappingProxyType])
def test_any_mapping_will_do(mapping: Any) -> None:
    headers = mapping({"RETRY-after": "4", "X-REQUEST-ID": "r", "X-Should-Retry": "true"})
    assert retry_after(headers) == 4.0
    assert request_id(headers) == "r"
    assert should_retry(headers) is True


PIECES = st.sampled_from(
    ["Thu", ",", " ", "01", "Jan", "2026", "00:00:30", "GMT", "-", "+0100", ":", "1", "m", "s", "."]
)


@settings(max_examples=200, deadline=None, derandomize=True)
@example("Thu, 01 Jan 0001 00:00:30 +2300")
@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join)))
def test_no_value_raises(value: str) -> None:
    for name in ("retry-after", "retry-after-ms", "x-should-retry"):
        headers = {name: value, "date": value}
        delay = retry_after(headers, now_epoch=NEW_YEAR)
        assert delay is None or delay >= 0
        should_retry(headers)
    left = remaining(value)
    assert left is None or left >= 0
