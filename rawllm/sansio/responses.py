"""An answer of OpenAI's Responses API, what it says of itself, and the errors it may be.

Knows no item; responses_items.py does. Here the answer's own fields are read as types.py's are, and
what they hold as items are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..errors import APIError
from . import failures
from .decode import decode
from .responses_items import (
    Open,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputText,
    attributes,
    item_of,
    opened,
    plain,
)
from .types import (
    Answer,
    CompletionTokensDetails,
    PromptTokensDetails,
    Usage,
)

__all__ = [
    "Deleted",
    "IncompleteDetails",
    "InputTokensDetails",
    "OutputTokensDetails",
    "Response",
    "ResponseConversation",
    "ResponseError",
    "ResponseItemList",
    "ResponseReasoning",
    "ResponseTextConfig",
    "ResponseUsage",
    "failure_of",
    "read_created",
    "read_response",
]

# ── an answer ────────────────────────────────────────────────────────────────────────────────


class ResponseError(Open):
    """Why an answer failed."""

    code: str = ""
    message: str = ""


class IncompleteDetails(Open):
    """reason: "max_output_tokens", "content_filter" and so on."""

    reason: str | None = None


class InputTokensDetails(Open):
    cached_tokens: int | None = None


class OutputTokensDetails(Open):
    reasoning_tokens: int | None = None


class ResponseUsage(Open):
    """Tokens as the server counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: InputTokensDetails | None = None
    output_tokens_details: OutputTokensDetails | None = None

    def __post_init__(self) -> None:
        self.input_tokens_details = opened(self.input_tokens_details, InputTokensDetails)
        self.output_tokens_details = opened(self.output_tokens_details, OutputTokensDetails)


class ResponseTextConfig(Open):
    format: Any = None
    verbosity: str | None = None

    def __post_init__(self) -> None:
        self.format = attributes(self.format)


class ResponseReasoning(Open):
    effort: str | None = None
    summary: str | None = None


class ResponseConversation(Open):
    id: str = ""


if TYPE_CHECKING:
    _Error: TypeAlias = ResponseError
    _Incomplete: TypeAlias = IncompleteDetails
    _Usage: TypeAlias = ResponseUsage
    _Text: TypeAlias = ResponseTextConfig
    _Reasoning: TypeAlias = ResponseReasoning
    _Conversation: TypeAlias = ResponseConversation
else:
    _Error = _Incomplete = _Usage = _Text = _Reasoning = _Conversation = Any

#: Field of an answer → the class of its object.
_OBJECTS: Mapping[str, type[Open]] = {
    "error": ResponseError,
    "incomplete_details": IncompleteDetails,
    "usage": ResponseUsage,
    "text": ResponseTextConfig,
    "reasoning": ResponseReasoning,
    "conversation": ResponseConversation,
}


class Response(Answer, kw_only=True):
    """An answer of the Responses API.

    status: "completed", "incomplete" (`incomplete_details.reason` says why), "failed" (`error`),
        "in_progress", "queued" or "cancelled".
    output: list of items: messages, function calls, reasoning. They can be sent back in `input`.
    """

    id: str = ""
    created_at: float = 0.0
    model: str = ""
    object: str = ""
    status: str | None = None
    output: list[ResponseOutputItem] = msgspec.field(default_factory=list)
    usage: _Usage | None = None
    error: _Error | None = None
    incomplete_details: _Incomplete | None = None
    instructions: Any = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    tool_choice: Any = None
    tools: list[Any] = msgspec.field(default_factory=list)
    top_p: float | None = None
    background: bool | None = None
    completed_at: float | None = None
    conversation: _Conversation | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    previous_response_id: str | None = None
    prompt: Any = None
    prompt_cache_key: str | None = None
    reasoning: _Reasoning | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    text: _Text | None = None
    top_logprobs: int | None = None
    truncation: str | None = None
    user: str | None = None
    # What failed is an answer too, to be looked at: here an error beside the output stays data.
    _error: Any = msgspec.field(default=None, name=" error")

    def __post_init__(self) -> None:
        self.output = [item_of(item) for item in self.output]
        for name, cls in _OBJECTS.items():
            value = getattr(self, name)
            if type(value) is dict:
                setattr(self, name, opened(value, cls))
        for name in ("tool_choice", "tools", "prompt"):
            setattr(self, name, attributes(getattr(self, name)))

    @property
    def output_text(self) -> str:
        """All text of all messages in `output`, "" where there is none (a function call)."""
        return "".join(
            part.text
            for item in self.output
            if isinstance(item, ResponseOutputMessage)
            for part in item.content
            if isinstance(part, ResponseOutputText) and isinstance(part.text, str)
        )

    @property
    def _counted(self) -> Usage | None:
        """The usage by the names that limits, hooks and log have for it."""
        usage = self.usage
        if not isinstance(usage, ResponseUsage):
            return None
        read, written = usage.input_tokens_details, usage.output_tokens_details
        return Usage(
            prompt_tokens=_count(usage.input_tokens),
            completion_tokens=_count(usage.output_tokens),
            total_tokens=_count(usage.total_tokens),
            prompt_tokens_details=PromptTokensDetails(cached_tokens=read.cached_tokens)
            if isinstance(read, InputTokensDetails)
            else None,
            completion_tokens_details=CompletionTokensDetails(
                reasoning_tokens=written.reasoning_tokens
            )
            if isinstance(written, OutputTokensDetails)
            else None,
        )

    @property
    def _finish_reason(self) -> str | None:
        """Why it ended, in the server's words."""
        details = self.incomplete_details
        return (isinstance(details, IncompleteDetails) and details.reason) or self.status


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


