"""Statements that write many rows in one step.

SQLite lets go of the interpreter's lock for every step of a statement and must win it back afterwards, which takes up
to a switch interval (5 ms) while the event loop is busy. With one step a row (`executemany`) a batch of 500 jobs then
took 2.1 s; with one step for all of them it takes 30 ms, and the work itself runs beside the loop, on another core.

So each table has one statement with a VALUES list. Its length is rounded up to a power of two and the rest is padded
with rows whose key is NULL, which a WHERE drops: few texts to prepare, and all of them stay cached.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import msgspec

from hanse.core.rows import (
    AccountRow,
    BalanceRow,
    ChannelRow,
    DecisionRow,
    ElementRow,
    IntentRow,
    JobRow,
    JobStateRow,
    LeaguePolicyRow,
    OutboundRow,
    PeerSeenRow,
    PolicyRow,
    QuotaDocumentRow,
    ReservationRow,
    RightsSentRow,
    RightsTakenRow,
    RosterRow,
    ShapeRow,
    ShardRow,
    ShardStateRow,
    TimelineRow,
)

# 512 x 33 columns stays below the 32,766 parameters that SQLite allows by default.
ROWS_PER_STATEMENT_MAX = 512
# Ten lengths of each statement below, with room: nothing is prepared twice.
STATEMENTS_CACHED = 256

Values = tuple[object, ...]


class Bulk:
    """One statement over many rows. `text` makes it from the VALUES list; `key` is the column that is never NULL."""

    def __init__(self, width: int, text: Callable[[str], str], key: int = 0) -> None:
        self._row = f"({','.join('?' * width)})"
        self._text = text
        # Integers are bound faster than NULLs, and one NULL is enough to drop the row.
        self._padding: list[object] = [0] * width
        self._padding[key] = None
        self._texts: dict[int, str] = {}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Values]) -> int:
        """Execute it for these rows, in order; returns how many rows of the table it changed."""
        changed = 0
        for start in range(0, len(rows), ROWS_PER_STATEMENT_MAX):
            part = rows[start : start + ROWS_PER_STATEMENT_MAX]
            length = 1 << (len(part) - 1).bit_length()
            parameters = [*chain.from_iterable(part), *self._padding * (length - len(part))]
            changed += connection.execute(self._of_length(length), parameters).rowcount
        return changed

    def _of_length(self, length: int) -> str:
        text = self._texts.get(length)
        if text is None:
            text = self._texts[length] = self._text(",".join([self._row] * length))
        return text


def tuples(rows: Iterable[msgspec.Struct]) -> list[Values]:
    """The rows' fields in order."""
    return list(map(msgspec.structs.astuple, rows))


def columns_of(row: type[msgspec.Struct]) -> tuple[str, ...]:
    """A row struct's columns as SQL names them: one is called "group"."""
    return tuple(f'"{name}"' for name in row.__struct_fields__)


def _insert(table: str, columns: Sequence[str], on_conflict: str = "") -> Bulk:
    return Bulk(
        len(columns),
        lambda values: (
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL {on_conflict}"
        ),
    )


