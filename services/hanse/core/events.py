"""Everything that can enter the core. Each event carries `cause`, an id that travels into effects, rows and traces.

Ids, nonces and clocks come in with events; the core draws only from its injected generator.
"""

from __future__ import annotations

import enum

import msgspec

from hanse.core.messages import Envelope, Inquest, Message
from hanse.core.model.indexes import Indexes
from hanse.core.model.jobs import Job, RunId, Submission
from hanse.core.model.league_policy import SignedPolicy
from hanse.core.model.quota import SignedQuotas
from hanse.core.model.regions import RunningJobs
from hanse.core.model.reservations import RegionPlaces, WantedReservation
from hanse.core.model.roster import SignedRoster
from hanse.core.policy.model import Policy


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """Validated submissions of one call, in order. Answered by a SubmitOutcome. `home` is whose jobs they are to be;
    empty: this region's. Another region's are taken only while this one leads that region's shard."""

    request_id: int
    submissions: tuple[Submission, ...]
    cause: str
    home: str = ""


class PlanJob(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of this submission if it came now? Nothing comes of the question. Answered by a JobPlan, or
    Refused as the submission would be. `home` is whose job it would be; another region's name: what this one would make
    of it as a job that is handed over."""

    request_id: int
    submission: Submission
    home: str
    cause: str = ""


class CancelJobs(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's wish to end jobs whose home is this region (or that this region owns). Answered by a CancelOutcome."""

    request_id: int
    job_ids: tuple[str, ...]
    cause: str


class OrderKind(enum.Enum):
    """What an operator, or a job's owner, may do to a job that has not ended."""

    HOLD = "it does not start until it is released; what runs of it is stopped"
    RELEASE = "it is not held any more"
    REQUEUE = "what runs of it is stopped, and it waits for its next attempt"
    SET_PRIORITY = "it has another priority"
    MOVE = "it may run in one region only, and leaves this one"
    CANCEL_ELEMENTS = "these elements of an array are not to be done, as far as they are not through"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`priority` only for SET_PRIORITY, `region` only for MOVE, `indexes` only for CANCEL_ELEMENTS; `why` is for
    people."""

    kind: OrderKind
    priority: int = 0
    region: str = ""
    why: str = ""
    indexes: Indexes | None = None


class OrderJobs(msgspec.Struct, frozen=True, kw_only=True):
    """An order about jobs that are in this region. Answered by an OrdersOutcome once durable."""

    request_id: int
    job_ids: tuple[str, ...]
    order: Order
    cause: str


class NodeOrder(enum.Enum):
    """What an operator may do to a node."""

    CORDON = "nothing is started on it"
    UNCORDON = "it takes jobs again"
    DRAIN = "nothing is started on it, and what runs there is stopped and queued again"


class OrderNodes(msgspec.Struct, frozen=True, kw_only=True):
    """An order about nodes of this region. Answered by Done once durable, or Refused if one is unknown."""

    request_id: int
    nodes: tuple[str, ...]
    order: NodeOrder
    cause: str
    why: str = ""


class SetDrain(msgspec.Struct, frozen=True, kw_only=True):
    """Start or stop draining; `running` says what becomes of the running jobs. Answered by Done once durable."""

    request_id: int
    draining: bool
    cause: str
    running: RunningJobs = RunningJobs.FINISH


class Question(enum.Enum):
    """What can be asked of the core's memory."""

    EXPLAIN = "why is this job not running"
    STATUS = "how does this region fare"
    NODES = "nodes with their free capacity and jobs"
    MEMBERS = "the roster with liveness"
    INVENTORY = "the newest record of every region"
    RESERVATIONS = "reservations, with the windows that come next"
    QUOTAS = "global quotas, and the rights that this region holds"
    LEAGUE_POLICY = "the league's policy, and what became of it in each region"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A question; `job_id` only for EXPLAIN. Answered by the matching answer of effects.py, without a write."""

    request_id: int
    question: Question
    job_id: str = ""
    cause: str = ""


class PeerMessages(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One envelope from a peer, in the order in which its messages are to be read."""

    envelope: Envelope
    messages: tuple[Message, ...]
    cause: str


class PeerUnreachable(msgspec.Struct, frozen=True, kw_only=True):
    """A hint: the link to this peer failed just now."""

    peer: str
    cause: str = ""


class TaskStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The task's process exists. Arrives at most once per launch, and before its TaskEnded."""

    run: RunId
    task: int
    pid: int
    at_wall_us: int
    cause: str = ""


class TaskEnded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The task's process group is gone. `exit_code` is 0 to 255, or 128 + signal if a signal ended it.

    `launched` False: it could not be started at all (`detail` says why), which counts as a launch failure. `lost`: its
    supervisor or its machine died, and the task with it, so that nobody saw how it would have ended. `lease_ended`: its
    supervisor ended it because its lease ran out, which is not the task's failure. `stopped`: it had been told to end
    before it did.
    """

    run: RunId
    task: int
    exit_code: int
    signal: int = 0
    started_wall_us: int = 0
    ended_wall_us: int = 0
    launched: bool = True
    lost: bool = False
    detail: str = ""
    cause: str = ""
    lease_ended: bool = False
    stopped: bool = False


class FoundTask(msgspec.Struct, frozen=True, kw_only=True):
    """What the executor found of an earlier life of the daemon. `ended` is None while the task still runs; `shard` is
    that of its lease."""

    run: RunId
    task: int
    pid: int = 0
    ended: TaskEnded | None = None
    shard: str = ""


class ExecutorRecovered(msgspec.Struct, frozen=True, kw_only=True):
    """The executor's complete knowledge after a start: first event of every boot, and launches wait for it."""

    found: tuple[FoundTask, ...]
    cause: str = ""


class LedgerPressure(msgspec.Struct, frozen=True, kw_only=True):
    """The disk is nearly full (stop admitting and accepting), or no longer."""

    nearly_full: bool
    cause: str = ""


class JobsForgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Retention picked these final jobs: drop what memory still has of them and delete their rows.

    `job_ids` are `wait` jobs; `client_keys` are the (tenant, client key) pairs of those whose home is this region: they
    may be used again. `shard_jobs` are those of shards: (shard, job id, such a pair or None).
    """

    job_ids: tuple[str, ...]
    client_keys: tuple[tuple[str, str], ...] = ()
    shard_jobs: tuple[tuple[str, str, tuple[str, str] | None], ...] = ()
    cause: str = ""


class LookedUp(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Lookup: of the jobs that were `asked` for, those whose rows are settled; and `beyond`, settled
    jobs of the home that it named, by id."""

    peer: str
    inquest: Inquest
    asked: tuple[str, ...]
    jobs: tuple[Job, ...]
    beyond: tuple[Job, ...] = ()
    cause: str = ""


class TrustDisk(msgspec.Struct, frozen=True, kw_only=True):
    """An operator lets a region that waits for its peers go on without these members, at the risk that a job that they
    know of runs twice. Answered by Trusted once durable; Refused if the region does not wait, or a name is unknown."""

    request_id: int
    without: tuple[str, ...]
    cause: str


class ShowRows(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is about to read rows of shards that are owed to callers (Effects.owes_rows). Answered by Done, once
    they are written."""

    request_id: int
    cause: str


class ProposeRoster(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's signed roster. Answered by a RosterView that says how far it is, or Refused."""

    request_id: int
    signed: SignedRoster
    cause: str


class AskRoster(msgspec.Struct, frozen=True, kw_only=True):
    """The newest roster, and what followed on `after_epoch`. Answered by a RosterView, without a write."""

    request_id: int
    after_epoch: int
    cause: str = ""


class PolicyText(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger keeps of a policy besides its version and time (effects.py: PolicyRow)."""

    document: str = ""
    digest: str = ""
    author: str = ""
    why: str = ""


class PolicyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's new policy, to be the next version if the one in force is `expected_version` (0: whichever it is).
    Answered by PolicyAdopted, or Refused: then the one in force stays. `former` is what is in force if the ledger has
    none yet: it is kept with the first change, so that there is something to go back to. `league`: it is what
    the league's document with this hash says; then nobody waits for an answer."""

    request_id: int
    policy: Policy
    cause: str
    expected_version: int = 0
    text: PolicyText = PolicyText()
    former: PolicyText = PolicyText()
    league: str = ""


class ApplyLeaguePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's signed policy for all regions. Answered by Done once it is durable, or Refused."""

    request_id: int
    signed: SignedPolicy
    cause: str


class PolicyUnfit(msgspec.Struct, frozen=True, kw_only=True):
    """The league's document with this hash can't be put in force in this region."""

    league: str
    why: str
    cause: str


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """An operator sets capacity aside. Answered by Reserved once durable, or Refused: then nothing is. `id` is drawn by
    the shell, and only used if there is no such reservation yet. `elsewhere`: what it is to have in other regions, all
    of it or nothing."""

    request_id: int
    wanted: WantedReservation
    id: str
    cause: str
    elsewhere: tuple[RegionPlaces, ...] = ()

    def wanted_in(self, region: str) -> WantedReservation:
        """The part of another region."""
        groups = next(each.groups for each in self.elsewhere if each.region == region)
        return msgspec.structs.replace(self.wanted, groups=groups)


class CancelReservation(msgspec.Struct, frozen=True, kw_only=True):
    """The reservation of this name is over. What runs in it goes on. Answered by Done once durable, or Refused."""

    request_id: int
    name: str
    cause: str


class ApplyQuotas(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's signed quota document. Answered by Done once what it mints or owes is durable (of a shard's
    account: at a majority), or Refused."""

    request_id: int
    signed: SignedQuotas
    cause: str


Event = (
    Submit
    | PlanJob
    | CancelJobs
    | OrderJobs
    | OrderNodes
    | SetDrain
    | Ask
    | PeerMessages
    | PeerUnreachable
    | TaskStarted
    | TaskEnded
    | ExecutorRecovered
    | LedgerPressure
    | JobsForgotten
    | LookedUp
    | TrustDisk
    | ShowRows
    | ProposeRoster
    | AskRoster
    | PolicyChanged
    | Reserve
    | CancelReservation
    | ApplyQuotas
    | ApplyLeaguePolicy
    | PolicyUnfit
)
