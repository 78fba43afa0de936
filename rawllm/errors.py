"""Every exception that rawllm raises, as plain data.

Holds no key, no request header and no aiohttp object, imports nothing of rawllm, and pickles.

The tree is openai-python's, with the failures that a raw HTTP client can tell apart below it::

    RawLLMError (also named OpenAIError)
    ├── ConfigurationError (also a ValueError)       wrong arguments, raised before anything is sent
    ├── APIError
    │   ├── APIConnectionError                       refused, DNS, TLS, lost, protocol, cut body
    │   │   ├── APITimeoutError
    │   │   │   ├── ConnectTimeout
    │   │   │   ├── FirstTokenTimeout
    │   │   │   ├── IdleTimeout                      carries `partial`
    │   │   │   └── TotalTimeout
    │   │   └── IncompleteStreamError                carries `partial`
    │   ├── APIStatusError                           any status of 400 or more
    │   │   ├── BadRequestError (400)
    │   │   │   └── ContextLengthExceeded
    │   │   ├── AuthenticationError (401)
    │   │   ├── PermissionDeniedError (403)
    │   │   ├── NotFoundError (404)
    │   │   ├── ConflictError (409)
    │   │   ├── UnprocessableEntityError (422)
    │   │   ├── RateLimitError (429)
    │   │   └── InternalServerError (500 and above)
    │   ├── APIResponseValidationError               a 200 that is not an answer
    │   ├── LimitExceeded                            a body, event or header over its bound
    │   └── RedirectRefused                          any 3xx: neither key nor prompt leaves
    ├── LengthFinishReasonError                      carries `completion`
    ├── ContentFilterFinishReasonError               carries `completion`
    ├── StructuredOutputError (also a ValueError)    carries `raw` and `completion`
    └── ToolRoundsExceeded                           carries `messages` and `completion`
"""

from __future__ import annotations

import json
from typing import Any, Self

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "ConnectTimeout",
    "ContentFilterFinishReasonError",
    "ContextLengthExceeded",
    "ErrorRequest",
    "ErrorResponse",
    "FirstTokenTimeout",
    "IdleTimeout",
    "IncompleteStreamError",
    "InternalServerError",
    "LengthFinishReasonError",
    "LimitExceeded",
    "NotFoundError",
    "OpenAIError",
    "PermissionDeniedError",
    "RateLimitError",
    "RawLLMError",
    "RedirectRefused",
    "StructuredOutputError",
    "ToolRoundsExceeded",
    "TotalTimeout",
    "UnprocessableEntityError",
]


class RawLLMError(Exception):
    """The base of everything rawllm raises on purpose."""


#: The name that code written for openai-python catches.
OpenAIError = RawLLMError


class ConfigurationError(RawLLMError, ValueError):
    """Wrong arguments or environment: what was wrong, where, and what to do. Never the value of a
    key or header."""


class ResponseHeaders(dict[str, str]):
    """A response's headers: names in lower case, found in any."""

    @classmethod
    def of(cls, headers: dict[str, str] | None) -> ResponseHeaders:
        return headers if isinstance(headers, cls) else cls(headers or {})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


class ErrorRequest:
    """What migrated code reads from `error.request`: nothing that could hold a key or a prompt."""

    __slots__ = ("method", "url")

    def __init__(self, method: str, url: str | None) -> None:
        self.method = method
        self.url = url

    def __repr__(self) -> str:
        return f"<ErrorRequest {self.method} {self.url}>"


class ErrorResponse:
    """What migrated code reads from `error.response`: the status, the response's headers and, of an
    error, its body."""

    __slots__ = ("_body", "headers", "status_code")
    headers: dict[str, str]

    def __init__(self, status_code: int | None, headers: dict[str, str], body: Any = None) -> None:
        self.status_code = status_code
        self.headers = ResponseHeaders.of(headers)
        self._body = body

    def json(self) -> Any:
        """The body (JSON's types). Raises ValueError where it was none."""
        if self._body is None or isinstance(self._body, str):
            raise ValueError("the response's body is no JSON")
        return self._body

    @property
    def text(self) -> str:
        """The body; where it was JSON, written anew."""
        if self._body is None or isinstance(self._body, str):
            return self._body or ""
        return json.dumps(self._body, ensure_ascii=False, separators=(",", ":"))

    def __repr__(self) -> str:
        return f"<ErrorResponse [{self.status_code}]>"