def _upsert(table: str, columns: Sequence[str], key: Sequence[str] = ()) -> Bulk:
    """`key`: the primary key, unless it is the first column.

    Never INSERT OR REPLACE: it would delete another job that has the same client key instead of failing.
    """
    key = key or columns[:1]
    assignments = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    return _insert(table, columns, f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {assignments}")


def _update(table: str, columns: Sequence[str], key: Sequence[str]) -> Bulk:
    """Each key may come only once."""
    new = {column: f"{column} = new.column{number}" for number, column in enumerate(columns, 1)}
    assignments = ", ".join(each for column, each in new.items() if column not in key)
    found = " AND ".join(f"{table}.{new[column]}" for column in key)
    return Bulk(
        len(columns),
        lambda values: f"UPDATE {table} SET {assignments} FROM (VALUES {values}) AS new WHERE {found}",
        key=columns.index(key[-1]),
    )


def _delete(table: str, column: str) -> Bulk:
    return Bulk(1, lambda values: f"DELETE FROM {table} WHERE {column} IN (VALUES {values})")


def _delete_of_shards(table: str, column: str) -> Bulk:
    """By (shard, `column`). SQLite would read the whole table for a list of pairs: it finds the candidates by the index
    for each shard in the list, and these are few, times each key."""
    return Bulk(
        2,
        lambda values: (
            f"WITH gone(shard, key) AS MATERIALIZED (VALUES {values}) DELETE FROM {table} "
            f"WHERE shard IN (SELECT shard FROM gone) AND {column} IN (SELECT key FROM gone) "
            f"AND (+shard, +{column}) IN (SELECT shard, key FROM gone)"
        ),
    )


def _delete_elements() -> Bulk:
    """By (shard, job, element): each is looked up by the key, in the order of the list."""
    return Bulk(
        3,
        lambda values: (
            f"DELETE FROM elements WHERE rowid IN (SELECT found.rowid FROM (VALUES {values}) AS gone "
            f"CROSS JOIN elements AS found ON found.shard = gone.column1 AND found.job_id = gone.column2 "
            f"AND found.element = gone.column3)"
        ),
    )


INSERT_SHAPES = _insert("shapes", columns_of(ShapeRow), "ON CONFLICT DO NOTHING")
UPSERT_JOBS = _upsert("jobs", columns_of(JobRow), ('"shard"', '"id"'))
UPDATE_JOB_STATES = _update("jobs", columns_of(JobStateRow), ('"shard"', '"id"'))
UPSERT_ELEMENTS = _upsert("elements", columns_of(ElementRow), ('"shard"', '"job_id"', '"element"'))
INSERT_TIMELINE = _insert("timeline", columns_of(TimelineRow))
INSERT_DECISIONS = _insert("decisions", columns_of(DecisionRow))
UPSERT_CHANNELS = _upsert("channels", columns_of(ChannelRow))
UPSERT_OUTBOUND = _upsert("outbound", columns_of(OutboundRow))
UPSERT_INTENTS = _upsert("intents", columns_of(IntentRow))
UPSERT_PEERS_SEEN = _upsert("peers_seen", columns_of(PeerSeenRow))
# A plain insert: a version is written once.
INSERT_POLICIES = _insert("policies", columns_of(PolicyRow))
UPSERT_LEAGUE_POLICIES = _upsert("league_policies", columns_of(LeaguePolicyRow))
UPSERT_RESERVATIONS = _upsert("reservations", columns_of(ReservationRow))
UPSERT_META = _upsert("meta", ("name", "value"))
UPSERT_ROSTERS = _upsert("rosters", columns_of(RosterRow))
UPSERT_SHARD_STATES = _upsert("shard_states", columns_of(ShardStateRow))
UPSERT_SHARD_ROWS = _upsert("shard_rows", columns_of(ShardRow), ('"shard"', '"key"'))
UPSERT_QUOTA_DOCUMENTS = _upsert("quota_documents", columns_of(QuotaDocumentRow))
UPSERT_ACCOUNTS = _upsert("accounts", columns_of(AccountRow))
UPSERT_BALANCES = _upsert("balances", columns_of(BalanceRow), ('"tenant"', '"resource"'))
UPSERT_RIGHTS_SENT = _upsert("rights_sent", columns_of(RightsSentRow), ('"giver_id"', '"to"', '"to_id"'))
UPSERT_RIGHTS_TAKEN = _upsert(
    "rights_taken", columns_of(RightsTakenRow), ('"taker_id"', '"giver"', '"giver_id"')
)
DELETE_ELEMENTS = _delete_elements()
CLEAR_SPECS = Bulk(
    1, lambda values: f"UPDATE jobs SET spec = x'' WHERE shard = '' AND id IN (VALUES {values})"
)
DELETE_INTENTS = _delete("intents", "job_id")
DELETE_ELEMENTS_OF = _delete_of_shards("elements", "job_id")
DELETE_TIMELINE = _delete_of_shards("timeline", "job_id")
DELETE_JOBS = _delete_of_shards("jobs", "id")
DELETE_SHARD_ROWS = _delete_of_shards("shard_rows", "key")
DELETE_SHARDS = _delete("jobs", "shard")
DELETE_POLICIES_TO = "DELETE FROM policies WHERE version <= ?"
DELETE_RESERVATIONS = _delete("reservations", "id")
DELETE_RIGHTS_SENT = _delete("rights_sent", "giver_id")
DELETE_RIGHTS_TAKEN = _delete("rights_taken", "taker_id")
DELETE_DECISIONS_BELOW = "DELETE FROM decisions WHERE giver_ledger_id = ? AND sequence < ?"
# Changes no row if the ledger is further already.
SET_WRITE_SEQUENCE = "UPDATE ledger SET write_sequence = ?1 WHERE write_sequence <= ?1"
