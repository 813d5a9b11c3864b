"""What several checkers read out of a transaction."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hanse.core.federation.shards.log import START_KEY
from hanse.core.model.arrays import element_id
from hanse.core.model.jobs import ReasonCode, RunId
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.rows import DecisionRow, JobRow, JobStateRow, ShardRow
from hanse.sim.record import Committed

Row = JobRow | JobStateRow

FINAL = frozenset(int(state) for state in TERMINAL_STATES)
HELD = frozenset(int(state) for state in (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING))

# Why an attempt may be stopped although nothing is wrong with it: the job goes on later, or elsewhere.
_NOT_OVER = (
    ReasonCode.MOVING,
    ReasonCode.PREEMPTED,
    ReasonCode.HELD,
    ReasonCode.REQUESTED,
    ReasonCode.NODE_DRAINED,
)
# Spares decoding every record of every log.
_NOT_OVER_ENCODED = tuple(code.encode() for code in _NOT_OVER)
# The term, its leader, and the position (term, sequence) at which the log ended before.
_START = msgspec.msgpack.Decoder(tuple[int, str, int, int])


def job_rows(entry: Committed) -> Iterator[Row]:
    """The rows of `wait` jobs of a transaction in the order in which they were applied."""
    return (row for row in _all_rows(entry) if not row.shard)


def shard_rows(entry: Committed) -> Iterator[Row]:
    """Those of adoptable jobs: what callers may read of them, by their shard."""
    return (row for row in _all_rows(entry) if row.shard)


def _all_rows(entry: Committed) -> Iterator[Row]:
    for writes in entry.writes:
        yield from writes.jobs
        yield from writes.job_states


def decoded(record: ShardRow) -> Row | None:
    """The job's row in a record of a shard's log; None: the record is of something else."""
    if not record.value or record.key[:2] not in ("j/", "s/"):
        return None
    if record.key.startswith("j/"):
        return msgspec.msgpack.decode(record.value, type=JobRow)
    return msgspec.msgpack.decode(record.value, type=JobStateRow)


def term_begun(record: ShardRow) -> tuple[int, str] | None:
    """The term that this record begins, and who leads in it."""
    if record.key != START_KEY or not record.value:
        return None
    term, region, _, _ = _START.decode(record.value)
    return term, region


def stopped_to_go_on(entry: Committed) -> Iterator[RunId]:
    """Runs that are stopped so that their jobs go on later, or elsewhere; of adoptable jobs, as their log says."""
    for writes in entry.writes:
        logged = (decoded(record) for record in writes.shard_rows if _may_be_stopped(record))
        for row in (*writes.jobs, *writes.job_states, *logged):
            if row is not None and row.state == JobState.STOPPING and row.reason in _NOT_OVER:
                yield RunId(row.id, row.epoch, row.attempt)
        for element in writes.elements:
            if element.state == JobState.STOPPING and element.reason in _NOT_OVER:
                yield RunId(element_id(element.job_id, element.element), element.epoch, element.attempt)


def _may_be_stopped(record: ShardRow) -> bool:
    return any(code in record.value for code in _NOT_OVER_ENCODED)


def decision_rows(entry: Committed) -> Iterator[DecisionRow]:
    """The decisions of a transaction."""
    for writes in entry.writes:
        yield from writes.decisions


def ended_here(row: Row) -> bool:
    """Whether this final row says that the job ended in this region, rather than that its home learnt of it: an owner's
    epoch is at least that of its newest transfer, whereas a giver's transfer is one ahead."""
    return row.state in FINAL and row.epoch >= row.transfer_epoch
