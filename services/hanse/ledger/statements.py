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

from hanse.core.effects import (
    ChannelRow,
    DecisionRow,
    IntentRow,
    JobRow,
    JobStateRow,
    OutboundRow,
    PeerSeenRow,
    PolicyRow,
    ShapeRow,
    TimelineRow,
)

# 512 x 31 columns stays below the 32,766 parameters that SQLite allows by default.
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


def _insert(table: str, columns: Sequence[str], on_conflict: str = "") -> Bulk:
    return Bulk(
        len(columns),
        lambda values: (
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL {on_conflict}"
        ),
    )


def _upsert(table: str, columns: Sequence[str]) -> Bulk:
    """Never INSERT OR REPLACE: it would delete another job that has the same client key instead of failing."""
    key, *rest = columns
    assignments = ", ".join(f"{column} = excluded.{column}" for column in rest)
    return _insert(table, columns, f"ON CONFLICT ({key}) DO UPDATE SET {assignments}")


def _update(table: str, columns: Sequence[str]) -> Bulk:
    """The key is the last column; each key may come only once."""
    *rest, key = columns
    assignments = ", ".join(f"{column} = new.column{number}" for number, column in enumerate(rest, 1))
    return Bulk(
        len(columns),
        lambda values: (
            f"UPDATE {table} SET {assignments} FROM (VALUES {values}) AS new "
            f"WHERE {table}.{key} = new.column{len(columns)}"
        ),
        key=len(rest),
    )


def _delete(table: str, column: str) -> Bulk:
    return Bulk(1, lambda values: f"DELETE FROM {table} WHERE {column} IN (VALUES {values})")


INSERT_SHAPES = _insert("shapes", ShapeRow.__struct_fields__, "ON CONFLICT DO NOTHING")
UPSERT_JOBS = _upsert("jobs", JobRow.__struct_fields__)
UPDATE_JOB_STATES = _update("jobs", JobStateRow.__struct_fields__)
INSERT_TIMELINE = _insert("timeline", TimelineRow.__struct_fields__)
INSERT_DECISIONS = _insert("decisions", DecisionRow.__struct_fields__)
UPSERT_CHANNELS = _upsert("channels", ChannelRow.__struct_fields__)
UPSERT_OUTBOUND = _upsert("outbound", OutboundRow.__struct_fields__)
UPSERT_INTENTS = _upsert("intents", IntentRow.__struct_fields__)
UPSERT_PEERS_SEEN = _upsert("peers_seen", PeerSeenRow.__struct_fields__)
# A plain insert: a version is written once.
INSERT_POLICIES = _insert("policies", PolicyRow.__struct_fields__)
UPSERT_META = _upsert("meta", ("name", "value"))
CLEAR_SPECS = Bulk(1, lambda values: f"UPDATE jobs SET spec = x'' WHERE id IN (VALUES {values})")
DELETE_INTENTS = _delete("intents", "job_id")
DELETE_TIMELINE = _delete("timeline", "job_id")
DELETE_JOBS = _delete("jobs", "id")
DELETE_POLICIES_TO = "DELETE FROM policies WHERE version <= ?"
DELETE_DECISIONS_BELOW = "DELETE FROM decisions WHERE giver_ledger_id = ? AND sequence < ?"
# Changes no row if the ledger is further already.
SET_WRITE_SEQUENCE = "UPDATE ledger SET write_sequence = ?1 WHERE write_sequence <= ?1"
