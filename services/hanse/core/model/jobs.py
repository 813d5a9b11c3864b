"""Jobs: what a caller asked for (as much of it as scheduling reads) and what became of it in this region."""

from __future__ import annotations

import enum
import hashlib

import msgspec

from hanse.core.model.arrays import Array, ArrayRules
from hanse.core.model.lifecycle import JobState
from hanse.core.model.resources import Resources, added, resources, scaled
from hanse.core.model.rules import Rules, Within

DEFAULT_TIER = "standard"


class ReasonCode(enum.StrEnum):
    """Why a job is in its state. Stable words: programs and dashboards match on them."""

    SUBMITTED = "SUBMITTED"
    WAITING = "WAITING"
    NO_CAPACITY = "NO_CAPACITY"
    STARTED = "STARTED"
    PROGRESS = "PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    EXIT_CODE = "EXIT_CODE"
    SIGNAL = "SIGNAL"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    LOST_TASK = "LOST_TASK"
    LEASE_ENDED = "LEASE_ENDED"
    ADOPTED = "ADOPTED"
    RETRY = "RETRY"
    PREEMPTED = "PREEMPTED"
    MOVING = "MOVING"
    HELD = "HELD"
    WAITS_FOR_JOBS = "WAITS_FOR_JOBS"
    NEVER_AFTER = "NEVER_AFTER"
    REQUESTED = "REQUESTED"
    NODE_DRAINED = "NODE_DRAINED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    CANCELLED = "CANCELLED"
    HANDED_OFF = "HANDED_OFF"
    ACCEPTED = "ACCEPTED"
    BURNED_NO_ROOM = "BURNED_NO_ROOM"
    BURNED_BAD_SPEC = "BURNED_BAD_SPEC"
    BURNED_FEATURE = "BURNED_FEATURE"
    BURNED_WITHDRAWN = "BURNED_WITHDRAWN"
    BURNED_HOPS = "BURNED_HOPS"
    RECOVERED = "RECOVERED"
    ENDED_ELSEWHERE = "ENDED_ELSEWHERE"
    DRAINING = "DRAINING"
    OLD_DISK = "OLD_DISK"
    REMOVED = "REMOVED"
    REGION_LOST = "REGION_LOST"
    ROSTER_CONFLICT = "ROSTER_CONFLICT"
    QUOTA = "QUOTA"
    QUOTA_CONFLICT = "QUOTA_CONFLICT"
    POLICY_REFUSED = "POLICY_REFUSED"
    # A peer of another version gave a code that this one lacks; the detail repeats it.
    UNKNOWN = "UNKNOWN"


class Reason(msgspec.Struct, frozen=True, gc=False):
    """A stable code and a detail for people."""

    code: ReasonCode
    detail: str = ""


class GroupShape(msgspec.Struct, frozen=True):
    """One task group as scheduling sees it: `count` tasks wanted, at least `count_min`, each needing `resources`
    on a node that satisfies every label selector in `constraints`. `rules` None: nothing else is said."""

    count: int
    count_min: int
    resources: Resources
    constraints: tuple[str, ...] = ()
    rules: Rules | None = None

    def resources_of(self, alternative: int) -> Resources:
        """What one task takes: 0 is the group's own wish, n the n-th alternative."""
        if not alternative:
            return self.resources
        assert self.rules is not None, "an alternative of a group that has none"
        return self.rules.alternatives[alternative - 1].resources

    @property
    def wish_count(self) -> int:
        """In how many ways its wish can be met: its own, and one for each alternative."""
        return 1 + (len(self.rules.alternatives) if self.rules is not None else 0)

    def settled_on(self, alternative: int) -> GroupShape:
        """The group as if this were its only wish."""
        if self.rules is None or not self.rules.alternatives:
            return self
        alone = msgspec.structs.replace(self.rules, alternatives=())
        if not alternative:
            return msgspec.structs.replace(self, rules=alone)
        chosen = self.rules.alternatives[alternative - 1]
        return msgspec.structs.replace(
            self, resources=chosen.resources, constraints=self.constraints + chosen.constraints, rules=alone
        )


class Ruled(msgspec.Struct, frozen=True):
    """Rules of the home's policy have changed what the spec says; the rest of the shape is as they have it. `queue`:
    where the job waits, empty: in its tenant's queue."""

    queue: str = ""


