"""The traffic of a run: requests through the client, a record of each into the sink.

Opens no file. Decides which failures are a request's own, and are recorded, and which are not, and
end the run; how many requests go at once and when is the client's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Literal, NamedTuple, Protocol

from ..client import Client
from ..errors import APIError, AuthenticationError, RawLLMError, RedirectRefused
from ..mapping import map_calls
from ..sansio.types import Answer, ChatCompletion, Completion, CreateEmbeddingResponse, Usage
from . import lines
from .tally import Progress, Tally

__all__ = ["Halt", "Reason", "Sink", "Work"]

Reason = Literal["outage", "refused", "disk", "interrupted"]

ANSWERS: dict[str, type[Answer]] = {
    "/chat/completions": ChatCompletion,
    "/completions": Completion,
    "/embeddings": CreateEmbeddingResponse,
}

#: Rows of the failure table that say that no request gets there, and that waiting does not help.
UNREACHABLE = {"tls", "proxy", "closed"}

#: Seconds between two looks at the progress.
LOOK = 0.25


class Sink(Protocol):
    """Where records go: a Journal or an Outlet."""

    def append(self, custom_id: str, line: bytes, *, failed: bool) -> None: ...

    async def durable(self) -> None: ...


class Halt(Exception):
    """What ends a run: no request's own fault."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class _Record(NamedTuple):
    custom_id: str
    line: bytes
    answer: Answer | None
    error: RawLLMError | None


class Work:
    """late: records are made in the order of the requests, and not as the answers come."""

    def __init__(
        self,
        client: Client,
        sink: Sink,
        tally: Tally,
        *,
        late: bool,
        max_outage: float,
        on_record: Callable[[str], Any] | None,
        progress: Callable[[Progress], Any] | None,
    ) -> None:
        self._client = client
        self._limiter = client._endpoint.limiter()
        self._sink = sink
        self._tally = tally
        self._late = late
        self._max_outage = max_outage
        self._on_record = on_record
        self._progress = progress
        self._under_way = 0
        self._ended = asyncio.Event()  # a request has come to its end
        self.stopping = False

    async def carry_out(
        self,
        requests: AsyncIterator[lines.Request],
        *,
        workers: int,
        stop: asyncio.Event,
        grace: float,
    ) -> None:
        """Until there are no more requests, or `stop` is set and `grace` seconds have passed. What
        is in flight then is cancelled, and stays without a record.

        Raises Halt, JournalError, and what the iterator of requests raises."""
        consuming = asyncio.create_task(self._consume(requests, workers), name="rawllm batch")
        others: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if self._progress is not None:
            others.append(asyncio.create_task(self._watch(self._progress)))
        try:
            await asyncio.wait([consuming, *others], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set() and not consuming.done():
                self.stopping = True
                await self._let_end(consuming, grace)
            for task in (consuming, *others):
                if task.done():
                    task.result()
        finally:
            for task in (consuming, *others):
                task.cancel()
            await asyncio.gather(consuming, *others, return_exceptions=True)
            if self._progress is not None:
                self._progress(self.progress())

    async def _let_end(self, consuming: asyncio.Task[None], grace: float) -> None:
        """Wait for what is in flight. What waits for its turn was not sent, and need not be."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        while self._under_way and self._limiter.in_flight and loop.time() < deadline:
            self._ended.clear()
            ended = asyncio.create_task(self._ended.wait())
            await asyncio.wait(
                [consuming, ended],
                timeout=deadline - loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            ended.cancel()
            if consuming.done():
                return

    async def _watch(self, show: Callable[[Progress], Any]) -> None:
        while True:
            show(self.progress())
            await asyncio.sleep(LOOK)

    async def _consume(self, requests: AsyncIterator[lines.Request], workers: int) -> None:
        items = map_calls(
            self._until_stopped(requests),
            self._carry_out,
            concurrency=workers,
            most=workers,
            # "auto" has workers for the most that could ever be; what they held would wait, and be
            # sent when nothing more should be.
            bound=lambda: self._limiter.concurrency,
            ordered=self._late,
            on_error="raise",
        )
        async with aclosing(items):
            async for item in items:
                if self._late and item.result is not None:
                    await self._record(item.result)

    async def _until_stopped(
        self, requests: AsyncIterator[lines.Request]
    ) -> AsyncIterator[lines.Request]:
        async for request in requests:
            if self.stopping:
                return
            self._under_way += 1
            yield request

    async def _carry_out(self, request: lines.Request) -> _Record:
        try:
            record = await self._ask(request)
            # Here and not where the results are read: the next request goes out only after that,
            # and so no more than those in flight are lost by a kill.
            if not self._late:
                await self._record(record)
        except Exception:
            self.stopping = True
            raise
        finally:
            self._under_way -= 1
            self._ended.set()
        return record

    async def _ask(self, request: lines.Request) -> _Record:
        custom_id = request.custom_id
        try:
            answer = await self._client._request(
                "POST", request.path, request.body, ANSWERS[request.path]
            )
        except APIError as error:
            self._stop_if_shared(error)
            return _Record(custom_id, lines.failed(custom_id, error), None, error)
        line = lines.answered(custom_id, answer._payload, request_id=answer._request_id)
        return _Record(custom_id, line, answer, None)

    def _stop_if_shared(self, error: APIError) -> None:
        """Raise Halt where every other request would fail in the same way. Ten million records of
        one wrong key help nobody."""
        if error.outage is not None:
            raise Halt("outage", f"no request was taken for {error.outage:.0f} s: {error}")
        if error.kind in UNREACHABLE:
            raise Halt("outage", f"the endpoint cannot be reached: {error}")
        whole = isinstance(error, (AuthenticationError, RedirectRefused))
        if whole or error.kind == "insufficient_quota":
            raise Halt("refused", str(error))

    async def _record(self, record: _Record) -> None:
        error, answer = record.error, record.answer
        self._sink.append(record.custom_id, record.line, failed=error is not None)
        await self._sink.durable()
        if error is not None:
            self._tally.failed(type(error).__name__, attempts=getattr(error, "attempts", 0))
        else:
            assert answer is not None
            assert answer.timing is not None
            timing, usage = answer.timing, getattr(answer, "usage", None) or Usage()
            self._tally.answered(
                timing.total - timing.queued,
                attempts=timing.attempts,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
            )
        if self._on_record is not None:
            self._on_record(record.custom_id)

    def progress(self) -> Progress:
        now = asyncio.get_running_loop().time()
        requests_per_second, tokens_per_second = self._tally.rates(now)
        limiter = self._limiter
        refusal, refused_for = limiter.pace.error, limiter.pace.outage(now)
        return Progress(
            counts=self._tally.summary(now),
            requests_per_second=requests_per_second,
            tokens_per_second=tokens_per_second,
            in_flight=limiter.in_flight,
            waiting=limiter.waiting,
            eta=self._tally.eta(now),
            refusing=_why(refusal) if refusal is not None and refused_for else None,
            refused_for=refused_for,
            max_outage=self._max_outage,
            stopping=self.stopping,
        )


def _why(error: APIError) -> str:
    return f"HTTP {error.status_code}" if error.status_code else "no connection"
