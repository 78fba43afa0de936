"""Many calls in memory: inputs pulled lazily, a bounded number under way, results as they come.

Takes a callable and knows no client. Holds at most `2 * concurrency` inputs or results at a time,
so that ten million of them cost what a thousand cost.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from itertools import islice
from typing import Any, Generic, Literal, TypeVar

import msgspec

from .arguments import check_count
from .errors import ConfigurationError, RawLLMError
from .sansio.types import Timing

__all__ = ["Inputs", "Item", "check_many", "in_batches", "map_calls"]

Inputs = Iterable[Any] | AsyncIterable[Any]

R = TypeVar("R")


class Item(msgspec.Struct, Generic[R], kw_only=True):
    """What became of one input.

    index: int, its place in the inputs, from 0. key: the first of a `(key, request)` pair, else
    None. result: what the call gave, or None. error: the RawLLMError, or None.
    """

    index: int
    key: Any = None
    result: R | None = None
    error: RawLLMError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def completion(self) -> R | None:
        """The result of `client.map`, by its name: a ChatCompletion."""
        return self.result

    @property
    def attempts(self) -> int:
        """Requests sent for it."""
        if self.timing is not None:
            return self.timing.attempts
        return int(getattr(self.error, "attempts", 0))

    @property
    def timing(self) -> Timing | None:
        timing: Timing | None = getattr(self.result, "timing", None)
        return timing


class _Source:
    """The inputs, handed out one by one to many workers, while fewer than `bound()` calls of theirs
    are under way."""

    def __init__(self, inputs: Inputs, bound: Callable[[], float]) -> None:
        self._bound = bound
        self._under_way = 0
        self._ended = asyncio.Event()  # a call has
        self._count = 0
        self._over = False
        self._lock = asyncio.Lock()  # an async iterator must not be asked twice at once
        self._sync: Iterator[Any] | None = None
        self._async: AsyncIterator[Any] | None = None
        check_many(inputs)
        if isinstance(inputs, AsyncIterable):
            self._async = aiter(inputs)
        else:
            self._sync = iter(inputs)
        self.error: Exception | None = None

    async def next(self) -> tuple[int, Any] | None:
        """(index, input), or None at the end. An exception of the iterator ends it, and is kept
        for the one who reads the results, after those of the inputs before it."""
        async with self._lock:
            while self._under_way >= self._bound() and not self._over:
                self._ended.clear()
                await self._ended.wait()
            if self._over:
                return None
            try:
                if self._sync is not None:
                    value = next(self._sync)
                else:
                    assert self._async is not None
                    value = await anext(self._async)
            except (StopIteration, StopAsyncIteration):
                self._over = True
                return None
            except Exception as error:
                self._over = True
                self.error = error
                return None
            self._count += 1
            self._under_way += 1
            return self._count - 1, value

    def ended(self) -> None:
        """A call has: its place is free."""
        self._under_way -= 1
        self._ended.set()

    async def close(self) -> None:
        """Generators hold files and cursors: they are told when nobody will ask again."""
        self._over = True
        for iterator, name in ((self._sync, "close"), (self._async, "aclose")):
            close = getattr(iterator, name, None)
            if close is not None:
                done = close()
                if name == "aclose":
                    await done


def map_calls(
    inputs: Inputs,
    call: Callable[[Any], Awaitable[R]],
    *,
    concurrency: int,
    most: int,
    bound: Callable[[], float] = lambda: math.inf,
    ordered: bool = False,
    on_error: Literal["return", "raise"] = "return",
) -> AsyncGenerator[Item[R], None]:
    """An `Item` for each input: as they come, or in the order of the inputs.

    concurrency, most: what is wanted and what there is; the smaller wins. bound: of as many calls
        at once at the moment, for a number that changes: a call begun beyond it would only wait
        its time away in a queue.
    on_error: "raise" ends everything at the first RawLLMError; "return" puts it into its item.
    Any other exception of `call` is a bug and always comes out. Leaving the loop cancels what is
    under way. Raises ConfigurationError for arguments that cannot work.
    """
    if on_error not in ("return", "raise"):
        raise ConfigurationError('on_error= is "return" or "raise"')
    check_count("concurrency", concurrency)
    return _run(_Source(inputs, bound), call, min(concurrency, most), ordered, on_error == "raise")


def check_many(inputs: Any) -> None:
    """Refuse what is one input, or iterates over its letters or keys."""
    one = isinstance(inputs, (str, bytes, dict))
    if one or not isinstance(inputs, (Iterable, AsyncIterable)):
        raise ConfigurationError(
            "many inputs are an iterable of them, like a list; "
            f"this is of type {type(inputs).__name__}"
        )


def in_batches(inputs: Inputs, size: int) -> Inputs:
    """The inputs as lists of `size` of them, the last one perhaps shorter; pulled as lazily."""
    check_many(inputs)
    if isinstance(inputs, AsyncIterable):
        return _in_batches_async(inputs, size)
    return _in_batches(inputs, size)


def _in_batches(inputs: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(inputs)
    while batch := list(islice(iterator, size)):
        yield batch


async def _in_batches_async(inputs: AsyncIterable[Any], size: int) -> AsyncIterator[list[Any]]:
    batch = []
    async for value in inputs:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


async def _run(
    source: _Source,
    call: Callable[[Any], Awaitable[R]],
    concurrency: int,
    ordered: bool,
    raising: bool,
) -> AsyncGenerator[Item[R], None]:
    # Taken before an input is pulled and given back when its result is handed out: bounds what is
    # under way and what waits for a slow reader, or for its place in the order, alike.
    room = asyncio.Semaphore(2 * concurrency)
    results: asyncio.Queue[Item[R] | Exception | None] = asyncio.Queue()
    running = concurrency

    async def work() -> None:
        nonlocal running
        try:
            while True:
                await room.acquire()
                pulled = await source.next()
                if pulled is None:
                    break
                try:
                    results.put_nowait(await _carry_out(*pulled, call))
                finally:
                    source.ended()
        except Exception as error:
            results.put_nowait(error)
        finally:
            room.release()  # others wait here to learn that there is no more
            running -= 1
            if not running:
                results.put_nowait(None)

    workers = [asyncio.create_task(work(), name="rawllm map") for _ in range(concurrency)]
    waiting: dict[int, Item[R]] = {}
    following = 0
    try:
        while (result := await results.get()) is not None:
            if isinstance(result, Exception):
                raise result
            if raising and result.error is not None:
                raise result.error
            waiting[result.index if ordered else following] = result
            while (item := waiting.pop(following, None)) is not None:
                following += 1
                room.release()
                yield item
        if source.error is not None:
            raise source.error
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await source.close()


async def _carry_out(index: int, value: Any, call: Callable[[Any], Awaitable[R]]) -> Item[R]:
    key = None
    if isinstance(value, tuple) and len(value) == 2:
        key, value = value
    try:
        return Item(index=index, key=key, result=await call(value))
    except RawLLMError as error:
        return Item(index=index, key=key, error=error)
