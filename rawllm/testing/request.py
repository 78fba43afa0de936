"""A request as the fake server received it, and what its JSON asks for.

Judges nothing: a body that is no JSON is recorded like any other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["CHAT", "COMPLETIONS", "EMBEDDINGS", "RESPONSES", "Headers", "Request"]

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
EMBEDDINGS: Final = "/v1/embeddings"
RESPONSES: Final = "/v1/responses"

#: A header with one of these words in its name is masked: `x-api-key`, `x-auth-token`, …
_MASKED: Final = {"auth", "authorization", "cookie", "key", "apikey", "password", "secret", "token"}


class Headers(dict[str, str]):
    """Header names in lower case → values; its repr masks keys and cookies."""

    def __repr__(self) -> str:
        return repr(
            {name: "***" if _MASKED & set(name.split("-")) else self[name] for name in self}
        )


@dataclass(slots=True)
class Request:
    """One request as it arrived.

    method, path: as on the wire, without the query, which stands in `query` (and not in the repr:
        it may hold a key).
    headers: names in lower case; a repeated header's values are joined with ", ".
    body: bytes, decoded from chunks where it was sent so; `json` decodes it.
    connection, index: its connection's and its own number, both counted from 0.
    arrived: seconds of the server's clock (`time.monotonic`) when the body was complete.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Headers
    body: bytes
    connection: int
    index: int
    arrived: float
    _json: Any = field(default=..., repr=False, compare=False)

    @property
    def json(self) -> Any:
        """The body decoded; raises ValueError where it is not JSON."""
        if self._json is ...:
            self._json = json.loads(self.body)
        return self._json

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The body as a dict, None where it is anything else."""
        try:
            found = self.json
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    @property
    def model(self) -> str:
        return (self.arguments or {}).get("model") or "fake"

    @property
    def generates(self) -> bool:
        """Whether a plain reply can answer it."""
        return self.method == "POST" and self.path in (CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES)

    @property
    def prompts(self) -> list[str]:
        """What an echo repeats: the last user message, or each prompt of a completion."""
        asked = self.arguments or {}
        if self.path == COMPLETIONS:
            return _listed(asked.get("prompt", ""))
        if self.path == RESPONSES and isinstance(asked.get("input"), str):
            return [asked["input"]]
        for message in reversed(asked.get("messages") or asked.get("input") or ()):
            if isinstance(message, dict) and message.get("role") == "user":
                return [_content(message)]
        return [""]

    @property
    def inputs(self) -> list[str]:
        """Every text that counts as prompt: all messages, prompts, or an embedding's inputs."""
        asked = self.arguments or {}
        if "messages" in asked:
            return [_content(message) for message in asked["messages"] or ()]
        if self.path == RESPONSES:
            given = asked.get("input") or ()
            said = [given] if isinstance(given, str) else [_content(item) for item in given]
            return [str(asked.get("instructions") or ""), *said]
        return _listed(asked.get("input", asked.get("prompt", "")))


def _listed(given: Any) -> list[str]:
    # OpenAI takes a string, a list of token numbers, or a list of either.
    if not isinstance(given, list) or (given and isinstance(given[0], int)):
        given = [given]
    return [one if isinstance(one, str) else str(one) for one in given]


def _content(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
