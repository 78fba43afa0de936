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

__all__ = ["remaining", "request_id", "retry_after", "should_retry"]

# Not float(): it takes "+5", "1_0", "1e3", "nan", "inf" and the digits of all scripts.
# RFC 9110 §10.2.3 has no fraction; servers send one, and openai-python reads it.
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


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


def remaining(value: str | None) -> float | None:
    """What an `x-ratelimit-remaining-*` header says is left."""
    return _number(value)


def _find(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    # One pass for all names: a plain dict cannot be asked without case.
    return {name: value for key, value in headers.items() if (name := key.lower()) in names}


def _number(value: str | None) -> float | None:
    if value is None or not _NUMBER.fullmatch(value := value.strip(" \t")):
        return None
    return float(value)


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
