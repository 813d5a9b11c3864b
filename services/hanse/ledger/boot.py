"""Opening a ledger, step by step, on the writer's thread: look, refuse or migrate, and begin a new incarnation."""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

import msgspec

from hanse.core.model.regions import Position
from hanse.core.rows import META_INCARNATION_FLOOR
from hanse.ledger.anchor import Anchor, AnchorVerdict, judge, read_anchor
from hanse.ledger.connection import prepare_writer
from hanse.ledger.errors import FailedKind, LedgerRefused, RefusedKind, failed_kind
from hanse.ledger.migrate import migrate, refuse_newer
from hanse.ledger.transaction import transaction

# "HANS", set by the first migration.
APPLICATION_ID = 0x48414E53
# Shapes that no job refers to are swept at open, but only if there are more than this: the sweep reads every job.
SHAPES_KEPT_MAX = 10_000


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `before` is the position at which the ledger was found, `doubt` the anchor's if that is ahead now
    or was at an earlier open and nobody has resolved it since."""

    ledger_id: str
    region: str
    incarnation: int
    write_sequence: int
    created: bool
    migrations_applied: int
    anchor: AnchorVerdict
    before: Position
    doubt: Position | None


def boot(connection: sqlite3.Connection, region: str, anchor_path: Path | None, new_ledger_id: str) -> Opened:
    """Make a connected file the ledger of `region`, at its next incarnation. Raises LedgerRefused."""
    try:
        # 1. Look, without changing anything.
        created = _is_new(connection)
        if not created:
            refuse_newer(connection)
            _refuse_other_region(connection, region)
            quick_check(connection)
        # 2. Set up, and bring the schema up to date.
        prepare_writer(connection)
        applied = migrate(connection)
        # 3. A new incarnation, durable before anything is read for use.
        with transaction(connection):
            opened = _begin_incarnation(connection, region, anchor_path, new_ledger_id, created, applied)
        # 4. What only a restart may forget: the running core relies on the shapes that it has written.
        _sweep_shapes(connection)
    except sqlite3.Error as error:
        raise _refusal(error) from error
    return opened


def quick_check(connection: sqlite3.Connection, pragma: str = "quick_check") -> None:
    """Read every page. Raises LedgerRefused if the file is damaged."""
    try:
        found = connection.execute(f"PRAGMA {pragma}(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise _refusal(error) from error
    if found != "ok":
        raise LedgerRefused(RefusedKind.CORRUPT, f"the ledger is damaged, restore a backup: {found}")


def _refusal(error: sqlite3.Error) -> LedgerRefused:
    match failed_kind(error):
        case FailedKind.CORRUPT:
            return LedgerRefused(RefusedKind.CORRUPT, f"the ledger is damaged, restore a backup: {error}")
        case FailedKind.BUSY:
            return LedgerRefused(RefusedKind.LOCKED, f"another process keeps the ledger locked: {error}")
        case FailedKind.FULL:
            return LedgerRefused(RefusedKind.FULL, f"there is no room to open the ledger: {error}")
        case _:
            return LedgerRefused(RefusedKind.IO, f"the ledger can't be opened: {error}")


def _is_new(connection: sqlite3.Connection) -> bool:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION_ID:
        return False
    if application or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise LedgerRefused(RefusedKind.NOT_A_LEDGER, "the file is a database of another application")
    return True


def _refuse_other_region(connection: sqlite3.Connection, region: str) -> None:
    row = connection.execute("SELECT region FROM ledger").fetchone()
    if row is not None and row[0] != region:
        raise LedgerRefused(RefusedKind.OTHER_REGION, f"the ledger belongs to region {row[0]}, not {region}")


def _begin_incarnation(
    connection: sqlite3.Connection,
    region: str,
    anchor_path: Path | None,
    new_ledger_id: str,
    created: bool,
    applied: int,
) -> Opened:
    connection.execute(
        "INSERT INTO ledger (singleton, ledger_id, region, incarnation, write_sequence) VALUES (1, ?, ?, 0, 0) "
        "ON CONFLICT DO NOTHING",
        (new_ledger_id or uuid.uuid4().hex, region),
    )
    ledger_id, incarnation, sequence, *doubt = connection.execute(
        "SELECT ledger_id, incarnation, write_sequence, doubt_incarnation, doubt_write_sequence FROM ledger"
    ).fetchone()
    before = Position(incarnation, sequence)
    floor = connection.execute("SELECT value FROM meta WHERE name = ?", (META_INCARNATION_FLOOR,)).fetchone()
    incarnation = max(incarnation, int(floor[0]) if floor is not None else 0)
    verdict, anchor = _judge(anchor_path, ledger_id, before)
    doubted = Position(*doubt)
    if anchor is not None and verdict is AnchorVerdict.AHEAD:
        doubted = max(doubted, anchor.position)
    connection.execute(
        "UPDATE ledger SET incarnation = ?, doubt_incarnation = ?, doubt_write_sequence = ?",
        (incarnation + 1, doubted.incarnation, doubted.write_sequence),
    )
    return Opened(
        ledger_id=ledger_id,
        region=region,
        incarnation=incarnation + 1,
        write_sequence=sequence,
        created=created,
        migrations_applied=applied,
        anchor=verdict,
        before=before,
        doubt=doubted if doubted > Position() else None,
    )


def _judge(path: Path | None, ledger_id: str, before: Position) -> tuple[AnchorVerdict, Anchor | None]:
    if path is None:
        return AnchorVerdict.NONE, None
    try:
        anchor = read_anchor(path)
    except (OSError, msgspec.DecodeError):
        return AnchorVerdict.UNREADABLE, None
    return judge(anchor, ledger_id, before), anchor


def _sweep_shapes(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT count(*) FROM shapes").fetchone()[0] > SHAPES_KEPT_MAX:
        connection.execute("DELETE FROM shapes WHERE key NOT IN (SELECT shape_key FROM jobs)")
