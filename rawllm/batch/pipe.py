"""Standard input and output as a run's ends: lines as they come, records as they are made.

Keeps nothing: there is no journal, no resume and no check for duplicates here.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator
from typing import BinaryIO

from .journal import JournalError
from .source import numbered

__all__ = ["Outlet", "numbered_lines"]

#: Lines read ahead of those who ask for them.
AHEAD = 64


async def numbered_lines(stream: BinaryIO) -> AsyncIterator[tuple[int, bytes]]:
    """`source.numbered` without standing in the loop's way. Whoever writes into a pipe may take
    his time, and a thread that waits for him cannot be called off: so it is a daemon, which an
    executor's threads are not."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[tuple[int, bytes] | Exception | None] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)
    over = False

    def hand(value: tuple[int, bytes] | Exception | None) -> None:
        try:
            loop.call_soon_threadsafe(lines.put_nowait, value)
        except RuntimeError:  # the loop is closed: nobody asks any more
            return

    def read() -> None:
        try:
            for pair in numbered(stream):
                room.acquire()
                if over:
                    return
                hand(pair)
        except Exception as error:
            hand(error)
        else:
            hand(None)

    threading.Thread(target=read, name="rawllm stdin", daemon=True).start()
    try:
        while (found := await lines.get()) is not None:
            if isinstance(found, Exception):
                raise found
            room.release()
            yield found
    finally:
        over = True
        room.release()


class Outlet:
    """Takes records as a Journal does, and writes them to a stream at once. A reader that does not
    read holds up everything, which is what a pipe is for.

    Raises JournalError where they cannot be written, BrokenPipeError where the reader has gone.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def append(self, custom_id: str, line: bytes, *, failed: bool) -> None:
        try:
            self._stream.write(line)
            self._stream.flush()
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EINVAL):  # EINVAL: a closed pipe on Windows
                raise
            raise JournalError(
                f"the output cannot be written: {error.strerror}", errno=error.errno
            ) from None

    async def durable(self) -> None:
        """What is written to a stream is out of our hands."""
