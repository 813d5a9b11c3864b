"""What a Region is rebuilt from.

Equal values are shared (tenants, reasons, paths, equal specs), and the client keys of open jobs are those jobs' own
strings: 100,000 queued jobs must fit into a modest machine.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from hanse.core.model.arrays import unpacked_array
from hanse.core.model.jobs import (
    Allocation,
    Job,
    Reason,
    ReasonCode,
    RemoteView,
    Shape,
    ShapeBody,
    stored_shape,
    unpacked_terms,
)
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import (
    AccountRow,
    BalanceRow,
    ChannelRow,
    DecisionRow,
    ElementRow,
    IntentRow,
    JobRow,
    LeaguePolicyRow,
    OutboundRow,
    PeerSeenRow,
    PolicyRow,
    QuotaDocumentRow,
    ReservationRow,
    RightsSentRow,
    RightsTakenRow,
    RosterRow,
    ShardRow,
    ShardStateRow,
    Snapshot,
)
from hanse.ledger.statements import columns_of

# The predicate of the index jobs_open, word for word.
OPEN_JOBS = "settled = 0 AND shard = ''"
# The same, beside another table.
OPEN_JOBS_OF = "jobs.settled = 0 AND jobs.shard = ''"

_ALLOCATION = msgspec.msgpack.Decoder(Allocation)
_REMOTE = msgspec.msgpack.Decoder(RemoteView)
_SHAPE = msgspec.msgpack.Decoder(ShapeBody)
_COLUMNS = ", ".join(JobRow.__struct_fields__)
POLICY_COLUMNS = ", ".join(PolicyRow.__struct_fields__)

R = TypeVar("R", bound=msgspec.Struct)


def load_snapshot(connection: sqlite3.Connection) -> Snapshot:
    """Everything that outlives a daemon. The connection must be in a transaction, so that it is one state."""
    ledger_id, region, incarnation, sequence, doubt = connection.execute(
        "SELECT ledger_id, region, incarnation, write_sequence, doubt_incarnation FROM ledger"
    ).fetchone()
    with _without_collection():
        jobs = _jobs(connection)
        client_keys = [
            (job.tenant, job.client_key, job.id, job.spec_sha256)
            for job in jobs
            if job.client_key and job.home == region
        ]
        client_keys += _closed_client_keys(connection, region)
        shard_rows = _shard_rows(connection)
    return Snapshot(
        ledger_id=ledger_id,
        incarnation=incarnation,
        write_sequence=sequence,
        jobs=jobs,
        elements=_elements(connection),
        client_keys=client_keys,
        decisions=_rows(connection, "decisions", DecisionRow),
        channels=_rows(connection, "channels", ChannelRow),
        outbound=_rows(connection, "outbound", OutboundRow),
        intents=_rows(connection, "intents", IntentRow),
        peers_seen=_rows(connection, "peers_seen", PeerSeenRow),
        meta=dict(connection.execute("SELECT name, value FROM meta ORDER BY name")),
        rosters=_rows(connection, "rosters", RosterRow),
        shard_states=_rows(connection, "shard_states", ShardStateRow),
        shard_rows=shard_rows,
        policy=newest_policy(connection),
        league_policies=_rows(connection, "league_policies", LeaguePolicyRow, key_columns=1),
        reservations=_rows(connection, "reservations", ReservationRow, key_columns=1),
        quota_documents=_rows(connection, "quota_documents", QuotaDocumentRow),
        accounts=_rows(connection, "accounts", AccountRow),
        balances=_rows(connection, "balances", BalanceRow),
        rights_sent=_rows(connection, "rights_sent", RightsSentRow, key_columns=3),
        rights_taken=_rows(connection, "rights_taken", RightsTakenRow, key_columns=3),
        disk_is_old=doubt > 0,
    )


def _rows(connection: sqlite3.Connection, table: str, row: type[R], key_columns: int = 2) -> list[R]:
    """A whole table, by primary key, which is its first columns."""
    columns = ", ".join(columns_of(row))
    order = ", ".join(str(number) for number in range(1, key_columns + 1))
    found = connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}")
    return [row(*values) for values in found]


def _elements(connection: sqlite3.Connection) -> list[ElementRow]:
    """Of open arrays, those that have not ended."""
    columns = ", ".join(f"elements.{column}" for column in columns_of(ElementRow))
    found = connection.execute(
        f"SELECT {columns} FROM jobs CROSS JOIN elements ON elements.shard = '' AND job_id = id "
        f"WHERE {OPEN_JOBS_OF} AND array <> x'' AND elements.state <> ? ORDER BY job_id, element",
        (int(JobState.FAILED),),
    )
    return [ElementRow(*values) for values in found]


def _shard_rows(connection: sqlite3.Connection) -> list[ShardRow]:
    """All copies, each in the order of its log. Sorted here: SQLite's sorter would move every value about."""
    columns = ", ".join(columns_of(ShardRow))
    rows = [ShardRow(*values) for values in connection.execute(f"SELECT {columns} FROM shard_rows")]
    rows.sort(key=lambda row: (row.shard, row.sequence, row.key))
    return rows