class Deleted(Answer, kw_only=True):
    """A response that is no more."""

    id: str
    deleted: bool = True
    object: str = "response.deleted"


class ResponseItemList(Answer, kw_only=True):
    """One page of a response's input items."""

    data: list[ResponseOutputItem]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None
    object: str = "list"

    _turn: Any = msgspec.field(default=None, name=" turn")  # this page → the next one

    def __post_init__(self) -> None:
        self.data = [item_of(item) for item in self.data]

    def has_next_page(self) -> bool:
        return self.has_more and bool(self.data)

    def __iter__(self) -> Iterator[ResponseOutputItem]:
        """The items of this page and of all that follow."""
        page = self
        yield from page.data
        while page.has_next_page():
            page = page._turn(page)
            yield from page.data

    async def __aiter__(self) -> AsyncIterator[ResponseOutputItem]:
        page = self
        for item in page.data:
            yield item
        while page.has_next_page():
            page = await page._turn(page)
            for item in page.data:
                yield item


# ── what went wrong ──────────────────────────────────────────────────────────────────────────

#: `code` of a response's error → row of the table of failures.
_KINDS = {
    "context_length_exceeded": "context_length",
    "insufficient_quota": "insufficient_quota",
    "invalid_prompt": "400",
    "rate_limit_exceeded": "429",
    "server_error": "500",
    "vector_store_timeout": "504",
}


def failure_of(details: Any, *, status: int | None = None) -> APIError:
    """The error that a failed response or an `error` event announces. details: its JSON object;
    status: int of the wire."""
    if not isinstance(details, dict) or not details:
        details = {"message": details if details and isinstance(details, str) else "no explanation"}
    kind = _KINDS.get(str(details.get("code")))
    if kind is None:
        error = failures.from_body({"error": details}, status=status)
        assert error is not None
        return error
    message = " ".join(str(details.get("message") or details["code"]).split())
    return failures.fault(
        kind,
        f"The server reported an error: {message[: failures.SNIPPET]}",
        body=details,
        status_code=status,
    )


def read_response(payload: bytes, cls: type[Response], *, status: int | None = None) -> Response:
    """As `decode`, for a response in whatever state. Raises what `{"error": …}` announces."""
    response = decode(payload, cls, status=status)
    if response.object != "response" and not (response.id and response.output):
        if response.error is not None:
            raise failure_of(response.raw["error"], status=status)
        raise failures.bad_answer(payload, "The server sent no response", status_code=status)
    return response


def read_created(payload: bytes, cls: type[Response], *, status: int | None = None) -> Response:
    """As `read_response`, for what `create` is answered: a response that failed is an error, with
    the response as `partial`."""
    response = read_response(payload, cls, status=status)
    if response.status == "failed":
        error = failure_of(plain(response.error), status=status)
        error.partial = response
        raise error
    return response
