"""The door of the core: `Region.step(now, events) -> Effects`.

A Region is one region's whole mind. It is synchronous and deterministic: the same snapshot, randomness and sequence of
(now, events) give the same effects, bit for bit. It routes; the parts decide:

    rosters     who belongs to the league, and how that changes
    doubt       whether the disk may be taken at its word
    callers     what is asked of the region, and its answers
    sessions    which messages belong to the present lives of both ends
    membership  who is there, and the gossip of capacity records       (hints: no safety decision reads them)
    local       what runs here next: queue, capacity, attempts
    offers, soliciting, giver, target   the handoff
    moving      running jobs that leave a region that is being drained
    league_policy                       the policy for all regions, if there is one
    reports, tracking                   what owners owe to homes, and what homes know
    books       every change of a job, and the rows that it owes the ledger

One step: take in the events, fire what is due, start what can start, look abroad for the rest, publish, collect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from hanse.core.admission import Admission
from hanse.core.answers import Answers
from hanse.core.books import Books
from hanse.core.callers import Callers
from hanse.core.dependencies import Dependencies
from hanse.core.doubt import Doubt
from hanse.core.effects import Effects
from hanse.core.events import (
    ApplyLeaguePolicy,
    ApplyQuotas,
    Ask,
    AskRoster,
    CancelJobs,
    CancelReservation,
    Event,
    ExecutorRecovered,
    JobsForgotten,
    LedgerPressure,
    LookedUp,
    OrderJobs,
    OrderNodes,
    PeerMessages,
    PeerUnreachable,
    PlanJob,
    PolicyChanged,
    PolicyUnfit,
    ProposeRoster,
    Reserve,
    SetDrain,
    ShowRows,
    Submit,
    TaskEnded,
    TaskStarted,
    TrustDisk,
)
from hanse.core.federation.desk import Desk
from hanse.core.federation.escrow.escrow import Escrow
from hanse.core.federation.handoff.intake import Intake
from hanse.core.federation.handoff.offers import Offers
from hanse.core.federation.handoff.soliciting import Soliciting
from hanse.core.federation.inquest import Witness
from hanse.core.federation.joint import JointReservations
from hanse.core.federation.league_policy import LeaguePolicies
from hanse.core.federation.losses import FIRST_ID, Losses, Outcome
from hanse.core.federation.making_room import MakingRoom
from hanse.core.federation.membership import Membership
from hanse.core.federation.moving import MovableJobs, Moving
from hanse.core.federation.old_disk import OldDisk
from hanse.core.federation.publisher import Publisher
from hanse.core.federation.roster.ballot import Authority
from hanse.core.federation.roster.keeper import Rosters
from hanse.core.federation.routing import Router
from hanse.core.federation.sessions import Sessions
from hanse.core.federation.shards.shards import Shards
from hanse.core.federation.transferring import Transferring
from hanse.core.hands import Hands
from hanse.core.library import Library
from hanse.core.messages import (
    Append,
    AppendAck,
    Commit,
    Decision,
    Envelope,
    Fetch,
    GossipDelta,
    GossipDigest,
    Hello,
    HelloAck,
    Inquest,
    InquestAnswer,
    Locate,
    Located,
    Message,
    Offer,
    OfferAnswer,
    PolicyNotice,
    PolicyRequest,
    Prepare,
    Probe,
    ProbeAck,
    ProbeRequest,
    Promise,
    QuotaNotice,
    QuotaRequest,
    Refuse,
    Release,
    Renew,
    RenewAck,
    ReservationPart,
    ReservationSettled,
    ReservationTaken,
    ReservationVerdict,
    RightsAsk,
    RightsCommit,
    RightsDecision,
    RosterAnnounce,
    RosterDocument,
    RosterProposal,
    RosterRequest,
    RosterVote,
    Solicit,
    Stable,
    Status,
    Terminal,
    TerminalAck,
    ToShard,
)
from hanse.core.model.deadlines import Alarm, Alarms
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import RECORD_SHAPES_MAX
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Position, RegionConfig, RegionRecord, RunningJobs
from hanse.core.model.reservations import CapacityReservation
from hanse.core.model.roster import key_id
from hanse.core.model.time import Now
from hanse.core.planning import Planning
from hanse.core.policy.model import Policy, default_policy
from hanse.core.policy.problems import checked
from hanse.core.replies import Done, Reply
from hanse.core.rows import NO_WRITES, Snapshot
from hanse.core.scheduling.local import META_CORDONED, META_SHARES, LocalSide

_RESERVATION = msgspec.msgpack.Decoder(CapacityReservation)
_GREETINGS = (Hello, HelloAck)
_FOR_MEMBERSHIP = (GossipDigest, GossipDelta, Probe, ProbeAck, ProbeRequest)
# Of an operator's wish to drain the region, in the ledger's table of small facts.
_META_DRAINING = "draining"
_META_RUNNING = "drain_running"
_DRAINING = Reason(ReasonCode.DRAINING, "the region is being drained")
_DISK_FULL = Reason(ReasonCode.BURNED_NO_ROOM, "the region's disk is nearly full")
_OLD_DISK = Reason(ReasonCode.OLD_DISK, "the region's disk is an old one; it asks the others first")
_LOST = Reason(ReasonCode.REGION_LOST, "the region was declared lost: the others have gone on without it")
_RECOVERING = Reason(ReasonCode.BURNED_NO_ROOM, "the region is starting")


class Region:
    """See the module's docstring. Built from what the ledger holds, at boot and after every failed transaction."""

    def __init__(
        self,
        config: RegionConfig,
        snapshot: Snapshot,
        now: Now,
        randomness: Randomness,
        authority: Authority | None = None,
        policy: Policy | None = None,
    ) -> None:
        timings = config.timings
        self.ledger_id = snapshot.ledger_id
        self.sequence = snapshot.write_sequence
        self.books = Books(config.name, snapshot)
        self.rosters = Rosters(config, snapshot, authority, self.books, now, self._hesitates_to_vote)
        self.config = config = self.rosters.config
        self.peers = tuple(member.name for member in config.members if member.name != config.name)
        self.library = Library(self.books)
        checked_policy = checked(policy or default_policy(config.tiers))
        saved_shares = snapshot.meta.get(META_SHARES, "")
        saved_cordons = snapshot.meta.get(META_CORDONED, "")
        reservations = [_RESERVATION.decode(row.body) for row in snapshot.reservations]
        followed = [each for each in reservations if not each.is_dropped]
        self.local = LocalSide(
            config, self.library, checked_policy, now, saved_shares, saved_cordons, followed
        )
        self.old_disk = OldDisk(config, self.books, snapshot, randomness.getrandbits(63) + 1, now)
        self.doubt = Doubt(self, now)
        position = Position(snapshot.incarnation, snapshot.write_sequence, self.old_disk.life)
        self.sessions = Sessions(config, snapshot.ledger_id, position, snapshot.peers_seen, randomness, now)
        self.membership = Membership(config, now, randomness)
        self.inventory = self.membership.inventory
        self.publisher = Publisher(timings, len(config.members))
        self.router = Router(
            config, self.inventory, randomness, self._connected, self._in_flight, self._reachability
        )
        self.router.objective = checked_policy.objective
        self.witness = Witness(config.name, self.books)
        self.losses = Losses(config, self.books)
        self._randomness = randomness
        self.intake = Intake(config, self.local, self._queued, self._why_not_adopting)
        self.shards = Shards(
            config,
            snapshot,
            self.library,
            self.local,
            self.intake,
            self.router,
            self.inventory,
            self._connected,
            self.old_disk.life,
            randomness,
            now,
            disk_is_old=self.old_disk.active,
        )
        movable = MovableJobs(timings)
        self.moving = Moving(timings, self.local, self.router, movable)
        self.making_room = MakingRoom(timings, self.local, self.router, movable)
        ever, current = self._operator_keys()
        self.escrow = Escrow(
            config,
            snapshot,
            ever,
            current,
            authority,
            self.library,
            self.shards,
            self.inventory,
            self.local.capacity.free_total,
            self.local.readmit,
            self.doubt.unheard,
            checked_policy.tier_names,
            randomness,
            now,
        )
        self.local.scheduler.gate = self.escrow
        self.league_policy = LeaguePolicies(config, snapshot, self.books, self.inventory, current, authority)
        self.joint = JointReservations(
            config,
            self.books,
            self.local.reserving,
            [each for each in reservations if each.is_dropped],
            self._connected,
            now,
        )
        self.intake.rights = self.escrow.slots
        self._build_handoff(now)
        self.planning = Planning(self)
        self.hands = Hands(self)
        self.dependencies = Dependencies(self.library, self.enqueue)
        self.admission = Admission(config, self.local, self.router, self._queued, self.planning.check)
        self.answers = Answers(self)
        self.callers = Callers(self, policy_is_kept=snapshot.policy is not None)
        # Whether something that the record tells changed without a write.
        self._standing_changed = True
        self._published_leads: tuple[tuple[str, int], ...] = ()
        # The state of nodes and queue that the last record was made of.
        self._published_at = (-1, -1)
        self.draining = snapshot.meta.get(_META_DRAINING) == "1"
        if self.draining:
            self.moving.wish(now, RunningJobs(int(snapshot.meta.get(_META_RUNNING, RunningJobs.FINISH))))
        self.disk_nearly_full = False
        self.local.in_doubt = self.desk.in_doubt = self.shards.in_doubt = self.in_doubt
        self._alarms = self._all_alarms()
        self._open_or_close()
        if not self.in_doubt:
            self._reckon_with_losses(now)

    def _build_handoff(self, now: Now) -> None:
        """The parts whose memory follows from the books: at boot, and after an inquest has changed the books."""
        self.desk = Desk(
            self.config,
            self.books,
            self.ledger_id,
            self.local,
            self.intake,
            self.router,
            now,
            self.local.enqueue,
            self.config.lost,
        )
        transfers = Transferring(self.desk, self.shards)
        self.offers = Offers(self.config, self.local, transfers, self.router, self._randomness)
        self.soliciting = Soliciting(
            self.config,
            self.local,
            self.inventory,
            self.intake.held,
            self.local.capacity.free_total,
            self._freed,
            self._gained,
            self._randomness,
            now,
        )
        self._handoff_alarms = Alarms(
            self.desk.alarm,
            self.intake.alarm,
            *self.offers.alarms,
            self.soliciting.alarm,
            self.losses.alarm,
            self.moving.alarm,
            self.making_room.alarm,
        )

    def _all_alarms(self) -> Alarms:
        """Those of the parts that are at work. The handoff's are a group of their own, because they seldom move."""
        work = Alarms(self.old_disk.alarm, self.doubt.grace) if self.in_doubt else self._handoff_alarms
        shards = Alarm() if self.in_doubt else self.shards.alarm
        joint = Alarm() if self.in_doubt else self.joint.alarm
        escrow = Alarm() if self.in_doubt else self.escrow.alarm
        rare = Alarms(self.sessions.alarm, self.rosters.alarm, shards, escrow, joint, work)
        return Alarms(self.membership.alarm, self.publisher.alarm, self.local.alarm, rare)

    @property
    def incarnation(self) -> int:
        """Which boot of the ledger this is, or, after an inquest, one more than anybody has seen."""
        return self.old_disk.incarnation

    @property
    def in_doubt(self) -> bool:
        """Whether the disk may be an old one (doubt.py)."""
        return self.doubt.active

    @property
    def waits_for(self) -> str:
        """Who or what ends the doubt, in words."""
        return self.doubt.waits_for

    # --- the step -------------------------------------------------------------------------------------------------

    def step(self, now: Now, events: Sequence[Event]) -> Effects:
        """Take in what happened and say what is to be done. Never raises for anything that came from outside."""
        out = Effects(writes=NO_WRITES)
        self.library.begin(now)
        self.shards.begin(now)
        if not self.in_doubt:
            self.escrow.begin(now, out)
        for event in events:
            self.library.set_cause(event.cause)
            self._on_event(now, event, out)
        if self.in_doubt:
            self.library.set_cause("timer")
            if self.doubt.try_to_end(now, out):
                self._rely_on_disk(now, out)
        elif self.losses.active:
            self.library.set_cause("losses")
            self._settle_losses(now, out)
        in_doubt = self.in_doubt
        self.shards.wind(now)
        if now.mono_us >= self._alarms.next_us:
            self._on_deadlines(now, out)
        self.shards.reconcile(now, out)
        self.local.arrays.close()
        self.dependencies.settle()
        if not in_doubt:
            self.escrow.settle(now, out)
        self.library.set_cause("schedule")
        if self.local.queue.depth or self.local.more or now.mono_us >= self.local.alarm.next_us:
            self.local.cycle(now, out)
        self.local.arrays.settle()
        if not in_doubt:
            self._look_abroad(now, out)
            self.escrow.finish(now, out)
        self.shards.report(now)
        if not in_doubt:
            self.desk.report(now, out)
        self._publish(now)
        return self._collect(now, out)

    def next_deadline(self) -> int:
        """Mono microseconds at which step must be called even if nothing happens."""
        if self.local.more:
            return 0
        return self._alarms.next_us

    def rest(self) -> None:
        """Until `stir`, whoever drives this region brings it the records of the others when they change, and loses no
        message: no gossip, no probes, no questions about jobs that have moved on. For replays, in which months pass
        without anything going wrong."""
        self.membership.rest()
        self.desk.tracking.rest()

    def stir(self, now: Now) -> None:
        """Something may go wrong from now on."""
        self.membership.stir(now)
        self.desk.tracking.stir(now)

    def envelope(self, to: str) -> Envelope:
        """The envelope for what the newest step sends to this peer. To be made right after the step: it says how far
        the region has come by then, and which session it was in."""
        return self.sessions.envelope(to)

    # --- events ---------------------------------------------------------------------------------------------------

    def _on_event(self, now: Now, event: Event, out: Effects) -> None:
        match event:
            case PeerMessages():
                self._on_peer_messages(now, event, out)
            case TaskEnded():
                self.local.on_task_ended(event, out)
            case TaskStarted():
                pass  # The row says RUNNING already; who wants the pid asks the executor.
            case Submit() | PlanJob() | CancelJobs() | Ask() | OrderJobs() | OrderNodes():
                self.callers.take_in(now, event, out)
            case PolicyChanged() | ApplyQuotas() | Reserve() | CancelReservation():
                self.callers.take_in(now, event, out)
            case ApplyLeaguePolicy() | PolicyUnfit():
                self.callers.take_in(now, event, out)
            case SetDrain():
                self._set_drain(now, event, out)
            case ExecutorRecovered():
                self._on_recovered(now, event, out)
            case LedgerPressure():
                self.disk_nearly_full = event.nearly_full
                self._open_or_close()
            case PeerUnreachable():
                self.membership.link_failed(now, event.peer)
            case JobsForgotten():
                self.books.forget(event.job_ids, event.client_keys)
                self.shards.forget(event)
            case LookedUp():
                self.doubt.on_looked_up(now, event, out)
            case ShowRows():
                self.shards.show_soon()
                out.replies.append(Reply(event.request_id, Done()))
            case TrustDisk():
                out.replies.append(Reply(event.request_id, self.doubt.trust(event)))
            case ProposeRoster():
                out.replies.append(Reply(event.request_id, self.rosters.propose(now, event, out)))
            case AskRoster():
                out.replies.append(Reply(event.request_id, self.rosters.answer(event)))
            case _:
                assert_never(event)

    def _on_peer_messages(self, now: Now, event: PeerMessages, out: Effects) -> None:
        envelope = event.envelope
        if not self.sessions.addressed_to_us(envelope):
            self.sessions.dropped += 1
            self.rosters.on_envelope(now, event, out)  # one that was a member is told
            return
        peer = envelope.sender
        self.membership.heard(now, peer)
        if self.old_disk.contradicts(envelope):
            self._quarantine(now, f"{peer} has seen newer writes of this region", out)
        messages = self.rosters.on_envelope(now, event, out)
        if not messages:
            return
        greeting_back = self.sessions.confirm(now, envelope)
        if greeting_back:
            out.sends.extend(greeting_back)
            self._on_session(now, peer, out)
        greetings = [each for each in messages if isinstance(each, _GREETINGS)]
        for greeting in greetings:
            self._on_greeting(now, peer, greeting, out)
        if len(greetings) == len(messages) or not self.sessions.accepts(now, envelope):
            return
        for message in messages:
            if not self.doubt.may_read(message):
                continue
            if isinstance(message, _FOR_MEMBERSHIP):
                out.sends += self.membership.on_message(now, peer, message)
                if isinstance(message, GossipDelta):
                    self.shards.on_records(now)
                    self.escrow.on_records(now, out)
                    if not self.in_doubt:
                        self.league_policy.on_records(now, out)
                if (stamp := self.inventory.own_record_from_the_future) is not None:
                    self.publisher.overtake(stamp)
            else:
                self._on_message(now, peer, envelope.sender_ledger_id, message, out)
        if self.books.owes_rows or self.shards.owes_rows:
            self.books.remember_peer(self.sessions.seen(peer))

    def _on_greeting(self, now: Now, peer: str, greeting: Hello | HelloAck, out: Effects) -> None:
        if isinstance(greeting, Hello):
            out.sends.extend(self.sessions.on_hello(peer, greeting))
            return
        sends, began = self.sessions.on_hello_ack(peer, greeting)
        out.sends.extend(sends)
        if began:
            self._on_session(now, peer, out)

    def _on_message(self, now: Now, peer: str, ledger_id: str, message: Message, out: Effects) -> None:
        match message:
            case (
                Commit()
                | Decision()
                | Stable()
                | Status()
                | Terminal()
                | TerminalAck()
                | Locate()
                | Located()
            ):
                # The most frequent ones come first.
                self.desk.on_message(now, peer, ledger_id, message, out)
            case Offer():
                self.soliciting.answered(peer)
                if self.intake.on_offer(now, peer, message, out):
                    self.soliciting.declined(now, peer, message)
                elif self.intake.has_hold(peer, message.id):
                    self.soliciting.accepted(peer)
            case OfferAnswer():
                self.offers.on_answer(now, peer, message, out)
            case Release():
                self.intake.on_release(peer, message)
            case Solicit():
                self.offers.on_solicit(now, peer, message, out)
            case Inquest():
                self.witness.on_inquest(peer, message, out)
            case InquestAnswer():
                (self.losses if message.id >= FIRST_ID else self.old_disk).on_answer(peer, message)
            case ToShard():
                if not self.in_doubt:
                    self.shards.on_to_shard(now, peer, message)
            case Append() | AppendAck() | Renew() | RenewAck() | Prepare() | Promise() | Refuse() | Fetch():
                if not self.in_doubt:
                    self.shards.on_group_message(now, peer, message, out)
            case RightsAsk() | RightsCommit() | RightsDecision() | QuotaRequest() | QuotaNotice():
                if not self.in_doubt:
                    self.escrow.on_message(now, peer, message, out)
            case PolicyRequest() | PolicyNotice():
                if not self.in_doubt:
                    self.league_policy.on_message(peer, message, out)
            case ReservationPart() | ReservationTaken() | ReservationVerdict() | ReservationSettled():
                if not self.in_doubt:
                    self.joint.on_message(now, peer, message, out)
                    self.local.heed_windows(now)
            case Hello() | HelloAck():
                pass  # Taken in before the session was checked.
            case RosterAnnounce() | RosterRequest() | RosterDocument() | RosterProposal() | RosterVote():
                pass  # These need no session either.
            case GossipDigest() | GossipDelta() | Probe() | ProbeAck() | ProbeRequest():
                pass  # Membership's, and not for quarantine to stop.
            case _:
                self.desk.on_message(now, peer, ledger_id, message, out)

    def _on_session(self, now: Now, peer: str, out: Effects) -> None:
        self.rosters.on_session(peer, out)
        self.old_disk.on_session(now, peer)
        self.losses.on_session(now, peer)
        if not self.in_doubt:
            self.desk.on_session(now, peer, out)
            self.escrow.on_session(now, peer, out)
            self.joint.on_session(now, peer)

    def enqueue(self, job: Job) -> None:
        """A queued job that may start from now on. One of a shard first has to be held by a majority as it is."""
        leading = self.shards.leading_of(job)
        if leading is None:
            self.local.enqueue(job)
        else:
            leading.enqueue_when_held(job)

    # --- an old disk ------------------------------------------------------------------------------------------------

    def _on_recovered(self, now: Now, event: ExecutorRecovered, out: Effects) -> None:
        forgotten = next((each.run for each in event.found if self.local.runs.is_forgotten(each.run)), None)
        self.local.on_recovered(event.found, out)
        if self.config.is_lost:
            self._stop_all(out)
        if forgotten is not None and not self.old_disk.active:
            self._quarantine(now, f"the engine knows the run {forgotten}, which the ledger does not", out)
        self._open_or_close()

    def _quarantine(self, now: Now, why: str, out: Effects) -> None:
        """Stop whatever this life began; what earlier lives left running is the newest that there is."""
        self.doubt.quarantine(now, why)
        self.local.in_doubt = self.desk.in_doubt = self.shards.in_doubt = True
        self.shards.forget_disk(now)
        self._alarms = self._all_alarms()
        self.local.suspend(Reason(ReasonCode.OLD_DISK, why), out)
        self._open_or_close()

    def _rely_on_disk(self, now: Now, out: Effects) -> None:
        """It is in doubt no more: build anew what rests on it, and go on with what had to wait."""
        self.local.in_doubt = self.shards.in_doubt = False
        counts = self.desk.giver.counts
        self._build_handoff(now)
        self.desk.giver.counts = counts
        self._alarms = self._all_alarms()
        wished = [job for job in self.books.jobs.values() if job.cancel_id]
        for job in wished:
            if job.state in (JobState.QUEUED, JobState.RUNNING):
                self.desk.carry_out_wish(now, job, out)
        for peer in self.peers:
            if self.sessions.established(peer):
                self._on_session(now, peer, out)
        self._reckon_with_losses(now)
        self._open_or_close()

    # --- regions that were declared lost ----------------------------------------------------------------------------

    def _reckon_with_losses(self, now: Now) -> None:
        """The books are right: look in them for what was with regions that are lost."""
        for job in self.losses.forsaken():
            self.books.settle(job, keep_spec=True)
        self.losses.begin(now)

    def _settle_losses(self, now: Now, out: Effects) -> None:
        """Once all have answered: carry out what follows."""
        for outcome in self.losses.outcomes(now):
            self._carry_out(now, outcome, out)

    def _carry_out(self, now: Now, outcome: Outcome, out: Effects) -> None:
        job = self.books.jobs[outcome.job_id]
        self.desk.giver.give_up(job)
        self.desk.tracking.forget_cancel(job)
        if not outcome.to:
            self.books.taken_back(job, outcome.epoch)
            self.books.skip_attempts(job, self.local.found_attempt(job.id, job.epoch))
            self.local.enqueue(job)
        elif job.state is JobState.XFER or outcome.to != job.transfer_to:
            self.books.overtaken_moved(job, outcome.to, max(outcome.epoch, job.transfer_epoch))
        if outcome.ended:
            self.books.settle(job)
        elif job.cancel_id:
            self.desk.carry_out_wish(now, job, out)

    def _stop_all(self, out: Effects) -> None:
        """This region was declared lost, and others have gone on: whatever still runs here may run there as well."""
        for job in list(self.books.jobs.values()):
            if job.state is JobState.RUNNING:
                self.local.stop(job, Reason(ReasonCode.REGION_LOST, "this region was declared lost"), out)

    # --- the rest of the step ---------------------------------------------------------------------------------------

    def _on_deadlines(self, now: Now, out: Effects) -> None:
        self.library.set_cause("timer")
        out.sends.extend(self.sessions.on_deadline(now))
        out.sends.extend(self.membership.on_deadline(now))
        self.rosters.on_deadline(now, out)
        if self.in_doubt:
            self.old_disk.on_deadline(now, out)
            return
        self.shards.on_deadline(now, out)
        self.escrow.on_deadline(now, out)
        if now.mono_us >= self.joint.alarm.next_us:
            self.joint.on_deadline(now, out)
            self.local.heed_windows(now)
        if now.mono_us < self._handoff_alarms.next_us:
            return
        self.desk.on_deadline(now, out)
        self.losses.on_deadline(now, out)
        self.offers.on_deadline(now)
        self.intake.on_deadline(now)

    def _look_abroad(self, now: Now, out: Effects) -> None:
        self.moving.look(now, out)
        if not self.peers:
            return
        self.making_room.look(now, out)
        if advanced := self.inventory.take_advanced():
            self.offers.heard(advanced)
        if self.local.queue.depth and not self.local.more:
            self.offers.look_abroad(now, out)
        if self.intake.closed is None and self.local.may_have_spare:
            self.soliciting.on_capacity(now, out)
        else:
            self.soliciting.rest()

    def _publish(self, now: Now) -> None:
        if self.escrow.news_changed:
            self.escrow.news_changed = False
            self._standing_changed = True
        if self.league_policy.news_changed:
            self.league_policy.news_changed = False
            self._standing_changed = True
        leads = self.shards.led
        if leads != self._published_leads:
            self._published_leads, self._standing_changed = leads, True
        moved = (self.local.capacity.table.changes, self.local.queue.version)
        if self.publisher.wants_body(now, moved != self._published_at or self._standing_changed):
            self._standing_changed, self._published_at = False, moved
            record = self.publisher.maybe_publish(now, self._record(now))
            if record is not None:
                self.inventory.publish(record, now)

    def _record(self, now: Now) -> RegionRecord:
        member = self.config.member(self.config.name)
        assert member is not None
        return RegionRecord(
            region=self.config.name,
            incarnation=self.incarnation,
            version=0,
            observed_wall_us=now.wall_us,
            classes=self.local.capacity.classes(),
            draining=self.intake.closed is not None,
            protocol_min=self.config.protocol_min,
            protocol_max=self.config.protocol_max,
            datasets=self.config.datasets,
            queued=len(self.local.queue),
            predicted_wait_us=self.local.wait.queue_wait_us(),
            peer_address=member.peer_address,
            public_address=member.public_address,
            queued_shapes=self.local.queue.waiting_shapes(RECORD_SHAPES_MAX, now.wall_us),
            price=self.config.price,
            power=self.config.power,
            leads=self.shards.led,
            quotas=self.escrow.news(),
            policy=self.league_policy.news(self.local.standing.policy.version),
        )

    def _collect(self, now: Now, out: Effects) -> Effects:
        self.league_policy.hand_out(out)
        out.writes, out.changes = self.books.collect()
        # (If it writes nothing, this is one too many: nobody leaves too early.)
        self.shards.collect(now, out, self.sequence + 1)
        if out.writes is not NO_WRITES and out.writes:
            self.sequence += 1
            self.sessions.note_step(self.sequence)
        out.sequence = self.sequence
        out.restart = self.rosters.restart
        if out.sends and not self.sessions.complete:
            out.sends = [each for each in out.sends if self.sessions.may_send(each.to, each.message)]
        return out

    # --- shared -----------------------------------------------------------------------------------------------------

    def _set_drain(self, now: Now, event: SetDrain, out: Effects) -> None:
        """The newest wish counts, also as to the running jobs."""
        wish = event.running if event.draining else None
        if wish is not self.moving.wished:
            self.books.set_meta(_META_RUNNING, str(int(event.running)))
            self.moving.wish(now, wish)
        if event.draining != self.draining:
            self.draining = event.draining
            self.books.set_meta(_META_DRAINING, "1" if event.draining else "0")
            self._open_or_close()
        out.replies.append(Reply(event.request_id, Done()))

    def _open_or_close(self) -> None:
        """Whether callers and peers may bring new work, from everything that could forbid it."""
        self._standing_changed = True
        self.local.draining = self.draining
        self.escrow.drain(draining=self.draining)
        if self.config.is_lost:
            self.intake.closed = _LOST
        elif self.old_disk.active:
            self.intake.closed = _OLD_DISK
        elif self.draining:
            self.intake.closed = _DRAINING
        elif self.disk_nearly_full:
            self.intake.closed = _DISK_FULL
        elif not self.local.runs.recovered:
            self.intake.closed = _RECOVERING
        else:
            self.intake.closed = None
        self.admission.disk_nearly_full = self.disk_nearly_full

    def _operator_keys(self) -> tuple[dict[str, str], dict[str, str]]:
        """By their ids: those of all rosters that were ever in force, and those that count today."""
        configured, of_rosters = self.config.operator_keys, self.rosters.operator_keys()
        ever = {key_id(key): key for key in (*configured, *of_rosters)}
        head = self.rosters.head
        current = {key_id(key): key for key in (*configured, *([head.operator_key] if head else []))}
        return ever, current

    def _hesitates_to_vote(self) -> str:
        """Whether this disk may be an old one that has forgotten a countersignature, as far as is known."""
        return f"its disk may be an old one; it waits for {self.waits_for}" if self.in_doubt else ""

    def _freed(self) -> int:
        """Grows whenever something may have room here that had none."""
        return self.local.capacity.version + self.local.queue.version + self.intake.ended_holds

    def _gained(self) -> tuple[int, ...]:
        """The same as long as nothing can have room that had none. (Jobs that find room at once take some: an empty
        queue is like any other.)"""
        queue = self.local.queue
        # Grows with each job that leaves the queue, and not with those that come.
        left = queue.version - queue.depth if queue.depth else 0
        return self.local.capacity.version, left, self.intake.ended_holds, self.local.windows.version

    def _why_not_adopting(self) -> Reason | None:
        return self.shards.why_not_adopting()

    def _connected(self, peer: str) -> bool:
        return self.sessions.established(peer) and self.membership.reachable(peer)

    def _reachability(self) -> int:
        """Grows whenever a peer may have come into reach or gone out of it."""
        return self.membership.reachability + self.sessions.begun

    def _in_flight(self, peer: str) -> int:
        undecided = self.desk.giver.undecided(peer)
        undecided += sum(each.desk.giver.undecided(peer) for each in self.shards.leading.values())
        return undecided + self.offers.count_to(peer)

    def _queued(self) -> int:
        return sum(books.counts[JobState.QUEUED] for books in self.library)
