"""What every checker is, and what several of them read out of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from hanse.core.effects import DecisionRow, JobRow, JobStateRow, ShardRow, Writes
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.sim.errors import SafetyViolation
from hanse.sim.record import Committed

Row = JobRow | JobStateRow
Handlers = Mapping[type, Callable[[Any], None]]

FINAL = frozenset(int(state) for state in TERMINAL_STATES)
HELD = frozenset(int(state) for state in (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING))


class Checker:
    """Reads entries in order, by type. A subclass names what it reads, and judges the rest in `finish`."""

    def handlers(self) -> Handlers:
        """Which entries it reads, and with what."""
        raise NotImplementedError

    def finish(self) -> None:
        """The record is over."""


def job_rows(entry: Committed) -> Iterator[Row]:
    """The job rows of a transaction in the order in which they were applied."""
    for writes in entry.writes:
        yield from writes.jobs
        yield from writes.job_states


def decode_record(record: ShardRow) -> Row:
    """The job's row in a record of a shard's log whose key begins with j/ or s/."""
    kind = JobRow if record.key.startswith("j/") else JobStateRow
    return msgspec.msgpack.decode(record.value, type=kind)


def deleted_jobs(region: str, writes: Writes) -> Iterator[tuple[str, str]]:
    """(place, job id) of every job that is forgotten; a region that leads a shard no longer only forgets its rows."""
    for job_id in writes.jobs_delete:
        yield region, job_id
    yield from writes.shard_jobs_delete


def decision_rows(entry: Committed) -> Iterator[DecisionRow]:
    """The decisions of a transaction."""
    for writes in entry.writes:
        yield from writes.decisions


def ended_here(row: Row) -> bool:
    """Whether this final row says that the job ended in this region, rather than that its home learnt of it: an owner's
    epoch is at least that of its newest transfer, whereas a giver's transfer is one ahead."""
    return row.state in FINAL and row.epoch >= row.transfer_epoch


def violated(message: str, at_us: int, job_id: str = "") -> SafetyViolation:
    """The exception to raise."""
    return SafetyViolation(message, at_us=at_us, job_id=job_id)
