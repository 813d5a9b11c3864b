"""What waits until a majority holds the writes that it follows from.

The ledger makes a step's effects wait for one disk; a gate makes the effects of one shard's leader wait for a
majority's. First in, first out: what left is always what a prefix of the log led to.
"""

from __future__ import annotations

from collections import deque

import msgspec

from hanse.core.effects import JobChange, JobStateRow, Reply, Send, Writes


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


class OwedRows:
    """Rows that callers may read once they are written, and the changes that watchers are told then. (A watcher goes on
    from the write sequence of a list: a change must not be told under an earlier one than that of its row.)"""

    def __init__(self) -> None:
        self._rows: list[Writes] = []
        self.changes: list[JobChange] = []

    def __bool__(self) -> bool:
        return bool(self._rows or self.changes)

    def add(self, rows: list[Writes], changes: list[JobChange]) -> None:
        """Behind what is owed already."""
        self._rows.extend(rows)
        self.changes.extend(changes)

    def move_to(self, writes: Writes) -> list[JobChange]:
        """Let this step write all of it; returns the changes."""
        states: dict[tuple[str, str], JobStateRow] = {}
        for each in self._rows:
            writes.shapes.extend(each.shapes)
            writes.jobs.extend(each.jobs)
            writes.timeline.extend(each.timeline)
            # A whole row says it all; what changed before it must not be written after it.
            for row in each.jobs:
                states.pop((row.shard, row.id), None)
            states.update(((row.shard, row.id), row) for row in each.job_states)
        writes.job_states.extend(states.values())
        changes, self._rows, self.changes = self.changes, [], []
        return changes
