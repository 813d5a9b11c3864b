"""What a guardian's copies of shards' logs say of a job."""

from __future__ import annotations

import msgspec
import pytest

from hanse.core.model.lifecycle import JobState
from hanse.core.rows import JobRow, JobStateRow, ShardRow, Writes
from hanse.ledger.copies import JobCopy, shard_copy
from hanse.ledger.ledger import Ledger
from tests.ledger.samples import commit, done_row, job_id, job_row, job_state_row, record, shard_row


async def copied(ledger: Ledger, *records: ShardRow) -> JobCopy | None:
    await commit(ledger, Writes(shard_rows=list(records)))
    return await ledger.read(shard_copy, job_id(1))


def with_columns(row: JobRow, state: JobStateRow) -> JobRow:
    """The row after this change."""
    changed = {name: getattr(state, name) for name in JobStateRow.__struct_fields__}
    return msgspec.structs.replace(row, **changed)


WHOLE = job_row(1, shard="south", home="south")
RUNNING = job_state_row(1, shard="south")


async def test_a_job_that_is_in_no_copy_is_none(ledger: Ledger) -> None:
    assert await copied(ledger) is None
    assert await copied(ledger, record(job_row(2), 1), shard_row(f"j/{job_id(1)}x")) is None


async def test_a_whole_row_is_the_job_as_of_its_position(ledger: Ledger) -> None:
    assert await copied(ledger, record(WHOLE, 4, term=2)) == JobCopy(WHOLE, "south", 2, 4)


async def test_columns_that_changed_since_are_put_over_it(ledger: Ledger) -> None:
    found = await copied(ledger, record(WHOLE, 4), record(RUNNING, 9, term=3))
    assert found == JobCopy(with_columns(WHOLE, RUNNING), "south", 3, 9)
    assert found.row.state == JobState.RUNNING
    assert (found.row.spec, found.row.client_key) == (WHOLE.spec, WHOLE.client_key)


async def test_columns_from_before_the_whole_row_say_nothing(ledger: Ledger) -> None:
    assert await copied(ledger, record(WHOLE, 7, term=2), record(RUNNING, 9)) == JobCopy(WHOLE, "south", 2, 7)


async def test_a_job_that_has_ended_is_as_it_ended(ledger: Ledger) -> None:
    row = done_row(1, shard="south", home="south")
    ended = [record(row, 12, ended=True), *(shard_row(f"{kind}/{job_id(1)}", 11, value=b"") for kind in "js")]
    assert await copied(ledger, *ended) == JobCopy(row, "south", 1, 12)
    assert await copied(ledger, shard_row(f"f/{job_id(1)}", 13, value=b"")) is None


async def test_a_job_that_is_gone_is_none_and_columns_that_are_gone_say_nothing(ledger: Ledger) -> None:
    gone = shard_row(f"s/{job_id(1)}", 9, value=b"")
    assert await copied(ledger, record(WHOLE, 4), gone) == JobCopy(WHOLE, "south", 1, 4)
    assert await copied(ledger, shard_row(f"j/{job_id(1)}", 10, value=b""), record(RUNNING, 11)) is None


@pytest.mark.parametrize(
    ("south", "west", "best"),
    [
        # Passed on: the newer owner knows more, however far the logs are.
        ({"state": JobState.MOVED, "epoch": 1}, {"state": JobState.RUNNING, "epoch": 2}, "west"),
        # An outcome stands, also where the owner's copy has not heard of it.
        ({"state": JobState.SUCCEEDED, "epoch": 1}, {"state": JobState.RUNNING, "epoch": 2}, "south"),
        ({"state": JobState.MOVED, "epoch": 1}, {"state": JobState.FAILED, "epoch": 2}, "west"),
        ({"state": JobState.QUEUED, "epoch": 2}, {"state": JobState.QUEUED, "epoch": 2}, "south"),
    ],
)
async def test_of_several_copies_the_one_that_knows_most_answers(
    ledger: Ledger, south: dict[str, object], west: dict[str, object], best: str
) -> None:
    rows = {
        "south": msgspec.structs.replace(WHOLE, **south),
        "west": msgspec.structs.replace(WHOLE, shard="west", client_key="", **west),
    }
    found = await copied(ledger, record(rows["south"], 900, term=8), record(rows["west"], 2, "west"))
    assert found is not None
    assert (found.shard, found.row) == (best, rows[best])


async def test_fields_of_a_newer_version_do_not_stop_it(ledger: Ledger) -> None:
    newer = msgspec.msgpack.encode([*msgspec.structs.astuple(WHOLE), "of tomorrow"])
    assert await copied(ledger, shard_row(f"j/{job_id(1)}", 4, value=newer)) == JobCopy(WHOLE, "south", 1, 4)


async def test_copies_are_read_through_their_key(ledger: Ledger) -> None:
    seen: list[str] = []
    await commit(ledger, Writes(shard_rows=[record(WHOLE, 1)]))
    reader = ledger._readers[0]
    await reader.set_trace_callback(seen.append)
    await reader.run(shard_copy, job_id(1))
    (query,) = seen
    plan = [row[3] for row in await reader.execute_fetchall(f"EXPLAIN QUERY PLAN {query}")]
    assert not [step for step in plan if step.startswith("SCAN shard_rows")]
