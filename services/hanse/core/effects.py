"""Everything that can leave the core, grouped by the order in which it may happen.

The shell's obligation, for the Effects of one step:
1. `writes` are committed in one transaction and fsynced. If that fails, the Region is discarded and rebuilt from disk,
   and nothing of this or any later step is released.
2. Only then `leases`, `launches`, `stops`, `reaps`, `lookups`, `sends`, `replies` and `changes` go out, in step order.
   A crash may fall between any two of them; recovery resends what matters.
What must wait until a majority of a group of guardians holds a write leaves the core only then: it is in the effects of
the step that took in the acknowledgement (federation/shards/gate.py), and the shell need not know.
Effects without writes may leave once every earlier step's writes are durable.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hanse.core.messages import Inquest, Message
from hanse.core.model.jobs import Job, Reason, RunId, Shape, TaskPlacement
from hanse.core.model.lifecycle import JobState
from hanse.core.model.quota import SignedQuotas
from hanse.core.model.regions import Liveness, Member, Node, QuotaNews, RegionRecord, RunningJobs
from hanse.core.model.reservations import CapacityReservation, WindowState
from hanse.core.model.resources import Resources
from hanse.core.model.roster import SignedRoster

# --- 1. writes: rows, in the order of their table's columns (see ledger/schema.sql) --------------------------------


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
    timeline: list[TimelineRow] = msgspec.field(default_factory=list)
    decisions: list[DecisionRow] = msgspec.field(default_factory=list)
    channels: list[ChannelRow] = msgspec.field(default_factory=list)
    outbound: list[OutboundRow] = msgspec.field(default_factory=list)
    intents: list[IntentRow] = msgspec.field(default_factory=list)
    peers_seen: list[PeerSeenRow] = msgspec.field(default_factory=list)
    policies: list[PolicyRow] = msgspec.field(default_factory=list)
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
            or self.timeline
            or self.shapes
            or self.decisions
            or self.channels
            or self.outbound
            or self.intents
            or self.peers_seen
            or self.policies
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


# --- 2. after the writes -------------------------------------------------------------------------------------------


class Lease(msgspec.Struct, frozen=True):
    """Tasks of this shard may live until this instant of CLOCK_BOOTTIME instead of until an earlier one. Their
    supervisors end them then, whether or not the daemon lives: SIGTERM a little before (the grace, and at most a tenth
    of the lease), SIGKILL at it."""

    shard: str
    until_mono_us: int


class Launch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Start these tasks of a run: (task number, placement). The spec says what they execute. `lease` bounds the lives
    of an adoptable job's tasks; None: a `wait` job."""

    run: RunId
    tenant: str
    spec: bytes
    tasks: tuple[tuple[int, TaskPlacement], ...]
    grace_us: int
    cause: str
    traceparent: str = ""
    lease: Lease | None = None


class Stop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """End every task of this run: SIGTERM, grace, SIGKILL. Each task answers with TaskEnded. Also for unknown runs."""

    run: RunId
    grace_us: int
    cause: str


class Reap(msgspec.Struct, frozen=True, gc=False):
    """The outcome of this run is on disk: the executor may forget its records (logs stay until retention)."""

    run: RunId


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """Read the settled rows of these jobs from the ledger and post them as LookedUp, with `peer` and `inquest`.

    `home` not empty: and, by id, those of that home whose id is greater than `after`, at most `limit` of them.
    """

    peer: str
    inquest: Inquest
    job_ids: tuple[str, ...]
    home: str = ""
    after: str = ""
    limit: int = 0


class Send(msgspec.Struct, frozen=True, gc=False):
    """One message to one peer; the shell packs what is waiting for a peer into envelopes."""

    to: str
    message: Message


class Refused(msgspec.Struct, frozen=True):
    """An expected "no". `code` is the name of a hanse.v1.RefusalCode without its prefix, such as "KEY_CONFLICT";
    `field` is relative to the submission ("spec.tier"), or empty."""

    code: str
    field: str
    message: str
    retry_after_ms: int = 0
    # Whom to ask instead, for NOT_LEADER; empty: nobody is known.
    leader: str = ""


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """The job is on disk; `existed`: it was before. `federated`: a majority of its region's group holds it too."""

    job_id: str
    existed: bool
    federated: bool = False


