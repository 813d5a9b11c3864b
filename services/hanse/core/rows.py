"""What is written and read back: rows, in the order of their table's columns (see ledger/schema.sql), the Writes of a
step, and the Snapshot that a Region is rebuilt from."""

from __future__ import annotations

import msgspec

from hanse.core.model.jobs import Job


class ShapeRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A shape that some job's row refers to; written before it, once (a second write of the key is ignored)."""

    key: bytes
    body: bytes  # msgpack of ShapeBody


class JobRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A job's whole row. Written when a job enters these books; replaces an older row of the same id."""

    id: str
    home: str
    tenant: str
    name: str
    client_key: str
    spec: bytes
    spec_sha256: bytes
    shape_key: bytes
    grace_us: int
    retries_max: int
    submitted_wall_us: int
    order_us: int
    traceparent: str
    path: str  # regions, comma-separated
    state: int
    reason: str
    reason_detail: str
    epoch: int
    attempt: int
    failures: int
    allocation: bytes  # msgpack of Allocation; empty: none
    started_wall_us: int
    ended_wall_us: int
    exit_code: int
    transfer_to: str
    transfer_epoch: int
    transfer_sequence: int
    cancel_id: str
    settled: int
    remote: bytes  # msgpack of RemoteView; empty: none
    timeline_length: int
    shard: str = ""  # empty: a `wait` job
    moves: int = 0
    terms: bytes = b""  # msgpack of JobTerms; empty: none
    array: bytes = b""  # msgpack of ArrayRecord; empty: it is no array


class JobStateRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The columns that change, and (shard, id): an update of a row that exists. `path` changes when a job returns.

    Like JobRow it is kept in logs that members of other versions hold: what is new comes last, with a default."""

    state: int
    reason: str
    reason_detail: str
    epoch: int
    attempt: int
    failures: int
    allocation: bytes
    started_wall_us: int
    ended_wall_us: int
    exit_code: int
    transfer_to: str
    transfer_epoch: int
    transfer_sequence: int
    cancel_id: str
    settled: int
    remote: bytes
    timeline_length: int
    path: str
    shard: str
    id: str
    moves: int = 0
    array: bytes = b""


class ElementRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One element of an array that holds capacity, waits after an attempt, or has failed for good; replaces an older
    one. Whatever else has become of elements is in the job's row."""

    shard: str
    job_id: str
    element: int
    state: int
    epoch: int
    attempt: int
    reason: str
    reason_detail: str
    allocation: bytes
    started_wall_us: int
    ended_wall_us: int
    exit_code: int


class TimelineRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of a job's timeline; `sequence` counts from 0 per job and shard in this region."""

    job_id: str
    sequence: int
    at_wall_us: int
    what: str
    reason: str
    detail: str
    epoch: int
    attempt: int
    cause: str
    shard: str = ""


class DecisionRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What this region decided about an epoch that a giver sent; forgotten only below the channel's STABLE mark."""

    giver_ledger_id: str
    sequence: int
    giver: str
    job_id: str
    epoch: int
    verdict: int
    reason: str
    reason_detail: str


class ChannelRow(msgspec.Struct, frozen=True, array_like=True):
    """One peer's ledger as a giver: everything below `stable_sequence` is resolved and answered with silence."""

    giver_ledger_id: str
    giver: str
    stable_sequence: int


class OutboundRow(msgspec.Struct, frozen=True, array_like=True):
    """The next transfer sequence of this ledger towards a peer."""

    peer: str
    next_sequence: int


class IntentRow(msgspec.Struct, frozen=True, array_like=True):
    """A cancel that arrived before its job."""

    job_id: str
    cancel_id: str
    at_wall_us: int


class PeerSeenRow(msgspec.Struct, frozen=True, array_like=True):
    """The newest position that was seen of a peer's ledger."""

    peer: str
    ledger_id: str
    incarnation: int
    write_sequence: int
    life: int


class RosterRow(msgspec.Struct, frozen=True, array_like=True):
    """A roster of this epoch: in force, or the one that this member has countersigned last, in the round of this
    number. One of a later round may take its place, or one in force; what is in force is never replaced. `document` is
    a signed roster's JSON."""

    epoch: int
    sha256: str
    document: bytes
    in_force: int
    round_number: int = 0


class ShardStateRow(msgspec.Struct, frozen=True, array_like=True):
    """This member's standing in one shard; replaces an older row. A position is (the last record's term, its sequence).

    `promised_term` is the largest term that this member has joined or promised, to `promised_to` (empty: to nobody any
    more): it refuses everything older. `group` is msgpack of the group (model/regions.py: Group) that it knows. `blank`
    is a Standing (federation/shards/shard.py): what this disk is worth for the shard.
    """

    shard: str
    promised_term: int
    log_term: int
    log_sequence: int
    committed_sequence: int
    group: bytes
    blank: int
    promised_to: str = ""


class ShardRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest record of one key in this member's copy of a shard's log; replaces an older one of that key.

    `value` is msgpack of a row, of the kind that the key begins with (federation/shards/journal.py); empty: the key is
    gone (kept until every member knows).
    """

    shard: str
    key: str
    term: int
    sequence: int
    value: bytes


class PolicyRow(msgspec.Struct, frozen=True, array_like=True):
    """One version of the policy: the document as it was applied (policies/document.py: canonical), the SHA-256 of that
    in hexadecimal, who applied it, and what for. Written once."""

    version: int
    digest: str
    document: str
    author: str
    why: str
    at_wall_us: int


class LeaguePolicyRow(msgspec.Struct, frozen=True, array_like=True):
    """The largest document of the league's policy that this region has; replaces a smaller one. `document` is a signed
    one's JSON. `digest` is of its text, once that was put in force here (PolicyRow); empty: it was not."""

    cluster_id: str
    number: int
    sha256: str
    document: bytes
    digest: str


class ReservationRow(msgspec.Struct, frozen=True, array_like=True):
    """A reservation of this region; replaces an older row. `body` is msgpack of model/reservations.py:
    CapacityReservation."""

    id: str
    name: str
    tenant: str
    body: bytes


class QuotaDocumentRow(msgspec.Struct, frozen=True, array_like=True):
    """A quota document that this region goes by. `document` is a signed one's JSON. Never replaced."""

    number: int
    sha256: str
    document: bytes


class AccountRow(msgspec.Struct, frozen=True, array_like=True):
    """An account of rights (account.py). `id` names its life: it is drawn anew when what it held was
    lost. Of the keeper's: the newest document that it has minted and burned by; `document` is its JSON."""

    name: str
    id: int
    taken: int
    document: bytes


class BalanceRow(msgspec.Struct, frozen=True, array_like=True):
    """What an account has of one quota. `minted`, `debt` and `written_off` are the keeper's; `lost` are rights that
    were on their way to an account whose disk was lost."""

    tenant: str
    resource: str
    held: int
    debt: int
    minted: int
    written_off: int
    lost: int


class RightsSentRow(msgspec.Struct, frozen=True, array_like=True):
    """The newest transfer of the account `giver_id` to one other account, in one of its lives. `rights` is msgpack of
    model/quota.py: Rights while the transfer is undecided, else empty."""

    giver_id: int
    to: str
    to_id: int
    sequence: int
    rights: bytes


class RightsTakenRow(msgspec.Struct, frozen=True, array_like=True):
    """What the account `taker_id` decided about the newest transfer of one giver, in one of its lives."""

    taker_id: int
    giver: str
    giver_id: int
    sequence: int
    verdict: int


# Meta rows that the ledger itself reads: the next incarnation is at least the floor, and an anchor that was found ahead
# is believed to be answered for once quarantine is over.
META_QUARANTINE = "quarantine"
META_INCARNATION_FLOOR = "incarnation_floor"
# Of the core alone: since when (wall-clock microseconds) and why it is in quarantine, and which members (with commas
# between) an operator lets it go on without; which lives its history is made
# of, and from which incarnation on (federation/history.py).
META_QUARANTINE_SINCE = "quarantine_since"
META_QUARANTINE_WHY = "quarantine_why"
META_QUARANTINE_WITHOUT = "quarantine_without"
META_LIVES = "lives"
META_TRUSTED_FROM = "trusted_from"


