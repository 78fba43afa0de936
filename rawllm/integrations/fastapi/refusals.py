"""What a caller is told of an error: status, Retry-After and an error object, in one table.

Looks at an error only, and sends nothing. A caller learns what it can act on; which server is
behind the gateway, and what that one says of the gateway's key, is none of its business.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from ...errors import APIError, ConfigurationError

__all__ = ["TABLE", "Refusal", "Told", "told"]


class Refusal(Exception):
    """The gateway's own no: nothing was sent upstream."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Told(NamedTuple):
    """status: int. headers: of the answer, beside its content type. body: the error object."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Row(NamedTuple):
    """words: what the caller is told. None: what the server said, which is about the request."""

    status: int
    words: str | None = None


_UNREACHABLE = Row(502, "the upstream server cannot be reached")
_BROKEN = Row(502, "the upstream server's answer broke off")
_UNUSABLE = Row(502, "the upstream server's answer is of no use")
_FAILED = Row(502, "the upstream server failed")
_LATE = Row(504, "the upstream server did not answer in time")
_BUSY = Row(503, "the upstream server is overloaded")
_MISCONFIGURED = Row(502, "the upstream server does not accept the gateway")

#: The rows of `rawllm/sansio/failures.py`, seen from the caller's side, and 413, which has none
#: there. 401 and its kin concern the gateway's key: passed on, they would blame the caller's.
TABLE: dict[str, Row] = {
    **dict.fromkeys(("refused", "dns", "connect", "tls", "proxy"), _UNREACHABLE),
    **dict.fromkeys(("connect_timeout", "first_token", "idle", "total", "408", "504"), _LATE),
    **dict.fromkeys(("lost", "protocol", "body_cut", "incomplete"), _BROKEN),
    **dict.fromkeys(("encoding", "bad_answer", "limit", "redirect"), _UNUSABLE),
    **dict.fromkeys(("401", "403", "4xx"), _MISCONFIGURED),
    **dict.fromkeys(("error", "425", "500", "501", "502", "5xx"), _FAILED),
    **dict.fromkeys(("503", "529"), _BUSY),
    "closed": Row(503, "the gateway is shutting down"),
    **{status: Row(int(status)) for status in ("400", "404", "409", "413", "422", "429")},
    "context_length": Row(400),
    "insufficient_quota": Row(429),
}

#: The client's messages are for who made it, and name the address.
_ADDRESS = re.compile(r"https?://\S+")

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


def told(error: Exception) -> Told:
    """The answer to a caller whose request ended in this error: a RawLLMError or a Refusal."""
    if isinstance(error, Refusal):
        return _told(error.status, str(error), headers=error.headers)
    if isinstance(error, ConfigurationError):
        return _told(400, _ADDRESS.sub("the upstream server", str(error)))
    if not isinstance(error, APIError):  # an answer, but not of the kind asked for
        return _told(502, str(error))
    kind = str(error.status_code) if error.kind == "4xx" else error.kind
    row = TABLE.get(kind or "", TABLE["4xx"] if error.kind == "4xx" else _FAILED)
    wait = error.retry_after
    if wait is None and row.status == 503:
        wait = 1.0
    headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
    if error.request_id is not None:
        headers["X-Request-Id"] = error.request_id
    if row.words is not None:
        return _told(row.status, row.words, headers=headers)
    details = error.body if isinstance(error.body, dict) else {}
    message = details.get("message")
    if not isinstance(message, str):
        message = f"the upstream server answered {row.status}"
    names = {name: details[name] for name in ("type", "param", "code") if details.get(name)}
    return _told(row.status, message, headers=headers, **names)


def _told(
    status: int, message: str, *, headers: dict[str, str] | None = None, **details: Any
) -> Told:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "upstream_error")
    error = {"message": message, "type": kind, "param": None, "code": None, **details}
    return Told(status, headers or {}, {"error": error})
