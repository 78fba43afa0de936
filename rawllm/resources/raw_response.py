"""A response beside its answer, read and decoded: what `with_raw_response` gives.

Reads nothing: the call has done so, and what was not read yet is raw_body.py's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from ..errors import ConfigurationError
from ..net.attempt import Attempt

__all__ = ["Head", "RawResponse"]

T = TypeVar("T")


class Head:
    """What is known of a response before its body.

    status_code: int. headers: mapping that takes names in any case. url: str, without query and
    user info. method: str. request_id: str of `x-request-id` or None. retries_taken: int.
    """

    def __init__(self, attempt: Attempt) -> None:
        call, response = attempt.call, attempt.response
        self.status_code: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url: str = call.label
        self.method: str = call.method
        self.request_id: str | None = attempt.request_id()
        self.retries_taken: int = call.attempts - 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}]>"


class RawResponse(Head, Generic[T]):
    """A response that was read and decoded, or with stream=True one whose first output has come.

    `parse()` gives what the method itself would have. openai-python's `http_response` is this
    object too.
    """

    def __init__(self, attempt: Attempt, whole: Any, result: T) -> None:
        super().__init__(attempt)
        self._content: bytes | None = getattr(whole, "_payload", None)
        self._result = result

    def parse(self) -> T:
        """The answer, or the stream. The same object each time."""
        return self._result

    @property
    def content(self) -> bytes:
        """The body. Raises ConfigurationError for a stream, which is not read yet."""
        if self._content is None:
            raise ConfigurationError(
                "a stream's body is not there yet: read it from parse(), or as it comes by "
                "with_streaming_response"
            )
        return self._content

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.content)

    @property
    def http_response(self) -> RawResponse[T]:
        return self
