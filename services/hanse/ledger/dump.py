"""The whole content of a ledger as plain values, for comparing two ledgers."""

from __future__ import annotations

import sqlite3

import msgspec

from hanse.core import rows
from hanse.ledger.statements import columns_of

# Without `ledger`: it says which ledger it is, not what is in it.
TABLES: dict[str, type[msgspec.Struct] | None] = {
    "shapes": rows.ShapeRow,
    "jobs": rows.JobRow,
    "elements": rows.ElementRow,
    "timeline": rows.TimelineRow,
    "decisions": rows.DecisionRow,
    "channels": rows.ChannelRow,
    "outbound": rows.OutboundRow,
    "intents": rows.IntentRow,
    "peers_seen": rows.PeerSeenRow,
    "policies": rows.PolicyRow,
    "league_policies": rows.LeaguePolicyRow,
    "reservations": rows.ReservationRow,
    "meta": None,
    "shard_states": rows.ShardStateRow,
    "shard_rows": rows.ShardRow,
    "rosters": rows.RosterRow,
    "quota_documents": rows.QuotaDocumentRow,
    "accounts": rows.AccountRow,
    "balances": rows.BalanceRow,
    "rights_sent": rows.RightsSentRow,
    "rights_taken": rows.RightsTakenRow,
}


def dump(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows as tuples in the order of the row structs' fields, sorted by their representation: an order
    that any other implementation of the ledger can follow without knowing collations."""
    return {table: sorted(_rows(connection, table, row), key=repr) for table, row in TABLES.items()}


def _rows(connection: sqlite3.Connection, table: str, row: type[msgspec.Struct] | None) -> sqlite3.Cursor:
    columns = "*" if row is None else ", ".join(columns_of(row))
    return connection.execute(f"SELECT {columns} FROM {table}")
