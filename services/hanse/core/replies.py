"""What callers are told: refusals, outcomes, and views of what there is."""

from __future__ import annotations

import msgspec

from hanse.core.model.jobs import Reason, Shape
from hanse.core.model.league_policy import SignedPolicy
from hanse.core.model.lifecycle import JobState
from hanse.core.model.quota import SignedQuotas
from hanse.core.model.regions import Liveness, Member, Node, PolicyNews, QuotaNews, RegionRecord, RunningJobs
from hanse.core.model.reservations import CapacityReservation, WindowState
from hanse.core.model.resources import Resources
from hanse.core.model.roster import SignedRoster


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
    # Of an array that starts: how many of its elements the nodes have room for now. A quota may let fewer start.
    elements_at_once: int = 0


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


class LeaguePolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """The league's policy as one region has it: the document, what became of it here (`unfit`: why it can't be in
    force), and the version of the policy in force. `known` is what other regions last told, by gossip."""

    region: str
    signed: SignedPolicy | None
    news: PolicyNews | None
    version: int
    unfit: str
    known: tuple[tuple[str, PolicyNews | None], ...]


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
    jobs that went to a much shorter queue; `elements_succeeded` and so on: elements of arrays that ended here. These
    count from the start of this life."""

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
    elements_in_flight: int = 0
    elements_succeeded: int = 0
    elements_failed: int = 0
    elements_cancelled: int = 0


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
    | LeaguePolicyView
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
