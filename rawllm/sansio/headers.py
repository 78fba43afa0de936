"""What a response's headers say, as numbers: how long to wait, what is left, which request it was.

Decides nothing with them (caps, jitter and pauses live elsewhere) and never fails: what cannot be
read as its own grammar has it is None.

Values may be as large as the server likes, infinity included: bound them before sleeping.
Names are compared without case, in any mapping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

__all__ = ["RateLimits", "rate_limits", "request_id", "retry_after", "should_retry"]

# Not float(): it takes "+5", "1_0", "1e3", "nan", "inf" and the digits of all scripts.
# RFC 9110 §10.2.3 has no fraction; servers send one, and openai-python reads it.
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")

#: Durations as Go writes them and OpenAI sends them: "6m0s", "120ms", "1h2m3.5s".
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|[smhd]))+")
_DURATION_PART: Final = re.compile(r"([0-9.]+)([a-zµ]+)")
_UNIT_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


class RateLimits(msgspec.Struct, frozen=True):
    """What the server says is left of a rate, and in how many seconds it is whole again."""

    remaining_requests: float | None = None
    reset_requests: float | None = None
    remaining_tokens: float | None = None
    reset_tokens: float | None = None


_NO_LIMITS: Final = RateLimits()


def retry_after(headers: Mapping[str, str], *, now_epoch: float | None = None) -> float | None:
    """Seconds that the server asks to wait, 0 or more, or None where it asks for nothing readable.

    `retry-after-ms` (OpenAI's) first, then `Retry-After` (RFC 9110 §10.2.3). A date is measured
    against the response's own `Date`, since the two clocks may differ by minutes; `now_epoch`,
    seconds since 1970, is for a response without one. A date in the past is 0.
    """
    found = _find(headers, "retry-after-ms", "retry-after", "date")
    milliseconds = _number(found.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = found.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until = _date(value)
    if until is None:
        return None
    now = _date(found.get("date"))
    if now is None:
        now = now_epoch
    return None if now is None else max(0.0, until - now)


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """`x-should-retry` (OpenAI's): the server's own word on trying again, or None."""
    value = _find(headers, "x-should-retry").get("x-should-retry", "")
    return {"true": True, "false": False}.get(value.strip().lower())


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the server knows the request: `x-request-id`, else `request-id`."""
    found = _find(headers, "x-request-id", "request-id")
    return found.get("x-request-id") or found.get("request-id") or None


def rate_limits(headers: Mapping[str, str]) -> RateLimits:
    """`x-ratelimit-remaining-*` and `x-ratelimit-reset-*`, for requests and for tokens."""
    found = _find(
        headers,
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    )
    if not found:
        return _NO_LIMITS
    return RateLimits(
        remaining_requests=_number(found.get("x-ratelimit-remaining-requests")),
        reset_requests=_duration(found.get("x-ratelimit-reset-requests")),
        remaining_tokens=_number(found.get("x-ratelimit-remaining-tokens")),
        reset_tokens=_duration(found.get("x-ratelimit-reset-tokens")),
    )


def _find(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    # One pass for all names: a plain dict cannot be asked without case.
    return {name: value for key, value in headers.items() if (name := key.lower()) in names}


def _number(value: str | None) -> float | None:
    if value is None or not _NUMBER.fullmatch(value := value.strip(" \t")):
        return None
    return float(value)


def _duration(value: str | None) -> float | None:
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    if not _DURATION.fullmatch(value := value.strip(" \t")):
        return None
    return sum(
        float(amount) * _UNIT_SECONDS[unit] for amount, unit in _DURATION_PART.findall(value)
    )


def _date(value: str | None) -> float | None:
    """Seconds since 1970 of any of RFC 9110's three date forms."""
    if value is None or ":" not in value:
        return None
    try:
        date = parsedate_to_datetime(value.strip(" \t"))
        # asctime has no zone: RFC 9110 §5.6.7 says UTC.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
