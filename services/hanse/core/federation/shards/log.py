"""One member's copy of a shard's log: the newest record of each key, in the order of their sequences.

Theory of operation. A log of transitions would grow without end; what a new leader needs is the state that they lead
to. So a copy keeps one record for each key (a job's row, its changing columns, a decision, a channel's mark) and the
position up to which it is complete. What is sent to a member is always *everything that changed between two positions*,
and it takes effect as a whole: a copy between two positions would lack records that were overwritten later, and could
win an election that it must lose.

The committed prefix is the same in every copy (docs/protocol.md, "Guardians"). Beyond it a copy may hold records that
the next leader never had; `cut_to` takes them back.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hanse.core.messages import LogRecord
from hanse.core.rows import ShardRow

GONE = b""
# Keys of jobs that have not ended begin so.
OPEN_JOB = "j/"
# Begins each term: msgpack of the term, its leader, and the position at which the log ended before.
START_KEY = "start"
# Which regions keep this log: msgpack of a Group. The newest record in a copy is what counts for its holder.
GROUP_KEY = "group"
# The leader of a new shard writes it when all members keep the log. Nothing is committed before: from then on a blank
# disk is one that was lost.
_FOUNDED_KEY = "founded"
_FOUNDED = b"\1"


class Where(msgspec.Struct, frozen=True, order=True):
    """A position in a log: the term of the last record, then its sequence. The larger copy wins."""

    term: int = 0
    sequence: int = 0


class ShardLog:
    """See the module's docstring. `committed`: a majority holds everything up to it; `everywhere`: all members do."""

    def __init__(self, shard: str, rows: Iterable[ShardRow], end: Where, committed: int) -> None:
        self.shard = shard
        self.end = end
        self.committed = committed
        self.everywhere = 0
        self._records: dict[str, LogRecord] = {
            row.key: LogRecord(row.key, row.term, row.sequence, row.value) for row in rows
        }
        self._gone: dict[str, None] = {
            key: None for key, record in self._records.items() if record.value == GONE
        }
        # Records of jobs that have not ended.
        self.open_jobs = sum(_is_open(record) for record in self._records.values())
        # Keys whose record this step owes the ledger; False: the row goes.
        self._owed: dict[str, bool] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: str) -> bool:
        record = self._records.get(key)
        return record is not None and record.value != GONE

    def records(self) -> Iterable[LogRecord]:
        """All records, oldest first; those of keys that are gone have an empty value."""
        return self._records.values()

    def value(self, key: str) -> bytes:
        """The value of a key; empty: none."""
        record = self._records.get(key)
        return GONE if record is None else record.value

    def sequence_of(self, key: str) -> int:
        """Where the newest record of this key is; 0: there is none."""
        record = self._records.get(key)
        return 0 if record is None else record.sequence

    @property
    def founded(self) -> bool:
        """Whether all members have once kept this log: before that, a majority of it decides nothing."""
        return _FOUNDED_KEY in self._records

    # --- the leader writes ---

    def found(self, term: int) -> None:
        """All members keep this log."""
        self.append(term, _FOUNDED_KEY, _FOUNDED)

    def append(self, term: int, key: str, value: bytes) -> None:
        """The leader of `term` adds one record."""
        self.end = Where(term, self.end.sequence + 1)
        self._put(LogRecord(key, term, self.end.sequence, value))

    # --- a member takes in ---

    def extend(self, records: Iterable[LogRecord], end: Where) -> None:
        """Everything that changed from a position that this copy has reached, up to `end`."""
        assert end >= self.end, "a copy only grows, or is cut first"
        for record in records:
            if record.sequence > self.end.sequence:
                self._put(record)
        self.end = end

    def cut_to(self, committed: int, records: Iterable[LogRecord], end: Where) -> None:
        """Take back everything beyond the committed prefix and put `records` in its place; a record without a sequence
        says that its key never was."""
        for key in self.beyond(committed):
            self._remove(key)
        for record in records:
            if record.sequence:
                self._put(record)
            else:
                self._remove(record.key)
        self._put_in_order()
        self.end = end

    def begin_anew(self, records: Iterable[LogRecord], end: Where) -> None:
        """Nothing on this disk counts: this is the whole copy, and what is committed has to be told again."""
        self.cut_to(0, records, end)
        self.committed = self.everywhere = 0

    def note_committed(self, sequence: int) -> None:
        """A majority holds everything up to this sequence; what is beyond this copy does not count yet."""
        self.committed = max(self.committed, min(sequence, self.end.sequence))

    def note_everywhere(self, sequence: int) -> None:
        """All members hold everything up to this sequence: nobody needs to be told of keys that went before it."""
        if sequence <= self.everywhere:
            return
        self.everywhere = sequence
        while self._gone:
            key = next(iter(self._gone))
            if self._records[key].sequence > sequence:
                break
            self._remove(key)

    # --- what others lack ---

    def since(self, sequence: int) -> list[LogRecord]:
        """The records that changed after this sequence, oldest first."""
        found: list[LogRecord] = []
        for record in reversed(self._records.values()):
            if record.sequence <= sequence:
                break
            found.append(record)
        found.reverse()
        return found

    def beyond(self, committed: int) -> list[str]:
        """Keys of records after this sequence."""
        return [record.key for record in self.since(committed)]

    def repair(self, committed: int, keys: Iterable[str]) -> list[LogRecord]:
        """What turns a copy that is sure up to `committed`, and has unsure records of `keys`, into this one."""
        records = self.since(committed)
        told = {record.key for record in records}
        unsure = [key for key in keys if key not in told]
        return [self._records.get(key) or LogRecord(key, 0, 0, GONE) for key in unsure] + records

    # --- what the ledger is owed ---

    @property
    def owes_rows(self) -> bool:
        """Whether records changed since the last `collect`."""
        return bool(self._owed)

    def collect(self) -> tuple[list[ShardRow], list[tuple[str, str]]]:
        """Rows to write and (shard, key) to delete since the last call."""
        rows: list[ShardRow] = []
        gone: list[tuple[str, str]] = []
        for key, present in self._owed.items():
            if present:
                record = self._records[key]
                rows.append(ShardRow(self.shard, key, record.term, record.sequence, record.value))
            else:
                gone.append((self.shard, key))
        self._owed = {}
        return rows, gone

    def _put(self, record: LogRecord) -> None:
        # Taken out first, so that the order of the dictionary is that of the sequences.
        self._take_out(record.key)
        self._records[record.key] = record
        self.open_jobs += _is_open(record)
        self._gone.pop(record.key, None)
        if record.value == GONE:
            self._gone[record.key] = None
        self._owed[record.key] = True

    def _put_in_order(self) -> None:
        """Records that came back from before the committed position belong among those that stayed."""
        records = sorted(self._records.values(), key=lambda record: record.sequence)
        self._records = {record.key: record for record in records}
        self._gone = {record.key: None for record in records if record.value == GONE}

    def _remove(self, key: str) -> None:
        self._gone.pop(key, None)
        if self._take_out(key):
            self._owed[key] = False

    def _take_out(self, key: str) -> bool:
        record = self._records.pop(key, None)
        if record is None:
            return False
        self.open_jobs -= _is_open(record)
        return True


def _is_open(record: LogRecord) -> bool:
    return record.key.startswith(OPEN_JOB) and record.value != GONE
