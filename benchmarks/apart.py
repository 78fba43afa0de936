"""A FakeServer in a process of its own, so that its work is not measured as the client's.

Decides no answer: the handler that it is given does.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Self

from rawllm.testing import Answer, FakeServer, Request

__all__ = ["ServerApart"]

Handler = Callable[[Request], Answer | None]


class ServerApart:
    """`with ServerApart(handler) as server:` then `server.url`. handler: picklable; it is called
    in the other process, and `ask("handler")` brings back a copy with what it has gathered."""

    def __init__(self, handler: Handler) -> None:
        # Not fork: the child would inherit the parent's sockets and memory.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, handler), daemon=True)
        self._process.start()
        theirs.close()  # so that a child that died ends our recv()

    def __enter__(self) -> Self:
        self.url: str = self._pipe.recv()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pipe.close()
        self._process.join()

    def ask(self, name: str) -> Any:
        """The value of the FakeServer's attribute, or what its method returns. Blocks."""
        self._pipe.send(name)
        return self._pipe.recv()


def _serve(pipe: Connection, handler: Handler) -> None:
    with FakeServer(record=False) as server:
        server.handler = handler
        pipe.send(server.url)
        try:
            while True:
                found = getattr(server, pipe.recv())
                pipe.send(found() if callable(found) and found is not handler else found)
        except (EOFError, KeyboardInterrupt):
            pass