class ShapeBody(msgspec.Struct, frozen=True):
    """The part of a spec that decides where and in which order a job runs. Jobs with equal bodies are
    interchangeable to the scheduler."""

    groups: tuple[GroupShape, ...]
    tier: str = DEFAULT_TIER
    priority: int = 0
    regions_allow: tuple[str, ...] = ()
    regions_deny: tuple[str, ...] = ()
    regions_prefer: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    runtime_estimate_us: int = 0
    required_features: tuple[str, ...] = ()
    # Whether guardians keep it: only a region that leads its own shard can take it.
    adoptable: bool = False
    # Where all groups are to be together.
    within: Within | None = None
    ruled: Ruled | None = None
    # Whether it may be stopped while it runs, and go on elsewhere.
    restartable: bool = False


class Shape(msgspec.Struct, frozen=True):
    """A ShapeBody with its digest, which is what dictionaries are keyed by; `total` and `task_count` are of all groups,
    worked out once."""

    key: bytes
    body: ShapeBody
    total: Resources
    task_count: int

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.key == other.key


def make_shape(body: ShapeBody) -> Shape:
    """The shape of this body, with its key (16 bytes) and the resources of all its tasks."""
    return stored_shape(hashlib.blake2b(msgspec.msgpack.encode(body), digest_size=16).digest(), body)


def stored_shape(key: bytes, body: ShapeBody) -> Shape:
    """The shape that is kept under this key. A version in which bodies have more fields would give it another one, and
    rows that refer to the key would lead nowhere."""
    total: Resources = resources({})
    for group in body.groups:
        total = added(total, scaled(group.resources, group.count))
    return Shape(key, body, total, sum(group.count for group in body.groups))


class RunId(msgspec.Struct, frozen=True, gc=False):
    """Names one run of a job: the fencing token that a sink must compare. Grows with every launch."""

    job_id: str
    epoch: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.job_id}@{self.epoch}.{self.attempt}"


