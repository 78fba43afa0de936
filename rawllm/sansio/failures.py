"""The one table of failures: what went wrong → error class, retried or not, what it costs, whether
it pauses the endpoint, whether it is a sign of an outage.

Looks nothing up elsewhere and waits for nothing: retry.py turns a row into seconds, pace.py into
a pause. A new retry rule is a row here and a row in the table's test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ConnectTimeout,
    ContextLengthExceeded,
    FirstTokenTimeout,
    IdleTimeout,
    IncompleteStreamError,
    InternalServerError,
    LimitExceeded,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectRefused,
    TotalTimeout,
    UnprocessableEntityError,
)
from . import headers as header_rules

__all__ = ["TABLE", "Failure", "fault", "from_body", "from_status", "of"]

#: What a retry takes from the budget: 5, or 10 where the request may already have been processed
#: and billed (botocore's standard mode: retries 5, timeouts 10).
PLAIN, PROCESSED = 5, 10


class Failure(NamedTuple):
    """A row. cost: tokens of the retry budget. pauses: nothing more is sent to the endpoint for a
    while, and the retry costs no budget, since the pause is what protects the server. outage: it
    is the endpoint's fault and not the request's; without `pauses` only where the endpoint took
    no other request meanwhile (`Pace.silent`), and under `max_outage` it then pauses too."""

    error: type[APIError]
    retried: bool
    cost: int = 0
    pauses: bool = False
    outage: bool = False


TABLE: Mapping[str, Failure] = {
    # Before the request left
    "refused": Failure(APIConnectionError, True, pauses=True, outage=True),
    "connect_timeout": Failure(ConnectTimeout, True, pauses=True, outage=True),
    "dns": Failure(APIConnectionError, True, PLAIN, outage=True),
    "connect": Failure(APIConnectionError, True, PLAIN, outage=True),
    "tls": Failure(APIConnectionError, False),
    "proxy": Failure(APIConnectionError, False),
    "closed": Failure(APIConnectionError, False),
    # Between sending and the first output
    "lost": Failure(APIConnectionError, True, PROCESSED),
    "protocol": Failure(APIConnectionError, True, PROCESSED),
    "encoding": Failure(APIConnectionError, False),
    "first_token": Failure(FirstTokenTimeout, True, PROCESSED),
    "redirect": Failure(RedirectRefused, False),
    # While an answer arrived; a stream's are retried only where nothing was handed out
    "idle": Failure(IdleTimeout, True, PROCESSED),
    "body_cut": Failure(APIConnectionError, True, PROCESSED),
    "bad_answer": Failure(APIResponseValidationError, True, PROCESSED),
    "incomplete": Failure(IncompleteStreamError, True, PROCESSED),
    "limit": Failure(LimitExceeded, False),
    # The call's own deadline
    "total": Failure(TotalTimeout, False),
    # An error object without a status of its own
    "error": Failure(APIError, False),
    "insufficient_quota": Failure(RateLimitError, False),
    # Statuses
    "400": Failure(BadRequestError, False),
    "context_length": Failure(ContextLengthExceeded, False),
    "401": Failure(AuthenticationError, False),
    "403": Failure(PermissionDeniedError, False),
    "404": Failure(NotFoundError, False),
    "408": Failure(APIStatusError, True, PLAIN),
    "409": Failure(ConflictError, True, PLAIN),
    "422": Failure(UnprocessableEntityError, False),
    "425": Failure(APIStatusError, True, PLAIN),
    "429": Failure(RateLimitError, True, pauses=True, outage=True),
    "4xx": Failure(APIStatusError, False),
    "500": Failure(InternalServerError, True, PLAIN),
    "501": Failure(InternalServerError, False),
    # A gateway before a dead server, or one whose server dies of this very prompt.
    "502": Failure(InternalServerError, True, PLAIN, outage=True),
    "503": Failure(InternalServerError, True, pauses=True, outage=True),
    # The model behind the gateway may still be generating.
    "504": Failure(InternalServerError, True, PROCESSED),
    # Anthropic's "overloaded", which gateways pass through: a 503 by another number.
    "529": Failure(InternalServerError, True, pauses=True, outage=True),
    "5xx": Failure(InternalServerError, True, PLAIN),
}


def _row_of_status(status: int) -> str:
    name = str(status)
    if name in TABLE:
        return name
    return "5xx" if status >= 500 else "4xx"


def of(error: APIError) -> Failure:
    """The row of an error made here. `x-should-retry` wins over the table, as in openai-python;
    an error of no kind (a user's own) is not retried."""
    row = TABLE.get(error.kind or "", Failure(APIError, False))
    wanted = header_rules.should_retry(error.headers) if error.headers else None
    if wanted is None or wanted == row.retried:
        return row
    return row._replace(retried=wanted, cost=row.cost or PLAIN, outage=row.outage and wanted)


def fault(kind: str, message: str, **data: Any) -> APIError:
    """The error of row `kind`. `data`: APIError's keyword arguments."""
    error = TABLE[kind].error(message, **data)
    error.kind = kind
    return error


#: How servers say that a prompt is too long: OpenAI's code, llama.cpp's type, then the words of
#: vLLM, SGLang, Ollama and others (recorded in tests/samples/captures/*/err_ctx_too_long).
_CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error"}
_CONTEXT_WORDS = re.compile(
    r"maximum context length|context (?:size|length|window)|longer than the model'?s context", re.I
)

#: Enough of a strange body to see what it is, not enough to fill a log.
SNIPPET = 500


def from_status(
    status: int, headers: dict[str, str], body: Any, *, now_epoch: float, **data: Any
) -> APIError:
    """The error for a response of status 400 or more. body: the parsed JSON, or the body's text
    (str) where it is none."""
    details = _details(body)
    message = _message(details, body) or f"no explanation (the body is {_snippet(body)})"
    error = fault(
        _kind(status, details, message),
        f"HTTP {status}: {message}",
        body=details,
        status_code=status,
        headers=headers,
        request_id=header_rules.request_id(headers),
        retry_after=header_rules.retry_after(headers, now_epoch=now_epoch),
        **data,
    )
    error._whole = body
    return error


def from_body(body: Any, *, status: int | None = None, **data: Any) -> APIError | None:
    """The error that an object in a 200 or in a stream announces, or None where it is none.

    Shapes on the road: `{"error": {…}}`, `{"error": "text"}`, `{"object": "error", …}` (older
    vLLM), `{"detail": …}` (FastAPI). The class follows a numeric `code`; `status_code` stays the
    wire's.
    """
    if not isinstance(body, dict):
        return None
    is_error = body.get("error") or body.get("object") == "error"
    if not is_error and not ("detail" in body and not {"choices", "data", "id"} & body.keys()):
        return None
    details = _details(body)
    message = _message(details, body) or _snippet(details)
    return fault(
        _kind(_numeric_code(details), details, message),
        f"The server reported an error: {message}",
        body=details,
        status_code=status,
        **data,
    )


def bad_answer(payload: bytes, why: str, **data: Any) -> APIError:
    """For a success whose body is not an answer; shows what it is instead."""
    text = payload[: 4 * SNIPPET].decode("utf-8", "replace")  # a character has 4 bytes at most
    return fault("bad_answer", f"{why}; the body is {_snippet(text)}", body=None, **data)


def _details(body: Any) -> Any:
    """What holds `message` and `code`: usually `body["error"]`."""
    if isinstance(body, dict):
        error = body.get("error")
        return error if isinstance(error, dict) else body
    return body


def _message(details: Any, body: Any) -> str:
    candidates: list[Any] = []
    if isinstance(details, dict):
        candidates += [details.get("message"), details.get("error"), details.get("detail")]
    candidates.append(body if isinstance(body, str) else None)
    for found in candidates:
        if isinstance(found, str) and found.strip():
            return " ".join(found.split())[:SNIPPET]
        if isinstance(found, list) and found:  # FastAPI's 422: [{"loc": […], "msg": …}, …]
            parts = [
                f"{'.'.join(str(step) for step in item.get('loc') or ())}: {item.get('msg')}"
                for item in found
                if isinstance(item, dict) and isinstance(item.get("loc") or (), (list, tuple))
            ]
            if parts:
                return "; ".join(parts)[:SNIPPET]
    return ""


def _numeric_code(details: Any) -> int | None:
    """A `code` that is an HTTP status; litellm sends it as a string, others in `status`."""
    if isinstance(details, dict):
        for name in ("code", "status", "status_code"):
            value = details.get(name)
            if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
                return value
    return None


def _kind(status: int | None, details: Any, message: str) -> str:
    codes = {details.get("code"), details.get("type")} if _hashable(details) else set()
    if "insufficient_quota" in codes:
        return "insufficient_quota"
    if status in (None, 400, 413, 422) and (codes & _CONTEXT_CODES):
        return "context_length"
    if status == 400 and _CONTEXT_WORDS.search(message):
        return "context_length"
    return "error" if status is None else _row_of_status(status)


def _hashable(details: Any) -> bool:
    return isinstance(details, dict) and not any(
        isinstance(details.get(name), (dict, list)) for name in ("code", "type")
    )


def _snippet(body: Any) -> str:
    if not body:
        return "empty"
    text = repr(body)
    return text if len(text) <= SNIPPET else text[:SNIPPET] + "…"