def newest_policy(connection: sqlite3.Connection) -> PolicyRow | None:
    """The version in force; None: none was ever applied."""
    found = connection.execute(
        f"SELECT {POLICY_COLUMNS} FROM policies ORDER BY version DESC LIMIT 1"
    ).fetchone()
    return None if found is None else PolicyRow(*found)


def _closed_client_keys(connection: sqlite3.Connection, region: str) -> list[tuple[str, str, str, bytes]]:
    found = connection.execute(
        "SELECT tenant, client_key, id, spec_sha256 FROM jobs "
        "WHERE shard = '' AND home = ? AND client_key <> '' AND settled = 1",
        (region,),
    )
    shared: dict[str, str] = {}
    return [(shared.setdefault(tenant, tenant), key, job_id, sha256) for tenant, key, job_id, sha256 in found]


def decoded_jobs(connection: sqlite3.Connection, rows: Iterable[JobRow]) -> list[Job]:
    """The jobs of these rows, in order."""
    decoded = _Shared(connection)
    return [decoded.job(row) for row in rows]


def _jobs(connection: sqlite3.Connection) -> list[Job]:
    # STRICT tables hold no other types.
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM jobs INDEXED BY jobs_open WHERE {OPEN_JOBS} ORDER BY id"
    )
    return decoded_jobs(connection, (JobRow(*row) for row in found))


class _Shared:
    """Builds jobs from rows, each distinct value once. Lives as long as one load."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._strings: dict[str, str] = {}
        self._blobs: dict[bytes, bytes] = {}
        self._shapes: dict[bytes, Shape] = {}
        self._reasons: dict[tuple[str, str], Reason] = {}
        self._paths: dict[str, tuple[str, ...]] = {"": ()}

    def job(self, found: JobRow) -> Job:
        """The job of a row."""
        string, blob = self._strings.setdefault, self._blobs.setdefault
        return Job(
            id=found.id,
            home=string(found.home, found.home),
            tenant=string(found.tenant, found.tenant),
            name=string(found.name, found.name),
            client_key=found.client_key,
            spec=blob(found.spec, found.spec),
            spec_sha256=blob(found.spec_sha256, found.spec_sha256),
            shape=self._shape(found.shape_key),
            grace_us=found.grace_us,
            retries_max=found.retries_max,
            submitted_wall_us=found.submitted_wall_us,
            traceparent=string(found.traceparent, found.traceparent),
            path=self._path(found.path),
            state=JobState(found.state),
            reason=self._reason(found.reason, found.reason_detail),
            epoch=found.epoch,
            attempt=found.attempt,
            failures=found.failures,
            moves=found.moves,
            order_us=found.order_us,
            allocation=decoded_allocation(found.allocation),
            started_wall_us=found.started_wall_us,
            ended_wall_us=found.ended_wall_us,
            exit_code=found.exit_code,
            transfer_to=string(found.transfer_to, found.transfer_to),
            transfer_epoch=found.transfer_epoch,
            transfer_sequence=found.transfer_sequence,
            cancel_id=found.cancel_id,
            settled=bool(found.settled),
            remote=decoded_remote(found.remote),
            timeline_length=found.timeline_length,
            shard=found.shard,
            terms=unpacked_terms(found.terms),
            array=unpacked_array(found.array),
        )

    def _shape(self, key: bytes) -> Shape:
        shape = self._shapes.get(key)
        if shape is None:
            row = self._connection.execute("SELECT body FROM shapes WHERE key = ?", (key,)).fetchone()
            shape = self._shapes[key] = stored_shape(key, _SHAPE.decode(row[0]))
        return shape

    def _reason(self, code: str, detail: str) -> Reason:
        reason = self._reasons.get((code, detail))
        if reason is None:
            reason = self._reasons[(code, detail)] = decoded_reason(code, detail)
        return reason

    def _path(self, joined: str) -> tuple[str, ...]:
        path = self._paths.get(joined)
        if path is None:
            path = self._paths[joined] = tuple(joined.split(","))
        return path


def decoded_reason(code: str, detail: str) -> Reason:
    """The reason of a row. A newer Hanse may have run on this ledger and known more codes."""
    if code in ReasonCode.__members__:
        return Reason(ReasonCode(code), detail)
    return Reason(ReasonCode.UNKNOWN, f"{code}: {detail}" if detail else code)


def decoded_allocation(packed: bytes) -> Allocation | None:
    """The allocation of a row; None: none."""
    return _ALLOCATION.decode(packed) if packed else None


def decoded_remote(packed: bytes) -> RemoteView | None:
    """What a row's home last heard; None: nothing."""
    return _REMOTE.decode(packed) if packed else None


@contextmanager
def _without_collection() -> Iterator[None]:
    """Nothing that a load makes is garbage, and looking for some takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