class TaskPlacement(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where one task runs. `devices` are (kind, index) pairs of whole devices on the node, such as ("gpu", 3).
    `alternative`: which of its group's wishes was met (see GroupShape.resources_of)."""

    group: int
    node: str
    devices: tuple[tuple[str, int], ...] = ()
    alternative: int = 0


class Allocation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The nodes of one attempt; the position in `tasks` is the task's number. `flavour`: whose quota it is charged
    to."""

    tasks: tuple[TaskPlacement, ...]
    flavour: str = ""


class RemoteView(msgspec.Struct, frozen=True, gc=False):
    """What the home last heard of a job that another region owns."""

    region: str
    state: JobState
    epoch: int
    attempt: int
    reason: Reason
    sequence: int
    at_wall_us: int


class OnLoss(enum.IntEnum):
    """What becomes of a job whose region is lost."""

    # It waits for its region.
    WAIT = 1
    # Another region goes on with it; refused where no majority of guardians can be had.
    ADOPT = 2
    # ADOPT where that can be had, else WAIT.
    ADOPT_OR_WAIT = 3


class When(enum.IntEnum):
    """How another job has to end before a job may start. The numbers are stored."""

    OK = 1
    ANY = 2
    FAILED = 3

    def is_met_by(self, state: JobState) -> bool:
        """Whether a job that has ended like that is what is waited for."""
        match self:
            case When.OK:
                return state is JobState.SUCCEEDED
            case When.FAILED:
                return state is JobState.FAILED
            case _:
                return True


class After(msgspec.Struct, frozen=True, array_like=True):
    """Another job of the same home that has to end first."""

    job_id: str
    when: When


class RetryRules(msgspec.Struct, frozen=True, array_like=True):
    """Which failures are worth another attempt: by exit code (inclusive ranges; empty: any), but not by those that are
    final, and by the code of the reason (empty: any)."""

    exit_codes: tuple[tuple[int, int], ...] = ()
    final_exit_codes: tuple[tuple[int, int], ...] = ()
    reasons: tuple[str, ...] = ()

    def allow(self, reason: ReasonCode, exit_code: int) -> bool:
        """Whether such a failure is to be tried again, while retries are left."""
        if self.reasons and reason not in self.reasons:
            return False
        if reason is not ReasonCode.EXIT_CODE:
            return True
        if any(low <= exit_code <= high for low, high in self.final_exit_codes):
            return False
        return not self.exit_codes or any(low <= exit_code <= high for low, high in self.exit_codes)


class JobTerms(msgspec.Struct, frozen=True, array_like=True):
    """What a job's start and its attempts depend on besides room. `after`: what it still waits for, at its home."""

    after: tuple[After, ...] = ()
    retry: RetryRules | None = None

    @property
    def packed(self) -> bytes:
        """As a column; empty if there is nothing to say."""
        return b"" if self == NO_TERMS else msgspec.msgpack.encode(self)


NO_TERMS = JobTerms()
_TERMS = msgspec.msgpack.Decoder(JobTerms)


def unpacked_terms(packed: bytes) -> JobTerms:
    """Of a column."""
    return _TERMS.decode(packed) if packed else NO_TERMS


class Submission(msgspec.Struct, frozen=True, gc=False):
    """One validated job as it enters the core: the id is drawn outside, the spec is opaque bytes.

    `grace_us` and `retries_max` are the only parts of the spec, besides the shape, that the core acts on.
    `policy_version`: by whose rules the shape is what it is (0: by none), and `ruled`, in words, which of them.
    `refused`: the field and the reason for which a rule refuses it; the client key may still name a job that is there.
    """

    job_id: str
    client_key: str
    tenant: str
    name: str
    spec: bytes
    spec_sha256: bytes
    shape: Shape
    grace_us: int
    retries_max: int
    traceparent: str = ""
    on_loss: OnLoss = OnLoss.WAIT
    policy_version: int = 0
    ruled: str = ""
    refused: tuple[str, str] | None = None
    terms: JobTerms = NO_TERMS
    # How jobs of `terms.after` that memory may have forgotten have ended, as far as the ledger knows.
    ended: tuple[tuple[str, JobState], ...] = ()
    # What a plan said (core/planning.py): taken only if that still holds. Empty: whatever becomes of it.
    check_index: str = ""
    # None: it is no array.
    array: ArrayRules | None = None


# Attempts of one term of a shard: what comes after a takeover is larger than anything that came before (HANSE_ATTEMPT
# grows).
ATTEMPTS_PER_TERM = 1 << 16


class Job(msgspec.Struct, kw_only=True, gc=False):
    """A job in this region's books. Only `Books` changes it, through one named method per status change.

    Times are wall-clock microseconds (0: not yet). `path` lists the regions that owned it before this one, home first.
    """

    id: str
    home: str
    tenant: str
    name: str
    client_key: str
    spec: bytes
    spec_sha256: bytes
    shape: Shape
    grace_us: int
    retries_max: int
    submitted_wall_us: int
    traceparent: str = ""
    path: tuple[str, ...] = ()
    # Whose log it is in, named by that shard's home region; empty: a `wait` job, in this ledger alone.
    shard: str = ""

    state: JobState = JobState.QUEUED
    reason: Reason
    epoch: int = 1
    attempt: int = 0
    failures: int = 0
    # How often it was stopped while it ran, to go on in another region.
    moves: int = 0
    # Which job goes first among equals: the submit time; a job that comes back keeps its place.
    order_us: int = 0

    allocation: Allocation | None = None
    started_wall_us: int = 0
    ended_wall_us: int = 0
    exit_code: int = 0

    # Of the newest transfer away from here; `transfer_epoch` is the model's xe.
    transfer_to: str = ""
    transfer_epoch: int = 0
    transfer_sequence: int = 0

    # The caller's wish, once it is known here; empty: none.
    cancel_id: str = ""
    # Owner: the home has acknowledged the outcome. Home: the outcome is on disk here.
    settled: bool = False
    remote: RemoteView | None = None
    terms: JobTerms = NO_TERMS
    # Entries written to the timeline so far.
    timeline_length: int = 0
    # Of an array: its elements. Then `allocation` is None whatever the state, and `attempt` is only a floor: attempts
    # of elements at this epoch begin above it.
    array: Array | None = None
    # Of an element of an array that holds capacity, which is a job in memory only (elements.py): its index.
    index: int | None = None

    @property
    def run_id(self) -> RunId:
        """The present or last run."""
        return RunId(self.id, self.epoch, self.attempt)

    @property
    def is_parked(self) -> bool:
        """Whether it is queued and must not start: somebody holds it, or it waits for other jobs."""
        return self.state is JobState.QUEUED and (
            self.reason.code is ReasonCode.HELD or bool(self.terms.after)
        )

    @property
    def attempts_begun(self) -> int:
        """How many attempts were begun by whoever began the last one, at this epoch and in this term."""
        return (self.attempt - 1) % ATTEMPTS_PER_TERM + 1 if self.attempt else 0
