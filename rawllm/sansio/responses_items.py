"""The items of a response and their parts: messages, calls, reasoning, and whatever else comes.

Drops nothing that a server adds: items go back into the next request as they came, and what is not
declared here may be what the model needs there (`phase`, encrypted reasoning). Checks no value's
type; openai-python does not either.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, TypeVar

import msgspec

from .types import Wire, wire_fields

__all__ = [
    "Content",
    "Fields",
    "Open",
    "ResponseCustomToolCall",
    "ResponseFunctionToolCall",
    "ResponseOutputItem",
    "ResponseOutputMessage",
    "ResponseOutputRefusal",
    "ResponseOutputText",
    "ResponseReasoningItem",
    "ResponseReasoningText",
    "attributes",
    "item_of",
    "opened",
    "part_of",
    "plain",
]

O = TypeVar("O", bound="Open")  # noqa: E741

_OtherType: TypeAlias = Literal[
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "computer_call",
    "computer_call_output",
    "custom_tool_call_output",
    "file_search_call",
    "function_call_output",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
]


class Open(Wire, kw_only=True):
    """An object within an answer. What a server adds is there by attribute, and goes back with
    it."""

    _wire: dict[str, Any] = msgspec.field(default_factory=dict, name=" wire")

    @property
    def model_extra(self) -> dict[str, Any]:
        """The fields that are not declared."""
        known = _names(type(self))
        return {name: value for name, value in self._wire.items() if name not in known}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._wire:
            return attributes(self._wire[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        extra = ", ".join(f"{name}={value!r}" for name, value in self.model_extra.items())
        return f"{super().__repr__()[:-1]}{', ' * bool(extra and _names(type(self)))}{extra})"

    @classmethod
    def model_validate(cls, value: Any, **_: Any) -> Self:
        """An object from a dict with the wire's names. Raises ValueError where it is none."""
        if not isinstance(value, (dict, cls)):
            raise ValueError(f"a {cls.__name__} is made of a dict, not of {type(value).__name__}")
        found: Self = opened(value, cls)
        return found

    def _dumped(self, *, unset: bool) -> dict[str, Any]:
        dumped = super()._dumped(unset=unset)
        if self._wire and not unset:  # as it came, and what was changed since
            came = dict.fromkeys(name for name in self._wire if name in _names(type(self)))
            dumped = {**came, **{n: v for n, v in dumped.items() if v or n in self._wire}}
        return {**dumped, **self.model_extra}


class Fields(Open):
    """An object of which nothing is declared: all fields by attribute."""

    if TYPE_CHECKING:
        # The types of items that are not declared: else `item.type == "message"` could be one of
        # these to a type checker, and it would not know a message by it.
        @property
        def type(self) -> _OtherType: ...


@cache
def _names(cls: type[msgspec.Struct]) -> dict[str, str]:
    """Wire name → attribute."""
    return {field.encode_name: field.name for field in wire_fields(cls)}


def opened(value: Any, cls: type[O]) -> Any:
    """A dict as `cls`, and anything else as it is."""
    if not isinstance(value, dict):
        return value
    names = _names(cls)
    known = {names[name]: item for name, item in value.items() if name in names}
    return cls(**known, _wire=value)


def attributes(value: Any) -> Any:
    if isinstance(value, list):
        return [attributes(item) for item in value]
    return opened(value, Fields)


def plain(value: Any) -> Any:
    """What is taken from an answer → what a request takes; anything else as it is."""
    if isinstance(value, Wire):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


# ── the parts of an item ─────────────────────────────────────────────────────────────────────


class ResponseOutputText(Open):
    """annotations, logprobs: lists of objects, their fields by attribute."""

    text: str = ""
    type: Literal["output_text"] = "output_text"
    annotations: list[Any] = msgspec.field(default_factory=list)
    logprobs: list[Any] | None = None

    def __post_init__(self) -> None:
        self.annotations = attributes(self.annotations) or []
        self.logprobs = attributes(self.logprobs)


class ResponseOutputRefusal(Open):
    refusal: str = ""
    type: Literal["refusal"] = "refusal"


class ResponseReasoningText(Open):
    """A piece of reasoning: its text, or a summary of it."""

    text: str = ""
    type: str = "reasoning_text"


_PARTS: Mapping[Any, type[Open]] = {
    "output_text": ResponseOutputText,
    "refusal": ResponseOutputRefusal,
    "reasoning_text": ResponseReasoningText,
    "summary_text": ResponseReasoningText,
}


def _kind(value: Any, kinds: Mapping[Any, type[Open]]) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    return opened(value, kinds.get(kind, Fields) if isinstance(kind, str) else Fields)


def part_of(value: Any) -> Any:
    """The JSON object of a part → the part."""
    return _kind(value, _PARTS)


# ── items ────────────────────────────────────────────────────────────────────────────────────

# To msgspec they are anything: a Struct would drop what it does not declare.
if TYPE_CHECKING:
    Content: TypeAlias = ResponseOutputText | ResponseOutputRefusal
else:
    Content = Any


class ResponseOutputMessage(Open):
    """What the model said. phase: "commentary" or "final_answer", where a model tells."""

    id: str = ""
    content: list[Content] = msgspec.field(default_factory=list)
    role: str = "assistant"
    status: str | None = None
    type: Literal["message"] = "message"
    phase: str | None = None

    def __post_init__(self) -> None:
        self.content = [part_of(part) for part in self.content or ()]


class ResponseFunctionToolCall(Open):
    """arguments: str of JSON, exactly as the model wrote it."""

    arguments: str = ""
    call_id: str = ""
    name: str = ""
    type: Literal["function_call"] = "function_call"
    id: str | None = None
    namespace: str | None = None
    status: str | None = None


class ResponseCustomToolCall(Open):
    """input: str, exactly as the model wrote it."""

    call_id: str = ""
    input: str = ""
    name: str = ""
    type: Literal["custom_tool_call"] = "custom_tool_call"
    id: str | None = None
    namespace: str | None = None


class ResponseReasoningItem(Open):
    id: str = ""
    summary: list[ResponseReasoningText] = msgspec.field(default_factory=list)
    type: Literal["reasoning"] = "reasoning"
    content: list[ResponseReasoningText] | None = None
    encrypted_content: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        self.summary = [part_of(part) for part in self.summary or ()]
        if self.content is not None:
            self.content = [part_of(part) for part in self.content]


_ITEMS: Mapping[Any, type[Open]] = {
    "message": ResponseOutputMessage,
    "function_call": ResponseFunctionToolCall,
    "custom_tool_call": ResponseCustomToolCall,
    "reasoning": ResponseReasoningItem,
}


def item_of(value: Any) -> Any:
    """The JSON object of an item → the item; `Fields` for the types that are not declared."""
    return _kind(value, _ITEMS)


if TYPE_CHECKING:
    ResponseOutputItem: TypeAlias = (
        ResponseOutputMessage
        | ResponseFunctionToolCall
        | ResponseCustomToolCall
        | ResponseReasoningItem
        | Fields
    )
else:
    ResponseOutputItem = Any
