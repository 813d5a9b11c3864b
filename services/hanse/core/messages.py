"""Messages between regions, one struct each. All are one-way: an answer is a message of its own, or never comes.

Anything may be lost, doubled, delayed and reordered; docs/protocol.md has the tables that make this harmless.
"""

from __future__ import annotations

import enum

import msgspec

from hanse.core.model.arrays import ArrayProgress, ArrayRules
from hanse.core.model.jobs import Reason, RetryRules, Shape
from hanse.core.model.league_policy import Rank, SignedPolicy
from hanse.core.model.lifecycle import JobState
from hanse.core.model.quota import Rights, SignedQuotas
from hanse.core.model.regions import Position, QueuedShape, RegionRecord
from hanse.core.model.reservations import WantedReservation
from hanse.core.model.roster import Round, SignedRoster
from hanse.core.model.time import FOR_EVER_US


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who speaks, and in which session. `receiver_seen` is the newest position of the receiver that the sender has
    ever seen, on the ledger `receiver_seen_ledger_id`: it shows a receiver that its disk is old."""

    cluster_id: str
    roster_epoch: int
    sender: str
    receiver: str
    sender_ledger_id: str
    sender_position: Position
    sender_nonce: int
    receiver_nonce: int
    protocol_min: int
    protocol_max: int
    receiver_seen: Position = Position()
    receiver_seen_ledger_id: str = ""


class Hello(msgspec.Struct, frozen=True):
    """Opens a session: the sender proposes its nonce."""

    nonce: int


class HelloAck(msgspec.Struct, frozen=True):
    """Proposes the answering side's `nonce` and repeats the other's; the session holds once both are seen together."""

    nonce: int
    ack_nonce: int


class GossipDigest(msgspec.Struct, frozen=True, gc=False):
    """(region, incarnation, version) of every record that the sender has. Without `wants_reply` it is an answer, and
    names only the records that the sender lacks, at the stamps that it has: (region, 0, 0) for none."""

    entries: tuple[tuple[str, int, int], ...]
    wants_reply: bool


class GossipDelta(msgspec.Struct, frozen=True, gc=False):
    """Records that the digest lacked, newest first."""

    records: tuple[RegionRecord, ...]


class Probe(msgspec.Struct, frozen=True, gc=False):
    """Are you there? `id` comes back in the ack."""

    id: int


class ProbeAck(msgspec.Struct, frozen=True, gc=False):
    """I am (or: the one that you had me ask is)."""

    id: int


class ProbeRequest(msgspec.Struct, frozen=True, gc=False):
    """Probe `target` for me."""

    id: int
    target: str


class Solicit(msgspec.Struct, frozen=True):
    """What the sender could start now, of what the receiver published as waiting."""

    id: int
    could_start: tuple[QueuedShape, ...]
    hold_ttl_us: int


class Offer(msgspec.Struct, frozen=True):
    """Would you take `count` jobs of this shape and tenant? Soft: binds nobody. `own_wait_us`: they may wait in your
    queue if that is much shorter than so long; 0: only what can start soon is meant."""

    id: int
    shape: Shape
    count: int
    path: tuple[str, ...]
    tenant: str
    solicit_id: int = 0
    own_wait_us: int = 0

    @property
    def is_relief(self) -> bool:
        """Whether it is to even out queues."""
        return 0 < self.own_wait_us < FOR_EVER_US


class OfferAnswer(msgspec.Struct, frozen=True):
    """ACCEPT with `slots` > 0 held for `hold_ttl_us`, or DECLINE with a reason and when to ask again."""

    offer_id: int
    slots: int
    hold_ttl_us: int
    reason: Reason | None = None
    retry_after_us: int = 0


class Release(msgspec.Struct, frozen=True):
    """What is left of the hold for this offer is not needed."""

    offer_id: int


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """The transfer itself: sent only after XFER is durable, and until it is answered."""

    job_id: str
    epoch: int
    sequence: int
    home: str
    tenant: str
    spec: bytes
    spec_sha256: bytes
    path: tuple[str, ...]
    submitted_wall_us: int
    cancel_id: str = ""
    offer_id: int = 0
    failures: int = 0
    moves: int = 0
    # Derived from `spec`, as `shape` is.
    retry: RetryRules | None = None
    traceparent: str = ""
    # The spec as scheduling sees it, derived from `spec` by the receiver's codec; None: the spec can't be read here.
    shape: Shape | None = None
    name: str = ""
    grace_us: int = 0
    retries_max: int = 0
    # Derived from `spec`: the rules of an array; None: it is none. `progress`: what has become of its elements.
    array: ArrayRules | None = None
    progress: ArrayProgress | None = None


class Withdraw(msgspec.Struct, frozen=True):
    """I would rather have it back: decide the epoch now, as burned if you can."""

    job_id: str
    epoch: int
    sequence: int


class Verdict(enum.IntEnum):
    """What a target wrote about an epoch, once and for ever. The numbers are stored."""

    COMMITTED = 1
    BURNED = 2


class Decision(msgspec.Struct, frozen=True):
    """The target's durable answer to a COMMIT or WITHDRAW; `ledger_id` and `sequence` are the giver's."""

    job_id: str
    epoch: int
    ledger_id: str
    sequence: int
    verdict: Verdict
    reason: Reason


class Stable(msgspec.Struct, frozen=True):
    """Every transfer of the sender's ledger with a smaller sequence is resolved."""

    sequence: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Owner to home: how the job fares. The largest (epoch, sequence) wins. `settled` tells earlier hops that the
    outcome is on the home's disk."""

    job_id: str
    epoch: int
    attempt: int
    state: JobState
    region: str
    reason: Reason
    sequence: int
    at_wall_us: int
    settled: bool = False


