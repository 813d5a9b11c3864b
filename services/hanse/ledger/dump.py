"""The whole content of a ledger as plain values, for comparing two ledgers."""

from __future__ import annotations

import sqlite3

import msgspec

from hanse.core import effects
from hanse.ledger.statements import columns_of

# Without `ledger`: it says which ledger it is, not what is in it.
TABLES: dict[str, type[msgspec.Struct] | None] = {
    "shapes": effects.ShapeRow,
    "jobs": effects.JobRow,
    "elements": effects.ElementRow,
    "timeline": effects.TimelineRow,
    "decisions": effects.DecisionRow,
    "channels": effects.ChannelRow,
    "outbound": effects.OutboundRow,
    "intents": effects.IntentRow,
    "peers_seen": effects.PeerSeenRow,
    "policies": effects.PolicyRow,
    "reservations": effects.ReservationRow,
    "meta": None,
    "shard_states": effects.ShardStateRow,
    "shard_rows": effects.ShardRow,
    "rosters": effects.RosterRow,
    "quota_documents": effects.QuotaDocumentRow,
    "accounts": effects.AccountRow,
    "balances": effects.BalanceRow,
    "rights_sent": effects.RightsSentRow,
    "rights_taken": effects.RightsTakenRow,
}


def dump(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows as tuples in the order of the row structs' fields, sorted by their representation: an order
    that any other implementation of the ledger can follow without knowing collations."""
    return {table: sorted(_rows(connection, table, row), key=repr) for table, row in TABLES.items()}


def _rows(connection: sqlite3.Connection, table: str, row: type[msgspec.Struct] | None) -> sqlite3.Cursor:
    columns = "*" if row is None else ", ".join(columns_of(row))
    return connection.execute(f"SELECT {columns} FROM {table}")
