"""LangChain's messages → the wire's, and answers and chunks → LangChain's.

Sends nothing. What a server said is kept as it is: a tool call that does not parse is an invalid
one and no error, and reasoning stands in `additional_kwargs`, from where LangChain makes it a
content block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    InvalidToolCall,
    ToolCall,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from ...sansio.deltas import PartialTool, add_function, find_tool
from ...sansio.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    Choice,
    DeltaToolCall,
    Usage,
)

__all__ = ["Pieces", "result_of", "wire_messages"]

#: No name that LangChain has a translator for: its own for "openai" would drop the reasoning.
PROVIDER = "rawllm"

#: Blocks of an answer that `output_version="v1"` keeps in its content, and no server takes back.
#: Tool calls are sent from `tool_calls`; reasoning is not sent, as in `ChatCompletionMessage`.
_OWN_BLOCKS = {
    *("reasoning", "thinking", "redacted_thinking"),
    *("tool_call", "tool_call_chunk", "invalid_tool_call", "function_call"),
}


# ── there ────────────────────────────────────────────────────────────────────────────────────


def wire_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """As a request takes them."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, AIMessage):
            found += _said(message)
        else:
            found += convert_to_openai_messages([message])
    return found


def _said(message: AIMessage) -> list[dict[str, Any]]:
    if isinstance(message.content, list):
        content = [
            block
            for block in message.content
            if isinstance(block, str) or block.get("type") not in _OWN_BLOCKS
        ]
        message = message.model_copy(update={"content": content})
    converted: list[dict[str, Any]] = convert_to_openai_messages([message])
    first = converted[0]
    for call in message.invalid_tool_calls:  # or the tool message that rejects it has no call
        function = {"name": call["name"] or "", "arguments": call["args"] or ""}
        first.setdefault("tool_calls", []).append(
            {"type": "function", "id": call["id"], "function": function}
        )
    if first.get("tool_calls") and not first["content"]:
        first["content"] = None  # some servers refuse an empty text
    return converted


# ── and back ─────────────────────────────────────────────────────────────────────────────────


def result_of(completion: ChatCompletion) -> ChatResult:
    """A whole answer. Its usage stands in the first choice alone: LangChain adds them up."""
    generations: list[ChatGeneration] = []
    for choice in completion.choices:
        calls, invalid = _calls(choice.message)
        message = AIMessage(
            content=choice.message.content or "",
            additional_kwargs=_extra(choice.message.reasoning, choice.message.refusal),
            tool_calls=calls,
            invalid_tool_calls=invalid,
            usage_metadata=_usage(completion.usage) if not generations else None,
            response_metadata=_metadata(completion, choice),
        )
        generations.append(ChatGeneration(message=message))
    usage = completion.usage
    output: dict[str, Any] = {"model_name": completion.model}
    if usage is not None:
        output["token_usage"] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        }
    return ChatResult(generations=generations, llm_output=output)


class Pieces:
    """One stream's chunks, and their end. Only the first choice is shown: LangChain adds up all
    chunks to one message."""

    def __init__(self) -> None:
        self._tools: list[PartialTool] = []

    def chunk(self, chunk: ChatCompletionChunk) -> ChatGenerationChunk | None:
        """None where there is nothing to show: a role, an end."""
        choice = next((one for one in chunk.choices if one.index == 0), None)
        if choice is None:
            return None
        delta = choice.delta
        given: dict[str, Any] = {}
        if delta.tool_calls:
            given["tool_call_chunks"] = [self._call(piece) for piece in delta.tool_calls]
        if extra := _extra(delta.reasoning, delta.refusal):
            given["additional_kwargs"] = extra
        if choice.logprobs is not None:
            given["response_metadata"] = {"logprobs": choice.logprobs.to_dict()}
        if not (delta.content or given):
            return None
        return ChatGenerationChunk(message=AIMessageChunk(content=delta.content or "", **given))

    def _call(self, piece: DeltaToolCall) -> ToolCallChunk:
        """LangChain merges by index and joins names: so each call gets an index of its own, and
        says its name once, whatever the server repeats."""
        tool = find_tool(self._tools, piece)
        named = tool.name
        tool.id = tool.id or piece.id or ""
        if piece.function is not None:
            add_function(tool, piece.function)
        return tool_call_chunk(
            name=tool.name if tool.name and not named else None,
            args=piece.function.arguments if piece.function is not None else None,
            id=tool.id or None,
            index=self._tools.index(tool),
        )

    def last(self, completion: ChatCompletion) -> ChatGenerationChunk:
        """What is said once: why it ended, who said it, what it used."""
        choice = next((one for one in completion.choices if one.index == 0), None)
        message = AIMessageChunk(
            content="",
            usage_metadata=_usage(completion.usage),
            response_metadata=_metadata(completion, choice, logprobs=False),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)


def _calls(message: ChatCompletionMessage) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in message.tool_calls or ():
        # Some servers send "" for a function without parameters.
        function = {"name": call.function.name, "arguments": call.function.arguments or "{}"}
        raw = {"id": call.id, "function": function}
        try:
            parsed: Any = parse_tool_call(raw, return_id=True)
            calls.append(parsed)
        except OutputParserException as error:
            invalid.append(make_invalid_tool_call(raw, str(error)))
    return calls, invalid


def _extra(reasoning: str | None, refusal: str | None) -> dict[str, Any]:
    extra = {}
    if reasoning:
        extra["reasoning_content"] = reasoning
    if refusal:
        extra["refusal"] = refusal
    return extra


def _metadata(
    completion: ChatCompletion, choice: Choice | None, *, logprobs: bool = True
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model_name": completion.model,
        "model_provider": PROVIDER,
        "id": completion.id,
        "finish_reason": choice.finish_reason if choice is not None else None,
        "system_fingerprint": completion.system_fingerprint,
        "service_tier": completion.service_tier,
    }
    if logprobs and choice is not None and choice.logprobs is not None:
        found["logprobs"] = choice.logprobs.to_dict()
    return {name: value for name, value in found.items() if value}


def _usage(usage: Usage | None) -> UsageMetadata | None:
    if usage is None:
        return None
    found = UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    if read is not None and read.cached_tokens is not None:
        found["input_token_details"] = {"cache_read": read.cached_tokens}
    if written is not None and written.reasoning_tokens is not None:
        found["output_token_details"] = {"reasoning": written.reasoning_tokens}
    return found
