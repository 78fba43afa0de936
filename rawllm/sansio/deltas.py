"""Chunks → one completion: text, reasoning, refusal, tool calls, logprobs, usage.

Takes every way of streaming a tool call that was seen on the wire, and judges none of it: whether
a stream is complete is lifecycle.py's to say.
"""

from __future__ import annotations

import copy
import json
from typing import Any, Protocol

from .types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    Choice,
    ChoiceDelta,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    DeltaFunction,
    DeltaToolCall,
    FunctionCall,
    Logprobs,
    ToolCall,
    Usage,
)

__all__ = [
    "Accumulator",
    "ChatAccumulator",
    "PartialTool",
    "TextAccumulator",
    "add_function",
    "find_tool",
]


class Accumulator(Protocol):
    """What a stream needs of an accumulator.

    usage: the last one seen; the last wins, they are never added up (llama.cpp sends one for each
        choice, litellm repeats it).
    seen, finished: int, choices that have appeared, and that have a finish_reason.
    """

    usage: Usage | None
    seen: int
    finished: int

    @property
    def finish_reason(self) -> str | None:
        """The first choice's."""

    def add(self, chunk: Any) -> bool:
        """Take one chunk. True if it holds output: anything but a role."""

    def completion(self) -> Any:
        """What has accumulated so far."""


class PartialTool:
    """One tool call in the making."""

    __slots__ = ("arguments", "id", "index", "name", "type")

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.type = "function"
        self.name = ""
        self.arguments: list[str] = []


class _Choice:
    __slots__ = (
        "content",
        "finish_reason",
        "function",
        "logprobs",
        "reasoning",
        "refusal",
        "role",
        "tools",
    )

    def __init__(self) -> None:
        self.role = "assistant"
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.tools: list[PartialTool] = []
        self.function: PartialTool | None = None  # the older function_call
        self.logprobs: Logprobs | None = None
        self.finish_reason: str | None = None


class ChatAccumulator:
    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.seen = 0
        self.finished = 0
        self._first: ChatCompletionChunk | None = None
        self._last: ChatCompletionChunk | None = None
        self._choices: dict[int, _Choice] = {}

    @property
    def finish_reason(self) -> str | None:
        return self._choices[min(self._choices)].finish_reason if self._choices else None

    def add(self, chunk: ChatCompletionChunk) -> bool:
        output = False
        if self._first is None:
            self._first = chunk
        self._last = chunk
        if chunk.usage is not None:
            self.usage = chunk.usage
            output = True
        for part in chunk.choices:
            choice = self._choices.get(part.index)
            if choice is None:
                choice = self._choices[part.index] = _Choice()
                self.seen += 1
            delta = part.delta
            content = delta.content
            if content:
                choice.content.append(content)
                output = True
            elif content is not None and not choice.content:
                choice.content.append("")  # said to be "", as in a whole answer, and not null
            # Nearly every delta is text and nothing else: what saves the call saves a tenth.
            if (
                delta.role is not None
                or delta._reasoning
                or delta._reasoning_content
                or delta.tool_calls is not None
                or delta.refusal is not None
                or delta.function_call is not None
            ) and _add_rest(choice, delta):
                output = True
            if part.logprobs is not None:
                choice.logprobs = _joined_logprobs(choice.logprobs, part.logprobs)
            if part.finish_reason:  # "" is how some gateways say null
                output = True
                if choice.finish_reason is None:
                    self.finished += 1
                choice.finish_reason = part.finish_reason
        return output

    def completion(self) -> ChatCompletion:
        first, last = self._first, self._last
        if first is None or last is None:
            return ChatCompletion(choices=[])
        return ChatCompletion(
            id=first.id,
            created=first.created,
            model=first.model,
            service_tier=last.service_tier or first.service_tier,
            system_fingerprint=last.system_fingerprint or first.system_fingerprint,
            usage=self.usage,
            choices=[_whole_choice(i, self._choices[i]) for i in sorted(self._choices)],
        )


def _add_rest(choice: _Choice, delta: ChoiceDelta) -> bool:
    """Everything of a delta but its text. Some servers send all of a message in one delta."""
    output = False
    if delta.role:
        choice.role = delta.role
    if delta.reasoning:
        choice.reasoning.append(delta.reasoning)
        output = True
    if delta.refusal:
        choice.refusal.append(delta.refusal)
        output = True
    if delta.tool_calls:
        for piece in delta.tool_calls:
            _add_tool(choice.tools, piece)
        output = True
    elif delta.function_call is not None:
        # llama-cpp-python sends both forms for one call: tool_calls wins.
        if choice.function is None:
            choice.function = PartialTool(None)
        add_function(choice.function, delta.function_call)
        output = True
    return output


def _add_tool(tools: list[PartialTool], piece: DeltaToolCall) -> None:
    tool = find_tool(tools, piece)
    if piece.id:
        tool.id = piece.id  # set, never appended: llama-cpp-python repeats it on every delta
    if piece.type:
        tool.type = piece.type
    if piece.function is not None:
        add_function(tool, piece.function)


