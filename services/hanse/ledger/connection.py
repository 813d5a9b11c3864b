"""Connections: how they are set up, and how work gets onto their threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

import aiosqlite

from hanse.ledger.statements import STATEMENTS_CACHED

# How long a statement waits for another process's lock, such as an operator's shell, before it fails as BUSY.
BUSY_TIMEOUT_S = 5.0
# 4 KiB pages, 16 MiB: a checkpoint copies and syncs as many pages, and the fewer of them the better, as long as
# opening after a crash, which reads the whole WAL, stays quick.
WAL_AUTOCHECKPOINT_PAGES = 4096
# A reader that is always there keeps the WAL from starting over; beyond this the writer asks for it after each commit.
WAL_BYTES_MAX = 64 * 1024 * 1024
# Inner pages and indices of a million jobs.
CACHE_KIB = 65_536

P = ParamSpec("P")
T = TypeVar("T")


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that can run a whole function on its thread.

    One thread hop for a transaction instead of one for every statement. Calls run in the order in which they were made.
    """

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `function(sqlite3 connection, ...)` on the connection's thread."""
        result: T = await self._execute(function, self._conn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return result


async def open_writer(path: Path) -> Connection:
    """The one connection that writes and checkpoints. Not set up yet: see `prepare_writer`."""
    return await _started(Connection(lambda: _connect(path, "rwc"), iter_chunk_size=1))


async def open_reader(path: Path) -> Connection:
    """A connection that can neither write nor checkpoint."""
    return await _started(Connection(lambda: connect_read_only(path), iter_chunk_size=1))


def connect_read_only(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A plain read-only connection. `immutable`: nobody writes this file, so that no locks are needed."""
    connection = _connect(path, "ro", "&immutable=1" if immutable else "")
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def prepare_writer(connection: sqlite3.Connection) -> None:
    """Durability first: every commit is in the WAL and synced before COMMIT returns. Raises sqlite3.Error."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(
            f"the filesystem does not support a write-ahead log (journal mode {mode})"
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_AUTOCHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Debian's SQLite overwrites what is deleted with zeros, which costs a write of every freed page.
    connection.execute("PRAGMA secure_delete = OFF")


def checkpoint_if_large(connection: sqlite3.Connection, wal: Path) -> None:
    """Start the WAL over once it has outgrown its bound, unless a reader is in the way just now: then after a later
    commit. Only the writer may do this."""
    if wal.stat().st_size <= WAL_BYTES_MAX:
        return
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")


async def _started(connection: Connection) -> Connection:
    opened = await connection
    assert opened is connection
    return connection


def _connect(path: Path, mode: str, options: str = "") -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}{options}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        # Transactions are begun and ended by hand.
        isolation_level=None,
        cached_statements=STATEMENTS_CACHED,
        # aiosqlite's thread is not the one that closes it when opening failed halfway.
        check_same_thread=False,
    )
