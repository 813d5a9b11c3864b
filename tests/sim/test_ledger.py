"""The simulated ledger: what it loses at a crash, and that it is the SQLite ledger in all that anybody can read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanse.core.effects import Effects
from hanse.core.messages import Verdict
from hanse.core.model.jobs import GroupShape, ShapeBody
from hanse.core.model.lifecycle import JobState
from hanse.core.model.resources import resources
from hanse.core.rows import IntentRow, RosterRow, ShapeRow, Writes
from hanse.ledger.boot import boot
from hanse.ledger.dump import dump
from hanse.ledger.migrate import migrate
from hanse.ledger.recovery import load_snapshot
from hanse.ledger.transaction import transaction, write
from hanse.sim.faults import MINUTE_US, Faults
from hanse.sim.ledger import SimLedger
from hanse.sim.record import Committed, Entry, Started
from hanse.sim.world import Plan, World
from tests.ledger import samples
from tests.sim.records import JOB, decided, job_row, state_row, xfer

BODY = ShapeBody(groups=(GroupShape(1, 1, resources({"cpu": 1000})),))
SHAPE = ShapeRow(b"shape", msgspec.msgpack.encode(BODY))


def ledger() -> SimLedger:
    return SimLedger("a", "ledger-a")


def test_what_is_not_synced_is_gone_after_a_crash() -> None:
    disk = ledger()
    disk.recover()
    disk.append(1, Writes(shapes=[SHAPE], jobs=[job_row()]))
    disk.append(2, Writes(job_states=[xfer("b")]))
    assert disk.row(JOB) is None
    disk.sync(1)
    disk.discard()
    snapshot = disk.recover()
    assert (snapshot.incarnation, snapshot.write_sequence) == (2, 1)
    assert [job.state for job in snapshot.jobs] == [JobState.QUEUED]


def test_settled_jobs_are_not_recovered_but_their_keys_are() -> None:
    disk = ledger()
    final = job_row(JobState.SUCCEEDED, client_key="key-1", settled=1)
    disk.append(1, Writes(shapes=[SHAPE], jobs=[final]))
    disk.sync(1)
    snapshot = disk.recover()
    assert snapshot.jobs == []
    assert [key for _, key, _, _ in snapshot.client_keys] == ["key-1"]


def test_deletes() -> None:
    disk = ledger()
    disk.append(1, Writes(jobs=[job_row(client_key="key-1")], intents=[IntentRow(JOB, "c", 1)]))
    disk.append(2, Writes(decisions=[decided(Verdict.BURNED, sequence=each) for each in (1, 2)]))
    disk.append(3, Writes(decisions_delete_below=[("ledger-a", 2)], specs_delete=[JOB], intents_delete=[JOB]))
    disk.sync(3)
    assert list(disk.decisions["ledger-a"]) == [2]
    assert disk.jobs[JOB].spec == b""
    assert not disk.intents
    disk.append(4, Writes(jobs_delete=[JOB]))
    disk.append(5, Writes(jobs=[job_row(id="a-2", client_key="key-1")]))
    disk.sync(2)
    assert list(disk.jobs) == ["a-2"]


def test_a_leader_that_is_one_no_more_keeps_its_copy_and_its_timelines() -> None:
    disk = ledger()
    rows = [job_row(shard=shard, client_key="key-1") for shard in ("a", "b")]
    records = [samples.shard_row("j/1", shard="a"), samples.shard_row("j/1", shard="b")]
    entry = samples.timeline_row(1, shard="a")
    disk.append(1, Writes(jobs=rows, timeline=[entry], shard_rows=records))
    disk.append(2, Writes(job_states=[state_row(JobState.RUNNING, shard="b")], shards_delete=["a"]))
    disk.append(3, Writes(jobs=[job_row(id="a-2", shard="a", client_key="key-1")]))
    disk.append(4, Writes(shard_rows_delete=[("b", "j/1")]))
    disk.sync(4)
    dumped = disk.dump()
    assert sorted((row[-4], row[0]) for row in dumped["jobs"]) == [("a", "a-2"), ("b", JOB)]
    assert [row[0] for row in dumped["timeline"]] == [entry.job_id]
    assert disk.recover().shard_rows == records[:1]
    assert disk.row(JOB) is None
    assert disk.row(JOB, "b") == state_row(JobState.RUNNING, shard="b")


def test_an_image_of_a_disk_is_changed_apart_from_it() -> None:
    disk = ledger()
    disk.append(1, samples.one_of_each())
    disk.append(2, Writes(jobs=[samples.job_row(1, shard="south")]))
    disk.sync(2)
    before, image = disk.dump(), disk.copy()
    assert image.dump() == before
    image.append(3, Writes(jobs_delete=[samples.job_id(1)], shard_rows_delete=[("south", "j/south-1")]))
    image.append(4, Writes(shards_delete=["south"], shard_states=[samples.shard_state_row("west")]))
    image.sync(2)
    assert disk.dump() == before
    assert (image.dump()["jobs"], image.dump()["shard_rows"]) == ([], [])


@pytest.mark.parametrize(
    "second",
    [
        Writes(job_states=[state_row(JobState.RUNNING, id="a-9")]),
        Writes(job_states=[state_row(JobState.RUNNING, shard="b")]),
        Writes(decisions=[decided(Verdict.BURNED)]),
        Writes(jobs=[job_row(id="a-2", client_key="key-1")]),
        Writes(rosters=[RosterRow(2, "another", b"", 0, 2)]),
        Writes(rosters=[RosterRow(1, "another", b"", 1)]),
        Writes(rosters=[RosterRow(1, "first", b"", 0)]),
    ],
    ids=[
        "a change without a row",
        "a change in another shard",
        "a second decision",
        "a key that is taken",
        "a vote of an earlier round",
        "a fork",
        "a roster that is in force no more",
    ],
)
def test_what_sqlite_refuses_is_refused(second: Writes) -> None:
    disk = ledger()
    rosters = [RosterRow(1, "first", b"", 1), RosterRow(2, "second", b"", 0, 3)]
    disk.append(
        1,
        Writes(jobs=[job_row(client_key="key-1")], decisions=[decided(Verdict.COMMITTED)], rosters=rosters),
    )
    disk.append(2, second)
    disk.sync(1)
    with pytest.raises(AssertionError):
        disk.sync(1)


class Both:
    """One region's transactions into both ledgers."""

    def __init__(self, region: str, directory: Path | None) -> None:
        self.sim = SimLedger(region, f"ledger-{region}")
        self.sqlite = sqlite3.connect(
            directory / f"{region}.db" if directory else ":memory:", isolation_level=None
        )

    def boot(self) -> None:
        boot(self.sqlite, self.sim.region, None, self.sim.ledger_id)

    def start(self) -> None:
        self.boot()
        with transaction(self.sqlite, "DEFERRED"):
            there = load_snapshot(self.sqlite)
        here = self.sim.recover()
        assert sorted(there.client_keys) == sorted(here.client_keys)
        there.client_keys = here.client_keys
        assert there == here

    def commit(self, entry: Committed) -> None:
        numbers = range(entry.sequence - len(entry.writes) + 1, entry.sequence + 1)
        steps = [
            Effects(sequence=number, writes=each) for number, each in zip(numbers, entry.writes, strict=True)
        ]
        for step in steps:
            self.sim.append(step.sequence, step.writes)
        self.sim.sync(len(steps))
        write(self.sqlite, steps)

    def compare(self) -> None:
        assert dump(self.sqlite) == self.sim.dump()


