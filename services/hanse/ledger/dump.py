"""The whole content of a ledger as plain values, for comparing two ledgers."""

from __future__ import annotations

import sqlite3

# Without `ledger`: it says which ledger it is, not what is in it.
TABLES = (
    "shapes",
    "jobs",
    "timeline",
    "decisions",
    "channels",
    "outbound",
    "intents",
    "peers_seen",
    "policies",
    "meta",
)


def dump(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows as tuples in the order of the row structs' fields, sorted by their representation: an order
    that any other implementation of the ledger can follow without knowing collations."""
    return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}
