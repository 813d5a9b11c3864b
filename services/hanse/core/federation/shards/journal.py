"""Between the books of a shard and the records of its log: rows become records, and records a snapshot.

    key             value (msgpack of kind and row)
    h/<shape key>   a shape that some job's row refers to
    j/<job id>      the job's whole row, as it was when it last entered these books
    s/<job id>      the columns that changed since
    f/<job id>      the whole row of a job of this home that has ended
    d/<giver>/<n>   a decision; c/<giver>: how far the giver needs none any more
    o/<shard>       the next transfer sequence towards that shard
    i/<job id>      a cancel that came before its job
    a/<account>     the account of rights of this log; b/<tenant>|<kind>: a balance of it
    x/              nothing: whoever gets it to a majority leads, and has all that the log has
    g/<account>|<n> the newest transfer to that account in its life n; t/<account>|<n>: from it, as it was decided

A job that has ended and is owed to nobody leaves no record, except at its home: there it is remembered for callers and
for its client key until retention takes it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hanse.core.books import Books
from hanse.core.federation.shards.log import GONE, ShardLog
from hanse.core.job_rows import job_of, job_row
from hanse.core.model.jobs import Job, Shape, ShapeBody, stored_shape
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import (
    AccountRow,
    BalanceRow,
    ChannelRow,
    DecisionRow,
    IntentRow,
    JobRow,
    JobStateRow,
    OutboundRow,
    RightsSentRow,
    RightsTakenRow,
    ShapeRow,
    Snapshot,
    Writes,
)

_LEADS = "x/"
_CHANGING = tuple(name for name in JobStateRow.__struct_fields__ if name not in ("shard", "id"))
_ROWS: dict[str, Any] = {
    "h": ShapeRow,
    "j": JobRow,
    "s": JobStateRow,
    "f": JobRow,
    "d": DecisionRow,
    "c": ChannelRow,
    "o": OutboundRow,
    "i": IntentRow,
    "a": AccountRow,
    "b": BalanceRow,
    "g": RightsSentRow,
    "t": RightsTakenRow,
}
_DECODERS = {kind: msgspec.msgpack.Decoder(row) for kind, row in _ROWS.items()}


class Unpacked(msgspec.Struct, frozen=True):
    """A log as a leader's books begin with it. `ended` are jobs of this home."""

    snapshot: Snapshot
    shapes: list[ShapeRow]
    ended: list[JobRow]

    @property
    def closed(self) -> dict[str, JobState]:
        """How the jobs ended."""
        return {row.id: JobState(row.state) for row in self.ended}


class Journal:
    """Adds the rows of a leader's steps to the log."""

    def __init__(self, log: ShardLog) -> None:
        self._log = log
        # Giver -> sequences of decisions that are in the log.
        self._decided: dict[str, dict[int, None]] = {}
        for record in log.records():
            if record.key.startswith("d/") and record.value != GONE:
                giver, _, sequence = record.key[2:].rpartition("/")
                self._decided.setdefault(giver, {})[int(sequence)] = None

    def add(self, term: int, writes: Writes, books: Books) -> None:
        """Everything that one step changed, under one term."""
        self._put_all(term, "h", writes.shapes, lambda row: row.key.hex())
        for row in writes.jobs:
            self._put(term, "j", row.id, row)
            self._drop(term, "s", row.id)
        self._put_all(term, "s", writes.job_states, lambda row: row.id)
        for decision in writes.decisions:
            self._decided.setdefault(decision.giver_ledger_id, {})[decision.sequence] = None
            self._put(term, "d", f"{decision.giver_ledger_id}/{decision.sequence}", decision)
        self._put_all(term, "c", writes.channels, lambda row: row.giver_ledger_id)
        self._put_all(term, "o", writes.outbound, lambda row: row.peer)
        self._put_all(term, "i", writes.intents, lambda row: row.job_id)
        for job_id in writes.intents_delete:
            self._drop(term, "i", job_id)
        self._put_all(term, "a", writes.accounts, lambda row: row.name)
        self._put_all(term, "b", writes.balances, lambda row: f"{row.tenant}|{row.resource}")
        self._put_all(term, "g", writes.rights_sent, lambda row: f"{row.to}|{row.to_id}")
        self._put_all(term, "t", writes.rights_taken, lambda row: f"{row.giver}|{row.giver_id}")
        for giver, below in writes.decisions_delete_below:
            self._forget_decisions(term, giver, below)
        for job in books.touched:
            if job.settled:
                self._settle(term, job, books)

    def forget(self, term: int, job_id: str) -> None:
        """Retention picked this job of this home."""
        self._drop(term, "f", job_id)

    def lead(self, term: int) -> None:
        """A record that says nothing, so that something can wait until a majority holds it."""
        self._log.append(term, _LEADS, b"x")

    def _settle(self, term: int, job: Job, books: Books) -> None:
        for kind in ("j", "s"):
            self._drop(term, kind, job.id)
        if job.home == books.party:
            self._put(term, "f", job.id, job_row(job))

    def _forget_decisions(self, term: int, giver: str, below: int) -> None:
        decided = self._decided.get(giver, {})
        for sequence in [each for each in decided if each < below]:
            del decided[sequence]
            self._drop(term, "d", f"{giver}/{sequence}")

    def _put_all(self, term: int, kind: str, rows: list[Any], name_of: Any) -> None:
        for row in rows:
            self._put(term, kind, name_of(row), row)

    def _put(self, term: int, kind: str, name: str, row: msgspec.Struct) -> None:
        self._log.append(term, f"{kind}/{name}", msgspec.msgpack.encode(row))

    def _drop(self, term: int, kind: str, name: str) -> None:
        if f"{kind}/{name}" in self._log:
            self._log.append(term, f"{kind}/{name}", GONE)


def unpack(log: ShardLog, ledger_id: str) -> Unpacked:
    """The jobs, decisions and marks that a copy holds."""
    rows: dict[str, dict[str, Any]] = {kind: {} for kind in _ROWS}
    for record in log.records():
        kind, _, name = record.key.partition("/")
        if record.value != GONE and kind in _DECODERS:
            rows[kind][name] = _DECODERS[kind].decode(record.value)
    shapes = {
        row.key: stored_shape(row.key, msgspec.msgpack.decode(row.body, type=ShapeBody))
        for row in rows["h"].values()
    }
    jobs = [_job(row, rows["s"].get(job_id), shapes) for job_id, row in sorted(rows["j"].items())]
    ended: list[JobRow] = list(rows["f"].values())
    keys = [(job.tenant, job.client_key, job.id, job.spec_sha256) for job in jobs if job.client_key]
    keys += [(row.tenant, row.client_key, row.id, row.spec_sha256) for row in ended if row.client_key]
    snapshot = Snapshot(
        ledger_id=ledger_id,
        incarnation=0,
        write_sequence=0,
        jobs=jobs,
        client_keys=keys,
        decisions=list(rows["d"].values()),
        channels=list(rows["c"].values()),
        outbound=list(rows["o"].values()),
        intents=list(rows["i"].values()),
        accounts=list(rows["a"].values()),
        balances=list(rows["b"].values()),
        rights_sent=list(rows["g"].values()),
        rights_taken=list(rows["t"].values()),
    )
    return Unpacked(snapshot, list(rows["h"].values()), ended)


def _job(row: JobRow, state: JobStateRow | None, shapes: dict[bytes, Shape]) -> Job:
    if state is not None:
        row = msgspec.structs.replace(row, **{name: getattr(state, name) for name in _CHANGING})
    assert row.shape_key in shapes, "a copy has the shapes of its jobs"
    return job_of(row, shapes[row.shape_key])
