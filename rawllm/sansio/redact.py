"""Credentials struck out of what a server echoes.

Knows what was sent, and guesses at nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..errors import APIError

__all__ = ["cleaned", "credentials", "strike_out"]

#: Parts of a name under which credentials are sent: `api-key`, `X-Auth-Token`, `?key=`.
_CREDENTIALS = {"auth", "authorization", "cookie", "key", "apikey", "password", "secret", "token"}

#: Shorter texts are no credentials, and striking them out would leave holes everywhere.
_SHORTEST = 5


def credentials(secret: str | None, *sent: Mapping[str, str]) -> list[str]:
    """What was sent and must not be shown, longest first. sent: headers, queries."""
    found = {secret or ""}
    for mapping in sent:
        for name, value in mapping.items():
            if _names_a_credential(name):
                found.update((str(value), value.rpartition(" ")[2]))  # less its "Bearer"
    return sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)


@lru_cache(maxsize=256)  # with hooks it is asked for every header of every call
def _names_a_credential(name: str) -> bool:
    return not _CREDENTIALS.isdisjoint(re.split("[-_]", name.lower()))


def _without(text: str, secret: str) -> str:
    if secret[:_SHORTEST] not in text:  # neither whole nor cut
        return text
    text = text.replace(secret, "***")
    body = text.rstrip("…")
    for length in range(len(secret) - 1, _SHORTEST - 1, -1):  # the text was cut within the key
        if body.endswith(secret[:length]):
            return body[:-length] + "***" + text[len(body) :]
    return text


def cleaned(value: Any, secrets: list[str]) -> Any:
    """The value (JSON's types) with every secret in it struck out."""
    if isinstance(value, str):
        for secret in secrets:
            value = _without(value, secret)
        return value
    if isinstance(value, dict):
        return {cleaned(name, secrets): cleaned(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [cleaned(item, secrets) for item in value]
    return value


def strike_out(error: APIError, secrets: list[str]) -> None:
    """Servers quote the key they refuse; it must not reach a log by way of our error."""
    if not secrets:
        return
    error.message = cleaned(error.message, secrets)
    error.args = (error.message,)
    for name in ("body", "headers", "code", "param", "type", "request_id", "_whole"):
        setattr(error, name, cleaned(getattr(error, name), secrets))
