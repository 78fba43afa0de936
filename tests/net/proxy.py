"""Things that stand between client and server: an HTTP proxy, and a relay that counts connections.

Raw asyncio on loopback. Whatever name a request is for, they connect to 127.0.0.1: no test resolves
a name or leaves the machine.
"""

import asyncio
import base64
from typing import NamedTuple

REFUSAL = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
)


class Seen(NamedTuple):
    """A request as the proxy was asked: headers with names in lower case."""

    method: str
    target: str
    headers: dict


class _Between:
    """Listens on a free port of 127.0.0.1, or at `path`. connections: int so far; open: int now."""

    def __init__(self, *, path=None, ssl=None):
        self.connections = self.open = 0
        self._path = path
        self._ssl = ssl
        self._tasks = set()

    async def __aenter__(self):
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._accept, self._path)
        else:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._ssl)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        self.connections += 1
        self.open += 1
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # somebody went away, or the test is over
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()


class Relay(_Between):
    """Passes every connection on to the server at `port`. It counts TCP connections, which a TLS
    server does not: there one that failed in its handshake never was."""

    def __init__(self, port, *, path=None):
        super().__init__(path=path)
        self._to = port

    async def _serve(self, reader, writer):
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._to)
        await _join(reader, writer, other_reader, other_writer)


class Proxy(_Between):
    """An HTTP proxy: CONNECT, and requests in absolute form.

    user, password: what it asks for (Basic), 407 without. answer: bytes given to every request
    instead of doing what it asks, after which the connection is closed. silent: never answers.
    ssl: the proxy itself speaks TLS.

    seen: every request. heard: all bytes that came from clients, tunnels included.
    """

    def __init__(self, *, user=None, password="", answer=None, silent=False, ssl=None):
        super().__init__(ssl=ssl)
        self._wanted = None
        if user is not None:
            self._wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.answer = answer
        self._silent = silent
        self._scheme = "http" if ssl is None else "https"
        self.seen = []
        self.heard = bytearray()

    @property
    def url(self):
        return self.url_for("")

    def url_for(self, credentials):
        """Its URL with `user:password@`, or whatever else is put before the host."""
        return f"{self._scheme}://{credentials}127.0.0.1:{self.port}"

    async def _serve(self, reader, writer):
        upstream = None
        try:
            while True:
                first = await reader.readexactly(1)
                if not first.isalpha():  # a TLS hello, for one
                    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    return
                head = first + await reader.readuntil(b"\r\n\r\n")
                self.heard += head
                request = _parsed(head)
                self.seen.append(request)
                if self._silent:
                    await reader.read()
                    return
                refused = (
                    self._wanted is not None
                    and request.headers.get("proxy-authorization") != self._wanted
                )
                if refused or self.answer is not None:
                    writer.write(REFUSAL if refused else self.answer)
                    await writer.drain()
                    return
                if request.method == "CONNECT":
                    port = int(request.target.rpartition(":")[2])
                    to = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    await _join(reader, writer, *to, heard=self.heard)
                    return
                if upstream is None:
                    upstream = await self._open(request, writer)
                await self._forward(request, reader, upstream)
        finally:
            if upstream is not None:
                upstream.close()

    async def _open(self, request, writer):
        """One connection to the server for each of the client's; answers go back as they come."""
        authority = request.target.removeprefix("http://").partition("/")[0]
        reader, upstream = await asyncio.open_connection(
            "127.0.0.1", int(authority.rpartition(":")[2])
        )
        task = asyncio.create_task(_pipe(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return upstream

    async def _forward(self, request, reader, upstream):
        """In origin form, without what was for the proxy alone."""
        path = "/" + request.target.removeprefix("http://").partition("/")[2]
        lines = [f"{request.method} {path} HTTP/1.1"]
        lines += [f"{k}: {v}" for k, v in request.headers.items() if k != "proxy-authorization"]
        upstream.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        body = await reader.readexactly(int(request.headers.get("content-length", 0)))
        self.heard += body
        upstream.write(body)
        await upstream.drain()


def _parsed(head):
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Seen(method, target, headers)


async def _join(reader, writer, other_reader, other_writer, *, heard=None):
    await asyncio.gather(
        _pipe(reader, other_writer, heard), _pipe(other_reader, writer), return_exceptions=True
    )


async def _pipe(reader, writer, heard=None):
    """Pass on all that comes; the end of one side is the end of the other."""
    try:
        while data := await reader.read(65536):
            if heard is not None:
                heard += data
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
