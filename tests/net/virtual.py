"""An event loop whose clock jumps to the next timer as soon as nothing else can happen.

Waits cost no time and come out to the exact second. It opens sockets like any loop, but what comes
over them takes no virtual time: timers win against the network unless `patience` is given.
"""

import asyncio
import selectors


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for `timeout` seconds, moves the loop's clock on by as much."""

    def __init__(self, patience):
        super().__init__()
        self.now = 0.0
        self._patience = patience

    def select(self, timeout=None):
        found = super().select(timeout if timeout is None else min(timeout, self._patience))
        if not found and timeout:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """timers: how many were set so far. patience: real seconds that the network is given before the
    clock moves on."""

    def __init__(self, *, patience=0.0):
        self._virtual = _Selector(patience)
        super().__init__(self._virtual)
        self.timers = 0

    def time(self):
        return self._virtual.now

    def call_at(self, when, callback, *args, context=None):
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)


def run(main, *, patience=0.0):
    """Run the coroutine in a loop of its own, like asyncio.run."""
    # Not in debug mode, under `-X dev` either: it takes a traceback for every callback, and tests
    # of thousands of tasks ten times as long.
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(patience=patience), debug=False) as runner:
        return runner.run(main)


async def settle(turns=20):
    """Let everything that can go on without time passing go on."""
    for _ in range(turns):
        await asyncio.sleep(0)
