"""What this member's copies of shards' logs say of a job: the last resort, when nobody who leads can be asked.

A copy may lag behind its leader, and may end in records that no majority holds: whoever shows it says as of when.
"""

from __future__ import annotations

import sqlite3

import msgspec

from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.rows import JobRow, JobStateRow
from hanse.ledger.queries import shards_of

# Keys of a shard's log (core/federation/shards/journal.py): a job's whole row, the columns that changed since, and the
# whole row of a job of that home which has ended. Values are msgpack of the rows.
WHOLE_ROW_KEY = "j/"
CHANGING_COLUMNS_KEY = "s/"
ENDED_ROW_KEY = "f/"


class JobCopy(msgspec.Struct, frozen=True):
    """A job as the copy of this shard has it, and the position of the newest record that says so."""

    row: JobRow
    shard: str
    term: int
    sequence: int


_WHOLE_ROW = msgspec.msgpack.Decoder(JobRow)
_CHANGING_COLUMNS = msgspec.msgpack.Decoder(JobStateRow)
_CHANGING = tuple(name for name in JobStateRow.__struct_fields__ if name not in ("shard", "id"))


def shard_copy(connection: sqlite3.Connection, job_id: str) -> JobCopy | None:
    """The job as the copy that knows most of it has it; None: it is in none, or gone from them all.

    Positions in different logs can't be compared. An outcome is final, whoever knows it; else the highest epoch is the
    newest owner's; of two that say the same, that of the job's home.
    """
    found = connection.execute(
        f"""
        WITH {shards_of("shard_rows")}
        SELECT shard, key, term, sequence, value
        FROM shards CROSS JOIN shard_rows ON shard_rows.shard = shards.name AND key IN (?, ?, ?)
        """,
        [kind + job_id for kind in (WHOLE_ROW_KEY, CHANGING_COLUMNS_KEY, ENDED_ROW_KEY)],
    ).fetchall()
    records: dict[str, dict[str, _Record]] = {}
    for shard, key, *record in found:
        if record[-1]:
            records.setdefault(shard, {})[key.removesuffix(job_id)] = _Record(*record)
    copies = [_folded(shard, of_shard) for shard, of_shard in records.items()]
    return max((copy for copy in copies if copy is not None), key=_knows, default=None)


class _Record(msgspec.Struct, frozen=True, order=True):
    term: int
    sequence: int
    value: bytes


def _folded(shard: str, records: dict[str, _Record]) -> JobCopy | None:
    """The row with which it ended; else the whole row, with the columns that changed since."""
    whole = records.get(ENDED_ROW_KEY) or records.get(WHOLE_ROW_KEY)
    if whole is None:
        return None
    row = _WHOLE_ROW.decode(whole.value)
    changed = records.get(CHANGING_COLUMNS_KEY)
    if changed is None or changed < whole:
        return JobCopy(row, shard, whole.term, whole.sequence)
    columns = _CHANGING_COLUMNS.decode(changed.value)
    row = msgspec.structs.replace(row, **{name: getattr(columns, name) for name in _CHANGING})
    return JobCopy(row, shard, changed.term, changed.sequence)


def _knows(copy: JobCopy) -> tuple[bool, int, bool]:
    return (JobState(copy.row.state) in TERMINAL_STATES, copy.row.epoch, copy.shard == copy.row.home)
