"""What waits until a majority holds the writes that it follows from.

The ledger makes a step's effects wait for one disk; a gate makes the effects of one shard's leader wait for a
majority's. First in, first out: what left is always what a prefix of the log led to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from hanse.core.effects import JobChange, Send
from hanse.core.replies import JointReply, Reply
from hanse.core.rows import NO_WRITES, JobStateRow, Writes


class Held(msgspec.Struct):
    """The effects of one step that wait for the log to be held up to `sequence`. `rows` are those of `jobs` and
    `timeline`: what callers may read is what a majority holds. `retry`: only messages, sent again if they get lost.
    `written_at`: what the region's write sequence is once all that the step writes is on disk."""

    sequence: int
    sends: list[Send]
    replies: list[Reply]
    changes: list[JobChange]
    rows: Writes
    retry: bool
    written_at: int = 0


class Freed(NamedTuple):
    """What a majority holds by now. Messages are to shards: they still have to be addressed. `settled`: replies of
    earlier steps; they rest on what was written up to `rests_on`, and on nothing that the step under way writes."""

    sends: list[Send]
    replies: list[Reply]
    settled: list[Reply]
    rests_on: int


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


def complete(replies: Iterable[Reply], shard: str) -> list[Reply]:
    """Those that a majority holds now that this shard's does: each has a part in a joint one."""
    leaving: list[Reply] = []
    for reply in replies:
        if isinstance(reply, JointReply):
            reply.waits_for.discard(shard)
            if reply.waits_for:
                continue
        leaving.append(reply)
    return leaving


class OwedRows:
    """Rows that callers may read once they are written, and the changes that watchers are told then. (A watcher goes on
    from the write sequence of a list: a change must not be told under an earlier one than that of its row.)"""

    def __init__(self) -> None:
        self._owed: deque[tuple[Writes, list[JobChange]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._owed)

    @property
    def changes(self) -> list[JobChange]:
        """All that watchers are to be told."""
        return [change for _, changes in self._owed for change in changes]

    def add(self, rows: Writes, changes: list[JobChange]) -> None:
        """Behind what is owed already."""
        if rows is not NO_WRITES or changes:
            self._owed.append((rows, changes))

    def move_to(self, writes: Writes) -> list[JobChange]:
        """Let this step write as much of it as one transaction can hold: a job that went and came back begins anew
        there, so that what is owed of its two stays does not mix. Returns the changes."""
        told: list[JobChange] = []
        states: dict[tuple[str, str], JobStateRow] = {}
        moved: set[tuple[str, str]] = set()
        while self._owed:
            rows, changes = self._owed[0]
            if any((row.shard, row.id) in moved for row in rows.jobs):
                break
            self._owed.popleft()
            writes.shapes.extend(rows.shapes)
            writes.jobs.extend(rows.jobs)
            writes.timeline.extend(rows.timeline)
            states.update(((row.shard, row.id), row) for row in rows.job_states)
            moved.update((row.shard, row.id) for row in rows.jobs)
            moved.update(states)
            told.extend(changes)
        writes.job_states.extend(states.values())
        return told
