"""One transaction out of the writes of many steps: what group commit means here.

Rows of several steps are merged table by table into a segment, and segments follow each other inside the transaction.
A segment ends where merging would change the result: after a step that deletes, and before a step that writes the whole
row of a job whose columns an earlier step of the segment changed (a job that went and came back).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from hanse.core.effects import Effects
from hanse.core.rows import Writes
from hanse.ledger import statements
from hanse.ledger.errors import LedgerViolated
from hanse.ledger.statements import tuples


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All or nothing. `kind` DEFERRED only reads, and sees one state throughout."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Some errors have rolled back by themselves.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def write(connection: sqlite3.Connection, batch: Sequence[Effects]) -> None:
    """Commit the writes of these steps, in order, in one transaction; `batch` has at least one step with writes.

    Raises sqlite3.Error or LedgerViolated; then nothing of it is written, unless COMMIT itself failed.
    """
    with transaction(connection):
        for segment in segments(effects.writes for effects in batch):
            apply(connection, segment)
        sequence = batch[-1].sequence
        if connection.execute(statements.SET_WRITE_SEQUENCE, (sequence,)).rowcount != 1:
            raise LedgerViolated(f"write sequence {sequence} is older than what is written")


def segments(batch: Iterable[Writes]) -> Iterator[Writes]:
    """The fewest Writes that, applied one after the other, do what `batch` does."""
    group: list[Writes] = []
    changed: set[tuple[str, str]] = set()
    for writes in batch:
        if not writes:
            continue
        if changed and any((row.shard, row.id) in changed for row in writes.jobs):
            yield merged(group)
            group, changed = [], set()
        group.append(writes)
        changed.update((row.shard, row.id) for row in writes.job_states)
        if writes.deletes:
            yield merged(group)
            group, changed = [], set()
    if group:
        yield merged(group)


def merged(group: Sequence[Writes]) -> Writes:
    """One Writes with the rows of all, table by table."""
    if len(group) == 1:
        return group[0]
    total = Writes()
    for name in Writes.__struct_fields__:
        rows = getattr(total, name)
        for writes in group:
            rows.extend(getattr(writes, name))
    return total


def apply(connection: sqlite3.Connection, writes: Writes) -> None:
    """Execute these writes table by table, in the order of the fields, inside the caller's transaction."""
    statements.INSERT_SHAPES.run(connection, tuples(writes.shapes))
    statements.UPSERT_JOBS.run(connection, tuples(writes.jobs))
    _apply_job_states(connection, writes)
    statements.UPSERT_ELEMENTS.run(connection, tuples(writes.elements))
    statements.DELETE_ELEMENTS.run(connection, writes.elements_delete)
    statements.INSERT_TIMELINE.run(connection, tuples(writes.timeline))
    # A plain insert: a second answer for a key that has one is an error, and takes the transaction with it.
    statements.INSERT_DECISIONS.run(connection, tuples(writes.decisions))
    statements.UPSERT_CHANNELS.run(connection, tuples(writes.channels))
    statements.UPSERT_OUTBOUND.run(connection, tuples(writes.outbound))
    statements.UPSERT_INTENTS.run(connection, tuples(writes.intents))
    statements.UPSERT_PEERS_SEEN.run(connection, tuples(writes.peers_seen))
    statements.INSERT_POLICIES.run(connection, tuples(writes.policies))
    statements.UPSERT_LEAGUE_POLICIES.run(connection, tuples(writes.league_policies))
    statements.UPSERT_RESERVATIONS.run(connection, tuples(writes.reservations))
    statements.UPSERT_META.run(connection, writes.meta)
    statements.UPSERT_ROSTERS.run(connection, tuples(writes.rosters))
    statements.UPSERT_SHARD_STATES.run(connection, tuples(writes.shard_states))
    statements.UPSERT_SHARD_ROWS.run(connection, tuples(writes.shard_rows))
    _apply_quotas(connection, writes)
    if writes.deletes:
        _apply_deletes(connection, writes)


def _apply_quotas(connection: sqlite3.Connection, writes: Writes) -> None:
    statements.UPSERT_QUOTA_DOCUMENTS.run(connection, tuples(writes.quota_documents))
    statements.UPSERT_ACCOUNTS.run(connection, tuples(writes.accounts))
    statements.UPSERT_BALANCES.run(connection, tuples(writes.balances))
    statements.UPSERT_RIGHTS_SENT.run(connection, tuples(writes.rights_sent))
    statements.UPSERT_RIGHTS_TAKEN.run(connection, tuples(writes.rights_taken))


def _apply_job_states(connection: sqlite3.Connection, writes: Writes) -> None:
    if not writes.job_states:
        return
    newest = {(row.shard, row.id): row for row in writes.job_states}
    found = statements.UPDATE_JOB_STATES.run(connection, tuples(newest.values()))
    if found != len(newest):
        raise LedgerViolated(f"{len(newest) - found} of {len(newest)} jobs that changed have no row")


def _apply_deletes(connection: sqlite3.Connection, writes: Writes) -> None:
    for below in writes.decisions_delete_below:
        connection.execute(statements.DELETE_DECISIONS_BELOW, below)
    statements.CLEAR_SPECS.run(connection, [(job_id,) for job_id in writes.specs_delete])
    statements.DELETE_INTENTS.run(connection, [(job_id,) for job_id in writes.intents_delete])
    forgotten = [*(("", job_id) for job_id in writes.jobs_delete), *writes.shard_jobs_delete]
    statements.DELETE_TIMELINE.run(connection, forgotten)
    statements.DELETE_ELEMENTS_OF.run(connection, forgotten)
    statements.DELETE_JOBS.run(connection, forgotten)
    statements.DELETE_SHARD_ROWS.run(connection, writes.shard_rows_delete)
    statements.DELETE_SHARDS.run(connection, [(shard,) for shard in writes.shards_delete])
    for version in writes.policies_delete_to:
        connection.execute(statements.DELETE_POLICIES_TO, (version,))
    statements.DELETE_RESERVATIONS.run(connection, [(each,) for each in writes.reservations_delete])
    over = [(account_id,) for account_id in writes.accounts_delete]
    statements.DELETE_RIGHTS_SENT.run(connection, over)
    statements.DELETE_RIGHTS_TAKEN.run(connection, over)
