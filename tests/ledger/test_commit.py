"""What a commit writes, what it refuses, and that a group of steps does what its steps do one by one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanse.core.effects import Effects
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import (
    ChannelRow,
    IntentRow,
    JobRow,
    LeaguePolicyRow,
    OutboundRow,
    PeerSeenRow,
    PolicyRow,
    ReservationRow,
    ShapeRow,
    ShardRow,
    Writes,
)
from hanse.ledger import statements
from hanse.ledger.dump import dump
from hanse.ledger.errors import LedgerViolated
from hanse.ledger.ledger import Ledger
from hanse.ledger.migrate import migrate
from hanse.ledger.statements import ROWS_PER_STATEMENT_MAX, Bulk
from hanse.ledger.transaction import segments, write
from tests.ledger.samples import (
    REGION,
    SHAPE_ROW,
    as_state,
    commit,
    decision_row,
    done_row,
    dumped,
    job_id,
    job_row,
    job_state_row,
    one_of_each,
    shard_row,
    shard_state_row,
    steps,
    submits,
    timeline_row,
)


def new_ledger() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    connection.execute("INSERT INTO ledger VALUES (1, 'id', 'north', 1, 0, 0, 0)")
    return connection


async def test_every_row_type_comes_back_as_it_was_written(ledger: Ledger, path: Path) -> None:
    writes = one_of_each()
    await commit(ledger, writes)
    astuple = msgspec.structs.astuple
    assert dumped(path) == {
        "shapes": [astuple(SHAPE_ROW)],
        "jobs": [as_state(writes.jobs[0], writes.job_states[0])],
        "elements": [astuple(writes.elements[0])],
        "timeline": [astuple(writes.timeline[0])],
        "decisions": [astuple(writes.decisions[0])],
        "channels": [astuple(writes.channels[0])],
        "outbound": [astuple(writes.outbound[0])],
        "intents": [astuple(writes.intents[0])],
        "peers_seen": [astuple(writes.peers_seen[0])],
        "policies": [astuple(writes.policies[0])],
        "league_policies": [astuple(writes.league_policies[0])],
        "reservations": [astuple(writes.reservations[0])],
        "meta": writes.meta,
        "rosters": [astuple(row) for row in writes.rosters],
        "shard_states": [astuple(writes.shard_states[0])],
        "shard_rows": [astuple(writes.shard_rows[0])],
        "quota_documents": [astuple(writes.quota_documents[0])],
        "accounts": [astuple(writes.accounts[0])],
        "balances": [astuple(writes.balances[0])],
        "rights_sent": [astuple(writes.rights_sent[0])],
        "rights_taken": [astuple(writes.rights_taken[0])],
    }


async def test_a_reservation_changes_in_place_and_goes(ledger: Ledger, path: Path) -> None:
    first, other = ReservationRow("r1", "night", "org", b"1"), ReservationRow("r2", "day", "org", b"2")
    await commit(ledger, Writes(reservations=[first, other]))
    given_up = ReservationRow("r1", "night", "org", b"3")
    # A name that was given up may be used again in the very step.
    await commit(ledger, Writes(reservations=[given_up]), Writes(reservations_delete=["r2"]))
    await commit(
        ledger, Writes(reservations=[ReservationRow("r3", "night", "org", b"4")], reservations_delete=["r1"])
    )
    assert dumped(path)["reservations"] == [("r3", "night", "org", b"4")]


@pytest.mark.parametrize(
    "count", [1, 2, 3, 7, 64, 65, ROWS_PER_STATEMENT_MAX, ROWS_PER_STATEMENT_MAX + 1, 1300]
)
def test_any_number_of_rows_is_written_and_no_padding(count: int) -> None:
    with closing(new_ledger()) as connection:
        write(connection, steps(submits(0, count)))
        write(
            connection, steps(Writes(job_states=[job_state_row(number) for number in range(count)]), first=2)
        )
        rows = dump(connection)
        assert rows["jobs"] == [as_state(job_row(number), job_state_row(number)) for number in range(count)]
        assert len(rows["timeline"]) == count
        write(connection, steps(Writes(jobs_delete=[job_id(number) for number in range(count)]), first=3))
        rows = dump(connection)
        assert rows["jobs"] == rows["timeline"] == []


@pytest.mark.parametrize("count", [1, 3, 64, ROWS_PER_STATEMENT_MAX + 1])
def test_any_number_of_records_is_written_and_deleted(count: int) -> None:
    shards = ("north", "south", "west")
    keys = [(shard, f"j/{number:04d}") for shard in shards for number in range(count)]
    with closing(new_ledger()) as connection:
        write(connection, steps(Writes(shard_rows=[shard_row(key, shard=shard) for shard, key in keys])))
        assert [row[:2] for row in dump(connection)["shard_rows"]] == keys
        gone = [key for key in keys if key[0] != "south"]
        write(connection, steps(Writes(shard_rows_delete=gone), first=2))
        assert [row[:2] for row in dump(connection)["shard_rows"]] == keys[count : 2 * count]


def test_newer_rows_replace_older_ones_except_shapes() -> None:
    with closing(new_ledger()) as connection:
        write(connection, steps(one_of_each()))
        newer = Writes(
            shapes=[ShapeRow(SHAPE_ROW.key, b"other")],
            jobs=[job_row(1, name="again")],
            channels=[ChannelRow("ledger-s", "south", 4)],
            outbound=[OutboundRow("south", 9), OutboundRow("south", 10)],
            intents=[IntentRow("south-9", "cancel-2", 1)],
            peers_seen=[PeerSeenRow("south", "ledger-s", 5, 1, 2)],
            meta=[("draining", "0")],
            shard_states=[shard_state_row(promised_term=4), shard_state_row(promised_term=5, blank=1)],
            shard_rows=[shard_row("j/south-1", 7, value=b""), shard_row("j/south-1", 8, term=2)],
        )
        write(connection, steps(newer, first=2))
        rows = dump(connection)
        assert rows["shapes"] == [msgspec.structs.astuple(SHAPE_ROW)]
        assert rows["jobs"] == [msgspec.structs.astuple(job_row(1, name="again"))]
        assert rows["channels"] == [("ledger-s", "south", 4)]
        assert rows["outbound"] == [("south", 10)]
        assert rows["intents"] == [("south-9", "cancel-2", 1)]
        assert rows["peers_seen"] == [("south", "ledger-s", 5, 1, 2)]
        assert rows["meta"] == [("draining", "0")]
        assert rows["shard_states"] == [("south", 5, 2, 9, 8, b"group", 1, "south")]
        assert rows["shard_rows"] == [("south", "j/south-1", 2, 8, b"v")]


def test_deletes_take_what_they_name_and_nothing_else() -> None:
    with closing(new_ledger()) as connection:
        first = submits(1, 3)
        first.decisions = [decision_row(1), decision_row(2), decision_row(1, "ledger-t")]
        first.intents = [IntentRow("a", "c", 1), IntentRow("b", "c", 1)]
        first.policies = [PolicyRow(version, "", "", "", "", 0) for version in (1, 2, 3)]
        write(connection, steps(first))
        deletes = Writes(
            decisions_delete_below=[("ledger-s", 2)],
            specs_delete=[job_id(2)],
            intents_delete=["a"],
            jobs_delete=[job_id(1)],
            policies_delete_to=[2],
        )
        write(connection, steps(deletes, first=2))
        rows = dump(connection)
        assert [row[:2] for row in rows["decisions"]] == [("ledger-s", 2), ("ledger-t", 1)]
        assert [row[0] for row in rows["policies"]] == [3]
        assert rows["jobs"] == [
            msgspec.structs.astuple(job_row(2, spec=b"")),
            msgspec.structs.astuple(job_row(3)),
        ]
        assert [row[0] for row in rows["timeline"]] == [job_id(2), job_id(3)]
        assert [row[0] for row in rows["intents"]] == ["b"]


# Its place in a row of a job.
SHARD = JobRow.__struct_fields__.index("shard")


def in_three_shards() -> Writes:
    """Job 1 with the same client key, and an entry of its timeline, wherever it can be; and job 2 in the south."""
    writes = Writes(shapes=[SHAPE_ROW])
    for shard, number in (("", 1), ("south", 1), ("west", 1), ("south", 2)):
        writes.jobs.append(job_row(number, shard=shard))
        writes.timeline.append(timeline_row(number, shard=shard))
    return writes


def left(connection: sqlite3.Connection) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """(shard, number) of the rows of jobs and of their timelines."""
    rows = dump(connection)
    jobs = sorted((row[SHARD], int(str(row[0])[-1])) for row in rows["jobs"])
    return jobs, sorted((row[-1], int(str(row[0])[-1])) for row in rows["timeline"])


def test_a_job_may_have_a_row_in_each_shard_and_they_change_apart() -> None:
    with closing(new_ledger()) as connection:
        write(connection, steps(in_three_shards()))
        changes = [job_state_row(1, shard="south"), job_state_row(1, shard="west", state=JobState.MOVED)]
        write(connection, steps(Writes(job_states=changes), first=2))
        states = {row[SHARD]: row[14] for row in dump(connection)["jobs"] if row[0] == job_id(1)}
        assert states == {"": JobState.QUEUED, "south": JobState.RUNNING, "west": JobState.MOVED}


@pytest.mark.parametrize(
    ("deletes", "jobs", "entries"),
    [
        (
            Writes(jobs_delete=[job_id(1)]),
            [("south", 1), ("south", 2), ("west", 1)],
            [("south", 1), ("south", 2), ("west", 1)],
        ),
        (
            Writes(shard_jobs_delete=[("south", job_id(1)), ("west", job_id(2))]),
            [("", 1), ("south", 2), ("west", 1)],
            [("", 1), ("south", 2), ("west", 1)],
        ),
        (
            Writes(jobs_delete=[job_id(1)], shard_jobs_delete=[("south", job_id(2))]),
            [("south", 1), ("west", 1)],
            [("south", 1), ("west", 1)],
        ),
        # The timeline tells what happened here, whoever leads the shard now.
        (
            Writes(shards_delete=["south", "north"]),
            [("", 1), ("west", 1)],
            [("", 1), ("south", 1), ("south", 2), ("west", 1)],
        ),
    ],
    ids=["a wait job", "two shards", "both kinds", "a whole shard"],
)
def test_deletes_of_jobs_keep_to_their_shards(
    deletes: Writes, jobs: list[tuple[str, int]], entries: list[tuple[str, int]]
) -> None:
    with closing(new_ledger()) as connection:
        write(connection, steps(in_three_shards(), deletes))
        assert left(connection) == (jobs, entries)


def test_specs_are_cleared_of_wait_jobs_alone() -> None:
    with closing(new_ledger()) as connection:
        write(connection, steps(in_three_shards(), Writes(specs_delete=[job_id(1)])))
        specs = {row[SHARD]: row[5] for row in dump(connection)["jobs"] if row[0] == job_id(1)}
        assert specs == {"": b"", "south": b"spec 1", "west": b"spec 1"}


def test_what_a_step_writes_and_deletes_is_gone() -> None:
    writes = in_three_shards()
    writes.shard_rows = [shard_row("j/1"), shard_row("j/2")]
    writes.shard_rows_delete = [("south", "j/1"), ("west", "j/2")]
    writes.shards_delete = ["south"]
    with closing(new_ledger()) as connection:
        write(connection, steps(writes))
        assert left(connection)[0] == [("", 1), ("west", 1)]
        assert [row[1] for row in dump(connection)["shard_rows"]] == ["j/2"]


@pytest.mark.parametrize("length", [1, 64, ROWS_PER_STATEMENT_MAX])
@pytest.mark.parametrize(
    "bulk",
    [
        statements.UPDATE_JOB_STATES,
        statements.CLEAR_SPECS,
        statements.DELETE_TIMELINE,
        statements.DELETE_JOBS,
        statements.DELETE_SHARD_ROWS,
        statements.DELETE_SHARDS,
    ],
)
def test_changes_and_deletes_find_their_rows_by_an_index(bulk: Bulk, length: int) -> None:
    with closing(new_ledger()) as connection:
        text = bulk._of_length(length)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", bulk._padding * length)]
    tables = ("jobs", "timeline", "shard_rows")
    found = [step for step in plan if step.split()[1] in tables]
    assert found
    assert all(step.startswith("SEARCH") for step in found), plan


def test_steps_without_deletes_become_one_segment() -> None:
    submit, start = submits(1, 2), Writes(job_states=[job_state_row(1)])
    (only,) = segments([submit, Writes(), start])
    assert (only.jobs, only.job_states) == (submit.jobs, start.job_states)
    assert start.jobs == [], "the steps' own lists are left alone"


def test_a_job_that_left_and_came_back_within_a_group_is_as_it_came_back() -> None:
    left = Writes(job_states=[job_state_row(1, state=JobState.MOVED)])
    back = Writes(jobs=[job_row(1, epoch=3, path="north,south")])
    with closing(new_ledger()) as connection:
        write(connection, steps(submits(1, 1), left, back))
        assert dump(connection)["jobs"] == [msgspec.structs.astuple(back.jobs[0])]


def test_a_job_that_came_back_into_another_shard_is_of_one_segment() -> None:
    gone = Writes(job_states=[job_state_row(1, shard="south", state=JobState.MOVED)])
    taken = Writes(jobs=[job_row(1, shard="west", epoch=2)])
    (only,) = segments([gone, taken])
    assert (only.job_states, only.jobs) == (gone.job_states, taken.jobs)


def test_what_follows_a_delete_in_a_group_comes_after_it() -> None:
    with closing(new_ledger()) as connection:
        write(connection, steps(submits(1, 1), Writes(jobs_delete=[job_id(1)]), submits(1, 1)))
        assert len(dump(connection)["jobs"]) == 1


NUMBERS = st.integers(0, 2)
SHARDS = st.sampled_from(["", "", "south", "west"])
KEYS = st.builds(lambda number: f"j/{number}", NUMBERS)
STEPS = st.lists(
    st.one_of(
        st.builds(lambda number, shard: Writes(jobs=[job_row(number, shard=shard)]), NUMBERS, SHARDS),
        st.builds(
            lambda number, shard, state, epoch: Writes(
                job_states=[job_state_row(number, shard=shard, state=state, epoch=epoch)]
            ),
            NUMBERS,
            SHARDS,
            st.sampled_from(JobState),
            st.integers(1, 9),
        ),
        st.builds(
            lambda number, shard: Writes(shard_jobs_delete=[(shard, job_id(number))]),
            NUMBERS,
            SHARDS.filter(bool),
        ),
        st.builds(lambda shard: Writes(shards_delete=[shard]), SHARDS.filter(bool)),
        st.builds(
            lambda shard, key, sequence: Writes(shard_rows=[ShardRow(shard, key, 1, sequence, b"v")]),
            SHARDS,
            KEYS,
            NUMBERS,
        ),
        st.builds(lambda shard, key: Writes(shard_rows_delete=[(shard, key)]), SHARDS, KEYS),
        st.builds(
            lambda shard, term: Writes(shard_states=[shard_state_row(shard, promised_term=term)]),
            SHARDS,
            NUMBERS,
        ),
        st.builds(lambda number: Writes(jobs_delete=[job_id(number)]), NUMBERS),
        st.builds(lambda number: Writes(specs_delete=[job_id(number)]), NUMBERS),
        st.builds(
            lambda number, text: Writes(intents=[IntentRow(job_id(number), text, 1)]),
            NUMBERS,
            st.text(max_size=1),
        ),
        st.builds(lambda number: Writes(intents_delete=[job_id(number)]), NUMBERS),
        st.builds(
            lambda number, value: Writes(outbound=[OutboundRow(f"p{number}", value)]), NUMBERS, NUMBERS
        ),
        st.builds(lambda below: Writes(decisions_delete_below=[("ledger-s", below)]), NUMBERS),
    ),
    max_size=12,
)


def possible(batch: list[Writes]) -> list[Writes]:
    """Without changes to jobs that have no row."""
    present: set[tuple[str, str]] = set()
    kept = []
    for writes in batch:
        if all((row.shard, row.id) in present for row in writes.job_states):
            kept.append(writes)
        present.update((row.shard, row.id) for row in writes.jobs)
        present.difference_update(("", each) for each in writes.jobs_delete)
        present.difference_update(writes.shard_jobs_delete)
        present = {key for key in present if key[0] not in writes.shards_delete}
    return kept


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_group_of_steps_does_what_its_steps_do_one_by_one(batch: list[Writes]) -> None:
    batch = [*possible(batch), Writes(meta=[("end", "")])]
    with closing(new_ledger()) as grouped, closing(new_ledger()) as single:
        write(grouped, steps(*batch))
        for step in steps(*batch):
            write(single, [step])
        assert dump(grouped) == dump(single)


def a_second_answer() -> Writes:
    return Writes(decisions=[decision_row(3)])


def a_change_without_a_row() -> Writes:
    return Writes(meta=[("written", "no")], job_states=[job_state_row(1), job_state_row(404)])


def a_change_of_a_job_of_another_shard() -> Writes:
    return Writes(job_states=[job_state_row(1, shard="south")])


def a_client_key_of_another_job_of_the_shard() -> Writes:
    one = job_row(1, shard="south")
    return Writes(jobs=[one, job_row(2, shard="south", tenant=one.tenant, client_key=one.client_key)])


def a_client_key_of_another_job() -> Writes:
    return Writes(jobs=[job_row(2, tenant=job_row(1).tenant, client_key="key-1")])


def a_timeline_entry_again() -> Writes:
    return Writes(timeline=[timeline_row(1)])


def an_integer_that_does_not_fit() -> Writes:
    return Writes(outbound=[OutboundRow("south", 1 << 63)])


def a_value_of_another_type() -> Writes:
    return Writes(meta=[("draining", b"1")])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "violation",
    [
        a_second_answer,
        a_change_without_a_row,
        a_change_of_a_job_of_another_shard,
        a_client_key_of_another_job_of_the_shard,
        a_client_key_of_another_job,
        a_timeline_entry_again,
        an_integer_that_does_not_fit,
        a_value_of_another_type,
    ],
)
async def test_a_violation_is_loud_and_takes_its_whole_transaction_with_it(
    ledger: Ledger, path: Path, violation: Callable[[], Writes]
) -> None:
    await commit(ledger, one_of_each())
    before = dumped(path)
    with pytest.raises(LedgerViolated):
        await commit(ledger, submits(10, 5), violation())
    assert dumped(path) == before
    with pytest.raises(LedgerViolated, match="opened anew"):
        await commit(ledger, submits(20, 1))
    with pytest.raises(LedgerViolated, match="opened anew"):
        await ledger.load_snapshot()


async def test_a_write_sequence_never_goes_back(ledger: Ledger) -> None:
    await ledger.commit(steps(submits(1, 1), first=7))
    with pytest.raises(LedgerViolated, match="write sequence 6"):
        await ledger.commit(steps(submits(2, 1), first=6))


def test_a_decision_can_not_be_changed_by_any_statement() -> None:
    with closing(new_ledger()) as connection:
        write(connection, steps(one_of_each()))
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute("UPDATE decisions SET verdict = 1")


def test_a_policy_of_the_league_is_replaced_by_a_larger_one_only() -> None:
    def row(number: int, sha256: str, digest: str = "") -> Writes:
        return Writes(league_policies=[LeaguePolicyRow("test", number, sha256, b"{}", digest)])

    with closing(new_ledger()) as connection:
        write(connection, steps(row(1, "b"), row(1, "b", "d"), row(1, "c"), row(3, "a")))
        assert dump(connection)["league_policies"] == [("test", 3, "a", b"{}", "")]
        for smaller in (row(2, "f"), row(3, "0")):
            with pytest.raises(sqlite3.IntegrityError, match="never replaced by a smaller one"):
                write(connection, steps(smaller, first=9))


async def test_steps_without_writes_cost_no_transaction(ledger: Ledger) -> None:
    await ledger.commit([Effects(sequence=0), Effects(sequence=0)])
    await ledger.commit([])
    assert ledger.position.write_sequence == 0


async def test_a_group_takes_few_steps_however_many_rows_it_has(ledger: Ledger) -> None:
    """Each step of a statement waits for the interpreter's lock while the event loop is busy."""
    await commit(ledger, submits(0, 500))
    seen: list[str] = []
    await ledger._writer.set_trace_callback(seen.append)
    changes = Writes(job_states=[job_state_row(number) for number in range(500)])
    changes.shard_rows = [shard_row(f"j/{number}") for number in range(500)]
    await commit(ledger, submits(500, 500), changes)
    assert [each.split()[0] for each in seen] == [
        "BEGIN",
        "INSERT",
        "INSERT",
        "UPDATE",
        "INSERT",
        "INSERT",
        "UPDATE",
        "COMMIT",
    ]


