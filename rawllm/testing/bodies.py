"""The JSON that an OpenAI-compatible server writes: completions, chunks, embeddings, errors.

Knows no HTTP and no asyncio, and is deterministic: the same request gets the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from .request import CHAT, COMPLETIONS, Request

if TYPE_CHECKING:
    from .answers import Reply

__all__ = [
    "Frame",
    "Told",
    "dumps",
    "embedding",
    "error_body",
    "model_body",
    "tokens_of",
    "utf8",
]

#: One moment for all answers, so that tests can compare whole objects.
CREATED: Final = 1_700_000_000

_TOKEN: Final = re.compile(r"\s*\S+|\s+")
_ERROR_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}

# Not ensure_ascii: real servers send UTF-8, and clients must survive it cut anywhere.
dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def utf8(text: str) -> bytes:
    # A lone surrogate has no UTF-8; backslashreplace happens to write its JSON escape.
    return text.encode("utf-8", "backslashreplace")


def error_body(status: int, message: str = "") -> dict[str, Any]:
    """OpenAI's error object."""
    usual = "server_error" if status >= 500 else "invalid_request_error"
    kind = _ERROR_TYPES.get(status, usual)
    message = message or f"The fake server was told to answer {status}."
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def model_body(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "fake"}


def embedding(text: str, dimensions: int) -> list[float]:
    """A vector that depends on the text alone, of numbers that a float32 holds exactly."""
    seeds = (zlib.crc32(utf8(f"{number}:{text}")) for number in range(dimensions))
    return [((seed & 0xFFFF) - 0x8000) / 0x8000 for seed in seeds]


def tokens_of(text: str) -> list[str]:
    """The pieces in which a stream brings a text: its words."""
    return _TOKEN.findall(text)


def _start(request: Request, kind: str) -> str:
    prefix = "cmpl" if kind == "text_completion" else "chatcmpl"
    return (
        f'{{"id":"{prefix}-{request.index}","object":"{kind}","created":{CREATED},'
        f'"model":{dumps(request.model)},"system_fingerprint":"fp_fake",'
    )


class Frame:
    """What stands around the deltas of one stream: built once, since dumping whole chunks made
    the server slower than the clients it is to test."""

    def __init__(self, request: Request) -> None:
        self.chat = request.path != COMPLETIONS
        start = _start(request, "chat.completion.chunk" if self.chat else "text_completion")
        self._start = f"data: {start}"

    def chunk(self, index: int, delta: str, finish: str = "null") -> bytes:
        return utf8(
            f'{self._start}"choices":[{{"index":{index},{delta},"logprobs":null,'
            f'"finish_reason":{finish}}}]}}\n\n'
        )

    def text(self, token: str) -> str:
        return f'"delta":{{"content":{dumps(token)}}}' if self.chat else f'"text":{dumps(token)}'

    def said(self, token: str) -> bytes:
        """A str among the parts of a `Stream`."""
        return self.chunk(0, self.text(token))

    def last(self) -> bytes:
        """The end of a `Stream`."""
        return b"data: [DONE]\n\n"

    def usage(self, usage: str) -> bytes:
        return utf8(f'{self._start}"choices":[],"usage":{usage}}}\n\n')


