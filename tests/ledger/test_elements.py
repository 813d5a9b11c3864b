"""Rows of elements of arrays: written and deleted in any mixture, as the simulated ledger does, and read back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from hanse.core.model.arrays import Array, ArrayRules
from hanse.core.model.indexes import parse_indexes
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import JobRow, Writes
from hanse.ledger.dump import dump
from hanse.ledger.elements import counts_in_flight, element_rows, indexes_in_flight
from hanse.ledger.migrate import migrate
from hanse.ledger.queries import get_job
from hanse.ledger.recovery import load_snapshot
from hanse.ledger.retention import RetentionPolicy, pick
from hanse.ledger.transaction import apply, merged
from hanse.sim.ledger import SimLedger
from tests.ledger.samples import REGION, SHAPE_ROW, T0_US, done_row, element_row, job_id, job_row

RULES = ArrayRules(parse_indexes("0-999"), 50, 3)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        connection.execute("INSERT INTO ledger VALUES (1, 'id', ?, 4, 7, 0, 0)", (REGION,))
        yield connection


def array_row(number: int, **changes: object) -> JobRow:
    return msgspec.structs.replace(job_row(number), array=Array(RULES).packed(), **changes)


def test_elements_come_and_go_together_and_as_in_the_simulated_ledger(connection: sqlite3.Connection) -> None:
    steps = [
        Writes(shapes=[SHAPE_ROW], jobs=[array_row(1), array_row(2)]),
        Writes(elements=[element_row(1, index) for index in range(600)]),
        Writes(elements=[element_row(1, 7, state=int(JobState.STOPPING)), element_row(2, 7)]),
        Writes(elements_delete=[("", job_id(1), index) for index in range(5, 590)]),
        Writes(elements=[element_row(1, 3, state=int(JobState.FAILED))]),
    ]
    disk = SimLedger(REGION, "ledger")
    for sequence, writes in enumerate(steps, 1):
        disk.append(sequence, writes)
    disk.sync(len(steps))
    apply(connection, merged(steps))
    rows = dump(connection)["elements"]
    assert rows == disk.dump()["elements"]
    assert len(rows) == 16
    apply(connection, Writes(jobs_delete=[job_id(1)]))
    assert [row[1] for row in dump(connection)["elements"]] == [job_id(2)]


def test_recovery_reads_what_of_open_arrays_has_not_ended(connection: sqlite3.Connection) -> None:
    over = msgspec.structs.replace(done_row(3), array=Array(RULES).packed())
    elements = [
        element_row(1, 4),
        element_row(1, 2, state=int(JobState.QUEUED), allocation=b""),
        element_row(1, 3, state=int(JobState.FAILED)),
        element_row(3, 1, state=int(JobState.FAILED)),
    ]
    apply(connection, Writes(shapes=[SHAPE_ROW], jobs=[array_row(1), job_row(2), over], elements=elements))
    snapshot = load_snapshot(connection)
    assert [row.element for row in snapshot.elements] == [2, 4]
    arrays = {job.id: job.array for job in snapshot.jobs}
    assert arrays[job_id(2)] is None
    found = arrays[job_id(1)]
    assert found is not None
    assert (found.rules, found.counts().waiting) == (RULES, 1000)


def test_callers_read_single_elements_and_which_hold_capacity(connection: sqlite3.Connection) -> None:
    rows = [
        element_row(1, 9),
        element_row(1, 2, state=int(JobState.STOPPING)),
        element_row(1, 5, state=int(JobState.FAILED), exit_code=3),
    ]
    apply(connection, Writes(shapes=[SHAPE_ROW], jobs=[array_row(1), array_row(2)], elements=rows))
    assert indexes_in_flight(connection, "", job_id(1)) == [2, 9]
    assert counts_in_flight(connection, [job_id(1), job_id(2)]) == {job_id(1): 2}
    assert element_rows(connection, "", job_id(1), [5, 6]) == (rows[2],)
    detail = get_job(connection, job_id(1))
    assert detail is not None
    assert detail.job.array is not None
    assert detail.job.array.rules == RULES


def test_retention_says_which_jobs_are_arrays(connection: sqlite3.Connection) -> None:
    over = msgspec.structs.replace(done_row(1), array=Array(RULES).packed())
    apply(connection, Writes(shapes=[SHAPE_ROW], jobs=[over, done_row(2)]))
    picked = pick(connection, RetentionPolicy(age_max_us=1), T0_US + 10_000_000)
    assert [(job.job_id, job.is_array) for job in picked] == [(job_id(1), True), (job_id(2), False)]
