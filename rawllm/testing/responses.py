"""The JSON of the Responses API: a response whole, and the events of a streamed one.

Knows no HTTP and no asyncio, and is deterministic: the same request gets the same bytes. Stores
nothing: there is no response to retrieve.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .bodies import CREATED, Told, dumps, tokens_of, utf8
from .request import Request

__all__ = ["ResponseFrame", "ToldResponse"]

#: A chat answer's `finish_reason` → why a response is incomplete.
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _response(request: Request, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"resp-{request.index}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": request.model,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **fields,
    }


def _message(request: Request, text: str, status: str) -> dict[str, Any]:
    parts = [_text_part(text)] if status != "in_progress" else []
    identity = f"msg-{request.index}"
    return {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": parts,
    }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class ResponseFrame:
    """The events of one streamed response, numbered; and the text of a scripted stream."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._number = 0
        self._said: list[str] = []

    def event(self, kind: str, **fields: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        data = {"type": kind, "sequence_number": number, **fields}
        return utf8(f"event: {kind}\ndata: {dumps(data)}\n\n")

    def begin(self) -> bytes:
        """What comes before any output."""
        response = _response(self._request, "in_progress")
        return self.event("response.created", response=response) + self.event(
            "response.in_progress", response=response
        )

    def begin_message(self, index: int) -> bytes:
        item = _message(self._request, "", "in_progress")
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        added = self.event("response.output_item.added", output_index=index, item=item)
        return added + self.event("response.content_part.added", **place, part=_text_part(""))

    def delta(self, index: int, token: str) -> bytes:
        return self.event(
            "response.output_text.delta",
            item_id=f"msg-{self._request.index}",
            output_index=index,
            content_index=0,
            delta=token,
            logprobs=[],
        )

    def end_message(self, index: int, item: Mapping[str, Any]) -> bytes:
        part = item["content"][0]
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        return (
            self.event("response.output_text.done", **place, text=part["text"], logprobs=[])
            + self.event("response.content_part.done", **place, part=part)
            + self.event("response.output_item.done", output_index=index, item=item)
        )

    def said(self, token: str) -> bytes:
        """A str among the parts of a `Stream`."""
        begin = b"" if self._said else self.begin() + self.begin_message(0)
        self._said.append(token)
        return begin + self.delta(0, token)

    def last(self) -> bytes:
        """The end of a `Stream`, where it was a text."""
        if not self._said:
            return b""
        item = _message(self._request, "".join(self._said), "completed")
        response = _response(self._request, "completed", output=[item])
        end = self.end_message(0, item)
        return end + self.event("response.completed", response=response)


class ToldResponse(Told):
    """One reply to one request: the same content, whole or in pieces."""

    def _status(self) -> tuple[str, dict[str, Any]]:
        reason = _INCOMPLETE.get(self._reply.finish_reason or "")
        if reason is None:
            return "completed", {}
        return "incomplete", {"incomplete_details": {"reason": reason}}

    def _items(self) -> list[dict[str, Any]]:
        number = self._request.index
        items: list[dict[str, Any]] = []
        if self._reply.reasoning:
            summary = [{"type": "summary_text", "text": self._reply.reasoning}]
            items.append({"id": f"rs-{number}", "type": "reasoning", "summary": summary})
        calls = self._calls()
        if self._texts[0] or not calls:
            items.append(_message(self._request, self._texts[0], self._status()[0]))
        for place, call in enumerate(calls):
            items.append(
                {
                    "id": f"fc-{number}-{place}",
                    "type": "function_call",
                    "status": "completed",
                    "call_id": call["id"],
                    **call["function"],
                }
            )
        return items

    def _finished(self) -> dict[str, Any]:
        status, details = self._status()
        usage: Any = None
        if isinstance(self._reply.usage, Mapping):
            usage = self._reply.usage
        elif self._reply.usage:
            read, written = self._counts()
            thought = len(tokens_of(self._reply.reasoning))
            usage = {
                "input_tokens": read,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": written,
                "output_tokens_details": {"reasoning_tokens": thought},
                "total_tokens": read + written,
            }
        return _response(self._request, status, output=self._items(), usage=usage, **details)

    def whole(self) -> str:
        """The response object."""
        return dumps(self._finished())

    def events(self) -> Iterator[bytes | float]:
        """The events of a stream, and the waits between them."""
        frame = ResponseFrame(self._request)
        yield frame.begin()
        if self._reply.first_delay:
            yield self._reply.first_delay
        for index, item in enumerate(self._items()):
            if item["type"] == "message":
                yield frame.begin_message(index)
                for number, token in enumerate(self._tokens(self._texts[0])):
                    if number and self._reply.delay:
                        yield self._reply.delay
                    yield frame.delta(index, token)
                yield frame.end_message(index, item)
            elif item["type"] == "reasoning":
                yield self._reasoned(frame, index, item)
            else:
                yield self._called(frame, index, item)
        finished = self._finished()
        yield frame.event(f"response.{finished['status']}", response=finished)

    def _reasoned(self, frame: ResponseFrame, index: int, item: Mapping[str, Any]) -> bytes:
        place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        part = item["summary"][0]
        kind = "response.reasoning_summary"
        added = {**item, "summary": []}
        pieces = [
            frame.event("response.output_item.added", output_index=index, item=added),
            frame.event(f"{kind}_part.added", **place, part={**part, "text": ""}),
            *(
                frame.event(f"{kind}_text.delta", **place, delta=token)
                for token in tokens_of(part["text"])
            ),
            frame.event(f"{kind}_text.done", **place, text=part["text"]),
            frame.event(f"{kind}_part.done", **place, part=part),
            frame.event("response.output_item.done", output_index=index, item=item),
        ]
        return b"".join(pieces)

    def _called(self, frame: ResponseFrame, index: int, item: Mapping[str, Any]) -> bytes:
        place = {"item_id": item["id"], "output_index": index}
        arguments = item["arguments"]
        middle = len(arguments) // 2
        kind = "response.function_call_arguments"
        added = {**item, "arguments": "", "status": "in_progress"}
        pieces = [
            frame.event("response.output_item.added", output_index=index, item=added),
            *(
                frame.event(f"{kind}.delta", **place, delta=piece)
                for piece in (arguments[:middle], arguments[middle:])
            ),
            frame.event(f"{kind}.done", **place, arguments=arguments, name=item["name"]),
            frame.event("response.output_item.done", output_index=index, item=item),
        ]
        return b"".join(pieces)
