"""custom_id → where its newest record lies: at most 16 bytes for each line of input.

Keeps no custom_id, only its 64-bit digest, so it cannot say which ids it holds. Ten million ids
hold two with the same digest in one of 370,000 cases; who adds them must look at the text.
"""

from __future__ import annotations

import hashlib
from array import array

__all__ = ["Index"]

#: Of the slots that are taken at most: 14 bytes a slot are then 15.6 for a line. Fuller, a search
#: grows long.
LOAD = 0.9

#: An offset has 47 bits (128 TiB), the 48th says that the record is a failure, and all of them that
#: there is no record.
_FAILED = 1 << 47
_NONE = (1 << 48) - 1


class Index:
    """A hash table with open addressing in three arrays. It does not grow.

    lines: int, the most ids that will be added.

    Attributes:
        recorded: int ids that have a record.
        failed: int ids whose newest record is a failure.
    """

    def __init__(self, lines: int) -> None:
        self._slots = slots = max(lines + 1, int(lines / LOAD) + 1)  # one stays free: searches end
        self._digests = array("Q", bytes(8)) * slots
        self._low = array("I", b"\xff" * 4) * slots
        self._high = array("H", b"\xff" * 2) * slots
        self._ids = 0
        self.recorded = 0
        self.failed = 0

    def __len__(self) -> int:
        return self._ids

    def __contains__(self, custom_id: str) -> bool:
        digest = _digest(custom_id)
        return self._digests[self._slot(digest)] == digest

    def add(self, custom_id: str) -> bool:
        """False: it (or, once in a long while, another of the same digest) was there."""
        digest = _digest(custom_id)
        slot = self._slot(digest)
        if self._digests[slot] == digest:
            return False
        if self._ids == self._slots - 1:
            raise IndexError("more ids than the index was made for")
        self._digests[slot] = digest
        self._ids += 1
        return True

    def find(self, custom_id: str) -> tuple[int, bool] | None:
        """(offset, failed) of the newest record, or None where there is none."""
        digest = _digest(custom_id)
        slot = self._slot(digest)
        value = self._low[slot] | self._high[slot] << 32
        return None if value == _NONE else (value & ~_FAILED, value >= _FAILED)

    def put(self, custom_id: str, offset: int, *, failed: bool) -> bool:
        """The newest record of an id that was added (else KeyError). True: it had one before."""
        digest = _digest(custom_id)
        slot = self._slot(digest)
        if self._digests[slot] != digest:
            raise KeyError(custom_id)
        before = self._low[slot] | self._high[slot] << 32
        self.recorded += before == _NONE
        self.failed += failed - (before != _NONE and before >= _FAILED)
        value = offset | _FAILED if failed else offset
        self._low[slot] = value & 0xFFFF_FFFF
        self._high[slot] = value >> 32
        return before != _NONE

    def _slot(self, digest: int) -> int:
        """Where it is, or the free slot where it would be."""
        digests = self._digests
        slot = digest % self._slots
        while (there := digests[slot]) and there != digest:
            slot += 1
            if slot == self._slots:
                slot = 0
        return slot


def _digest(custom_id: str) -> int:
    # 0 marks a free slot. Not hash(): it differs from run to run, and on 32-bit systems is short.
    raw = hashlib.blake2b(custom_id.encode(), digest_size=8).digest()
    return int.from_bytes(raw, "little") or 1
