"""What waits until a majority holds the writes that it follows from.

The ledger makes a step's effects wait for one disk; a gate makes the effects of one shard's leader wait for a
majority's. First in, first out: what left is always what a prefix of the log led to.
"""

from __future__ import annotations

from collections import deque

import msgspec

from hanse.core.effects import JobChange, Reply, Send, Writes


class Held(msgspec.Struct):
    """The effects of one step that wait for the log to be held up to `sequence`. `rows` are those of `jobs` and
    `timeline`: what callers may read is what a majority holds. `retry`: only messages, sent again if they get lost."""

    sequence: int
    sends: list[Send]
    replies: list[Reply]
    changes: list[JobChange]
    rows: Writes
    retry: bool


class Gate:
    """The effects of one leader in their order."""

    def __init__(self) -> None:
        self._held: deque[Held] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, held: Held, limit: int) -> None:
        """Wait behind what is there. Beyond `limit` steps, messages that are sent again anyway are dropped."""
        if len(self._held) < limit or not held.retry:
            self._held.append(held)

    def open(self, committed: int) -> list[Held]:
        """What need not wait any more."""
        free: list[Held] = []
        while self._held and self._held[0].sequence <= committed:
            free.append(self._held.popleft())
        return free
