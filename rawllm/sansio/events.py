"""Chunks → the events of `chat.completions.stream`, by openai-python's names and fields.

Reads no stream: resources/chat_stream.py hands the chunks over, each once and in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from .deltas import ChatAccumulator, PartialTool, add_function, find_tool
from .jsontext import PartialJSON, value_of
from .parsed import (
    ParsedChatCompletion,
    Reader,
    check_finished,
    parsed_completion,
    read_arguments,
    read_content,
)
from .schema import Form
from .types import (
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChunkChoice,
    FunctionCall,
    Logprobs,
    TokenLogprob,
    Wire,
)

__all__ = [
    "ChunkEvent",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "EventBuilder",
    "FunctionToolCallArgumentsDeltaEvent",
    "FunctionToolCallArgumentsDoneEvent",
    "LogprobsContentDeltaEvent",
    "LogprobsContentDoneEvent",
    "LogprobsRefusalDeltaEvent",
    "LogprobsRefusalDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
    "StreamEvent",
]


class ChunkEvent(Wire, kw_only=True):
    """One chunk as the server sent it. `snapshot`: the answer as it is when you look."""

    type: Literal["chunk"] = "chunk"
    chunk: ChatCompletionChunk
    _builder: Any = msgspec.field(name=" builder")

    @property
    def snapshot(self) -> ParsedChatCompletion[Any]:
        found: ParsedChatCompletion[Any] = self._builder.snapshot()
        return found


class ContentDeltaEvent(Wire, kw_only=True):
    """`parsed`: where a type was asked for, what of the object is there (dicts and lists)."""

    type: Literal["content.delta"] = "content.delta"
    delta: str
    snapshot: str
    _document: str = msgspec.field(default="", name=" document")
    _form: Any = msgspec.field(default=None, name=" form")

    @property
    def parsed(self) -> Any:
        return self._form.part(value_of(self._document)) if self._form is not None else None


class ContentDoneEvent(Wire, kw_only=True):
    """`parsed`: the object, where a type was asked for."""

    type: Literal["content.done"] = "content.done"
    content: str
    parsed: Any = None


class RefusalDeltaEvent(Wire, kw_only=True):
    type: Literal["refusal.delta"] = "refusal.delta"
    delta: str
    snapshot: str


class RefusalDoneEvent(Wire, kw_only=True):
    type: Literal["refusal.done"] = "refusal.done"
    refusal: str


class FunctionToolCallArgumentsDeltaEvent(Wire, kw_only=True):
    """`arguments`: the JSON so far. `parsed_arguments`: what of it is there, where the tool is a
    function, a type or strict."""

    type: Literal["tool_calls.function.arguments.delta"] = "tool_calls.function.arguments.delta"
    name: str
    index: int
    arguments: str
    arguments_delta: str
    _known: bool = msgspec.field(default=False, name=" known")

    @property
    def parsed_arguments(self) -> Any:
        return _half_read(self.arguments) if self._known else None


class FunctionToolCallArgumentsDoneEvent(Wire, kw_only=True):
    type: Literal["tool_calls.function.arguments.done"] = "tool_calls.function.arguments.done"
    name: str
    index: int
    arguments: str
    parsed_arguments: Any = None


class LogprobsContentDeltaEvent(Wire, kw_only=True):
    type: Literal["logprobs.content.delta"] = "logprobs.content.delta"
    content: list[TokenLogprob]
    snapshot: list[TokenLogprob]


class LogprobsContentDoneEvent(Wire, kw_only=True):
    type: Literal["logprobs.content.done"] = "logprobs.content.done"
    content: list[TokenLogprob]


class LogprobsRefusalDeltaEvent(Wire, kw_only=True):
    type: Literal["logprobs.refusal.delta"] = "logprobs.refusal.delta"
    refusal: list[TokenLogprob]
    snapshot: list[TokenLogprob]


class LogprobsRefusalDoneEvent(Wire, kw_only=True):
    type: Literal["logprobs.refusal.done"] = "logprobs.refusal.done"
    refusal: list[TokenLogprob]


StreamEvent: TypeAlias = (
    ChunkEvent
    | ContentDeltaEvent
    | ContentDoneEvent
    | RefusalDeltaEvent
    | RefusalDoneEvent
    | FunctionToolCallArgumentsDeltaEvent
    | FunctionToolCallArgumentsDoneEvent
    | LogprobsContentDeltaEvent
    | LogprobsContentDoneEvent
    | LogprobsRefusalDeltaEvent
    | LogprobsRefusalDoneEvent
)


class _Choice:
    """One choice, as far as it has been told of."""

    def __init__(self) -> None:
        self.content = ""
        self.refusal: str | None = None
        self.partial = PartialJSON()
        self.parsed: Any = None  # once the content is done
        self.tools: list[PartialTool] = []
        self.tool: PartialTool | None = None  # the one that is being written
        self.arguments: dict[int, Any] = {}  # of those that are done
        self.logprobs: dict[str, list[TokenLogprob]] = {}
        self.done: set[str] = set()


class EventBuilder:
    """One stream's events. form: what the content is read as, or None; tools: what reads the
    arguments of its tool calls, by name."""

    def __init__(self, form: Form | None, tools: Mapping[str, Reader]) -> None:
        self._form = form
        self._tools = tools
        self._accumulator = ChatAccumulator()
        self._choices: dict[int, _Choice] = {}

    def snapshot(self) -> ParsedChatCompletion[Any]:
        """The answer so far, `parsed` as far as it is known."""
        contents = {
            index: choice.parsed if "content" in choice.done else self._part(choice)
            for index, choice in self._choices.items()
        }
        found = parsed_completion(self._accumulator.completion(), None, {}, contents=contents)
        for whole in found.choices:
            choice = self._choices[whole.index]
            for number, call in enumerate(whole.message.tool_calls or ()):
                function = call.function
                if number in choice.arguments:
                    function.parsed_arguments = choice.arguments[number]
                elif function.name in self._tools:
                    function.parsed_arguments = _half_read(function.arguments)
        return found

    def _part(self, choice: _Choice) -> Any:
        if self._form is None:
            return None
        return self._form.part(value_of(choice.partial.document()))

    def events(self, chunk: ChatCompletionChunk) -> list[StreamEvent]:
        """What a chunk tells. Raises LengthFinishReasonError, ContentFilterFinishReasonError and
        StructuredOutputError where content or arguments were to be read as something."""
        self._accumulator.add(chunk)
        found: list[StreamEvent] = [ChunkEvent(chunk=chunk, _builder=self)]
        for part in chunk.choices:
            choice = self._choices.setdefault(part.index, _Choice())
            if part.finish_reason and (self._form is not None or self._tools):
                check_finished(part.finish_reason, self._accumulator.completion())
            self._add_text(choice, part, found)
            touched = self._add_tools(choice, part, found)
            if part.logprobs is not None:
                _add_logprobs(choice, part.logprobs, found)
            for tool in touched:
                if choice.tool is not tool:
                    self._end_text(choice, found)
                    self._end_tool(choice, found)
                choice.tool = tool
            if part.finish_reason:
                self._end_text(choice, found)
                self._end_tool(choice, found)
        return found

    def _add_text(self, choice: _Choice, part: ChunkChoice, found: list[StreamEvent]) -> None:
        delta = part.delta
        if delta.content is not None:
            choice.content += delta.content
            document = ""
            if self._form is not None:
                choice.partial.feed(delta.content)
                document = choice.partial.document()
            found.append(
                ContentDeltaEvent(
                    delta=delta.content,
                    snapshot=choice.content,
                    _document=document,
                    _form=self._form,
                )
            )
        if delta.refusal is not None:
            choice.refusal = (choice.refusal or "") + delta.refusal
            found.append(RefusalDeltaEvent(delta=delta.refusal, snapshot=choice.refusal))

    def _add_tools(
        self, choice: _Choice, part: ChunkChoice, found: list[StreamEvent]
    ) -> list[PartialTool]:
        touched = []
        for piece in part.delta.tool_calls or ():
            tool = find_tool(choice.tools, piece)
            tool.id = piece.id or tool.id
            if piece.function is not None:
                add_function(tool, piece.function)
            found.append(
                FunctionToolCallArgumentsDeltaEvent(
                    name=tool.name,
                    index=choice.tools.index(tool),
                    arguments="".join(tool.arguments),
                    arguments_delta=(piece.function and piece.function.arguments) or "",
                    _known=tool.name in self._tools,
                )
            )
            touched.append(tool)
        return touched

    def _end_text(self, choice: _Choice, found: list[StreamEvent]) -> None:
        """The content is complete; told of once."""
        if choice.content and "content" not in choice.done:
            choice.done.add("content")
            if self._form is not None:
                message = ChatCompletionMessage(content=choice.content, refusal=choice.refusal)
                choice.parsed = read_content(message, self._form, self._accumulator.completion())
            found.append(ContentDoneEvent(content=choice.content, parsed=choice.parsed))
        if choice.refusal is not None and "refusal" not in choice.done:
            choice.done.add("refusal")
            found.append(RefusalDoneEvent(refusal=choice.refusal))
        for name, tokens in choice.logprobs.items():
            if f"logprobs.{name}" not in choice.done:
                choice.done.add(f"logprobs.{name}")
                found.append(
                    LogprobsContentDoneEvent(content=tokens)
                    if name == "content"
                    else LogprobsRefusalDoneEvent(refusal=tokens)
                )

    def _end_tool(self, choice: _Choice, found: list[StreamEvent]) -> None:
        """The arguments of the call that was being written are complete."""
        tool, choice.tool = choice.tool, None
        if tool is None:
            return
        index = choice.tools.index(tool)
        function = FunctionCall(name=tool.name, arguments="".join(tool.arguments))
        parsed = read_arguments(function, self._tools, self._accumulator.completion())
        choice.arguments[index] = parsed
        found.append(
            FunctionToolCallArgumentsDoneEvent(
                name=tool.name,
                index=index,
                arguments=function.arguments,
                parsed_arguments=parsed,
            )
        )


def _half_read(text: str) -> Any:
    partial = PartialJSON()
    partial.feed(text)
    return value_of(partial.document())


def _add_logprobs(choice: _Choice, new: Logprobs, found: list[StreamEvent]) -> None:
    if new.content is not None:
        content = choice.logprobs.setdefault("content", [])
        content.extend(new.content)
        if new.content:
            found.append(LogprobsContentDeltaEvent(content=new.content, snapshot=content))
    if new.refusal is not None:
        refusal = choice.logprobs.setdefault("refusal", [])
        refusal.extend(new.refusal)
        if new.refusal:
            found.append(LogprobsRefusalDeltaEvent(refusal=new.refusal, snapshot=refusal))
