"""A simulated ledger: the tables of the SQLite ledger as dictionaries, and a part that a crash may take away.

`append` hands in one step's transaction; until `sync` says so it is not durable. `crash` decides how much of what was
not synced has reached the disk all the same: always a prefix, as with a write-ahead log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from hanse.core.effects import Lookup
from hanse.core.events import LookedUp
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
from hanse.core.model.regions import Position
from hanse.core.rows import (
    META_INCARNATION_FLOOR,
    AccountRow,
    BalanceRow,
    ChannelRow,
    DecisionRow,
    ElementRow,
    IntentRow,
    JobRow,
    JobStateRow,
    LeaguePolicyRow,
    OutboundRow,
    PeerSeenRow,
    PolicyRow,
    QuotaDocumentRow,
    ReservationRow,
    RightsSentRow,
    RightsTakenRow,
    RosterRow,
    ShapeRow,
    ShardRow,
    ShardStateRow,
    Snapshot,
    TimelineRow,
    Writes,
)

RowT = TypeVar("RowT", bound=msgspec.Struct)
KeyT = TypeVar("KeyT", str, tuple[str, str], tuple[int, str, int])
_CHANGING = tuple(name for name in JobStateRow.__struct_fields__ if name not in ("shard", "id"))


class JobTables:
    """The tables `jobs` and `timeline` as far as one shard goes, by job id."""

    def __init__(self) -> None:
        self.rows: dict[str, JobRow] = {}
        # The newest changing columns of a job, if they changed since its whole row was written.
        self.states: dict[str, JobStateRow] = {}
        self.timeline: dict[str, dict[int, TimelineRow]] = {}
        self.elements: dict[str, dict[int, ElementRow]] = {}

    def copy(self) -> JobTables:
        """The same rows, to be changed apart."""
        image = JobTables()
        image.rows, image.states = dict(self.rows), dict(self.states)
        image.timeline = {job_id: dict(entries) for job_id, entries in self.timeline.items()}
        image.elements = {job_id: dict(rows) for job_id, rows in self.elements.items()}
        return image

    def newest(self, job_id: str) -> JobRow | JobStateRow | None:
        """The row of this job, as far as its changing columns go."""
        return self.states.get(job_id) or self.rows.get(job_id)

    def whole(self, job_id: str) -> JobRow:
        """The row of a job that has one, with all its columns."""
        job, state = self.rows[job_id], self.states.get(job_id)
        if state is None:
            return job
        return msgspec.structs.replace(job, **{name: getattr(state, name) for name in _CHANGING})


class SimLedger:
    """One region's disk. The tables hold what is durable; `pending` what was written and not yet synced."""

    def __init__(self, region: str, ledger_id: str) -> None:
        self.region = region
        self.ledger_id = ledger_id
        self.incarnation = 0
        self.write_sequence = 0
        self.shapes: dict[bytes, ShapeRow] = {}
        # By shard; that of `wait` jobs is always there.
        self.job_tables: dict[str, JobTables] = {"": JobTables()}
        self.decisions: dict[str, dict[int, DecisionRow]] = {}
        self.channels: dict[str, ChannelRow] = {}
        self.outbound: dict[str, OutboundRow] = {}
        self.intents: dict[str, IntentRow] = {}
        self.peers_seen: dict[str, PeerSeenRow] = {}
        self.policies: dict[int, PolicyRow] = {}
        self.league_policies: dict[str, LeaguePolicyRow] = {}
        self.reservations: dict[str, ReservationRow] = {}
        self.meta: dict[str, str] = {}
        self.rosters: dict[int, RosterRow] = {}
        self.shard_states: dict[str, ShardStateRow] = {}
        self.shard_rows: dict[str, dict[str, ShardRow]] = {}
        self.quota_documents: dict[int, QuotaDocumentRow] = {}
        self.accounts: dict[str, AccountRow] = {}
        self.balances: dict[tuple[str, str], BalanceRow] = {}
        self.rights_sent: dict[tuple[int, str, int], RightsSentRow] = {}
        self.rights_taken: dict[tuple[int, str, int], RightsTakenRow] = {}
        self.pending: deque[tuple[int, Writes]] = deque()
        self._keys: dict[tuple[str, str, str, str], str] = {}
        self._shapes_read: dict[bytes, Shape] = {}

    @property
    def jobs(self) -> dict[str, JobRow]:
        """The rows of `wait` jobs, without what changed since they were written."""
        return self.job_tables[""].rows

    @property
    def position(self) -> Position:
        """How far it has come, durably."""
        return Position(self.incarnation, self.write_sequence)

    # --- writing ------------------------------------------------------------------------------------------------

    def append(self, sequence: int, writes: Writes) -> None:
        """One step's transaction, numbered by the write sequence after it. Not durable yet."""
        assert sequence > (self.pending[-1][0] if self.pending else self.write_sequence), "sequences grow"
        self.pending.append((sequence, writes))

    def sync(self, count: int) -> tuple[Writes, ...]:
        """The oldest `count` pending transactions become durable, together."""
        synced = []
        for _ in range(count):
            sequence, writes = self.pending.popleft()
            self._apply(writes)
            self.write_sequence = sequence
            synced.append(writes)
        return tuple(synced)

    def discard(self) -> None:
        """What is pending never reaches the disk."""
        self.pending.clear()

    def copy(self) -> SimLedger:
        """What is durable now, as an image of the disk."""
        image = SimLedger(self.region, self.ledger_id)
        image.incarnation, image.write_sequence = self.incarnation, self.write_sequence
        image.shapes = dict(self.shapes)
        image.job_tables = {shard: tables.copy() for shard, tables in self.job_tables.items()}
        image.decisions = {ledger_id: dict(decided) for ledger_id, decided in self.decisions.items()}
        image.channels, image.outbound = dict(self.channels), dict(self.outbound)
        image.intents, image.peers_seen = dict(self.intents), dict(self.peers_seen)
        image.policies = dict(self.policies)
        image.league_policies = dict(self.league_policies)
        image.reservations = dict(self.reservations)
        image.meta, image._keys = dict(self.meta), dict(self._keys)
        image.rosters = dict(self.rosters)
        image.shard_states = dict(self.shard_states)
        image.shard_rows = {shard: dict(rows) for shard, rows in self.shard_rows.items()}
        image.quota_documents, image.accounts = dict(self.quota_documents), dict(self.accounts)
        image.balances = dict(self.balances)
        image.rights_sent, image.rights_taken = dict(self.rights_sent), dict(self.rights_taken)
        return image

    def _apply(self, writes: Writes) -> None:
        for shape in writes.shapes:
            self.shapes.setdefault(shape.key, shape)
        for job in writes.jobs:
            self._take_key(job)
            tables = self._tables(job.shard)
            before = tables.newest(job.id)
            if before is not None and before.settled and not job.settled:
                tables.timeline.pop(job.id, None)
            tables.rows[job.id] = job
            tables.states.pop(job.id, None)
        for state in writes.job_states:
            tables = self._tables(state.shard)
            assert state.id in tables.rows, f"{state.id} changed and has no row"
            tables.states[state.id] = state
        for element in writes.elements:
            self._tables(element.shard).elements.setdefault(element.job_id, {})[element.element] = element
        for shard, job_id, index in writes.elements_delete:
            self._tables(shard).elements.get(job_id, {}).pop(index, None)
        for entry in writes.timeline:
            entries = self._tables(entry.shard).timeline.setdefault(entry.job_id, {})
            assert entry.sequence not in entries, f"entry {entry.sequence} of {entry.job_id} written twice"
            entries[entry.sequence] = entry
        for decision in writes.decisions:
            decided = self.decisions.setdefault(decision.giver_ledger_id, {})
            assert decision.sequence not in decided, "a decision is never changed"
            decided[decision.sequence] = decision
        self._apply_small(writes)
        if writes.deletes:
            self._apply_deletes(writes)

    def _tables(self, shard: str) -> JobTables:
        tables = self.job_tables.get(shard)
        if tables is None:
            tables = self.job_tables[shard] = JobTables()
        return tables

    def _take_key(self, job: JobRow) -> None:
        if job.client_key:
            holder = self._keys.setdefault((job.shard, job.home, job.tenant, job.client_key), job.id)
            assert holder == job.id, f"the client key of {job.id} is {holder}'s"

    def _apply_small(self, writes: Writes) -> None:
        for channel in writes.channels:
            self.channels[channel.giver_ledger_id] = channel
        for outbound in writes.outbound:
            self.outbound[outbound.peer] = outbound
        for intent in writes.intents:
            self.intents[intent.job_id] = intent
        for seen in writes.peers_seen:
            self.peers_seen[seen.peer] = seen
        for policy in writes.policies:
            assert policy.version not in self.policies, "a version of the policy is never changed"
            self.policies[policy.version] = policy
        for league in writes.league_policies:
            known = self.league_policies.get(league.cluster_id, league)
            assert (league.number, league.sha256) >= (known.number, known.sha256), "documents only grow"
            self.league_policies[league.cluster_id] = league
        for reservation in writes.reservations:
            self.reservations[reservation.id] = reservation
        for name, value in writes.meta:
            self.meta[name] = value
        for roster in writes.rosters:
            self._take_roster(roster)
        for standing in writes.shard_states:
            self.shard_states[standing.shard] = standing
        for record in writes.shard_rows:
            self.shard_rows.setdefault(record.shard, {})[record.key] = record
        self._apply_quotas(writes)

    def _apply_quotas(self, writes: Writes) -> None:
        for document in writes.quota_documents:
            before = self.quota_documents.setdefault(document.number, document)
            assert before.sha256 == document.sha256, "a quota document in force is never replaced"
        for account in writes.accounts:
            self.accounts[account.name] = account
        for balance in writes.balances:
            assert min(balance.held, balance.debt) >= 0, "a balance below nothing"
            self.balances[(balance.tenant, balance.resource)] = balance
        for sent in writes.rights_sent:
            self.rights_sent[(sent.giver_id, sent.to, sent.to_id)] = sent
        for taken in writes.rights_taken:
            self.rights_taken[(taken.taker_id, taken.giver, taken.giver_id)] = taken

    def _take_roster(self, row: RosterRow) -> None:
        before = self.rosters.get(row.epoch)
        if before is not None and before.sha256 != row.sha256:
            assert not before.in_force, "a roster in force is never replaced"
            assert row.in_force or row.round_number >= before.round_number, "rounds only go on"
        assert before is None or row.in_force or not before.in_force, "what is in force stays"
        self.rosters[row.epoch] = row

    def _apply_deletes(self, writes: Writes) -> None:
        for ledger_id, below in writes.decisions_delete_below:
            decided = self.decisions.get(ledger_id, {})
            for sequence in [each for each in decided if each < below]:
                del decided[sequence]
        for job_id in writes.specs_delete:
            job = self.jobs.get(job_id)
            if job is not None:
                self.jobs[job_id] = msgspec.structs.replace(job, spec=b"")
        for job_id in writes.intents_delete:
            self.intents.pop(job_id, None)
        for job_id in writes.jobs_delete:
            self._delete_job("", job_id)
            self._tables("").timeline.pop(job_id, None)
            self._tables("").elements.pop(job_id, None)
        for shard, job_id in writes.shard_jobs_delete:
            self._delete_job(shard, job_id)
            self._tables(shard).timeline.pop(job_id, None)
            self._tables(shard).elements.pop(job_id, None)
        for shard, key in writes.shard_rows_delete:
            self.shard_rows.get(shard, {}).pop(key, None)
        for shard in writes.shards_delete:
            for job_id in list(self._tables(shard).rows):
                self._delete_job(shard, job_id)
        for reservation_id in writes.reservations_delete:
            self.reservations.pop(reservation_id, None)
        for oldest in writes.policies_delete_to:
            for version in [each for each in self.policies if each <= oldest]:
                del self.policies[version]
        for over in writes.accounts_delete:
            for sent in [key for key in self.rights_sent if key[0] == over]:
                del self.rights_sent[sent]
            for taken in [key for key in self.rights_taken if key[0] == over]:
                del self.rights_taken[taken]

    def _delete_job(self, shard: str, job_id: str) -> None:
        tables = self._tables(shard)
        row = tables.rows.pop(job_id, None)
        if row is not None and row.client_key:
            del self._keys[(shard, row.home, row.tenant, row.client_key)]
        tables.states.pop(job_id, None)

    # --- reading ------------------------------------------------------------------------------------------------

    def row(self, job_id: str, shard: str = "") -> JobRow | JobStateRow | None:
        """The durable row of this job in this shard, as far as its changing columns go."""
        tables = self.job_tables.get(shard)
        return None if tables is None else tables.newest(job_id)

    def settled_jobs(self, job_ids: tuple[str, ...]) -> tuple[Job, ...]:
        """Of these `wait` jobs, those whose durable rows are settled."""
        found = [job_id for job_id in sorted(job_ids) if job_id in self.jobs and not self._is_open(job_id)]
        return tuple(self._job(job_id) for job_id in found)

    def settled_of_home(self, home: str, after: str, limit: int) -> tuple[Job, ...]:
        """By id, settled jobs of this home whose id is greater than `after`, at most `limit`."""
        found = [
            job_id
            for job_id, job in self.jobs.items()
            if job.home == home and job_id > after and not self._is_open(job_id)
        ]
        return tuple(self._job(job_id) for job_id in sorted(found)[:limit])

    def recover(self, anchor: Position | None = None) -> Snapshot:
        """What a daemon reads at its start, in the SQLite ledger's order. The new incarnation is durable before it is
        used. `anchor`: how far the anchor file says that the ledger had come; None: there is none."""
        assert not self.pending, "a start begins with what is durable"
        is_old = anchor is not None and anchor > self.position
        floor = int(self.meta.get(META_INCARNATION_FLOOR, "0"))
        self.incarnation = max(self.incarnation, floor) + 1
        open_: list[str] = []
        closed: list[str] = []
        for job_id in sorted(self.jobs):
            (open_ if self._is_open(job_id) else closed).append(job_id)
        return Snapshot(
            ledger_id=self.ledger_id,
            incarnation=self.incarnation,
            write_sequence=self.write_sequence,
            jobs=[self._job(job_id) for job_id in open_],
            elements=[
                row for job_id in open_ for row in self._elements(job_id) if row.state != JobState.FAILED
            ],
            client_keys=[
                (job.tenant, job.client_key, job.id, job.spec_sha256)
                for job in map(self.jobs.__getitem__, open_ + closed)
                if job.client_key and job.home == self.region
            ],
            decisions=[
                decided[sequence]
                for _, decided in sorted(self.decisions.items())
                for sequence in sorted(decided)
            ],
            channels=_by_key(self.channels),
            outbound=_by_key(self.outbound),
            intents=_by_key(self.intents),
            peers_seen=_by_key(self.peers_seen),
            meta=dict(sorted(self.meta.items())),
            policy=self.policies[max(self.policies)] if self.policies else None,
            league_policies=_by_key(self.league_policies),
            reservations=_by_key(self.reservations),
            rosters=[self.rosters[epoch] for epoch in sorted(self.rosters)],
            shard_states=_by_key(self.shard_states),
            shard_rows=sorted(
                (row for rows in self.shard_rows.values() for row in rows.values()),
                key=lambda row: (row.shard, row.sequence, row.key),
            ),
            quota_documents=[self.quota_documents[number] for number in sorted(self.quota_documents)],
            accounts=_by_key(self.accounts),
            balances=_by_key(self.balances),
            rights_sent=_by_key(self.rights_sent),
            rights_taken=_by_key(self.rights_taken),
            disk_is_old=is_old,
        )

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Every table as sorted tuples, in the columns of the row types: for comparison with the SQLite ledger."""
        return {
            "shapes": _tuples(self.shapes.values()),
            "jobs": _tuples(
                tables.whole(job_id) for tables in self.job_tables.values() for job_id in tables.rows
            ),
            "timeline": _tuples(
                entry
                for tables in self.job_tables.values()
                for entries in tables.timeline.values()
                for entry in entries.values()
            ),
            "elements": _tuples(
                row
                for tables in self.job_tables.values()
                for rows in tables.elements.values()
                for row in rows.values()
            ),
            "decisions": _tuples(row for decided in self.decisions.values() for row in decided.values()),
            "channels": _tuples(self.channels.values()),
            "outbound": _tuples(self.outbound.values()),
            "intents": _tuples(self.intents.values()),
            "peers_seen": _tuples(self.peers_seen.values()),
            "policies": _tuples(self.policies.values()),
            "league_policies": _tuples(self.league_policies.values()),
            "reservations": _tuples(self.reservations.values()),
            "meta": sorted(self.meta.items()),
            "rosters": _tuples(self.rosters.values()),
            "shard_states": _tuples(self.shard_states.values()),
            "shard_rows": _tuples(row for rows in self.shard_rows.values() for row in rows.values()),
            "quota_documents": _tuples(self.quota_documents.values()),
            "accounts": _tuples(self.accounts.values()),
            "balances": _tuples(self.balances.values()),
            "rights_sent": _tuples(self.rights_sent.values()),
            "rights_taken": _tuples(self.rights_taken.values()),
        }

    def _is_open(self, job_id: str) -> bool:
        row = self.row(job_id)
        return row is not None and not row.settled

    def _elements(self, job_id: str) -> list[ElementRow]:
        return [row for _, row in sorted(self.job_tables[""].elements.get(job_id, {}).items())]

    def _job(self, job_id: str) -> Job:
        row = self.job_tables[""].whole(job_id)
        return Job(
            id=row.id,
            home=row.home,
            tenant=row.tenant,
            name=row.name,
            client_key=row.client_key,
            spec=row.spec,
            spec_sha256=row.spec_sha256,
            shape=self._shape(row.shape_key),
            grace_us=row.grace_us,
            retries_max=row.retries_max,
            submitted_wall_us=row.submitted_wall_us,
            traceparent=row.traceparent,
            path=tuple(row.path.split(",")) if row.path else (),
            state=JobState(row.state),
            reason=Reason(ReasonCode(row.reason), row.reason_detail),
            epoch=row.epoch,
            attempt=row.attempt,
            failures=row.failures,
            moves=row.moves,
            order_us=row.order_us,
            allocation=msgspec.msgpack.decode(row.allocation, type=Allocation) if row.allocation else None,
            started_wall_us=row.started_wall_us,
            ended_wall_us=row.ended_wall_us,
            exit_code=row.exit_code,
            transfer_to=row.transfer_to,
            transfer_epoch=row.transfer_epoch,
            transfer_sequence=row.transfer_sequence,
            cancel_id=row.cancel_id,
            settled=bool(row.settled),
            remote=msgspec.msgpack.decode(row.remote, type=RemoteView) if row.remote else None,
            timeline_length=row.timeline_length,
            terms=unpacked_terms(row.terms),
            array=unpacked_array(row.array),
        )

    def _shape(self, key: bytes) -> Shape:
        shape = self._shapes_read.get(key)
        if shape is None:
            shape = stored_shape(key, msgspec.msgpack.decode(self.shapes[key].body, type=ShapeBody))
            self._shapes_read[key] = shape
        return shape


def looked_up(ledger: SimLedger, lookup: Lookup) -> LookedUp:
    """The answer to a lookup."""
    home = lookup.home
    return LookedUp(
        peer=lookup.peer,
        inquest=lookup.inquest,
        asked=lookup.job_ids,
        jobs=ledger.settled_jobs(lookup.job_ids),
        beyond=ledger.settled_of_home(home, lookup.after, lookup.limit) if home else (),
        cause=f"inquest:{lookup.peer}",
    )


def _by_key(table: dict[KeyT, RowT]) -> list[RowT]:
    return [table[key] for key in sorted(table)]


def _tuples(rows: Iterable[msgspec.Struct]) -> list[tuple[object, ...]]:
    return sorted((tuple(getattr(row, name) for name in row.__struct_fields__) for row in rows), key=repr)
