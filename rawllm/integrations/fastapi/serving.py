"""Runs an app under uvicorn until a signal: what `rawllm serve --upstream` listens with.

Knows nothing of what the app does, and leaves stdout alone.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from ...errors import ConfigurationError, RawLLMError

__all__ = ["serve"]

#: Seconds that answers under way have left when a signal ends the server.
GRACE = 5


def serve(app: FastAPI, *, host: str, port: int, ready: Callable[[str], object]) -> None:
    """Serve until SIGTERM or Ctrl-C. ready: called with the URL once it listens (port 0 is a free
    one). Raises KeyboardInterrupt for Ctrl-C, RawLLMError where the port is taken."""
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        log_level="critical",  # failures are told to callers, and by rawllm's own log
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    try:
        _Server(config, lambda: ready(url)).run(sockets=[listening])
    finally:
        listening.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, *args: Any, **named: Any) -> None:
        await super().startup(*args, **named)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:  # getaddrinfo takes the lower 16 bits of it
        raise ConfigurationError(f"port {port}: must be 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise ConfigurationError(f"--host {host} is no address of this machine") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise RawLLMError(
                f"port {port} is in use; choose another, or 0 for a free one"
            ) from None
        raise RawLLMError(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return listening
