"""The wire's objects, under OpenAI's names, as msgspec Structs.

Declares what users read and nothing else: what a server adds stays in the payload that an answer
keeps (`.raw`, `.model_extra`). Decodes nothing itself; decode.py does.

`choices` and `data` are required on purpose: with a default, `{"error": …}` would decode to an
empty answer. `gc=False` stands only on what a stream makes by the thousand and that holds no
cycle; on anything that can hold one it would leak.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

import msgspec

from ..errors import APIResponseValidationError
from .loose import parse, whole_text

__all__ = [
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionMessage",
    "Choice",
    "ChoiceDelta",
    "ChunkChoice",
    "Completion",
    "CompletionChoice",
    "CompletionLogprobs",
    "CompletionTokensDetails",
    "CreateEmbeddingResponse",
    "DeltaFunction",
    "DeltaToolCall",
    "Embedding",
    "FunctionCall",
    "Logprobs",
    "Model",
    "ModelList",
    "PromptTokensDetails",
    "Timing",
    "TokenLogprob",
    "ToolCall",
    "Usage",
]


class Timing(msgspec.Struct, frozen=True, gc=False):
    """Where the time of one call went, in seconds.

    queued: waiting for a slot, a rate limit or a pause, retries' waits included.
    connect: opening the connection; None where a pooled one was used.
    first_token: from sending the request that succeeded to its first output (whole answers: to
        the first byte of the body); None if none came.
    total: from the call to its end.
    attempts: int, requests sent, free retries of a dead pooled connection not counted.
    """

    queued: float
    connect: float | None
    first_token: float | None
    total: float
    attempts: int


@cache
def wire_fields(cls: type[msgspec.Struct]) -> list[msgspec.structs.FieldInfo]:
    """What an answer shows: not what is ours, and not the error that it cannot hold."""
    return [
        field
        for field in msgspec.structs.fields(cls)
        if not field.encode_name.startswith(" ") and field.name != "_error"
    ]


class Wire(msgspec.Struct):
    """The base of everything read off the wire. Ours are the fields whose wire name starts with a
    space (no server sends those), and they are never dumped."""

    def to_dict(self) -> dict[str, Any]:
        """What the object holds, without what is unset."""
        return self.model_dump(exclude_none=True)

    def model_dump(self, *, exclude_none: bool = False, **_: Any) -> dict[str, Any]:
        """A dict with the wire's names. Takes pydantic's keyword arguments; only exclude_none
        (bool) has an effect."""
        dumped = {
            field.encode_name: _dump(getattr(self, field.name)) for field in wire_fields(type(self))
        }
        return _without_none(dumped) if exclude_none else dumped

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        dumped = self.model_dump(**options)
        return whole_text(json.dumps(dumped, indent=indent, ensure_ascii=False))

    def to_json(self, *, indent: int | None = 2) -> str:
        return self.model_dump_json(indent=indent, exclude_none=True)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{field.name.lstrip('_')}={value!r}"
            for field in wire_fields(type(self))
            if (value := getattr(self, field.name)) is not None
        )
        return f"{type(self).__name__}({shown})"


class Payload(Wire):
    """An object that came as one JSON document, and keeps its bytes."""

    _payload: bytes = msgspec.field(default=b"", name=" payload")
    # Gateways put an error beside `choices` that decode well: decode.py looks at it and raises.
    _error: Any = msgspec.field(default=None, name="error")

    @property
    def raw(self) -> dict[str, Any]:
        """The whole wire object (dict), a server's extra fields (`timings`) included. An answer
        accumulated from a stream has no single one: there it is what was accumulated."""
        if not self._payload:
            return self.to_dict()
        # Not msgspec: this must read whatever the tolerant decoder let pass.
        value = parse(self._payload)
        return value if isinstance(value, dict) else {}

    @property
    def model_extra(self) -> dict[str, Any]:
        """The top level's fields that OpenAI's API does not have."""
        if not self._payload:
            return {}
        known = {field.encode_name for field in wire_fields(type(self))}
        return {name: value for name, value in self.raw.items() if name not in known}

    def model_dump(self, *, exclude_none: bool = False, **options: Any) -> dict[str, Any]:
        dumped = super().model_dump()
        if self._payload:
            dumped = _merge(dumped, self.raw)
        return _without_none(dumped) if exclude_none else dumped


class Answer(Payload):
    """A whole answer: besides the wire's fields its timing and request id."""

    timing: Timing | None = msgspec.field(default=None, name=" timing")
    _request_id: str | None = msgspec.field(default=None, name=" request_id")

    def __getattr__(self, name: str) -> Any:
        # Called only for what is not declared; openai's objects give extra fields this way. Not on
        # chunks: a class with this method loses Python's fast way to the fields that are there, a
        # twentieth of a streamed event.
        if not name.startswith("_"):
            extra = self.model_extra
            if name in extra:
                return extra[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _dump(value: Any) -> Any:
    if isinstance(value, Wire):
        return value.model_dump()
    if isinstance(value, list):
        return [_dump(item) for item in value]
    return value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _merge(ours: Any, wire: Any) -> Any:
    """`ours` with the fields that only the wire object has; where both have one, ours wins, since
    it is the mended one."""
    if isinstance(ours, dict) and isinstance(wire, dict):
        merged = dict(ours)
        for name, value in wire.items():
            merged[name] = _merge(ours[name], value) if ours.get(name) is not None else value
        return merged
    if isinstance(ours, list) and isinstance(wire, list) and len(ours) == len(wire):
        return [_merge(a, b) for a, b in zip(ours, wire, strict=True)]
    return ours


class PromptTokensDetails(Wire, gc=False):
    cached_tokens: int | None = None
    audio_tokens: int | None = None


class CompletionTokensDetails(Wire, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class Usage(Wire, gc=False):
    """Tokens as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class TopLogprob(Wire, gc=False):
    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(Wire, gc=False):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] = []


class Logprobs(Wire, gc=False):
    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class FunctionCall(Wire):
    """name: str; arguments: str of JSON, exactly as the model wrote it."""

    name: str = ""
    arguments: str = ""


class ToolCall(Wire):
    id: str = ""
    function: FunctionCall = msgspec.field(default_factory=FunctionCall)
    type: str = "function"


class ChatCompletionMessage(Wire):
    """What the model said. Can be sent back in `messages` as it is."""

    content: str | None = None
    refusal: str | None = None
    role: str = "assistant"
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    annotations: list[Any] | None = None
    audio: Any = None
    # Both spellings are on the road (vLLM: `reasoning`; llama.cpp, SGLang: `reasoning_content`).
    _reasoning: str | None = msgspec.field(default=None, name="reasoning")
    _reasoning_content: str | None = msgspec.field(default=None, name="reasoning_content")

    @property
    def reasoning(self) -> str | None:
        return self._reasoning or self._reasoning_content

    @property
    def reasoning_content(self) -> str | None:
        return self.reasoning

    def to_param(self) -> dict[str, Any]:
        """The message as a request takes it: nulls dropped except `content`, reasoning not echoed
        (servers refuse it or count it as prompt)."""
        param = _without_none(super().model_dump())
        for name in ("reasoning", "reasoning_content", "annotations"):
            param.pop(name, None)
        return {"role": self.role, "content": self.content, **param}


class Choice(Wire):
    message: ChatCompletionMessage
    index: int = 0
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class ChatCompletion(Answer, kw_only=True):
    """A whole chat answer."""

    choices: list[Choice]
    id: str = ""
    created: int = 0
    model: str = ""
    object: str = "chat.completion"
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """The first choice's text, "" where it has none (a tool call, a refusal)."""
        return (self.choices[0].message.content or "") if self.choices else ""

    @property
    def reasoning(self) -> str | None:
        return self.choices[0].message.reasoning if self.choices else None


class DeltaFunction(Wire, gc=False):
    name: str | None = None
    arguments: str | None = None


class DeltaToolCall(Wire, gc=False):
    index: int | None = None
    id: str | None = None
    function: DeltaFunction | None = None
    type: str | None = None


class ChoiceDelta(Wire, gc=False):
    content: str | None = None
    role: str | None = None
    refusal: str | None = None
    tool_calls: list[DeltaToolCall] | None = None
    function_call: DeltaFunction | None = None
    _reasoning: str | None = msgspec.field(default=None, name="reasoning")
    _reasoning_content: str | None = msgspec.field(default=None, name="reasoning_content")

    @property
    def reasoning(self) -> str | None:
        return self._reasoning or self._reasoning_content

    @property
    def reasoning_content(self) -> str | None:
        return self.reasoning


class ChunkChoice(Wire, gc=False):
    delta: ChoiceDelta = msgspec.field(default_factory=ChoiceDelta)
    index: int = 0
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class ChatCompletionChunk(Payload, gc=False, kw_only=True):
    """One piece of a streamed chat answer."""

    choices: list[ChunkChoice]
    id: str = ""
    created: int = 0
    model: str = ""
    object: str = "chat.completion.chunk"
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """The text this piece adds to the first choice, often ""."""
        for choice in self.choices:
            if choice.index == 0:
                return choice.delta.content or ""
        return ""

    @property
    def reasoning(self) -> str:
        """The reasoning this piece adds to the first choice, often ""."""
        for choice in self.choices:
            if choice.index == 0:
                return choice.delta.reasoning or ""
        return ""


class CompletionLogprobs(Wire):
    text_offset: list[int] | None = None
    token_logprobs: list[float | None] | None = None
    tokens: list[str] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class CompletionChoice(Wire):
    text: str = ""
    index: int = 0
    finish_reason: str | None = None
    logprobs: CompletionLogprobs | None = None


class Completion(Answer, kw_only=True):
    """A text completion (the older API), whole or one piece of a stream: one shape for both."""

    choices: list[CompletionChoice]
    id: str = ""
    created: int = 0
    model: str = ""
    object: str = "text_completion"
    system_fingerprint: str | None = None
    usage: Usage | None = None

    @property
    def text(self) -> str:
        return self.choices[0].text if self.choices else ""


class Embedding(Wire):
    """embedding: list of float, or str of base64 where that was asked for."""

    embedding: list[float] | str
    index: int = 0
    object: str = "embedding"


class CreateEmbeddingResponse(Answer, kw_only=True):
    data: list[Embedding]
    model: str = ""
    object: str = "list"
    usage: Usage | None = None

    @property
    def vectors(self) -> list[list[float]]:
        """The embeddings as floats, in the order of the input. Raises APIResponseValidationError
        where one is text that is no base64 of floats."""
        return [_floats(item.embedding) for item in sorted(self.data, key=lambda e: e.index)]


def _floats(embedding: list[float] | str) -> list[float]:
    """base64 is of little-endian 32-bit floats (OpenAI's encoding_format)."""
    if isinstance(embedding, list):
        return embedding
    try:
        data = base64.b64decode(embedding, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (ValueError, struct.error):
        raise APIResponseValidationError(
            "An embedding is neither a list of numbers nor base64 of 32-bit floats"
        ) from None


class Model(Answer, kw_only=True):
    id: str
    created: int = 0
    object: str = "model"
    owned_by: str = ""


class ModelList(Answer, kw_only=True):
    data: list[Model]
    object: str = "list"

    def __iter__(self) -> Iterator[Model]:
        return iter(self.data)

    async def __aiter__(self) -> AsyncIterator[Model]:
        for model in self.data:
            yield model

    def has_next_page(self) -> bool:
        """False: the endpoint has no pages."""
        return False
