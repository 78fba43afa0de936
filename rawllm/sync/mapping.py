"""`map` as a plain iterator: results come from the loop, inputs go there, one at a time.

Inputs are pulled in the thread that takes the results, and nowhere else: a generator may block, use
what belongs to its thread (a database cursor does), or call the same client, and holds up nothing
but its own loop over the results.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

from ..mapping import Item
from .background import Background, Started, take

__all__ = ["Feed"]

R = TypeVar("R")

_END = object()


class Feed:
    """Plain inputs as an asynchronous iterable, for the loop's side; `hand_out` is the other side.

    Holds nothing of its own: the loop asks for an input when it has room, behind the results that
    came before, and gets it when those were taken.
    """

    def __init__(self, inputs: Iterator[Any]) -> None:
        self._inputs = inputs
        #: Items, futures that ask for an input, and at last the task's end.
        self._events: SimpleQueue[Any] = SimpleQueue()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            await asyncio.sleep(0)  # a result that is on its way goes first: next() may take long
            asked = asyncio.get_running_loop().create_future()
            self._events.put(asked)
            value = await asked
            if value is _END:
                return
            yield value

    async def _run(self, items: AsyncIterator[Item[R]]) -> None:
        async for item in items:
            self._events.put(item)

    def hand_out(self, loop: Background, items: AsyncIterator[Item[R]]) -> Iterator[Item[R]]:
        """What the map over this feed gives, as it comes."""
        error: Exception | None = None
        running = Started(loop, self._run(items), self._events.put)
        try:
            running.start()
            while not isinstance(event := take(self._events), Started):
                if isinstance(event, Item):
                    yield event
                    continue
                value: Any = _END
                try:
                    value = next(self._inputs)
                except StopIteration:
                    pass
                except Exception as raised:  # comes out after the results of what was before it
                    error = raised
                loop.call_soon(_answer, event, value)
            running.result()
            if error is not None:
                raise error
        finally:
            running.abandon()
            # Generators hold files and cursors: they are told when nobody will ask again.
            close = getattr(self._inputs, "close", None)
            if close is not None:
                close()


def _answer(asked: asyncio.Future[Any], value: Any) -> None:
    if not asked.done():  # cancelled meanwhile
        asked.set_result(value)
