"""Copies of a ledger: made while it is in use, verified before they are trusted, restored onto an empty place.

VACUUM INTO rather than SQLite's backup API: the latter starts over whenever somebody else commits.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from hanse.core.model.regions import Position
from hanse.ledger.anchor import sync_directory
from hanse.ledger.boot import APPLICATION_ID, quick_check
from hanse.ledger.connection import connect_read_only, prepare_writer
from hanse.ledger.errors import LedgerRefused, RefusedKind, translated
from hanse.ledger.lock import DaemonLock
from hanse.ledger.migrate import migrate, refuse_newer, schema_version


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a sound copy holds: jobs with a row, and records of the shards' logs that this region keeps."""

    ledger_id: str
    region: str
    position: Position
    schema_version: int
    jobs: int
    shard_records: int
    size_bytes: int


def backup(connection: sqlite3.Connection, target: Path) -> Verified:
    """Copy the ledger that `connection` reads to a new file, durably; the file appears only when it is whole.

    Raises FileExistsError, LedgerFailed (no space), LedgerRefused (the copy is not sound).
    """
    if target.exists():
        raise FileExistsError(f"{target} exists")
    scratch = target.with_name(f"{target.name}.partial")
    scratch.unlink(missing_ok=True)
    try:
        # The copy is a database of its own; this connection still can't change the ledger, which was opened read-only.
        connection.execute("PRAGMA query_only = OFF")
        connection.execute("VACUUM INTO ?", (str(scratch),))
        _sync(scratch)
        verified = verify(scratch)
        scratch.rename(target)
        sync_directory(target.parent)
    except sqlite3.Error as error:
        raise translated(error, "backup") from error
    finally:
        scratch.unlink(missing_ok=True)
    return verified


def verify(path: Path) -> Verified:
    """Read a copy that nobody has open, whole, and check every index against its table. Raises LedgerRefused."""
    try:
        with closing(connect_read_only(path, immutable=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise LedgerRefused(RefusedKind.NOT_A_LEDGER, f"{path} is not a ledger")
            refuse_newer(connection)
            quick_check(connection, "integrity_check")
            return _described(connection, path)
    except sqlite3.DatabaseError as error:
        raise LedgerRefused(RefusedKind.CORRUPT, f"{path} is not a sound ledger: {error}") from error


def restore(copy: Path, path: Path, region: str = "") -> Verified:
    """Put a verified copy where a region's ledger is to be; refuses to replace one, or to take that of a region other
    than `region`.

    What the region did after the copy was made is lost, and its peers know more of it than it does. So the ledger is
    marked as an old one: it begins in quarantine. Raises FileExistsError, LedgerRefused, OSError.
    """
    with _vacant(path) as scratch:
        shutil.copyfile(copy, scratch)
        verified = verify(scratch)
        if region and verified.region != region:
            raise LedgerRefused(
                RefusedKind.OTHER_REGION, f"{copy} is of region {verified.region}, not {region}"
            )
        _mark_as_old(scratch)
    return verified


def begin_empty(path: Path, region: str, ledger_id: str = "") -> Verified:
    """Put an empty ledger where the one that a region had was lost, with every copy of it.

    It is marked as an old one, as that of `restore`: so that it asks its peers also if it hears none of them for a
    while. `ledger_id` empty: it is drawn. Raises FileExistsError, LedgerRefused, OSError.
    """
    with _vacant(path) as scratch:
        with closing(sqlite3.connect(scratch, isolation_level=None)) as connection:
            prepare_writer(connection)
            migrate(connection)
            connection.execute(
                "INSERT INTO ledger (singleton, ledger_id, region, incarnation, write_sequence, doubt_incarnation) "
                "VALUES (1, ?, ?, 0, 0, 1)",
                (ledger_id or uuid.uuid4().hex, region),
            )
        return verify(scratch)


@contextmanager
def _vacant(path: Path) -> Iterator[Path]:
    """Where to make the file that becomes the ledger at `path` when the block ends, while no daemon is there."""
    lock = DaemonLock(path)
    scratch = path.with_name(f"{path.name}.restoring")
    try:
        for leftover in (path, *(path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))):
            if leftover.exists():
                raise FileExistsError(f"{leftover} exists: move it away first")
        scratch.unlink(missing_ok=True)
        yield scratch
        _sync(scratch)
        scratch.rename(path)
        sync_directory(path.parent)
    finally:
        scratch.unlink(missing_ok=True)
        lock.release()


def _described(connection: sqlite3.Connection, path: Path) -> Verified:
    ledger_id, region, incarnation, sequence = connection.execute(
        "SELECT ledger_id, region, incarnation, write_sequence FROM ledger"
    ).fetchone()
    return Verified(
        ledger_id=ledger_id,
        region=region,
        position=Position(incarnation, sequence),
        schema_version=schema_version(connection),
        jobs=_count(connection, "SELECT id FROM jobs WHERE shard = ''")
        + _count(connection, "SELECT DISTINCT id FROM jobs WHERE shard <> ''"),
        shard_records=_count(connection, "SELECT 1 FROM shard_rows"),
        size_bytes=path.stat().st_size,
    )


def _count(connection: sqlite3.Connection, rows: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM ({rows})").fetchone()[0]
    return count


def _mark_as_old(path: Path) -> None:
    """As if an anchor had been found ahead of it. (A copy of VACUUM INTO has no WAL: closing leaves one file.)"""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE ledger SET doubt_incarnation = max(doubt_incarnation, incarnation), "
            "doubt_write_sequence = max(doubt_write_sequence, write_sequence)"
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
