"""The ledger of a running daemon: one writer, a few readers, an anchor, and a lock that keeps other daemons out."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from hanse.core.effects import Effects
from hanse.core.model.regions import Position
from hanse.core.rows import META_QUARANTINE, Snapshot
from hanse.ledger.anchor import Anchor, AnchorVerdict, write_anchor
from hanse.ledger.backup import Verified, backup
from hanse.ledger.boot import Opened, boot
from hanse.ledger.connection import Connection, checkpoint_if_large, open_reader, open_writer
from hanse.ledger.errors import (
    UNSTORABLE,
    FailedKind,
    LedgerFailed,
    LedgerRefused,
    LedgerViolated,
    RefusedKind,
    translated,
)
from hanse.ledger.lock import DaemonLock
from hanse.ledger.queries import revision
from hanse.ledger.recovery import load_snapshot
from hanse.ledger.transaction import transaction, write

# Two, so that one long listing does not hold up everybody else's lookups.
READERS = 2
# Beyond this many queries at once a caller is told to come back; at 1 ms each the last one waits an eighth of a second.
READS_IN_FLIGHT_MAX = 256
# How far the anchor may be behind while commits go on; a sync of a small file each time.
ANCHOR_PERIOD_S = 5.0

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger()


class Ledger:
    """An open ledger. `opened` is what was found. After any failed commit it refuses everything but `close`: only
    opening it anew tells what is on the disk, and a sync that failed must never be tried again on the same file."""

    def __init__(self, path: Path, anchor_path: Path | None, opened: Opened, writer: Connection) -> None:
        self.path = path
        self.opened = opened
        self.failure: LedgerFailed | LedgerViolated | None = None
        self._anchor_path = anchor_path
        # A doubtful anchor is evidence: it stays as it is until somebody has looked.
        self._anchor_kept = opened.doubt is None and opened.anchor in (
            AnchorVerdict.NONE,
            AnchorVerdict.AGREES,
        )
        self._anchor_written_s = 0.0
        self._wal = path.with_name(f"{path.name}-wal")
        self._write_sequence = opened.write_sequence
        self._writer = writer
        self._readers: list[Connection] = []
        self._next_reader = itertools.cycle(self._readers)
        self._reads_in_flight = 0
        self._closed = False
        self._resources = AsyncExitStack()

    @classmethod
    async def open(
        cls, path: Path, *, region: str, anchor_path: Path | None = None, new_ledger_id: str = ""
    ) -> Ledger:
        """Open or create the ledger of `region` and begin its next incarnation.

        `new_ledger_id` names a ledger that has to be created; empty: it is drawn. Raises LedgerRefused.
        """
        if not path.parent.is_dir():
            # Not created: an unmounted disk must not look like a new region.
            raise LedgerRefused(RefusedKind.NO_DIRECTORY, f"{path.parent} does not exist")
        async with AsyncExitStack() as resources:
            lock = DaemonLock(path)
            resources.callback(lock.release)
            writer = await _opened(open_writer(path))
            resources.push_async_callback(writer.close)
            opened = await writer.run(boot, region, anchor_path, new_ledger_id)
            ledger = cls(path, anchor_path, opened, writer)
            for _ in range(READERS):
                reader = await _opened(open_reader(path))
                resources.push_async_callback(reader.close)
                # Only a connection that has read something keeps the writer from being the last one: see `close`.
                await reader.run(revision)
                ledger._readers.append(reader)
            await writer.run(ledger._refresh_anchor)
            # From here on the ledger closes what was opened.
            ledger._resources = resources.pop_all()
        return ledger

    @property
    def position(self) -> Position:
        """The newest position that is known to be on the disk."""
        return Position(self.opened.incarnation, self._write_sequence)

    async def load_snapshot(self) -> Snapshot:
        """All that a Region is rebuilt from. Meant for the time before the first commit."""
        return await self.read(load_snapshot)

    async def commit(self, batch: Sequence[Effects]) -> None:
        """Write what these steps owe, in one transaction, synced to disk on return. Steps without writes cost nothing.

        Calls may overlap; they are committed in the order in which they were made. Raises LedgerFailed if the
        machine, LedgerViolated if the core is at fault; from then on every call raises the same.
        """
        self._refuse_if_failed()
        if any(effects.writes for effects in batch):
            await self._writer.run(self._commit, batch)

    async def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query of queries.py, retention.py or recovery.py on a read-only connection, in one read transaction:
        it sees one commit's state throughout. Raises LedgerFailed."""
        self._refuse_if_failed()
        if self._reads_in_flight >= READS_IN_FLIGHT_MAX:
            raise LedgerFailed(FailedKind.BUSY, f"{READS_IN_FLIGHT_MAX} queries are under way")

        def reading(connection: sqlite3.Connection) -> T:
            try:
                with transaction(connection, "DEFERRED"):
                    return function(connection, *args, **kwargs)
            except sqlite3.Error as error:
                raise translated(error, "query") from error

        self._reads_in_flight += 1
        try:
            return await next(self._next_reader).run(reading)
        finally:
            self._reads_in_flight -= 1

    async def backup(self, target: Path) -> Verified:
        """A consistent copy, verified, while commits go on. Raises LedgerRefused or LedgerFailed."""
        self._refuse_if_failed()
        # On a connection of its own: a reader would be held up, and the WAL grows meanwhile in any case.
        connection = await _opened(open_reader(self.path))
        try:
            return await connection.run(backup, target)
        finally:
            await connection.close()

    async def refresh_anchor(self) -> None:
        """Bring the anchor up to date when no commit does; does nothing if it is recent enough."""
        self._refuse_if_failed()
        await self._writer.run(self._refresh_anchor)

    async def resolve_doubt(self) -> None:
        """Somebody has made sure that what this ledger does not know of does no harm: the anchor follows it again."""
        self._refuse_if_failed()
        await self._writer.run(_forget_doubt)
        self._anchor_kept = True
        self._anchor_written_s = 0.0
        await self._writer.run(self._refresh_anchor)

    async def close(self) -> None:
        """Close everything. A sound ledger's WAL is checkpointed and removed, and the anchor is brought up to date; a
        failed one is left untouched."""
        if self.failure is not None:
            # The last connection to close checkpoints, unless it is read-only.
            await self._writer.close()
        elif not self._closed:
            await self._writer.run(self._write_anchor)
        self._closed = True
        await self._resources.aclose()

    # --- on the writer's thread ---------------------------------------------------------------------------------

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[Effects]) -> None:
        # A commit that was queued behind one that failed.
        self._refuse_if_failed()
        try:
            write(connection, batch)
            self._write_sequence = batch[-1].sequence
            if not self._anchor_kept and any(_QUARANTINE_OVER in step.writes.meta for step in batch):
                _forget_doubt(connection)
                self._anchor_kept = True
            checkpoint_if_large(connection, self._wal)
        except LedgerViolated as error:
            self.failure = error
            raise
        except (sqlite3.Error, OSError, *UNSTORABLE) as error:
            self.failure = translated(error, "commit")
            raise self.failure from error
        self._refresh_anchor(connection)

    def _refresh_anchor(self, connection: sqlite3.Connection) -> None:
        now_s = time.monotonic()
        if not self._anchor_written_s or now_s - self._anchor_written_s >= ANCHOR_PERIOD_S:
            self._anchor_written_s = now_s
            self._write_anchor(connection)

    def _write_anchor(self, _: sqlite3.Connection) -> None:
        if self._anchor_path is None or not self._anchor_kept:
            return
        anchor = Anchor(self.opened.ledger_id, self.opened.incarnation, self._write_sequence)
        try:
            write_anchor(self._anchor_path, anchor)
        except OSError as error:
            # The ledger is sound without it; what is lost is that an old disk would be noticed here.
            log.warning("ledger.anchor_not_written", path=str(self._anchor_path), error=str(error))

    def _refuse_if_failed(self) -> None:
        match self.failure:
            case None:
                return
            case LedgerFailed() as failure:
                raise LedgerFailed(
                    failure.kind, f"the ledger must be opened anew, it failed before: {failure}"
                )
            case LedgerViolated() as failure:
                raise LedgerViolated(f"the ledger must be opened anew, it was violated before: {failure}")


_QUARANTINE_OVER = (META_QUARANTINE, "0")


def _forget_doubt(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE ledger SET doubt_incarnation = 0, doubt_write_sequence = 0")


async def _opened(opening: Awaitable[Connection]) -> Connection:
    try:
        return await opening
    except sqlite3.Error as error:
        raise LedgerRefused(RefusedKind.IO, f"the ledger can't be opened: {error}") from error