class Cancel(msgspec.Struct, frozen=True):
    """The caller wishes the job to end; passed along the hops until it meets the owner."""

    job_id: str
    cancel_id: str


class CancelAck(msgspec.Struct, frozen=True):
    """The wish is on the answering region's disk."""

    job_id: str
    cancel_id: str


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """Owner to home: the outcome. Repeated until acknowledged."""

    job_id: str
    epoch: int
    attempt: int
    outcome: JobState
    reason: Reason
    exit_code: int
    started_wall_us: int
    ended_wall_us: int
    region: str
    # Of an array: what became of its elements.
    progress: ArrayProgress | None = None


class TerminalAck(msgspec.Struct, frozen=True):
    """The outcome is on the home's disk."""

    job_id: str
    epoch: int


class Locate(msgspec.Struct, frozen=True):
    """Where is this job?"""

    job_id: str
    id: int


class Located(msgspec.Struct, frozen=True):
    """`state` None: never heard of it. `next_hop` empty: it is here."""

    job_id: str
    id: int
    state: JobState | None
    epoch: int
    next_hop: str = ""


class Standing(enum.IntEnum):
    """What a member knows of a job, at the newest epoch that it knows of it."""

    # It has the job, or ended it.
    HELD = 1
    # It wrote that it will never take this epoch from `giver`.
    BURNED = 2
    # It passed the job on to the one that asks, or was told by it that it owns the job.
    GAVE = 3
    # Its transfer to the one that asks is undecided.
    IN_TRANSFER = 4
    # It is the job's home, and the job has ended.
    CLOSED = 5
    # It passed the job on to a third region; or is its home, and was told by that region (`to`) that it has the job.
    PASSED = 6
    # It passed the job on, and the job's home has told it since that the job has ended; how, it does not know.
    OVER = 7


class Testimony(msgspec.Struct, frozen=True, kw_only=True):
    """What a member says of one job. `attempt` is the newest at this epoch, of whoever has the job: the member itself
    (HELD, and then in this `state`), or the one that asks (GAVE). `cancel_id` is the caller's wish to end it. `commit`
    is the transfer, or stands for the job's spec, where the member still has that; `terminal` the outcome, where it
    knows it and the one that asks is the home; `progress`, of an array that it had once, what had become of its
    elements by then."""

    job_id: str
    epoch: int
    standing: Standing
    commit: Commit | None = None
    terminal: Terminal | None = None
    giver: str = ""
    to: str = ""
    attempt: int = 0
    cancel_id: str = ""
    state: JobState | None = None
    progress: ArrayProgress | None = None


class Inquest(msgspec.Struct, frozen=True):
    """My disk is an old one: what do you know of these jobs? Inquests come in parts, as more comes to light; each part
    is answered by itself. `parts` is how many there are so far.

    `wants_unnamed`: and of what other jobs that I have had to do with? That is all that are open, and those of my home
    that have ended and whose id is greater than `after`, the last one that my disk knows.

    `of_lost`: my disk is sound, and I passed these jobs on to regions that were declared lost. All that is known of one
    is told then, each in a testimony of its own.
    """

    id: int
    part: int
    parts: int
    job_ids: tuple[str, ...] = ()
    wants_unnamed: bool = False
    after: str = ""
    of_lost: bool = False


class InquestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Piece `part` of `parts` of the answer to part `of_part`. `seen_sequence` is the largest transfer sequence that
    was ever seen of the asking region's ledger, `stable_sequence` its STABLE mark. `more_after` not empty: there are
    more jobs that ended, after this one. `is_old`: the member's own disk is an old one, and what it does not speak of
    it may have forgotten."""

    id: int
    of_part: int
    part: int
    parts: int
    testimonies: tuple[Testimony, ...]
    seen_sequence: int
    stable_sequence: int
    more_after: str = ""
    is_old: bool = False


class RosterAnnounce(msgspec.Struct, frozen=True):
    """The newest roster that is in force at the sender."""

    epoch: int
    sha256: str


class RosterRequest(msgspec.Struct, frozen=True):
    """What came into force after this epoch? The sender has this one."""

    after_epoch: int


class RosterDocument(msgspec.Struct, frozen=True):
    """A roster with the countersignatures that put it in force; its successors follow in messages of their own."""

    signed: SignedRoster


class RosterProposal(msgspec.Struct, frozen=True):
    """Countersign this one in this round; the sender gathers in it. With `asks` only: sign nothing in earlier rounds,
    and tell what you have signed. Would you sign this one?"""

    signed: SignedRoster
    round: Round
    asks: bool = False


class RosterVote(msgspec.Struct, frozen=True, kw_only=True):
    """The answer in this round: a countersignature of this roster; if that was asked, what the sender has countersigned
    last (None: nothing); or why not. It may do so later, unless that `is_final`. `answered` is the newest round in
    which it said anything."""

    epoch: int
    sha256: str
    round: Round
    answered: Round
    asks: bool = False
    signature: str = ""
    has: SignedRoster | None = None
    refusal: str = ""
    is_final: bool = False


RosterMessage = RosterAnnounce | RosterRequest | RosterDocument | RosterProposal | RosterVote


class ToShard(msgspec.Struct, frozen=True):
    """A message of the handoff from the leader of `source` to the leader of `shard`, whoever that is; both are shards,
    and stand where `wait` jobs have regions."""

    source: str
    shard: str
    message: ShardMessage


class LogRecord(msgspec.Struct, frozen=True, array_like=True):
    """The newest record of one key of a shard's log. `value` is opaque here; empty: the key is gone."""

    key: str
    term: int
    sequence: int
    value: bytes


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """The leader of `term` to a member: after these records your copy is the log as it was at `sequence`.

    They follow on the position (`previous_term`, `previous_sequence`) of the member's copy. With `cut` they follow on
    the committed prefix up to `previous_sequence` instead: whatever the copy has beyond it goes first. Large batches
    come in parts and take effect when all of `parts` have come. `committed` is known to be held by a majority, and
    everything up to `everywhere` by all members. `begins`: the receiver is no member yet, and its copy is to begin from
    nothing in this term.
    """

    shard: str
    term: int
    version: int
    previous_term: int
    previous_sequence: int
    sequence: int
    records: tuple[LogRecord, ...]
    committed: int
    everywhere: int
    cut: bool = False
    begins: bool = False
    part: int = 0
    parts: int = 1


class AppendAck(msgspec.Struct, frozen=True, kw_only=True):
    """A member holds the log of `term` up to `sequence`, durably. `diverged`: it can't follow on what was sent; its
    copy is sure up to `committed`, and beyond it has records of these `keys`."""

    shard: str
    term: int
    sequence: int
    diverged: bool = False
    committed: int = 0
    keys: tuple[str, ...] = ()


class Renew(msgspec.Struct, frozen=True):
    """The leader of `term` to a member: renewal `number`, counted from its sending. `boot` tells the lives of the
    leader's daemon apart. `sequence` is the leader's newest, `committed` as in Append."""

    shard: str
    term: int
    version: int
    boot: int
    number: int
    sequence: int
    committed: int


class RenewAck(msgspec.Struct, frozen=True):
    """Renewal `number` has come, and the member's wait has begun anew."""

    shard: str
    term: int
    boot: int
    number: int


class Prepare(msgspec.Struct, frozen=True):
    """May I lead in `term`? With `trial` nothing is promised: would you, and do you miss the leader too? Term 0 with
    `trial` only asks how far the receiver has come: my own disk is blank. `life` tells the candidate's lives apart:
    what was promised to an earlier one does not count, since that one may have had another disk."""

    shard: str
    term: int
    version: int
    trial: bool
    life: int = 0


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """Yes. The member has promised `term`, durably (unless it was a trial), and its copy goes to this position.
    `promised_term`, `founded` (all have once kept this log), `blank` and `group` (msgpack; empty: not known) answer a
    Prepare of term 0; `left`: it kept a copy, and others do so in its place. `life` is the Prepare's."""

    shard: str
    term: int
    trial: bool
    log_term: int
    log_sequence: int
    promised_term: int = 0
    founded: bool = False
    blank: bool = False
    life: int = 0
    group: bytes = b""
    left: bool = False