class BothInMemory(Both):
    """Without what a file takes: many short lives."""

    def __init__(self, region: str) -> None:
        super().__init__(region, None)
        migrate(self.sqlite)
        self.sqlite.execute("INSERT INTO ledger VALUES (1, ?, ?, 0, 0, 0, 0)", (self.sim.ledger_id, region))

    def boot(self) -> None:
        self.sqlite.execute("UPDATE ledger SET incarnation = incarnation + 1")


def replay(record: list[Entry], directory: Path) -> dict[str, Both]:
    """Every transaction of a run, and every recovery, in both."""
    ledgers: dict[str, Both] = {}
    for entry in record:
        match entry:
            case Started():
                if entry.region not in ledgers:
                    ledgers[entry.region] = Both(entry.region, directory)
                ledgers[entry.region].start()
            case Committed():
                ledgers[entry.region].commit(entry)
            case _:
                pass
    return ledgers


@pytest.mark.parametrize("seed", [2, 7])
def test_real_runs_leave_the_same_rows_in_sqlite(seed: int, tmp_path: Path) -> None:
    faults = msgspec.structs.replace(Faults.swarm(seed), crash_at_commit=0.03, commit_failure=0.01)
    world = World(
        Plan(
            seed=seed,
            faults=faults,
            duration_us=MINUTE_US // 2,
            jobs=40,
            runtime_max_us=10_000_000,
            guarded_share=1.0,
        )
    )
    world.run()
    ledgers = replay(world.record, tmp_path)
    assert len(ledgers) == 3
    assert any(len(both.sim.job_tables) > 1 for both in ledgers.values()), "no shard has shown its jobs"
    assert all(both.sim.shard_states for both in ledgers.values())
    for both in ledgers.values():
        both.compare()
        both.start()
        both.sqlite.close()


