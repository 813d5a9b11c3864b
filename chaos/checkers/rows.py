"""What several checkers read out of a transaction."""

from __future__ import annotations

from collections.abc import Iterator

from hanse.core.effects import DecisionRow, JobRow, JobStateRow
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.sim.record import Committed

Row = JobRow | JobStateRow

FINAL = frozenset(int(state) for state in TERMINAL_STATES)
HELD = frozenset(int(state) for state in (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING))


def job_rows(entry: Committed) -> Iterator[Row]:
    """The job rows of a transaction in the order in which they were applied."""
    for writes in entry.writes:
        yield from writes.jobs
        yield from writes.job_states


def decision_rows(entry: Committed) -> Iterator[DecisionRow]:
    """The decisions of a transaction."""
    for writes in entry.writes:
        yield from writes.decisions


def ended_here(row: Row) -> bool:
    """Whether this final row says that the job ended in this region, rather than that its home learnt of it: an owner's
    epoch is at least that of its newest transfer, whereas a giver's transfer is one ahead."""
    return row.state in FINAL and row.epoch >= row.transfer_epoch
