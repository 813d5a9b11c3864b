"""The schema, its versions, and the rows that it must fit."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hanse.core import effects
from hanse.ledger import migrate as migrating
from hanse.ledger.dump import TABLES
from hanse.ledger.errors import LedgerRefused, RefusedKind
from hanse.ledger.ledger import Ledger
from hanse.ledger.migrate import migrate, migrations, schema_version
from hanse.ledger.recovery import OPEN_JOBS
from tests.ledger.samples import REGION

SCHEMA = Path(migrating.__file__).with_name("schema.sql")
ROWS: dict[str, type[msgspec.Struct]] = {
    "shapes": effects.ShapeRow,
    "jobs": effects.JobRow,
    "timeline": effects.TimelineRow,
    "decisions": effects.DecisionRow,
    "channels": effects.ChannelRow,
    "outbound": effects.OutboundRow,
    "intents": effects.IntentRow,
    "peers_seen": effects.PeerSeenRow,
    "policies": effects.PolicyRow,
}
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
    assert columns == fields


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
