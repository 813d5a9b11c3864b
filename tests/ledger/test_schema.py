"""The schema, its versions, and the rows that it must fit."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hanse.core.model.lifecycle import JobState
from hanse.core.rows import JobRow, Writes
from hanse.ledger import migrate as migrating
from hanse.ledger.boot import quick_check
from hanse.ledger.copies import shard_copy
from hanse.ledger.dump import TABLES, dump
from hanse.ledger.errors import LedgerRefused, RefusedKind
from hanse.ledger.ledger import Ledger
from hanse.ledger.migrate import migrate, migrations, schema_version
from hanse.ledger.recovery import OPEN_JOBS, load_snapshot
from hanse.ledger.transaction import apply
from tests.ledger.samples import (
    REGION,
    SHAPE_ROW,
    decision_row,
    done_row,
    job_row,
    job_state_row,
    one_of_each,
    record,
    timeline_row,
)

SCHEMA = Path(migrating.__file__).with_name("schema.sql")
ROWS: dict[str, type[msgspec.Struct]] = {table: row for table, row in TABLES.items() if row is not None}
TYPES = {"str": "TEXT", "int": "INTEGER", "bytes": "BLOB"}


@pytest.fixture
def empty() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def described(connection: sqlite3.Connection) -> dict[str, str]:
    """Each object's SQL without comments and line breaks."""
    found = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql)) for name, sql in found}


def test_schema_sql_is_what_the_migrations_make(empty: sqlite3.Connection) -> None:
    migrate(empty)
    with closing(sqlite3.connect(":memory:")) as read:
        read.executescript(SCHEMA.read_text())
        assert described(empty) == described(read)
    assert schema_version(empty) == len(migrations())


@pytest.mark.parametrize("table", ROWS)
def test_columns_are_the_fields_of_the_row_in_their_order(empty: sqlite3.Connection, table: str) -> None:
    migrate(empty)
    columns = [(row[1], row[2]) for row in empty.execute(f"PRAGMA table_info({table})")]
    fields = [(field.name, TYPES[field.type.__name__]) for field in msgspec.structs.fields(ROWS[table])]
    if table == "timeline":
        # Its key comes first: see below.
        fields.insert(0, fields.pop())
    assert columns == fields


def test_a_table_without_rowids_begins_with_its_key(empty: sqlite3.Connection) -> None:
    """SQLite 3.40 takes columns for NULL otherwise, when it checks a ledger at its open."""
    migrate(empty)
    tables = [row[1] for row in empty.execute("PRAGMA table_list") if row[4]]
    assert {"timeline", "decisions", "shard_states"} <= set(tables)
    for table in tables:
        places = [row[5] for row in empty.execute(f"PRAGMA table_info({table})")]
        key = [place for place in places if place]
        assert places[: len(key)] == list(range(1, len(key) + 1)), table


@pytest.mark.parametrize("pragma", ["quick_check", "integrity_check"])
def test_a_ledger_with_a_row_in_every_table_is_sound(empty: sqlite3.Connection, pragma: str) -> None:
    migrate(empty)
    apply(empty, one_of_each())
    quick_check(empty, pragma)


def test_every_table_of_writes_is_dumped_and_strict(empty: sqlite3.Connection) -> None:
    migrate(empty)
    tables = {
        row[1]: row[5] for row in empty.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")
    }
    assert set(tables) == {*TABLES, "ledger"}
    assert all(tables.values())


def test_recovery_asks_with_the_predicate_of_its_index() -> None:
    assert f"ON jobs (id) WHERE {OPEN_JOBS};" in SCHEMA.read_text()


def test_an_older_ledger_is_migrated_with_its_rows(empty: sqlite3.Connection) -> None:
    migrate(empty)
    empty.execute("INSERT INTO meta VALUES ('draining', '1')")
    newer = (*migrations(), "ALTER TABLE meta ADD COLUMN since INTEGER NOT NULL DEFAULT 5;")
    assert migrate(empty, newer) == 1
    assert empty.execute("SELECT * FROM meta").fetchall() == [("draining", "1", 5)]
    assert schema_version(empty) == len(newer)
    assert migrate(empty, newer) == 0


def ledger_of_version_1(connection: sqlite3.Connection) -> None:
    """As the first release of the schema wrote it: rows without shards, moves, terms and arrays."""
    migrate(connection, migrations()[:1])
    connection.execute("INSERT INTO ledger VALUES (1, 'id', 'north', 4, 7, 0, 0)")
    older = {
        "shapes": [msgspec.structs.astuple(SHAPE_ROW)],
        "jobs": [msgspec.structs.astuple(row)[:-4] for row in OLDER_JOBS],
        "timeline": [msgspec.structs.astuple(row)[:-1] for row in OLDER_TIMELINE],
        "decisions": [msgspec.structs.astuple(decision_row(3))],
    }
    for table, rows in older.items():
        values = ",".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({values})", rows)


