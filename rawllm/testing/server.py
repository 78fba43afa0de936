"""FakeServer: what is answered to whom, what was asked, and the port that listens.

Writes no HTTP (that is `connection.py`) and builds no answer (that is `answers.py`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self, TypeAlias

from .answers import Answer, Raw, Reply, Stream, failure
from .bodies import error_body, model_body
from .connection import Connection
from .request import Headers, Request

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import Mapping

P = ParamSpec("P")

#: What a handler may give: an answer, a str for a plain reply, or None for `default`.
Answered: TypeAlias = Answer | str | None
Handler: TypeAlias = Callable[[Request], Answered | Awaitable[Answered]]

_BACKLOG: Final = 4096
_POLL: Final = 0.001  # seconds between two looks of `wait_for`


def _queued(make: Callable[P, Answer]) -> Callable[Concatenate[FakeServer, P], None]:
    """A method that queues an answer; its arguments are the answer's own."""

    @functools.wraps(make, assigned=("__doc__",), updated=())
    def method(self: FakeServer, /, *args: P.args, **kwargs: P.kwargs) -> None:
        answer = make(*args, **kwargs)
        self._queue.extend([answer] * answer.times)

    return method


class FakeServer:
    """A scripted OpenAI-compatible server on a free port of 127.0.0.1.

    `async with` runs it in the running loop, `with` in a background thread; the attributes are
    the same. Requests meet, in this order: `api_key`, the rate limit, the queue (`reply`, `fail`,
    `raw`, `stream`), `handler`, `default`. A queued reply waits for a request that it can answer
    (POST to chat completions, completions, embeddings or responses); failures, raw bytes and
    streams meet the next request of any kind. GET /v1/models lists `models`.

    Args; the first six are also attributes that may be changed at any time:
        api_key: str; requests without this Bearer key get 401.
        models: names listed.
        keep_alive: False announces and does `Connection: close` after each answer.
        close_after_stream: close after each stream and each error while promising keep-alive, as
            llama.cpp's server does.
        keep_alive_timeout: seconds of idleness after which the server closes; None: never.
        record: False keeps counters only, for long loads.
        requests_per_minute, burst: a token bucket of its own; above it 429 with Retry-After and
            x-ratelimit-* headers. Burst defaults to one second's worth, at least 1.
        ssl: an `ssl.SSLContext` of a server; the URL is then https.
        clock: () -> seconds, monotonic; for the rate limit and `Request.arrived`.

    Attributes:
        url: the base URL, ending in /v1.
        default: the answer when nothing else has one; an echo of the last user message.
        handler: Request -> answer, str or None, sync or async; with `with`, it runs in the
            server's thread. What it raises is logged and answered as 500.
        requests: list of every `Request`, in the order of arrival.
        attempts, connections: requests and connections so far.
        in_flight, max_in_flight: requests being answered, now and at most so far. An answer
            without a wait is over at once: give it a delay to see requests overlap.
        aborted: requests whose client went away before their answer was finished.
        limited: requests answered 429 by the rate limit.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        models: Sequence[str] = ("fake",),
        keep_alive: bool = True,
        close_after_stream: bool = False,
        keep_alive_timeout: float | None = None,
        record: bool = True,
        requests_per_minute: float | None = None,
        burst: float | None = None,
        ssl: ssl_module.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api_key = api_key
        self.models = models
        self.keep_alive = keep_alive
        self.close_after_stream = close_after_stream
        self.keep_alive_timeout = keep_alive_timeout
        self.record = record
        self.default: Answer | str = Reply()
        self.handler: Handler | None = None
        self.requests: list[Request] = []
        self.attempts = 0
        self.connections = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.aborted = 0
        self.limited = 0
        self.port = 0
        self._bucket: _Bucket | None = None
        if requests_per_minute is not None:
            rate = requests_per_minute / 60
            self._bucket = _Bucket(rate, max(1.0, rate) if burst is None else burst, clock())
        self._ssl = ssl
        self._clock = clock
        self._queue: deque[Answer] = deque()
        self._open: set[Connection] = set()
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event

    def __repr__(self) -> str:
        return (
            f"<FakeServer {self.url}: {self.attempts} requests, {self.connections} connections "
            f"({self.open_connections} open), {self.in_flight} in flight "
            f"({self.max_in_flight} at most), {self.aborted} aborted, {len(self._queue)} answers "
            "left>"
        )

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    # Scripting

    reply = _queued(Reply)
    raw = _queued(Raw)
    stream = _queued(Stream)

    def fail(
        self,
        status: int = 500,
        *,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | str | bytes | None = None,
        times: int = 1,
        early: bool = False,
    ) -> None:
        """Queues `times` answers of this status. Without `body`: an OpenAI error object."""
        body = error_body(status) if body is None else body
        self.reply(status=status, headers=headers or {}, body=body, times=times, early=early)

    def refuse(self) -> None:
        """Stops listening and closes every connection: the next ones are refused."""
        self._call(self._close)

    def accept(self) -> None:
        """Listens again on the same port."""
        self._call(self._listen)

    def close_idle(self) -> None:
        """Closes every connection that waits for a request, as a keep-alive timeout would."""

        def close() -> None:
            for connection in list(self._open):
                connection.close_if_idle()

        self._call(close)

    async def wait_for(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """Returns once `condition()` is true; AssertionError after `timeout` seconds.

        A poll, not an event: the condition may look at anything, and the server may run in
        another thread than the caller's loop.
        """
        end = time.monotonic() + timeout
        while not condition():
            self._check(end, timeout)
            await asyncio.sleep(_POLL)

    def wait(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """`wait_for` for synchronous tests: blocks."""
        end = time.monotonic() + timeout
        while not condition():
            self._check(end, timeout)
            time.sleep(_POLL)

    def _check(self, end: float, timeout: float) -> None:
        if time.monotonic() > end:
            raise AssertionError(f"the condition is still false after {timeout:g} s: {self!r}")

    # Starting and stopping

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._listen()
        assert self._opening is not None
        await self._opening
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._close()
        # An accept under way takes a few turns of the loop to become a connection, and an
        # aborted connection one to be gone. Server.wait_closed waits for neither before 3.12.
        turns = 0
        while turns < 5 or self._open:
            turns += 1
            for connection in list(self._open):
                connection.drop()
            await asyncio.sleep(0)

    def __enter__(self) -> Self:
        ready: concurrent.futures.Future[None] = concurrent.futures.Future()

        async def main() -> None:
            self._stopping = asyncio.Event()
            try:
                await self.__aenter__()
            except BaseException as error:
                ready.set_exception(error)
                return
            ready.set_result(None)
            await self._stopping.wait()
            await self.__aexit__()

        self._thread = threading.Thread(
            target=lambda: asyncio.run(main()), name="rawllm-fake-server", daemon=True
        )
        self._thread.start()
        ready.result()
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _call(self, function: Callable[[], object]) -> None:
        """Runs it in the server's loop, from whatever thread or loop."""
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            function()
            return

        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _listen(self) -> None:
        if self._socket is not None:
            return
        # Bound and listening before this returns, although asyncio accepts a turn later: a
        # connection made at once waits in the backlog and is not refused.
        # IPPROTO_TCP said, since asyncio sets TCP_NODELAY only where it sees it: without, each
        # small piece of an answer would wait up to 40 ms for the client's delayed ACK.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", self.port))
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        self._socket = listening
        self._opening = self._loop.create_task(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        self._server = await self._loop.create_server(
            lambda: Connection(self),
            sock=listening,
            ssl=self._ssl,
            backlog=_BACKLOG,
            start_serving=False,
        )
        await self._server.start_serving()

    def _close(self) -> None:
        if self._socket is None:
            return
        if self._server is not None:
            self._server.close()
        elif self._opening is not None:
            self._opening.cancel()
        self._socket.close()
        self._socket = self._server = None
        for connection in list(self._open):
            connection.drop()

    # What connections report and ask

    def _opened(self, connection: Connection) -> int:
        self._open.add(connection)
        self.connections += 1
        return self.connections - 1

    def _gone(self, connection: Connection) -> None:
        self._open.discard(connection)

    def _arrived(
        self,
        method: str,
        path: str,
        query: str,
        headers: Headers,
        body: bytes,
        connection: int,
    ) -> Request:
        request = Request(
            method, path, query, headers, body, connection, self.attempts, self._clock()
        )
        self.attempts += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        if self.record:
            self.requests.append(request)
        return request

    def _early(self) -> Answer | None:
        return self._queue.popleft() if self._queue and self._queue[0].early else None

    def _decide(self, request: Request) -> tuple[Answer | Awaitable[Answer], dict[str, str]]:
        """The answer, and the headers that go with it."""
        # No local holds a key: a traceback may show this frame's.
        if self.api_key is not None and (
            request.headers.get("authorization") != f"Bearer {self.api_key}"
        ):
            return failure(401, "Incorrect API key provided."), {}
        fields: dict[str, str] = {}
        if self._bucket is not None:
            seconds = self._bucket.take(request.arrived)
            fields = self._bucket.headers()
            if seconds:
                self.limited += 1
                fields["retry-after"] = str(math.ceil(seconds))
                fields["retry-after-ms"] = str(math.ceil(seconds * 1000))
                return failure(429, "Rate limit reached."), fields
        if self._queue and _fits(self._queue[0], request):
            return self._queue.popleft(), fields
        if self.handler is not None:
            answer = self.handler(request)
            if isinstance(answer, Awaitable):
                return self._settle(request, answer), fields
            return self._final(request, answer), fields
        return self._final(request, None), fields

    async def _settle(self, request: Request, answer: Awaitable[Answered]) -> Answer:
        return self._final(request, await answer)

    def _final(self, request: Request, answer: Answered) -> Answer:
        if answer is None:
            answer = self.default
        if isinstance(answer, str):
            answer = Reply(answer)
        return answer if _fits(answer, request) else self._builtin(request)

    def _builtin(self, request: Request) -> Answer:
        if request.method == "GET":
            if request.path == "/v1/models":
                return Reply(
                    body={"object": "list", "data": [model_body(name) for name in self.models]}
                )
            name = request.path.removeprefix("/v1/models/")
            if name in self.models:
                return Reply(body=model_body(name))
        return failure(404, f"The fake server has no {request.method} {request.path}.")


def _fits(answer: Answer, request: Request) -> bool:
    return not isinstance(answer, Reply) or answer.fits(request)


class _Bucket:
    """A token bucket over the server's clock: the honest count behind the 429s."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, now: float) -> float:
        """0.0 and one token less, or the seconds until there is one."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._rate

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": f"{self._rate * 60:g}",
            "x-ratelimit-remaining-requests": str(int(self._level)),
            "x-ratelimit-reset-requests": f"{(self._burst - self._level) / self._rate:.3f}s",
        }