class Writes(msgspec.Struct, kw_only=True):
    """One transaction. Applied table by table in the order of these fields; deletes come last, and the shell never
    merges a later step into the transaction of a step that deletes."""

    shapes: list[ShapeRow] = msgspec.field(default_factory=list)
    jobs: list[JobRow] = msgspec.field(default_factory=list)
    job_states: list[JobStateRow] = msgspec.field(default_factory=list)
    elements: list[ElementRow] = msgspec.field(default_factory=list)
    # (shard, job id, element). These don't count as deletes: none of them is ever written again.
    elements_delete: list[tuple[str, str, int]] = msgspec.field(default_factory=list)
    timeline: list[TimelineRow] = msgspec.field(default_factory=list)
    decisions: list[DecisionRow] = msgspec.field(default_factory=list)
    channels: list[ChannelRow] = msgspec.field(default_factory=list)
    outbound: list[OutboundRow] = msgspec.field(default_factory=list)
    intents: list[IntentRow] = msgspec.field(default_factory=list)
    peers_seen: list[PeerSeenRow] = msgspec.field(default_factory=list)
    policies: list[PolicyRow] = msgspec.field(default_factory=list)
    league_policies: list[LeaguePolicyRow] = msgspec.field(default_factory=list)
    reservations: list[ReservationRow] = msgspec.field(default_factory=list)
    # Small facts by name, such as "draining".
    meta: list[tuple[str, str]] = msgspec.field(default_factory=list)
    rosters: list[RosterRow] = msgspec.field(default_factory=list)
    shard_states: list[ShardStateRow] = msgspec.field(default_factory=list)
    shard_rows: list[ShardRow] = msgspec.field(default_factory=list)
    quota_documents: list[QuotaDocumentRow] = msgspec.field(default_factory=list)
    accounts: list[AccountRow] = msgspec.field(default_factory=list)
    balances: list[BalanceRow] = msgspec.field(default_factory=list)
    rights_sent: list[RightsSentRow] = msgspec.field(default_factory=list)
    rights_taken: list[RightsTakenRow] = msgspec.field(default_factory=list)
    # (giver_ledger_id, sequence): decisions below it are deleted.
    decisions_delete_below: list[tuple[str, int]] = msgspec.field(default_factory=list)
    specs_delete: list[str] = msgspec.field(default_factory=list)
    intents_delete: list[str] = msgspec.field(default_factory=list)
    # Of `wait` jobs.
    jobs_delete: list[str] = msgspec.field(default_factory=list)
    # (shard, job id): rows of `jobs` and `timeline`.
    shard_jobs_delete: list[tuple[str, str]] = msgspec.field(default_factory=list)
    # (shard, key): records that a copy drops.
    shard_rows_delete: list[tuple[str, str]] = msgspec.field(default_factory=list)
    # Shards that this region does not lead any more: their rows of `jobs` go (`timeline` stays).
    shards_delete: list[str] = msgspec.field(default_factory=list)
    # Versions of the policy up to these are deleted.
    policies_delete_to: list[int] = msgspec.field(default_factory=list)
    # Lives of accounts that are over: what they sent and took.
    accounts_delete: list[int] = msgspec.field(default_factory=list)
    reservations_delete: list[str] = msgspec.field(default_factory=list)

    @property
    def deletes(self) -> bool:
        """Whether anything is deleted."""
        return bool(
            self.jobs_delete
            or self.decisions_delete_below
            or self.specs_delete
            or self.intents_delete
            or self.shard_jobs_delete
            or self.shard_rows_delete
            or self.shards_delete
            or self.policies_delete_to
            or self.accounts_delete
            or self.reservations_delete
        )

    def __bool__(self) -> bool:
        # Spelt out: it is asked in every step, and nearly always in vain.
        return bool(
            self.jobs
            or self.job_states
            or self.elements
            or self.elements_delete
            or self.timeline
            or self.shapes
            or self.decisions
            or self.channels
            or self.outbound
            or self.intents
            or self.peers_seen
            or self.policies
            or self.league_policies
            or self.reservations
            or self.meta
            or self.rosters
            or self.shard_states
            or self.shard_rows
            or self.quota_documents
            or self.accounts
            or self.balances
            or self.rights_sent
            or self.rights_taken
            or self.deletes
        )


# What a step writes that changes no row, as most do. Shared, so nobody may add to it.
NO_WRITES = Writes()


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything that a Region is rebuilt from. `incarnation` is already the new one (last + 1), written durably.

    `jobs` are all rows of `wait` jobs that are not settled; `client_keys` are (tenant, client_key, job_id, spec_sha256)
    of every row of a `wait` job whose home is this region, final ones included. Jobs of shards are in `shard_rows`.
    """

    ledger_id: str
    incarnation: int
    write_sequence: int
    jobs: list[Job] = msgspec.field(default_factory=list)
    client_keys: list[tuple[str, str, str, bytes]] = msgspec.field(default_factory=list)
    # Of `jobs` that are arrays.
    elements: list[ElementRow] = msgspec.field(default_factory=list)
    decisions: list[DecisionRow] = msgspec.field(default_factory=list)
    channels: list[ChannelRow] = msgspec.field(default_factory=list)
    outbound: list[OutboundRow] = msgspec.field(default_factory=list)
    intents: list[IntentRow] = msgspec.field(default_factory=list)
    peers_seen: list[PeerSeenRow] = msgspec.field(default_factory=list)
    meta: dict[str, str] = msgspec.field(default_factory=dict)
    # By epoch.
    rosters: list[RosterRow] = msgspec.field(default_factory=list)
    shard_states: list[ShardStateRow] = msgspec.field(default_factory=list)
    # By shard, in the order of their sequences.
    shard_rows: list[ShardRow] = msgspec.field(default_factory=list)
    # The newest version of the policy; None: none was ever applied.
    policy: PolicyRow | None = None
    # At most one.
    league_policies: list[LeaguePolicyRow] = msgspec.field(default_factory=list)
    # By id.
    reservations: list[ReservationRow] = msgspec.field(default_factory=list)
    # By number.
    quota_documents: list[QuotaDocumentRow] = msgspec.field(default_factory=list)
    # Of the account in these books: at most one row.
    accounts: list[AccountRow] = msgspec.field(default_factory=list)
    balances: list[BalanceRow] = msgspec.field(default_factory=list)
    rights_sent: list[RightsSentRow] = msgspec.field(default_factory=list)
    rights_taken: list[RightsTakenRow] = msgspec.field(default_factory=list)
    # The anchor file is ahead of this ledger: the disk is an old one.
    disk_is_old: bool = False