OLDER_JOBS = [
    *(job_row(number, moves=0) for number in (7, 2, 5)),
    *(msgspec.structs.replace(done_row(number), moves=0) for number in (1, 9)),
]
OLDER_TIMELINE = [timeline_row(number, sequence) for number in (9, 2) for sequence in (0, 1, 10)]


def test_a_ledger_from_before_shards_keeps_its_rows_as_those_of_wait_jobs(
    empty: sqlite3.Connection,
) -> None:
    ledger_of_version_1(empty)
    assert migrate(empty) == len(migrations()) - 1
    quick_check(empty, "integrity_check")
    rows = dump(empty)
    assert rows["jobs"] == sorted(map(msgspec.structs.astuple, OLDER_JOBS), key=repr)
    assert rows["timeline"] == sorted(map(msgspec.structs.astuple, OLDER_TIMELINE), key=repr)
    assert rows["decisions"] == [msgspec.structs.astuple(decision_row(3))]
    snapshot = load_snapshot(empty)
    assert [job.id for job in snapshot.jobs] == [job_row(number).id for number in (2, 5, 7)]
    assert len(snapshot.client_keys) == len(OLDER_JOBS)
    assert (snapshot.shard_states, snapshot.shard_rows) == ([], [])
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        apply(empty, Writes(jobs=[job_row(404, tenant=job_row(7).tenant, client_key="key-7")]))


async def test_a_ledger_from_before_shards_is_opened_in_its_place(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        ledger_of_version_1(connection)
    ledger = await Ledger.open(path, region=REGION)
    assert ledger.opened.migrations_applied == len(migrations()) - 1
    assert (ledger.opened.incarnation, ledger.opened.write_sequence) == (5, 7)
    assert len((await ledger.load_snapshot()).jobs) == 3
    await ledger.close()


def test_a_ledger_from_before_moves_keeps_its_jobs_and_its_shards_logs(empty: sqlite3.Connection) -> None:
    """As version 4 wrote it: neither rows of jobs nor the records of logs end with a number of moves."""
    migrate(empty, migrations()[:4])
    empty.execute("INSERT INTO ledger VALUES (1, 'id', 'north', 4, 7, 0, 0)")
    guarded = job_row(3, shard="south", moves=0)
    older = [*OLDER_JOBS, guarded]
    values = ",".join("?" * (len(JobRow.__struct_fields__) - 3))
    empty.executemany(
        f"INSERT INTO jobs VALUES ({values})", [msgspec.structs.astuple(row)[:-3] for row in older]
    )
    logged = [
        msgspec.structs.replace(record(row, sequence), value=without_moves(row))
        for sequence, row in enumerate((guarded, job_state_row(3, shard="south", moves=0)), 1)
    ]
    assert migrate(empty) == len(migrations()) - 4
    apply(empty, Writes(shapes=[SHAPE_ROW], shard_rows=logged))
    assert dump(empty)["jobs"] == sorted(map(msgspec.structs.astuple, older), key=repr)
    apply(empty, Writes(job_states=[job_state_row(7, moves=2)]))
    assert {job.id: job.moves for job in load_snapshot(empty).jobs} == {
        job_row(number).id: moves for number, moves in ((2, 0), (5, 0), (7, 2))
    }
    copy = shard_copy(empty, guarded.id)
    assert copy is not None
    assert (copy.row.state, copy.row.shard, copy.row.moves) == (JobState.RUNNING, "south", 0)


def without_moves(row: msgspec.Struct) -> bytes:
    """Nor with what came after them."""
    later = 3 if isinstance(row, JobRow) else 2
    return msgspec.msgpack.encode(msgspec.structs.astuple(row)[:-later])


def test_a_migration_that_fails_leaves_the_version_before_it(empty: sqlite3.Connection) -> None:
    migrate(empty)
    before = described(empty)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        migrate(empty, (*migrations(), "DROP TABLE meta; DROP TABLE nowhere;"))
    assert schema_version(empty) == len(migrations())
    assert described(empty) == before
    assert not empty.in_transaction


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    await (await Ledger.open(path, region=REGION)).close()
    newer = len(migrations()) + 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(LedgerRefused, match=f"schema version {newer}") as refused:
        await Ledger.open(path, region=REGION)
    assert refused.value.kind is RefusedKind.NEWER_SCHEMA
    with closing(sqlite3.connect(path)) as connection:
        assert schema_version(connection) == newer
        assert connection.execute("SELECT incarnation FROM ledger").fetchone() == (1,)


def test_a_version_of_the_policy_is_written_once(empty: sqlite3.Connection) -> None:
    migrate(empty)
    empty.execute("INSERT INTO policies VALUES (1, 'd', 'text', 'ada', 'why', 0)")
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        empty.execute("UPDATE policies SET document = 'other'")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        empty.execute("INSERT INTO policies VALUES (1, 'e', 'text', 'ada', 'why', 0)")
