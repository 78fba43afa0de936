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
from collections.abc import AsyncIterator, Iterator, Mapping
from copy import copy, deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar

import msgspec

from ..errors import APIResponseValidationError
from .dumping import added, merged, part, sent, without_none
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
    "CustomCall",
    "DeltaFunction",
    "DeltaToolCall",
    "Embedding",
    "FunctionCall",
    "Logprobs",
    "Model",
    "ModelList",
    "OnlyPage",
    "Page",
    "PromptTokensDetails",
    "Timing",
    "TokenLogprob",
    "ToolCall",
    "Usage",
]

T = TypeVar("T")


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


#: Fields about the reading of an object, and not of what was read.
_READ = frozenset({"_at", "_payload", "_request_id", "timing"})


class Wire(msgspec.Struct):
    """The base of everything read off the wire. Ours are the fields whose wire name starts with a
    space (no server sends those), and they are never dumped. The methods are pydantic's, by name
    and arguments, as openai-python's objects have them."""

    #: Fields that OpenAI's API has not: dumped where a server sent them.
    _beyond: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def model_validate(cls, value: Any, **_: Any) -> Self:
        """An object from a dict with the wire's names. Raises ValueError where it is none."""
        return value if isinstance(value, cls) else msgspec.convert(value, cls)

    @classmethod
    def model_validate_json(cls, text: str | bytes, **_: Any) -> Self:
        """An object from JSON. Raises ValueError where it is none."""
        return cls.model_validate(json.loads(text))

    def _made_of_dicts(self) -> None:
        """What was made by hand, of dicts in place of objects, as pydantic's models take them."""
        for field in wire_fields(type(self)):
            value = getattr(self, field.name)
            if isinstance(value, (dict, list)):
                setattr(self, field.name, msgspec.convert(value, field.type))

    @classmethod
    def construct(cls, _fields_set: Any = None, **values: Any) -> Self:
        """An object from its fields, unchecked."""
        return cls(**values)

    model_construct = construct

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        new = deepcopy(self) if deep else copy(self)
        for name, value in (update or {}).items():
            setattr(new, name, value)
        return new

    @property
    def model_fields_set(self) -> set[str]:
        """The fields that hold something: what is None counts as unset."""
        return set(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """What the server sent, as a dict. What is None counts as unset where that is not known."""
        return self.model_dump(exclude_unset=True)

    def model_dump(
        self,
        *,
        include: Any = None,
        exclude: Any = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """A dict with the wire's names. Takes pydantic's keyword arguments; those that are not
        named here have no effect."""
        dumped = self._whole(unset=not exclude_unset)
        if exclude_none or exclude_defaults:
            dumped = without_none(dumped)
        found: dict[str, Any] = part(dumped, include, exclude)
        return found

    def _whole(self, *, unset: bool) -> dict[str, Any]:
        """With what the server sent besides."""
        return self._dumped(unset=unset)

    def _dumped(self, *, unset: bool) -> dict[str, Any]:
        """unset: with the fields that no server has sent, as None."""
        dumped = {}
        for field in wire_fields(type(self)):
            value = getattr(self, field.name)
            if value is msgspec.UNSET:
                continue
            if value is not None or (unset and field.encode_name not in self._beyond):
                dumped[field.encode_name] = _dump(value, unset=unset)
        return dumped

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        dumped = self.model_dump(**options)
        separators = (",", ":") if indent is None else None
        return whole_text(
            json.dumps(dumped, indent=indent, ensure_ascii=False, separators=separators)
        )

    def to_json(self, *, indent: int | None = 2, **options: Any) -> str:
        return self.model_dump_json(indent=indent, **{"exclude_unset": True, **options})

    def __eq__(self, other: object) -> bool:
        """By what was said, wherever and whenever it was read."""
        if type(other) is not type(self):
            return NotImplemented
        return all(
            getattr(self, name) == getattr(other, name)
            for name in self.__struct_fields__
            if name not in _READ
        )

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Any]:
        """The fields, as pairs of name and value."""
        for field in wire_fields(type(self)):
            if (value := getattr(self, field.name)) is not msgspec.UNSET:
                yield field.name.lstrip("_"), value

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{field.name.lstrip('_')}={value!r}"
            for field in wire_fields(type(self))
            if (value := getattr(self, field.name)) not in (None, msgspec.UNSET)
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

    @classmethod
    def model_validate(cls, value: Any, **_: Any) -> Self:
        """An object from a dict with the wire's names. Raises ValueError where it is none."""
        made = super().model_validate(value)
        if made is not value:
            made._keep(msgspec.json.encode(value))
        return made

    def _keep(self, payload: bytes) -> None:
        """payload: what the object was read from."""
        self._payload = payload

    def _whole(self, *, unset: bool) -> dict[str, Any]:
        dumped = self._dumped(unset=unset)
        if self._payload:
            dumped = merged(dumped, self.raw)
        return dumped


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


class Within(Wire, kw_only=True):
    """An object within a whole answer: finds what the server added to it in the answer's payload,
    when somebody asks. Made by hand or from a stream's pieces, it has nothing to find."""

    #: The answer's payload, and the choice's place among its choices.
    _at: tuple[bytes, int] | None = msgspec.field(default=None, name=" at")

    #: Where in a payload such an object stands; None: the choice's place.
    _way: ClassVar[tuple[str | None, ...]]

    def _found(self) -> dict[str, Any]:
        if self._at is None:
            return {}
        payload, number = self._at
        value = parse(payload)
        for step in self._way:
            try:
                value = value[number if step is None else step]
            except (LookupError, TypeError):  # mended when it was read: it stood elsewhere
                return {}
        return value if isinstance(value, dict) else {}

    @property
    def model_extra(self) -> dict[str, Any]:
        """The fields that OpenAI's API does not have."""
        known = {field.encode_name for field in wire_fields(type(self))}
        return {name: value for name, value in self._found().items() if name not in known}

    def __getattr__(self, name: str) -> Any:
        # Called only for what is not declared.
        if not name.startswith("_"):
            extra = self.model_extra
            if name in extra:
                return extra[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _whole(self, *, unset: bool) -> dict[str, Any]:
        if self._at is None:
            return self._dumped(unset=unset)
        wire = self._found()
        found: dict[str, Any] = added(self._dumped(unset=True), wire)
        return found if unset else sent(found, wire)


def _dump(value: Any, *, unset: bool) -> Any:
    if isinstance(value, Wire):
        return value._dumped(unset=unset)
    if isinstance(value, list):
        return [_dump(item, unset=unset) for item in value]
    return value


class PromptTokensDetails(Wire, gc=False):
    cached_tokens: int | None = None
    audio_tokens: int | None = None


class CompletionTokensDetails(Wire, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class Usage(Within, gc=False):
    """Tokens as the server counted them."""

    _way = ("usage",)

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


class CustomCall(Wire):
    """The call of a tool that takes text: name: str; input: str, as the model wrote it."""

    name: str = ""
    input: str = ""


class ToolCall(Wire):
    id: str = ""
    function: FunctionCall = msgspec.field(default_factory=FunctionCall)
    type: str = "function"
    # UNSET and not None, which would stand in a request that holds a function's call.
    _custom: CustomCall | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="custom")

    @property
    def custom(self) -> CustomCall | None:
        """The call, where `type` is "custom"; `function` is empty then."""
        return self._custom or None

    def _dumped(self, *, unset: bool) -> dict[str, Any]:
        dumped = super()._dumped(unset=unset)
        if self.custom is not None:
            del dumped["function"]
        return dumped


class ChatCompletionMessage(Within):
    """What the model said. Can be sent back in `messages` as it is."""

    _way = ("choices", None, "message")
    _beyond = frozenset({"reasoning", "reasoning_content"})

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

    def _dumped(self, *, unset: bool) -> dict[str, Any]:
        # `content` always: servers send it, and want it back.
        return {"content": None, **super()._dumped(unset=unset)}

    def to_param(self) -> dict[str, Any]:
        """The message as a request takes it: nulls dropped except `content`, reasoning not echoed
        (servers refuse it or count it as prompt)."""
        param = without_none(self.model_dump())
        for name in ("reasoning", "reasoning_content", "annotations"):
            param.pop(name, None)
        return {"role": self.role, "content": self.content, **param}


class Choice(Within):
    _way = ("choices", None)

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

    def __post_init__(self) -> None:
        choices: Any = self.choices
        usage: Any = self.usage
        if (choices and type(choices[0]) is dict) or type(usage) is dict:
            self._made_of_dicts()

    def _keep(self, payload: bytes) -> None:
        # On every call: few words, and no calls.
        self._payload = payload
        if (usage := self.usage) is not None:
            usage._at = (payload, 0)
        for number, choice in enumerate(self.choices):
            choice._at = choice.message._at = (payload, number)

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
    _beyond = frozenset({"reasoning", "reasoning_content"})

    content: str | None = None
    role: str | None = None
    refusal: str | None = None
    tool_calls: list[DeltaToolCall] | None = None
    function_call: DeltaFunction | None = None
    _reasoning: str | msgspec.UnsetType | None = msgspec.field(
        default=msgspec.UNSET, name="reasoning"
    )
    _reasoning_content: str | msgspec.UnsetType | None = msgspec.field(
        default=msgspec.UNSET, name="reasoning_content"
    )

    @property
    def reasoning(self) -> str | None:
        return self._reasoning or self._reasoning_content or None

    @property
    def reasoning_content(self) -> str | None:
        # Only where a server sent one: `if hasattr(delta, "reasoning_content"): … elif …content` is
        # how code written for openai-python tells reasoning from text.
        if self._reasoning is msgspec.UNSET and self._reasoning_content is msgspec.UNSET:
            raise AttributeError("'ChoiceDelta' object has no attribute 'reasoning_content'")
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

    if TYPE_CHECKING:
        embedding: list[float]  # as in openai-python: what it nearly always is
    else:
        embedding: list[float] | str
    index: int = 0
    object: str = "embedding"


class CreateEmbeddingResponse(Answer, kw_only=True):
    data: list[Embedding]
    model: str = ""
    object: str = "list"
    usage: Usage | None = None

    def __post_init__(self) -> None:
        data: Any = self.data
        usage: Any = self.usage
        if (data and type(data[0]) is dict) or type(usage) is dict:
            self._made_of_dicts()

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


class Page(Answer, Generic[T], kw_only=True):
    """A list of an endpoint that has no pages: all of it, and openai-python's names for that."""

    data: list[T]
    object: str = "list"

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    async def __aiter__(self) -> AsyncIterator[T]:
        for item in self.data:
            yield item

    def has_next_page(self) -> bool:
        """False."""
        return False

    def next_page_info(self) -> None:
        """None: there is nothing to ask for."""
        return

    def iter_pages(self) -> OnlyPage[Self]:
        """This page, by `for` and by `async for`."""
        return OnlyPage(self)

    def get_next_page(self) -> NoReturn:
        """Raises RuntimeError, as openai-python's does where there is none."""
        raise RuntimeError("there is no next page: ask has_next_page() first")


class OnlyPage(Generic[T]):
    """What `iter_pages` gives."""

    def __init__(self, page: T) -> None:
        self._page = page

    def __iter__(self) -> Iterator[T]:
        yield self._page

    async def __aiter__(self) -> AsyncIterator[T]:
        yield self._page


class ModelList(Page[Model], kw_only=True):
    """What a server serves."""

    data: list[Model]  # again: decode.py reads the types of fields, and this says them
