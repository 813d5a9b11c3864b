"""Rows that are owed to callers become one transaction's, however many steps they come from."""

from __future__ import annotations

from typing import Any

import msgspec

from hanse.core.federation.shards.gate import OwedRows
from hanse.core.rows import JobRow, JobStateRow, Writes


def row(kind: Any, **values: Any) -> Any:
    """A row of which the other columns don't matter."""
    return msgspec.structs.replace(kind(*([None] * len(kind.__struct_fields__))), **values)


def state(job_id: str, attempt: int) -> JobStateRow:
    made: JobStateRow = row(JobStateRow, id=job_id, shard="north", attempt=attempt)
    return made


def whole(job_id: str, attempt: int) -> JobRow:
    made: JobRow = row(JobRow, id=job_id, shard="north", attempt=attempt)
    return made


def test_of_a_job_the_last_that_was_said_is_written() -> None:
    owed = OwedRows()
    owed.add(Writes(job_states=[state("a", 1), state("b", 1)]), [])
    owed.add(Writes(job_states=[state("a", 2)]), [])
    writes = Writes()
    owed.move_to(writes)
    assert {each.id: each.attempt for each in writes.job_states} == {"a": 2, "b": 1}
    assert len(writes.job_states) == 2
    assert not owed


def test_a_job_that_went_and_came_back_takes_two_transactions() -> None:
    owed = OwedRows()
    owed.add(Writes(jobs=[whole("a", 1)], job_states=[state("a", 1)]), [])
    owed.add(Writes(jobs=[whole("b", 1)]), [])
    owed.add(Writes(jobs=[whole("a", 2)]), [])
    first, second = Writes(), Writes()
    owed.move_to(first)
    assert [(each.id, each.attempt) for each in first.jobs] == [("a", 1), ("b", 1)]
    assert owed
    owed.move_to(second)
    assert [(each.id, each.attempt) for each in second.jobs] == [("a", 2)]
    assert not owed