async def test_overlapping_commits_keep_their_order(ledger: Ledger, path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(1, 30):
            tasks.create_task(ledger.commit(steps(Writes(meta=[("last", str(number))]), first=number)))
    assert dumped(path)["meta"] == [("last", "29")]
    assert ledger.position.write_sequence == 29


async def test_commits_that_were_waiting_behind_a_failed_one_are_not_made(ledger: Ledger, path: Path) -> None:
    bad = ledger.commit(steps(Writes(job_states=[job_state_row(1)])))
    good = ledger.commit(steps(submits(2, 1), first=2))
    results = await asyncio.gather(bad, good, return_exceptions=True)
    assert [type(each) for each in results] == [LedgerViolated, LedgerViolated]
    assert dumped(path)["jobs"] == []


async def test_the_wal_starts_over_when_it_has_outgrown_its_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanse.ledger.connection.WAL_BYTES_MAX", 100_000)
    ledger = await Ledger.open(path, region=REGION)
    sizes = []
    for number in range(0, 2000, 100):
        await commit(ledger, Writes(jobs=[done_row(each) for each in range(number, number + 100)]))
        sizes.append(path.with_name("ledger.db-wal").stat().st_size)
    assert 0 in sizes
    assert max(sizes) <= 100_000
    await ledger.close()