class Refuse(msgspec.Struct, frozen=True, kw_only=True):
    """No to whatever was asked in `term`: the member has promised `promised_term` (if larger), or must wait (a grant
    is still out, or its own processes are dying), or holds nothing that counts (`blank`)."""

    shard: str
    term: int
    promised_term: int
    wait_us: int = 0
    blank: bool = False


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """The candidate of `term` to a member that promised and has the better copy: send me what follows on `committed`,
    and the present records of these `keys`. Answered by Append with `cut`."""

    shard: str
    term: int
    committed: int
    keys: tuple[str, ...]


class RightsAsk(msgspec.Struct, frozen=True, kw_only=True):
    """An account lacks so many rights of these quotas, and waits for them since `since_wall_us`; nothing: it lacks none
    any more. The newest of an account stands, for a while. Soft: binds nobody. With `recall` the keeper wants back what
    a lower limit took away: it goes before the receiver's own jobs. `league` names the quotas' first document."""

    league: str
    account: str
    account_id: int
    wants: Rights
    since_wall_us: int
    recall: bool = False


class RightsCommit(msgspec.Struct, frozen=True, kw_only=True):
    """Rights go from one account to another: sent only after the giver's smaller balance is durable, and until it is
    answered. Each account has one life at a time, named by its id. `number` is that of the newest quota document that
    the giver has heard of: whoever holds rights knows by which document they were minted."""

    league: str
    number: int
    giver: str
    giver_id: int
    to: str
    to_id: int
    sequence: int
    rights: Rights


class RightsVerdict(enum.IntEnum):
    """What became of a transfer of rights, once and for ever. The numbers are stored."""

    TAKEN = 1
    BURNED = 2
    # The account that it was sent to has lost its disk, and what became of the transfer before is not known.
    GONE = 3


class RightsDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The durable answer to a RightsCommit. GONE is said in the name of an account's later life."""

    giver: str
    giver_id: int
    to: str
    to_id: int
    sequence: int
    verdict: RightsVerdict


class QuotaRequest(msgspec.Struct, frozen=True):
    """Which quota documents followed on this one?"""

    after_number: int


class QuotaNotice(msgspec.Struct, frozen=True):
    """A quota document that is in force; its successors follow in messages of their own."""

    signed: SignedQuotas


class PolicyRequest(msgspec.Struct, frozen=True):
    """What is the league's policy, if you have a larger one than this? `number` 0: the sender has none."""

    number: int
    sha256: str

    @property
    def rank(self) -> Rank:
        """What decides which of two documents goes before the other."""
        return (self.number, self.sha256)


class PolicyNotice(msgspec.Struct, frozen=True):
    """The largest document of the league's policy that the sender has on its disk."""

    signed: SignedPolicy


class ReservationPart(msgspec.Struct, frozen=True, kw_only=True):
    """An owner of a reservation over several regions asks the receiver whether it has room for its part, which binds
    nobody; `binding`: tells it to take that, once the owner's own part is durable, and until it is answered."""

    id: str
    wanted: WantedReservation
    binding: bool


class ReservationTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a ReservationPart; if that was binding, a durable one, told again when a session begins. Without a
    `code`: there is room, or the part is taken; else why not."""

    id: str
    binding: bool
    code: str
    reason: str


class ReservationVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner has decided, from its disk: all parts are kept, or none. `over_wall_us`: after its last window."""

    id: str
    kept: bool
    over_wall_us: int


class ReservationSettled(msgspec.Struct, frozen=True, kw_only=True):
    """A region's part is, on its disk, as the owner has decided."""

    id: str
    kept: bool


JointMessage = ReservationPart | ReservationTaken | ReservationVerdict | ReservationSettled
RightsMessage = RightsAsk | RightsCommit | RightsDecision
QuotaMessage = RightsMessage | QuotaRequest | QuotaNotice

ShardMessage = (
    Commit
    | Withdraw
    | Decision
    | Stable
    | Status
    | Cancel
    | CancelAck
    | Terminal
    | TerminalAck
    | Locate
    | Located
)

Message = (
    Hello
    | HelloAck
    | GossipDigest
    | GossipDelta
    | Probe
    | ProbeAck
    | ProbeRequest
    | Solicit
    | Offer
    | OfferAnswer
    | Release
    | Commit
    | Withdraw
    | Decision
    | Stable
    | Status
    | Cancel
    | CancelAck
    | Terminal
    | TerminalAck
    | Locate
    | Located
    | Inquest
    | InquestAnswer
    | RosterAnnounce
    | RosterRequest
    | RosterDocument
    | RosterProposal
    | RosterVote
    | ToShard
    | Append
    | AppendAck
    | Renew
    | RenewAck
    | Prepare
    | Promise
    | Refuse
    | Fetch
    | RightsAsk
    | RightsCommit
    | RightsDecision
    | QuotaRequest
    | QuotaNotice
    | PolicyRequest
    | PolicyNotice
    | ReservationPart
    | ReservationTaken
    | ReservationVerdict
    | ReservationSettled
)
