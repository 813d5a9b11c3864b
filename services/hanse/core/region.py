"""The door of the core: `Region.step(now, events) -> Effects`.

A Region is one region's whole mind. It is synchronous and deterministic: the same snapshot, randomness and sequence of
(now, events) give the same effects, bit for bit. It routes; the parts decide:

    sessions    which messages belong to the present lives of both ends
    membership  who is there, and the gossip of capacity records       (hints: no safety decision reads them)
    local       what runs here next: queue, capacity, attempts
    offers, soliciting, giver, target   the handoff
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
from hanse.core.effects import (
    NO_WRITES,
    Answer,
    CancelOutcome,
    Done,
    Effects,
    PolicyAdopted,
    Refused,
    Reply,
    Send,
    Snapshot,
    SubmitOutcome,
    Trusted,
)
from hanse.core.events import (
    Ask,
    CancelJobs,
    Event,
    ExecutorRecovered,
    JobsForgotten,
    LedgerPressure,
    LookedUp,
    PeerMessages,
    PeerUnreachable,
    PolicyChanged,
    SetDrain,
    Submit,
    TaskEnded,
    TaskStarted,
    TrustDisk,
)
from hanse.core.federation.handoff.giver import Giver
from hanse.core.federation.handoff.offers import Offers
from hanse.core.federation.handoff.soliciting import Soliciting
from hanse.core.federation.handoff.target import Target
from hanse.core.federation.inquest import Witness
from hanse.core.federation.membership import Membership
from hanse.core.federation.old_disk import OldDisk
from hanse.core.federation.overtaking import (
    UNREAD_IN_DOUBT,
    carry_out,
    decide_what_is_passed,
    stop_what_runs_on,
)
from hanse.core.federation.publisher import Publisher
from hanse.core.federation.reports import Reports
from hanse.core.federation.routing import Router
from hanse.core.federation.sessions import Sessions
from hanse.core.federation.tracking import Tracking
from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Envelope,
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
    Probe,
    ProbeAck,
    ProbeRequest,
    Release,
    Solicit,
    Stable,
    Status,
    Terminal,
    TerminalAck,
    Verdict,
    Withdraw,
)
from hanse.core.model.deadlines import NEVER_US, Alarm, Alarms
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.limits import RECORD_SHAPES_MAX
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Position, RegionConfig, RegionRecord
from hanse.core.model.time import Now
from hanse.core.policy.model import Policy, default_policy
from hanse.core.policy.problems import PolicyRefused, checked
from hanse.core.scheduling.local import META_SHARES, LocalSide

_GREETINGS = (Hello, HelloAck)
_FOR_MEMBERSHIP = (GossipDigest, GossipDelta, Probe, ProbeAck, ProbeRequest)
# When a caller may ask again about a job that the region may have forgotten.
DOUBT_RETRY_MS = 1_000
_DRAINING = Reason(ReasonCode.DRAINING, "the region is being drained")
_DISK_FULL = Reason(ReasonCode.BURNED_NO_ROOM, "the region's disk is nearly full")
_OLD_DISK = Reason(ReasonCode.OLD_DISK, "the region's disk is an old one; it asks the others first")
_RECOVERING = Reason(ReasonCode.BURNED_NO_ROOM, "the region is starting")


class Region:
    """See the module's docstring. Built from what the ledger holds, at boot and after every failed transaction."""

    def __init__(
        self,
        config: RegionConfig,
        snapshot: Snapshot,
        now: Now,
        randomness: Randomness,
        policy: Policy | None = None,
    ) -> None:
        timings = config.timings
        self.config = config
        self.ledger_id = snapshot.ledger_id
        self.sequence = snapshot.write_sequence
        self.books = Books(config.name, snapshot)
        checked_policy = checked(policy or default_policy(config.tiers))
        saved_shares = snapshot.meta.get(META_SHARES, "")
        self.local = LocalSide(config, self.books, checked_policy, now, saved_shares)
        self.old_disk = OldDisk(config, self.books, snapshot, randomness.getrandbits(63) + 1, now)
        position = Position(snapshot.incarnation, snapshot.write_sequence, self.old_disk.life)
        self.sessions = Sessions(config, snapshot.ledger_id, position, snapshot.peers_seen, randomness, now)
        self.membership = Membership(config, now, randomness)
        self.inventory = self.membership.inventory
        self.publisher = Publisher(timings, len(config.members))
        self.router = Router(config, self.inventory, randomness, self._connected, self._in_flight)
        self.router.objective = checked_policy.objective
        self._policy_is_kept = snapshot.policy is not None
        self.witness = Witness(config.name, self.books)
        self._randomness = randomness
        self._build_handoff(now)
        self.admission = Admission(config, self.books, self.local, self.router)
        self.answers = Answers(self)
        # Whether something that the record tells changed without a write.
        self._standing_changed = True
        self.draining = snapshot.meta.get("draining") == "1"
        self.disk_nearly_full = False
        self.peers = tuple(member.name for member in config.members if member.name != config.name)
        # Until then the disk is in doubt, unless all peers have been heard: one of them may know that it is old.
        self._in_grace = bool(self.peers) and not self.old_disk.active
        self._grace_is_over = False
        self._grace = Alarm(now.mono_us + timings.boot_grace_us if self._in_grace else NEVER_US)
        self.local.in_doubt = self.in_doubt
        self._alarms = self._all_alarms()
        self._open_or_close()

    def _build_handoff(self, now: Now) -> None:
        """The parts whose memory follows from the books: at boot, and after an inquest has changed the books."""
        name, timings = self.config.name, self.config.timings
        self.giver = Giver(name, self.ledger_id, self.books, self.local, timings, now)
        self.offers = Offers(self.config, self.local, self.giver, self.router)
        self.target = Target(self.config, self.books, self.local, self.giver)
        self.soliciting = Soliciting(
            self.config,
            self.local,
            self.inventory,
            self.target.held,
            self.local.capacity.free_total,
            self._freed,
            self._randomness,
            now,
        )
        self.reports = Reports(name, self.books, timings, now)
        self.tracking = Tracking(name, self.books, self.giver, timings, now)
        self._handoff_alarms = Alarms(
            self.giver.alarm,
            self.target.alarm,
            *self.offers.alarms,
            *self.reports.alarms,
            *self.tracking.alarms,
        )

    def _all_alarms(self) -> Alarms:
        """Those of the parts that are at work. The handoff's are a group of their own, because they seldom move."""
        work = Alarms(self.old_disk.alarm, self._grace) if self.in_doubt else self._handoff_alarms
        return Alarms(
            self.membership.alarm,
            self.publisher.alarm,
            self.local.alarm,
            Alarms(self.sessions.alarm, work),
        )

    @property
    def incarnation(self) -> int:
        """Which boot of the ledger this is, or, after an inquest, one more than anybody has seen."""
        return self.old_disk.incarnation

    @property
    def in_doubt(self) -> bool:
        """Whether the disk may be an old one: nothing is launched then, and nothing that rests on what the disk says
        is sent, read or decided."""
        return self.old_disk.active or self._in_grace

    @property
    def waits_for(self) -> str:
        """Who or what ends the doubt, in words."""
        if not self.local.runs.recovered:
            return "the executor, to tell what still runs"
        return ", ".join(self._silent()) or "what runs on to be stopped"

    def _silent(self) -> list[str]:
        """Members that it waits for."""
        return self.old_disk.missing() if self.old_disk.active else self._unheard()

    # --- the step -------------------------------------------------------------------------------------------------

    def step(self, now: Now, events: Sequence[Event]) -> Effects:
        """Take in what happened and say what is to be done. Never raises for anything that came from outside."""
        out = Effects(writes=NO_WRITES)
        self.books.begin(now)
        for event in events:
            self.books.cause = event.cause
            self._on_event(now, event, out)
        if self.in_doubt:
            self.books.cause = "timer"
            self._try_to_end_doubt(now, out)
        if now.mono_us >= self._alarms.next_us:
            self._on_deadlines(now, out)
        self.books.cause = "schedule"
        if self.local.queue.depth or self.local.more or now.mono_us >= self.local.alarm.next_us:
            self.local.cycle(now, out)
        self._look_abroad(now, out)
        if self.books.owed or self.giver.owes_stable:
            self._report(now, out)
        self._publish(now)
        return self._collect(out)

    def next_deadline(self) -> int:
        """Mono microseconds at which step must be called even if nothing happens."""
        if self.local.more:
            return 0
        return self._alarms.next_us

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
            case Submit():
                results = tuple(self.admission.submit(each) for each in event.submissions)
                out.replies.append(Reply(event.request_id, SubmitOutcome(results)))
            case CancelJobs():
                results_ = tuple(self._cancel(now, job_id, event.cause, out) for job_id in event.job_ids)
                out.replies.append(Reply(event.request_id, CancelOutcome(results_)))
            case Ask():
                out.replies.append(Reply(event.request_id, self.answers.answer(now, event)))
            case SetDrain():
                self._set_drain(event, out)
            case ExecutorRecovered():
                self._on_recovered(now, event, out)
            case LedgerPressure():
                self.disk_nearly_full = event.nearly_full
                self._open_or_close()
            case PeerUnreachable():
                self.membership.link_failed(now, event.peer)
            case JobsForgotten():
                self.books.forget(event.job_ids, event.client_keys)
            case LookedUp():
                self._on_looked_up(now, event, out)
            case PolicyChanged():
                out.replies.append(Reply(event.request_id, self._change_policy(now, event)))
            case TrustDisk():
                out.replies.append(Reply(event.request_id, self._trust_disk(event)))
            case _:
                assert_never(event)

    def _on_peer_messages(self, now: Now, event: PeerMessages, out: Effects) -> None:
        envelope = event.envelope
        if not self.sessions.addressed_to_us(envelope):
            self.sessions.dropped += 1
            return
        peer = envelope.sender
        self.membership.heard(now, peer)
        if self.old_disk.contradicts(envelope):
            self._quarantine(now, f"{peer} has seen newer writes of this region", out)
        greeting_back = self.sessions.confirm(now, envelope)
        if greeting_back:
            out.sends.extend(greeting_back)
            self._on_session(now, peer, out)
        greetings = [each for each in event.messages if isinstance(each, _GREETINGS)]
        for greeting in greetings:
            self._on_greeting(now, peer, greeting, out)
        if len(greetings) == len(event.messages) or not self.sessions.accepts(now, envelope):
            return
        for message in event.messages:
            if not self._may_read(message):
                continue
            if isinstance(message, _FOR_MEMBERSHIP):
                out.sends += self.membership.on_message(now, peer, message)
            else:
                self._on_message(now, peer, envelope.sender_ledger_id, message, out)
        if self.books.owes_rows:
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
            case Commit():
                self.target.on_commit(peer, ledger_id, message, out)
            case Decision():
                job = self.giver.on_decision(peer, message, out)
                if job is not None:
                    self._after_decision(now, peer, job, message, out)
            case Terminal():
                self.tracking.on_terminal(peer, message, out)
            case TerminalAck():
                self.reports.on_ack(peer, message, out)
            case Status():
                self.tracking.on_status(peer, message)
            case Stable():
                self.target.on_stable(peer, ledger_id, message)
            case Offer():
                self.soliciting.answered(peer)
                if self.target.on_offer(now, peer, message, out):
                    self.soliciting.declined(now, peer, message.shape, message.count)
            case OfferAnswer():
                self.offers.on_answer(now, peer, message, out)
            case Release():
                self.target.on_release(peer, message)
            case Solicit():
                self.offers.on_solicit(now, peer, message, out)
            case Withdraw():
                self.target.on_withdraw(peer, ledger_id, message, out)
            case Cancel():
                self._on_cancel(now, peer, message, out)
            case CancelAck():
                self.tracking.on_cancel_ack(peer, message)
            case Locate():
                self.tracking.on_locate(peer, message, out)
            case Located():
                self.tracking.on_located(peer, message)
            case Inquest():
                self.witness.on_inquest(peer, message, out)
            case InquestAnswer():
                self.old_disk.on_answer(peer, message)
            case Hello() | HelloAck():
                pass  # Taken in before the session was checked.
            case GossipDigest() | GossipDelta() | Probe() | ProbeAck() | ProbeRequest():
                pass  # Membership's, and not for quarantine to stop.
            case _:
                assert_never(message)

    def _on_session(self, now: Now, peer: str, out: Effects) -> None:
        self.old_disk.on_session(now, peer)
        if not self.in_doubt:
            self.giver.on_session(now, peer, out)
            self.reports.on_session(now, peer)

    def _after_decision(self, now: Now, peer: str, job: Job, decision: Decision, out: Effects) -> None:
        if decision.verdict is Verdict.BURNED:
            self.router.refused(now, peer, job.shape, decision.reason, self.config.timings.decline_memory_us)
        if job.cancel_id and job.state is JobState.QUEUED:
            self.local.dequeue(job)
            self.books.cancel_queued(job)
        elif job.cancel_id:
            self.tracking.relay_cancel(now, job, out)

    # --- cancel ---------------------------------------------------------------------------------------------------

    def _cancel(self, now: Now, job_id: str, cancel_id: str, out: Effects) -> JobState | Refused:
        job = self.books.jobs.get(job_id)
        if job is None and self.in_doubt:
            message = f"{self.config.name} may have forgotten it, and waits for {self.waits_for}"
            return Refused("UNREACHABLE", "job_ids", message, DOUBT_RETRY_MS)
        if job is None:
            return Refused("NOT_FOUND", "job_ids", f"no such job: {job_id}")
        if job.state in TERMINAL_STATES:
            return Refused("TERMINAL", "job_ids", f"{job_id} is {job.state.name} already")
        state = job.state
        self._end(now, job, cancel_id, out)
        return state

    def _on_cancel(self, now: Now, peer: str, cancel: Cancel, out: Effects) -> None:
        job = self.books.jobs.get(cancel.job_id)
        if (
            job is None
            and cancel.job_id not in self.books.closed
            and not self.tracking.remember_intent(cancel)
        ):
            return
        if job is not None and job.state not in TERMINAL_STATES:
            self._end(now, job, cancel.cancel_id, out)
        out.sends.append(Send(peer, CancelAck(cancel.job_id, cancel.cancel_id)))

    def _end(self, now: Now, job: Job, cancel_id: str, out: Effects) -> None:
        """Take the wish, and do what the job's state allows. In doubt nothing: the job may be elsewhere."""
        if job.cancel_id:
            return
        self.books.want_cancel(job, cancel_id)
        if not self.in_doubt:
            self._carry_out_wish(now, job, out)

    def _carry_out_wish(self, now: Now, job: Job, out: Effects) -> None:
        match job.state:
            case JobState.QUEUED:
                self.local.dequeue(job)
                self.books.cancel_queued(job)
            case JobState.RUNNING:
                self.local.stop(job, Reason(ReasonCode.CANCEL_REQUESTED), out)
            case JobState.XFER:
                self.giver.withdraw(now, job, out)
            case JobState.MOVED:
                self.tracking.relay_cancel(now, job, out)
            case _:
                pass  # STOPPING: the wish decides what comes of it when its tasks are dead.

    # --- an old disk ------------------------------------------------------------------------------------------------

    def _on_recovered(self, now: Now, event: ExecutorRecovered, out: Effects) -> None:
        forgotten = next((each.run for each in event.found if self.local.runs.is_forgotten(each.run)), None)
        self.local.on_recovered(event.found, out)
        if forgotten is not None and not self.old_disk.active:
            self._quarantine(now, f"the engine knows the run {forgotten}, which the ledger does not", out)
        self._open_or_close()

    def _quarantine(self, now: Now, why: str, out: Effects) -> None:
        """Stop whatever this life began; what earlier lives left running is the newest that there is."""
        self.old_disk.enter(now, why)
        self._in_grace = False
        self._grace.ring_at(NEVER_US)
        self.local.in_doubt = True
        self._alarms = self._all_alarms()
        self.local.suspend(Reason(ReasonCode.OLD_DISK, why), out)
        self._open_or_close()

    def _may_read(self, message: Message) -> bool:
        """In doubt most messages stay unread. An inquest is answered also by a region that holds one itself."""
        if isinstance(message, Inquest):
            return self._may_testify()
        return not (self.in_doubt and isinstance(message, UNREAD_IN_DOUBT))

    def _may_testify(self) -> bool:
        """In quarantine only once its lost life is over: no process of it lives, and nobody heeds its messages."""
        if not self.in_doubt:
            return True
        is_alone = self.local.runs.recovered and not self.local.runs.has_orphans and not self._unheard()
        return self.old_disk.active and is_alone

    def _on_looked_up(self, now: Now, event: LookedUp, out: Effects) -> None:
        if event.peer == self.config.name:
            self.old_disk.on_looked_up(now, event)
        elif self._may_testify():
            ledger_id = self.sessions.seen(event.peer).ledger_id
            self.witness.on_looked_up(event, ledger_id, out, is_old=self.old_disk.active)

    def _trust_disk(self, event: TrustDisk) -> Answer:
        unknown = [name for name in event.without if name not in self.peers]
        if unknown:
            return Refused("INVALID", "without", f"no member {unknown[0]!r}")
        if not self.in_doubt:
            return Refused("INVALID", "region", f"{self.config.name} does not wait for anybody")
        self.old_disk.excuse(event.without)
        return Trusted(tuple(self._silent()))

    def _try_to_end_doubt(self, now: Now, out: Effects) -> None:
        if now.mono_us >= self._grace.next_us:
            self._grace.ring_at(NEVER_US)
            self._grace_is_over = True
        if not self.local.runs.recovered:
            return
        if self.old_disk.active:
            self._try_to_leave_quarantine(now, out)
        elif not self._unheard():
            self.old_disk.trust()
            self._end_doubt(now, out)
        elif self._grace_is_over:
            self._end_doubt(now, out)

    def _unheard(self) -> list[str]:
        """Peers that may know more of this region than its disk does: those without a session that both ends hold."""
        return [
            peer
            for peer in self.peers
            if not self.sessions.is_mutual(peer) and not self.old_disk.is_excused(peer)
        ]

    def _change_policy(self, now: Now, event: PolicyChanged) -> Answer:
        """Put everything onto the new policy, or refuse it whole."""
        version = self.local.standing.policy.version
        if event.expected_version not in (0, version):
            message = f"the policy in force is version {version}, not {event.expected_version}"
            return Refused("VERSION_CONFLICT", "expected_version", message)
        try:
            policy = checked(msgspec.structs.replace(event.policy, version=version + 1))
        except PolicyRefused as refusal:
            return Refused("INVALID", "policy", str(refusal))
        if not self._policy_is_kept:
            self.books.keep_policy(version, event.former, 0)
            self._policy_is_kept = True
        self.books.keep_policy(policy.version, event.text, now.wall_us)
        self.local.adopt(policy, now)
        self.router.objective = policy.objective
        return PolicyAdopted(policy.version)

    def _try_to_leave_quarantine(self, now: Now, out: Effects) -> None:
        """Once all have told all that they know, and nothing runs that should not: carry out what follows."""
        if not self.old_disk.is_complete(now, out):
            return
        rulings = self.old_disk.rulings()
        if not stop_what_runs_on(rulings, self.books, self.local, out) or self.local.runs.has_orphans:
            return
        for peer in self.peers:
            self.books.skip_sequences(peer, self.old_disk.first_free_sequence(peer))
            # What is written now rests on what they said.
            self.books.remember_peer(self.sessions.seen(peer))
        for ruling in rulings:
            carry_out(ruling, self.books, self.local)
            decide_what_is_passed(ruling, self.books, lambda peer: self.sessions.seen(peer).ledger_id)
        self.old_disk.leave()
        self.sessions.begin_incarnation(self.incarnation)
        self._end_doubt(now, out)

    def _end_doubt(self, now: Now, out: Effects) -> None:
        """From here on the disk is taken at its word."""
        self._in_grace = False
        self._grace.ring_at(NEVER_US)
        self.local.in_doubt = False
        counts = self.giver.counts
        self._build_handoff(now)
        self.giver.counts = counts
        self._alarms = self._all_alarms()
        wished = [job for job in self.books.jobs.values() if job.cancel_id]
        for job in wished:
            if job.state in (JobState.QUEUED, JobState.RUNNING):
                self._carry_out_wish(now, job, out)
        for peer in self.peers:
            if self.sessions.established(peer):
                self._on_session(now, peer, out)
        self._open_or_close()

    # --- the rest of the step ---------------------------------------------------------------------------------------

    def _on_deadlines(self, now: Now, out: Effects) -> None:
        self.books.cause = "timer"
        out.sends.extend(self.sessions.on_deadline(now))
        out.sends.extend(self.membership.on_deadline(now))
        if self.in_doubt:
            self.old_disk.on_deadline(now, out)
            return
        if now.mono_us < self._handoff_alarms.next_us:
            return
        self.giver.on_deadline(now, out)
        self.offers.on_deadline(now)
        self.target.on_deadline(now)
        self.reports.on_deadline(now, out)
        self.tracking.on_deadline(now, out)

    def _look_abroad(self, now: Now, out: Effects) -> None:
        if self.in_doubt or not self.peers:
            return
        if not self.local.queue.depth:
            if self.target.closed is None:
                self.soliciting.on_capacity(now, out)
        elif not self.local.more:
            self.offers.look_abroad(now, out)

    def _report(self, now: Now, out: Effects) -> None:
        if self.in_doubt:
            return
        for job in self.books.changed():
            self.reports.on_change(now, job, out)
        self.giver.flush(out)

    def _publish(self, now: Now) -> None:
        if self.publisher.wants_body(now, bool(self.books.owed) or self._standing_changed):
            self._standing_changed = False
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
            draining=self.target.closed is not None,
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
        )

    def _collect(self, out: Effects) -> Effects:
        out.writes, out.changes = self.books.collect()
        if out.writes is not NO_WRITES:
            self.sequence += 1
            self.sessions.note_step(self.sequence)
        out.sequence = self.sequence
        if out.sends and not self.sessions.complete:
            out.sends = [each for each in out.sends if self.sessions.may_send(each.to, each.message)]
        return out

    # --- shared -----------------------------------------------------------------------------------------------------

    def _set_drain(self, event: SetDrain, out: Effects) -> None:
        if event.draining != self.draining:
            self.draining = event.draining
            self.books.set_meta("draining", "1" if event.draining else "0")
            self._open_or_close()
        out.replies.append(Reply(event.request_id, Done()))

    def _open_or_close(self) -> None:
        """Whether callers and peers may bring new work, from everything that could forbid it."""
        self._standing_changed = True
        self.local.draining = self.draining
        if self.old_disk.active:
            self.target.closed = _OLD_DISK
        elif self.draining:
            self.target.closed = _DRAINING
        elif self.disk_nearly_full:
            self.target.closed = _DISK_FULL
        elif not self.local.runs.recovered:
            self.target.closed = _RECOVERING
        else:
            self.target.closed = None
        self.admission.disk_nearly_full = self.disk_nearly_full

    def _freed(self) -> int:
        """Grows whenever something may have room here that had none."""
        return self.local.capacity.version + self.local.queue.version + self.target.ended_holds

    def _connected(self, peer: str) -> bool:
        return self.sessions.established(peer) and self.membership.reachable(peer)

    def _in_flight(self, peer: str) -> int:
        return self.giver.undecided(peer) + self.offers.count_to(peer)