class APIError(RawLLMError):
    """Something went wrong between this client and an answer.

    Attributes:
        message: one line for people; also `str(error)`.
        body: the server's error object (dict), its text (str), or None.
        code, param, type: taken from the body where it has them, as openai-python does.
        status_code: int of the HTTP status *on the wire*, None where there was none.
        headers: dict of the response's headers, names in lower case; never the request's.
        request_id: str of `x-request-id` or None.
        retry_after: float seconds that the server (or a paused endpoint) asks to wait, or None.
        attempts: int requests sent for this call, free retries not counted; 0: none was sent.
        endpoint: str URL the request went to, without query and user info, or None.
        partial: the `Completion` accumulated before a stream broke, or None.
        sent: bool, False where the request surely never reached the server.
        kind: str, the row of the failure table (`rawllm/sansio/failures.py`): "refused", "429",
            "first_token", …; None for errors made elsewhere.
        outage: float seconds for which the endpoint had taken no request at all when this error
            came out, or None: it was no sign of an outage, or the endpoint took others' requests.
    """

    kind: str | None = None
    outage: float | None = None
    _method: str = "POST"
    _whole: Any = None  # the response's body, of which `body` is the part that explains

    def __init__(
        self,
        message: str,
        *,
        body: Any = None,
        status_code: int | None = None,
        headers: dict[str, str] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        attempts: int = 0,
        endpoint: str | None = None,
        partial: Any = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.body = body
        self.status_code = status_code
        self.headers: dict[str, str] = ResponseHeaders.of(headers)
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = attempts
        self.endpoint = endpoint
        self.partial = partial
        self.sent = sent
        details = body if isinstance(body, dict) else {}
        self.code: Any = details.get("code")
        self.param: Any = details.get("param")
        self.type: Any = details.get("type")

    @property
    def response(self) -> ErrorResponse:
        return ErrorResponse(self.status_code, self.headers, self._whole)

    @property
    def request(self) -> ErrorRequest:
        return ErrorRequest(self._method, self.endpoint)

    def copy(self, **changes: Any) -> Self:
        """A fresh error with the same data: one object must not be raised in two tasks."""
        new = type(self).__new__(type(self))
        Exception.__init__(new, *self.args)
        new.__dict__.update(self.__dict__, **changes)
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[RawLLMError], args: tuple[Any, ...], state: dict[str, Any]) -> RawLLMError:
    error = cls.__new__(cls)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


class APIConnectionError(APIError):
    """No usable answer arrived: refused, unreachable, DNS, TLS, lost, not HTTP, or a cut body."""


class APITimeoutError(APIConnectionError):
    """One of the four clocks ran out."""


class ConnectTimeout(APITimeoutError):
    """No connection within `Timeout.connect` seconds."""


class FirstTokenTimeout(APITimeoutError):
    """No output (whole answers: no body byte) within `Timeout.first_token` seconds of sending."""


class IdleTimeout(APITimeoutError):
    """No data event within `Timeout.idle` seconds of the last one; pings do not count."""


class TotalTimeout(APITimeoutError):
    """`Timeout.total` seconds passed, queueing, retries and backoff included."""


class IncompleteStreamError(APIConnectionError):
    """The stream ended without `[DONE]` and without a finish_reason for every choice."""


class APIStatusError(APIError):
    """The server answered with a status of 400 or more."""


class BadRequestError(APIStatusError):
    """400"""


class ContextLengthExceeded(BadRequestError):
    """The prompt does not fit the model's context."""


class AuthenticationError(APIStatusError):
    """401"""


class PermissionDeniedError(APIStatusError):
    """403"""


class NotFoundError(APIStatusError):
    """404: a wrong model, or a base URL that lacks its `/v1`."""


class ConflictError(APIStatusError):
    """409"""


class UnprocessableEntityError(APIStatusError):
    """422"""


class RateLimitError(APIStatusError):
    """429"""


class InternalServerError(APIStatusError):
    """500 and above"""


class APIResponseValidationError(APIError):
    """A success on the wire whose body is not an answer: HTML, an empty body, wrong JSON."""


class LimitExceeded(APIError):
    """A response body, one stream event or a header was larger than its limit."""


class RedirectRefused(APIError):
    """A redirect, which rawllm never follows: key and prompt would go to another address."""


class LengthFinishReasonError(RawLLMError):
    """The answer was cut at the token limit where a whole one was needed."""

    def __init__(self, *, completion: Any) -> None:
        super().__init__("The answer was cut at the token limit (finish_reason is 'length').")
        self.completion = completion

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


class ContentFilterFinishReasonError(RawLLMError):
    """The server's content filter stopped the answer."""

    def __init__(self, *, completion: Any = None) -> None:
        super().__init__("The server's content filter stopped the answer.")
        self.completion = completion

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


class StructuredOutputError(RawLLMError, ValueError):
    """An answer that is none of the type that was asked for.

    raw: str, what the model wrote. completion: the whole answer.
    """

    def __init__(self, message: str, *, raw: str = "", completion: Any = None) -> None:
        super().__init__(message)
        self.raw = raw
        self.completion = completion

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


class ToolRoundsExceeded(RawLLMError):
    """The model goes on calling tools after the last answer that it was to be asked for.

    messages: list of dicts, the conversation so far. completion: its last answer, whose calls were
    not made.
    """

    def __init__(self, message: str, *, messages: list[Any], completion: Any = None) -> None:
        super().__init__(message)
        self.messages = messages
        self.completion = completion

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)
