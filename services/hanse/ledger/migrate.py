"""Schema versions. A ledger's version is its `user_version`; each migration takes it from one to the next."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path

from hanse.ledger.errors import LedgerRefused, RefusedKind

_MIGRATIONS = Path(__file__).parent / "migrations"


@cache
def migrations() -> tuple[str, ...]:
    """The SQL of every migration, in order; the first makes version 1."""
    files = sorted(_MIGRATIONS.glob("[0-9]*.sql"))
    numbers = [int(file.name.split("_", 1)[0]) for file in files]
    assert numbers == list(range(1, len(files) + 1)), f"migrations have gaps: {numbers}"
    return tuple(file.read_text(encoding="utf-8") for file in files)


def schema_version(connection: sqlite3.Connection) -> int:
    """The version of this ledger; 0: a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(connection: sqlite3.Connection, known: int | None = None) -> None:
    """Raises LedgerRefused if a Hanse that knows more than `known` versions has migrated this ledger."""
    version, known = schema_version(connection), len(migrations()) if known is None else known
    if version > known:
        raise LedgerRefused(
            RefusedKind.NEWER_SCHEMA,
            f"the ledger has schema version {version}, and this Hanse knows versions up to {known}: "
            "run the newer Hanse again, or restore a backup from before the upgrade",
        )


def migrate(connection: sqlite3.Connection, scripts: tuple[str, ...] | None = None) -> int:
    """Bring the ledger to the newest version; returns how many migrations that took. Each is all or nothing."""
    scripts = migrations() if scripts is None else scripts
    version = schema_version(connection)
    for number, script in enumerate(scripts[version:], version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return len(scripts) - version
