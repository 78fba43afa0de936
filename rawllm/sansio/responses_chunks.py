"""A streamed response's bytes → events: when it is complete, and what its own errors are.

All else is chunks.py's.
"""

from __future__ import annotations

from typing import Any

from ..errors import APIError
from . import failures
from .chunks import ChunkReader
from .lifecycle import Signal, State
from .responses_events import EventDecoder, ResponseStreamEvent

__all__ = ["ResponseReader"]


class ResponseReader(ChunkReader[ResponseStreamEvent]):
    """Complete with `response.completed` or `response.incomplete`, and not with `[DONE]`."""

    _decoder: EventDecoder

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._decoder = EventDecoder()

    def _move(self, signal: Signal) -> None:
        # The `[DONE]` that some servers send means nothing where their last word did not come.
        unfinished = self.lifecycle.state is not State.FINISHED
        super()._move(Signal.LOST if signal is Signal.DONE and unfinished else signal)

    def _reported(self, payload: bytes) -> None:
        try:
            self._decoder.decode(payload, self._status)
        except APIError as error:
            if error.kind != "bad_answer":
                self.fail(error)
                return
        super()._reported(payload)

    def fail(self, error: APIError | None) -> None:
        if error is None or error.kind == "body_cut":
            error = failures.fault(
                "incomplete",
                "the stream ended before the response was complete: neither response.completed nor "
                "response.incomplete came"
                + ("" if self.accumulator.seen else " (nor anything else)"),
                status_code=self._status,
            )
        elif self._decoder.told is not None:
            self.accumulator.add(self._decoder.told)
            self.held.append(self._decoder.told)
        super().fail(error)