class Told:
    """One reply to one request: the same content, whole or in pieces."""

    def __init__(self, reply: Reply, request: Request, asked: dict[str, Any]) -> None:
        self._reply = reply
        self._request = request
        self._asked = asked
        self._chat = request.path == CHAT
        n = asked.get("n") or 1
        self._texts = [text for text in self._said() for _ in range(n)]

    def _said(self) -> list[str]:
        reply = self._reply
        prompts = self._request.prompts
        if reply.text is not None:
            return [reply.text] * len(prompts)
        if reply.tokens is not None:
            return ["".join(reply.tokens)] * len(prompts)
        return ["" if reply.tool_calls else f"echo: {prompt}" for prompt in prompts]

    def _tokens(self, text: str) -> Sequence[str]:
        return tokens_of(text) if self._reply.tokens is None else self._reply.tokens

    def _finish(self) -> str:
        reason = self._reply.finish_reason
        if reason == "auto":
            reason = "tool_calls" if self._reply.tool_calls else "stop"
        return dumps(reason)

    def _calls(self) -> list[dict[str, Any]]:
        calls = []
        for number, call in enumerate(self._reply.tool_calls):
            arguments = call.get("arguments", {})
            if not isinstance(arguments, str):
                arguments = dumps(arguments)
            function = {"name": call["name"], "arguments": arguments}
            identity = call.get("id", f"call_{number}")
            calls.append({"id": identity, "type": "function", "function": function})
        return calls

    def _usage(self) -> str:
        if not isinstance(self._reply.usage, bool):
            return dumps(self._reply.usage)
        read, written = self._counts()
        total = read + written
        return f'{{"prompt_tokens":{read},"completion_tokens":{written},"total_tokens":{total}}}'

    def _counts(self) -> tuple[int, int]:
        """Tokens read and written."""
        read = sum(len(text.split()) for text in self._request.inputs)
        written = len(tokens_of(self._reply.reasoning)) * len(self._texts)
        return read, written + sum(len(self._tokens(text)) for text in self._texts)

    def seconds(self) -> float:
        """How long a server takes that gives the answer whole."""
        waits = max(0, len(self._tokens(self._texts[0])) - 1)
        return self._reply.first_delay + self._reply.delay * waits

    def whole(self) -> str:
        """The completion object."""
        finish = self._finish()
        calls = self._calls()
        reasoning = self._reply.reasoning
        extra = f',"reasoning_content":{dumps(reasoning)}' if reasoning else ""
        extra += f',"tool_calls":{dumps(calls)}' if calls else ""
        choices = []
        for index, text in enumerate(self._texts):
            said = "null" if calls and not text else dumps(text)
            what = f'"text":{said}'
            if self._chat:
                what = f'"message":{{"role":"assistant","content":{said}{extra}}}'
            choices.append(f'{{"index":{index},{what},"logprobs":null,"finish_reason":{finish}}}')
        usage = "" if self._reply.usage is False else f',"usage":{self._usage()}'
        start = _start(self._request, "chat.completion" if self._chat else "text_completion")
        return f'{start}"choices":[{",".join(choices)}]{usage}}}'

    def events(self) -> Iterator[bytes | float]:
        """The chunks of a stream as SSE events, and the waits between them; no `[DONE]`."""
        reply = self._reply
        frame = Frame(self._request)
        chunk = frame.chunk
        rows = [self._deltas(frame, text) for text in self._texts]
        if self._chat:
            for index in range(len(rows)):
                yield chunk(index, '"delta":{"role":"assistant","content":""}')
        if reply.first_delay:
            yield reply.first_delay
        for number, row in enumerate(zip_longest(*rows)):
            if number and reply.delay:
                yield reply.delay
            for index, delta in enumerate(row):
                if delta is not None:
                    yield chunk(index, delta)
        finish = self._finish()
        for index in range(len(rows)):
            yield chunk(index, '"delta":{}' if self._chat else '"text":""', finish)
        options = self._asked.get("stream_options") or {}
        if options.get("include_usage") and reply.usage is not False:
            yield frame.usage(self._usage())

    def _deltas(self, frame: Frame, text: str) -> list[str]:
        said = [frame.text(token) for token in self._tokens(text)]
        if not self._chat:
            return said
        thought = [
            f'"delta":{{"reasoning_content":{dumps(token)}}}'
            for token in _TOKEN.findall(self._reply.reasoning)
        ]
        called = []
        for index, call in enumerate(self._calls()):
            function = call["function"]
            arguments = function["arguments"]
            middle = len(arguments) // 2
            fragments: list[dict[str, Any]] = [
                {"index": index, **call, "function": {**function, "arguments": ""}},
                {"index": index, "function": {"arguments": arguments[:middle]}},
                {"index": index, "function": {"arguments": arguments[middle:]}},
            ]
            called += [f'"delta":{{"tool_calls":[{dumps(one)}]}}' for one in fragments]
        return thought + said + called

    def embeddings(self) -> dict[str, Any]:
        """The list object of an embeddings request; the reply's text plays no part."""
        texts = self._request.inputs
        packed = self._asked.get("encoding_format") == "base64"
        data = []
        for index, text in enumerate(texts):
            vector: Any = embedding(text, self._asked.get("dimensions") or 8)
            if packed:
                vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append({"object": "embedding", "index": index, "embedding": vector})
        answer: dict[str, Any] = {"object": "list", "model": self._request.model, "data": data}
        read = sum(len(text.split()) for text in texts)
        if self._reply.usage is True:
            answer["usage"] = {"prompt_tokens": read, "total_tokens": read}
        elif self._reply.usage is not False:
            answer["usage"] = self._reply.usage
        return answer