def add_function(tool: PartialTool, function: DeltaFunction) -> None:
    if function.name:
        tool.name = function.name  # set, never appended, as the id
    if function.arguments:
        tool.arguments.append(function.arguments)


def find_tool(tools: list[PartialTool], piece: DeltaToolCall) -> PartialTool:
    """The call that a piece goes on with, or a new one.

    By index where there is one; but two ids under one index are two calls (Ollama sends index 0
    for every parallel call). Without an index (Ollama #7881, Gemini's endpoint): by id, and a
    piece without id goes on with the last call, unless it names another function. And where only
    names could tell two calls apart, arguments that are whole JSON cannot go on.
    """
    name = piece.function.name if piece.function is not None else None
    for tool in reversed(tools):
        if piece.index is not None and tool.index is not None and tool.index != piece.index:
            continue
        if piece.id:
            if tool.id == piece.id or (not tool.id and not _begins_another(tool, piece)):
                return tool
        elif (piece.index is None and name and name != tool.name) or _begins_another(tool, piece):
            break
        else:
            return tool
    tool = PartialTool(piece.index)
    tools.append(tool)
    return tool


def _begins_another(tool: PartialTool, piece: DeltaToolCall) -> bool:
    """A named piece with arguments, after a call whose arguments are complete."""
    function = piece.function
    if function is None or not function.name or not (function.arguments or "").strip():
        return False
    try:
        json.loads("".join(tool.arguments))
    except (ValueError, RecursionError):
        return False
    return True


def _joined_logprobs(before: Logprobs | None, new: Logprobs) -> Logprobs:
    if before is None:
        # A copy: the chunk was handed to the user, its lists are not ours to extend.
        return Logprobs(
            content=None if new.content is None else list(new.content),
            refusal=None if new.refusal is None else list(new.refusal),
        )
    for name in ("content", "refusal"):
        tokens = getattr(new, name)
        if tokens:
            known = getattr(before, name)
            if known is None:
                setattr(before, name, list(tokens))
            else:
                known.extend(tokens)
    return before


def _whole_choice(index: int, choice: _Choice) -> Choice:
    return Choice(
        index=index,
        finish_reason=choice.finish_reason,
        # A copy again: a completion asked for in mid-stream must not grow afterwards.
        logprobs=None if choice.logprobs is None else _joined_logprobs(None, choice.logprobs),
        message=ChatCompletionMessage(
            role=choice.role,
            content="".join(choice.content) if choice.content else None,
            refusal="".join(choice.refusal) or None,
            _reasoning="".join(choice.reasoning) or None,
            tool_calls=[
                ToolCall(id=t.id, type=t.type, function=_whole_function(t)) for t in choice.tools
            ]
            or None,
            function_call=None if choice.function is None else _whole_function(choice.function),
        ),
    )


def _whole_function(tool: PartialTool) -> FunctionCall:
    return FunctionCall(name=tool.name, arguments="".join(tool.arguments))


class TextAccumulator:
    """The same for the older text completions."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.seen = 0
        self.finished = 0
        self._first: Completion | None = None
        self._last: Completion | None = None
        self._text: dict[int, list[str]] = {}
        self._finish: dict[int, str] = {}
        self._logprobs: dict[int, CompletionLogprobs] = {}

    @property
    def finish_reason(self) -> str | None:
        return self._finish.get(min(self._text)) if self._text else None

    def add(self, chunk: Completion) -> bool:
        output = False
        if self._first is None:
            self._first = chunk
        self._last = chunk
        if chunk.usage is not None:
            self.usage = chunk.usage
            output = True
        for part in chunk.choices:
            texts = self._text.get(part.index)
            if texts is None:
                texts = self._text[part.index] = []
                self.seen += 1
            if part.text:
                texts.append(part.text)
                output = True
            if part.logprobs is not None:
                self._add_logprobs(part.index, part.logprobs)
            if part.finish_reason:
                self.finished += part.index not in self._finish
                self._finish[part.index] = part.finish_reason
                output = True
        return output

    def _add_logprobs(self, index: int, new: CompletionLogprobs) -> None:
        whole = self._logprobs.setdefault(index, CompletionLogprobs())
        for name in ("text_offset", "token_logprobs", "tokens", "top_logprobs"):
            values = getattr(new, name)
            known = getattr(whole, name)
            if known is None:
                setattr(whole, name, None if values is None else list(values))
            elif values:
                known.extend(values)

    def completion(self) -> Completion:
        first, last = self._first, self._last
        if first is None or last is None:
            return Completion(choices=[])
        return Completion(
            id=first.id,
            created=first.created,
            model=first.model,
            system_fingerprint=last.system_fingerprint or first.system_fingerprint,
            usage=self.usage,
            choices=[
                CompletionChoice(
                    index=index,
                    text="".join(self._text[index]),
                    finish_reason=self._finish.get(index),
                    logprobs=copy.deepcopy(self._logprobs.get(index)),
                )
                for index in sorted(self._text)
            ],
        )