class SubmitOutcome(msgspec.Struct, frozen=True):
    """One result for each submission, in order."""

    results: tuple[Submitted | Refused, ...]


class CancelOutcome(msgspec.Struct, frozen=True):
    """For each job id, in order: the state in which the wish was taken, or why it was not."""

    results: tuple[JobState | Refused, ...]


class OrdersOutcome(msgspec.Struct, frozen=True):
    """For each job id, in order: the state in which the order was taken, or why it was not."""

    results: tuple[JobState | Refused, ...]


class Done(msgspec.Struct, frozen=True):
    """The request took effect and is durable."""


class PolicyAdopted(msgspec.Struct, frozen=True):
    """The policy is in force from the next decision on, and on disk under this version."""

    version: int


class Reserved(msgspec.Struct, frozen=True):
    """The reservation is on disk, with the nodes that it got; `existed`: it was before."""

    reservation: CapacityReservation
    existed: bool


class ReservationView(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation as it stands. `window_wall_us`: when its present or next window begins; 0: all are over. `state`
    (model/reservations.py: WindowState) and the rest are of that window: what of it is `used` by its tenant, `held` and
    free for it, or `missing`, because other work is still there or its nodes are not what they were."""

    reservation: CapacityReservation
    window_wall_us: int
    state: WindowState
    used: Resources = ()
    held: Resources = ()
    missing: Resources = ()


class Trusted(msgspec.Struct, frozen=True):
    """A region goes on without some members; for these others it still waits."""

    missing: tuple[str, ...]


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps a job from running; `because` is one level deeper."""

    code: str
    message: str
    nodes: tuple[str, ...] = ()
    because: tuple[Blocker, ...] = ()


class RegionExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the way in one region; `age_us` is 0 for the region that answers."""

    region: str
    blockers: tuple[Blocker, ...]
    age_us: int = 0


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job is where it is. `predicted_start_wall_us` 0: unknown; it lies between `earliest_wall_us` and
    `latest_wall_us`, as far as run times are what they were predicted to be. `position` 0: not queued here."""

    job_id: str
    state: JobState
    summary: str
    regions: tuple[RegionExplanation, ...] = ()
    position: int = 0
    predicted_start_wall_us: int = 0
    unblock: tuple[str, ...] = ()
    earliest_wall_us: int = 0
    latest_wall_us: int = 0


class PlannedStop(msgspec.Struct, frozen=True):
    """A running job that would be stopped, by which rule of the policy."""

    job_id: str
    name: str
    tenant: str
    rule: str


class RegionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one region would make of a job now. `outcome` is a word of scheduling/whatif.py: Outcome; empty: the region
    was not asked, and `blockers` are what is known of it. `nodes` and `queue` only if it starts at once, `stops` only
    if others are stopped for it. Times as in Explanation."""

    region: str
    outcome: str
    nodes: tuple[str, ...] = ()
    queue: str = ""
    stops: tuple[PlannedStop, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    position: int = 0
    predicted_start_wall_us: int = 0
    earliest_wall_us: int = 0
    latest_wall_us: int = 0
    unblock: tuple[str, ...] = ()
    price: int = 0
    power: int = 0
    age_us: int = 0


class TakerView(msgspec.Struct, frozen=True):
    """A peer that may be offered the job, the best first. `wait_us` 0: by its record it could start it at once."""

    region: str
    wait_us: int
    cost_us: int


class JobPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a job. `regions` begins with the one that answers, and goes on with what that one knows of
    the others. `chosen`: where the job would go; empty: nowhere at present. `index`: what a submit may be held to.
    `shape`: the job as the home's rules have it, for those others."""

    regions: tuple[RegionPlan, ...]
    takers: tuple[TakerView, ...]
    chosen: str
    index: str
    policy_version: int
    shape: Shape


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A node with what is free on it, and the jobs that have an allocation there."""

    node: Node
    free: Resources
    jobs: tuple[str, ...]
    # Why nothing is started on it; None: it is not cordoned.
    cordoned: str | None = None


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A member as seen from here."""

    member: Member
    liveness: Liveness
    incarnation: int
    heard_ago_us: int
    draining: bool
    protocol_min: int
    protocol_max: int


class ProposalView(msgspec.Struct, frozen=True, kw_only=True):
    """A roster for which this region gathers countersignatures. `refusals` are (member, why). While it `is_asking`,
    `missing` are the members that have not said what they have countersigned before; nobody countersigns yet."""

    signed: SignedRoster
    is_asking: bool = False
    has_failed: bool = False
    countersigned: tuple[str, ...]
    missing: tuple[str, ...]
    refusals: tuple[tuple[str, str], ...] = ()


class RosterView(msgspec.Struct, frozen=True, kw_only=True):
    """The roster as this region has it; `head` None: a static one, out of its configuration.

    `following` are the rosters after the epoch that was asked for, as many as one answer holds. `known` are
    (member, epoch) as members last said, `conflicts` (member, what its roster has against this one).
    """

    region: str
    head: SignedRoster | None
    removed: bool = False
    following: tuple[SignedRoster, ...] = ()
    known: tuple[tuple[str, int], ...] = ()
    proposal: ProposalView | None = None
    conflicts: tuple[tuple[str, str], ...] = ()
    # Why it could not countersign now; empty: it could.
    unable: str = ""
    # What a roster must name for this region, so that it may countersign.
    ledger_id: str = ""


class QuotaBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What one account of the region that answers has of one quota, in the units of the kind: `held` counts what is
    used and what is free; `in_transit` has been given and is not acknowledged; `asked` of others for the jobs that
    wait, which need `waiting` together; `debt` is still to be burned, `lost` went to accounts whose disks were lost."""

    account: str
    tenant: str
    resource: str
    held: int
    used: int
    in_transit: int
    debt: int
    lost: int
    asked: int
    waiting: int


class QuotaView(msgspec.Struct, frozen=True, kw_only=True):
    """Global quotas as one region has them. `history` are the documents in force, oldest first; `known` are (region,
    number of its newest document), `elsewhere` what other regions last told, both by gossip; `waiting` counts jobs."""

    region: str
    league: str
    history: tuple[SignedQuotas, ...]
    known: tuple[tuple[str, int], ...]
    balances: tuple[QuotaBalance, ...]
    elsewhere: tuple[tuple[str, QuotaNews], ...]
    waiting: int


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """Handoff with one peer since this daemon started; `undecided` is what waits for an answer now."""

    peer: str
    undecided: int
    given: int
    taken: int
    burned: int
    session: bool


class Kept(msgspec.Struct):
    """What one tenant was promised by one tier and got, since the daemon started. `wait_*` counts jobs that were
    admitted, by whether they waited no longer than promised; `share_*` jobs that ended, by whether their worst hour
    kept the promised share of their capacity-time. Without a promise it is kept. `worst_permille`: of all, the worst
    hour; `interruptions`: attempts that were stopped or lost."""

    tenant: str
    tier: str
    wait_kept: int = 0
    wait_broken: int = 0
    share_kept: int = 0
    share_broken: int = 0
    interruptions: int = 0
    worst_permille: int = 1_000


class QuarantineView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a region does nothing that rests on its disk, and what it waits for: the answers of `missing`. `excused` are
    the members that an operator lets it go on without, `suspects` the jobs that wait here for what the others know."""

    since_wall_us: int
    why: str
    missing: tuple[str, ...]
    excused: tuple[str, ...]
    suspects: int


class ShardView(msgspec.Struct, frozen=True, kw_only=True):
    """A shard as one of its members sees it. `lease_left_us`: of a leader, None otherwise."""

    shard: str
    role: str
    term: int
    leader: str
    open_jobs: int
    sequence: int
    committed: int
    lease_left_us: int | None = None


class DrainView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a drain is: jobs that wait, that are under way to another region, that are being stopped in order to
    move, that were stopped so far, and how many run on, by why (federation/moving.py: Stays)."""

    running: RunningJobs
    queued: int
    leaving: int
    stopping: int
    stopped: int
    running_on: tuple[tuple[str, int], ...]


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """How the region fares. `quarantine` None: its disk is believed; `drain` None: it is not drained. `orphans`: runs
    that are nobody's any more and still have to end; `orphans_ended`: how many of them have. `jobs_taken_over`,
    `jobs_let_go`: open jobs of shards that the region began to lead, or had to stop leading; `jobs_relieved`: queued
    jobs that went to a much shorter queue. These count from the start of this life."""

    region: str
    ledger_id: str
    incarnation: int
    write_sequence: int
    draining: bool
    impairments: tuple[Reason, ...]
    jobs_by_state: tuple[tuple[str, int], ...]
    capacity: Resources
    free: Resources
    channels: tuple[ChannelView, ...]
    roster_epoch: int = 1
    policy_version: int = 1
    # By tenant and tier, sorted.
    attainment: tuple[Kept, ...] = ()
    quarantine: QuarantineView | None = None
    drain: DrainView | None = None
    shards: tuple[ShardView, ...] = ()
    orphans: int = 0
    orphans_ended: int = 0
    jobs_taken_over: int = 0
    jobs_relieved: int = 0
    jobs_let_go: int = 0


Answer = (
    SubmitOutcome
    | CancelOutcome
    | OrdersOutcome
    | Done
    | PolicyAdopted
    | Reserved
    | Trusted
    | Refused
    | Explanation
    | JobPlan
    | StatusView
    | RosterView
    | QuotaView
    | tuple[NodeView, ...]
    | tuple[MemberView, ...]
    | tuple[RegionRecord, ...]
    | tuple[ReservationView, ...]
)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The answer to one request of this daemon."""

    request_id: int
    answer: Answer


class JointReply(Reply, frozen=True):
    """An answer in which several shards have a part: each of their leaders holds it back, and it leaves with the last.
    `waits_for`: those whose majority does not hold its part yet. (If one is led by another region meanwhile, nobody is
    answered, and the caller asks again.)"""

    waits_for: set[str]


class JobChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A job's new state as its watchers are to see it; published at the job's home and where it runs."""

    job_id: str
    tenant: str
    home: str
    state: JobState
    region: str
    epoch: int
    attempt: int
    reason: Reason
    at_wall_us: int
    exit_code: int
    cause: str
    traceparent: str
    # So that a watch can filter by name without asking the ledger.
    name: str = ""
    # In whose books it happened; empty: in those of this region itself.
    shard: str = ""


class Effects(msgspec.Struct, kw_only=True):
    """What one step wants done. `sequence` is the write sequence after this step (unchanged if nothing is written).
    `owes_rows`: of jobs of shards some news, which callers have been told of, is not in the rows that they read yet.
    `settled`: so many of the `replies`, the first ones, rest on earlier steps alone, as do those to what a majority
    holds: once these are on disk they may leave, whatever this step still has to write."""

    sequence: int = 0
    writes: Writes = msgspec.field(default_factory=Writes)
    leases: list[Lease] = msgspec.field(default_factory=list)
    launches: list[Launch] = msgspec.field(default_factory=list)
    stops: list[Stop] = msgspec.field(default_factory=list)
    reaps: list[Reap] = msgspec.field(default_factory=list)
    lookups: list[Lookup] = msgspec.field(default_factory=list)
    sends: list[Send] = msgspec.field(default_factory=list)
    replies: list[Reply] = msgspec.field(default_factory=list)
    settled: int = 0
    changes: list[JobChange] = msgspec.field(default_factory=list)
    owes_rows: bool = False
    # Once all of this has left, the Region is discarded and rebuilt from disk: a new roster is in force.
    restart: bool = False

    def settle(self, replies: Sequence[Reply]) -> None:
        """Let these leave as soon as the earlier steps are on disk."""
        self.replies[: self.settled] = [*self.replies[: self.settled], *replies]
        self.settled += len(replies)

    def take_settled(self) -> list[Reply]:
        """The replies that may leave before this step is on disk, once."""
        settled, self.replies = self.replies[: self.settled], self.replies[self.settled :]
        self.settled = 0
        return settled


# --- what recovery reads back ---------------------------------------------------------------------------------------


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