NUMBERS = st.integers(0, 3)
# `wait` jobs as often as those of shards.
SHARDS = st.sampled_from(["", "", "", "north", "south", "west"])
LED = st.sampled_from(["north", "south", "west"])
KEYS = st.builds(lambda kind, number: f"{kind}/{number}", st.sampled_from("js"), NUMBERS)
PARTS: list[st.SearchStrategy[Writes]] = [
    st.builds(
        lambda number, shard, settled: Writes(jobs=[samples.job_row(number, shard=shard, settled=settled)]),
        NUMBERS,
        SHARDS,
        st.integers(0, 1),
    ),
    st.builds(
        lambda number, shard, state, settled: Writes(
            job_states=[samples.job_state_row(number, shard=shard, state=int(state), settled=settled)]
        ),
        NUMBERS,
        SHARDS,
        st.sampled_from(JobState),
        st.integers(0, 1),
    ),
    st.builds(
        lambda number, shard: Writes(timeline=[samples.timeline_row(number, shard=shard)]), NUMBERS, SHARDS
    ),
    st.builds(
        lambda shard, term, blank: Writes(
            shard_states=[samples.shard_state_row(shard, promised_term=term, blank=blank)]
        ),
        LED,
        NUMBERS,
        st.integers(0, 1),
    ),
    st.builds(
        lambda key, sequence, shard, value: Writes(
            shard_rows=[samples.shard_row(key, sequence, shard, value=value)]
        ),
        KEYS,
        st.integers(1, 99),
        LED,
        st.binary(max_size=1),
    ),
    st.builds(lambda number: Writes(jobs_delete=[samples.job_id(number)]), NUMBERS),
    st.builds(lambda number: Writes(specs_delete=[samples.job_id(number)]), NUMBERS),
    st.builds(
        lambda shard, number: Writes(shard_jobs_delete=[(shard, samples.job_id(number))]), LED, NUMBERS
    ),
    st.builds(lambda shard, key: Writes(shard_rows_delete=[(shard, key)]), LED, KEYS),
    st.builds(lambda shard: Writes(shards_delete=[shard]), LED),
]
# Steps of several parts, in transactions of several steps.
TRANSACTIONS = st.lists(
    st.lists(st.lists(st.one_of(PARTS), min_size=1, max_size=4), min_size=1, max_size=3), max_size=6
)


class Allowed:
    """Leaves out what every ledger refuses: changes without a row, and entries of a timeline written twice."""

    def __init__(self) -> None:
        self._rows: set[tuple[str, str]] = set()
        self._entries: set[tuple[str, str]] = set()

    def step(self, parts: list[Writes]) -> Writes:
        """One step with these parts."""
        total = Writes(shapes=[samples.SHAPE_ROW])
        for part in parts:
            self._rows.update((row.shard, row.id) for row in part.jobs)
            entries = {(row.shard, row.job_id) for row in part.timeline}
            if all((row.shard, row.id) in self._rows for row in part.job_states) and not (
                entries & self._entries
            ):
                self._entries |= entries
                for name in Writes.__struct_fields__:
                    getattr(total, name).extend(getattr(part, name))
        gone = {("", job_id) for job_id in total.jobs_delete} | set(total.shard_jobs_delete)
        self._entries -= gone
        self._rows = {row for row in self._rows - gone if row[0] not in total.shards_delete}
        return total


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(TRANSACTIONS)
def test_any_writes_leave_the_same_rows_in_sqlite(transactions: list[list[list[Writes]]]) -> None:
    allowed = Allowed()
    sequence = 0
    both = BothInMemory(samples.REGION)
    with closing(both.sqlite):
        for steps in transactions:
            writes = tuple(allowed.step(parts) for parts in steps)
            sequence += len(writes)
            both.commit(Committed(0, samples.REGION, sequence, writes))
            both.compare()
            both.start()
