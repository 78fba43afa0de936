"""Credentials struck out of what a server echoes.

Knows what was sent, and guesses at nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    for name, value in (pair for mapping in sent for pair in mapping.items()):
        if _CREDENTIALS & set(re.split("[-_]", name.lower())):
            found.update((str(value), value.rpartition(" ")[2]))  # less its "Bearer"
    return sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)


def _without(text: str, secret: str) -> str:
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
    for name in ("body", "headers", "code", "param", "type", "request_id"):
        setattr(error, name, cleaned(getattr(error, name), secrets))
