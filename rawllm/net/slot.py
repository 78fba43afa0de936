"""What goes along with a request through aiohttp, which passes nothing of ours on.

Sends nothing: transport.py fills a slot, request.py takes the headers from there, and the connector
in session.py leaves the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import NamedTuple

from ..sansio.redact import credentials

__all__ = ["Connection", "Head", "Headers", "Slot", "current"]


class Head(NamedTuple):
    """Headers as they are sent. lines: bytes. apart: those that aiohttp or a proxy's login may have
    a value for too, by their names in lower case."""

    lines: bytes
    apart: dict[str, str]


class Headers(dict[str, str]):
    """Names and values, and what is made of them once: most requests of a client have the same
    ones. Not to be changed after they were sent."""

    __slots__ = ("_credentials", "_head")

    _credentials: tuple[str | None, list[str]]
    _head: Head

    def head(self) -> Head:
        try:
            return self._head
        except AttributeError:
            self._head = _written(self)
            return self._head

    def credentials(self, key: str | None) -> list[str]:
        """Those among them, and the key, which must not be shown."""
        try:
            known, found = self._credentials
            if known is key:
                return found
        except AttributeError:
            pass
        found = credentials(key, self)
        self._credentials = (key, found)
        return found


_APART = {"host", "proxy-authorization"}


def _written(headers: Mapping[str, str]) -> Head:
    apart = {}
    lines = []
    for name, value in headers.items():
        if name.lower() in _APART:
            apart[name.lower()] = value
        else:
            lines.append(f"{name}: {value}\r\n".encode())
    return Head(b"".join(lines), apart)


class Connection:
    """What is known of one connection. uses: int, requests it has carried. heard: bool, whether any
    byte came back for the last one. drained_at: loop time at which a stream on it was read to its
    end, or None. opening: float seconds it took."""

    __slots__ = ("drained_at", "heard", "opening", "uses")

    def __init__(self) -> None:
        self.uses = 0
        self.heard = False
        self.drained_at: float | None = None
        self.opening: float | None = None


class Slot:
    """One request. headers: to be sent. since: loop time from which it waits for a connection.
    connecting: bool, whether it is waiting still, and so surely not sent. connection: the one that
    it got, None where the connector is not ours."""

    __slots__ = ("connecting", "connection", "headers", "since")

    def __init__(self, since: float, headers: Headers | None = None) -> None:
        self.since = since
        self.headers = headers if headers is not None else Headers()
        self.connecting = False
        self.connection: Connection | None = None


#: The request's slot. A context variable, since trace configs, aiohttp's own way to its connector,
#: cost 15 % of a call, and headers that go through its session another 5 %: it merges them anew
#: with defaults that there are none of.
current: ContextVar[Slot | None] = ContextVar("rawllm_slot", default=None)
