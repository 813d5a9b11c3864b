"""The region's books: its jobs and transfers in memory, and the rows that the present step owes the ledger.

Every status change of a job is one named method here. It asserts the transition (lifecycle.py), changes the job, adds
an entry to its timeline and marks its row as owed. `collect()` turns what is owed into Writes: one row for each job
however often it changed in the step. Nothing else in the core writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from hanse.core.account import Account
from hanse.core.effects import JobChange
from hanse.core.elements import Elements
from hanse.core.events import PolicyText
from hanse.core.job_rows import job_row, job_state_row
from hanse.core.messages import Commit, Terminal, Verdict, Withdraw
from hanse.core.model.arrays import Array, ArrayProgress
from hanse.core.model.jobs import (
    NO_TERMS,
    Allocation,
    Job,
    JobTerms,
    Reason,
    ReasonCode,
    RemoteView,
    Shape,
    Submission,
    When,
    make_shape,
)
from hanse.core.model.lifecycle import ALLOCATED_STATES, TERMINAL_STATES, JobInput, JobState, next_state
from hanse.core.model.limits import CLOSED_REMEMBERED_MAX, POLICY_VERSIONS_KEPT_MAX
from hanse.core.model.quota import region_account, shard_account
from hanse.core.model.reservations import CapacityReservation
from hanse.core.model.time import Now
from hanse.core.rows import (
    NO_WRITES,
    ChannelRow,
    DecisionRow,
    ElementRow,
    IntentRow,
    LeaguePolicyRow,
    OutboundRow,
    PeerSeenRow,
    PolicyRow,
    QuotaDocumentRow,
    ReservationRow,
    RosterRow,
    ShapeRow,
    Snapshot,
    TimelineRow,
    Writes,
)

_CLOSING: dict[JobState, JobInput] = {
    JobState.SUCCEEDED: JobInput.CLOSE_SUCCEEDED,
    JobState.FAILED: JobInput.CLOSE_FAILED,
    JobState.CANCELLED: JobInput.CLOSE_CANCELLED,
}
# Shapes that no job has any more are swept when they outnumber the jobs, but not below this many.
SHAPES_KEPT_MIN = 1024
_NOT_STARTED = Now(mono_us=0, wall_us=0)


class Books:
    """See the module's docstring. `decisions` is keyed by (giver's ledger id, sequence), `channels` by ledger id,
    `outbound` by peer, `keys` by (tenant, client key) of jobs whose home is here.

    With `shard` they are that shard's, which this region leads, and the log's home stands where the region would;
    attempts of its term begin above `attempt_base`.
    """

    def __init__(self, region: str, snapshot: Snapshot, shard: str = "", attempt_base: int = 0) -> None:
        self.region = region
        self.shard = shard
        # Under which name homes, givers and targets know these books.
        self.party = shard or region
        self._attempt_base = attempt_base
        self.jobs: dict[str, Job] = {job.id: job for job in snapshot.jobs}
        self.keys: dict[tuple[str, str], tuple[str, bytes]] = {
            (tenant, key): (job_id, sha256) for tenant, key, job_id, sha256 in snapshot.client_keys
        }
        self.decisions = {(row.giver_ledger_id, row.sequence): row for row in snapshot.decisions}
        self.channels = {row.giver_ledger_id: row.stable_sequence for row in snapshot.channels}
        self.outbound = {row.peer: row.next_sequence for row in snapshot.outbound}
        self.intents = {row.job_id: row for row in snapshot.intents}
        # Final states of jobs of this home that memory let go of, newest last, for those that ask what became of them.
        self.closed: dict[str, JobState] = {}
        self.counts: dict[JobState, int] = dict.fromkeys(JobState, 0)
        for job in self.jobs.values():
            self.counts[job.state] += 1
        # The rights that these jobs run with.
        self.account = Account(shard_account(shard) if shard else region_account(region), snapshot)
        self._shapes: dict[bytes, Shape] = {job.shape.key: job.shape for job in snapshot.jobs}
        self._adoptables: dict[bytes, Shape] = {}
        self._decided_by_ledger: dict[str, dict[int, None]] = {}
        for ledger_id, sequence in self.decisions:
            self._decided_by_ledger.setdefault(ledger_id, {})[sequence] = None
        # Jobs by whose end others may start; and those of them that have ended and are not seen to yet.
        self.awaited: dict[str, dict[str, None]] = {}
        self.ended: dict[str, JobState] = {}
        for job in snapshot.jobs:
            self._await(job)
        # What becomes of the elements of arrays.
        self.elements = Elements(self)
        self._writes = NO_WRITES
        self._changes: list[JobChange] = []
        # Jobs that changed in this step: whether the whole row is owed (True) or only the columns that change (False).
        self.owed: dict[str, bool] = {}
        self.touched: list[Job] = []
        self.now = _NOT_STARTED
        self.cause = ""
        self.elements.restore(snapshot.elements)

    # --- the step ------------------------------------------------------------------------------------------------

    def begin(self, now: Now) -> None:
        """A step starts; nothing is owed."""
        self.now = now
        if self.touched:
            self.touched = []

    def collect(self) -> tuple[Writes, list[JobChange]]:
        """All rows owed since `begin`, and what watchers are to see."""
        if self.owed:
            self._collect_jobs()
        if self.account.owes_rows:
            self.account.collect(self._rows)
        writes, self._writes = self._writes, NO_WRITES
        changes, self._changes = self._changes, []
        return writes, changes

    def _collect_jobs(self) -> None:
        for job_id, whole in self.owed.items():
            job = self.jobs.get(job_id)
            if job is None:
                continue
            self.touched.append(job)
            if whole:
                self._rows.jobs.append(job_row(job))
            else:
                self._rows.job_states.append(job_state_row(job))
            if job.settled:
                self._drop(job)
        self.owed = {}

    @property
    def _rows(self) -> Writes:
        """The transaction of this step; only made when a row is owed, because most steps owe none."""
        if self._writes is NO_WRITES:
            self._writes = Writes()
        return self._writes

    # --- a job enters -----------------------------------------------------------------------------------------------

    def admit(self, submission: Submission) -> Job:
        """A caller's job becomes QUEUED(1) here, which is its home."""
        job = Job(
            id=submission.job_id,
            home=self.party,
            tenant=submission.tenant,
            name=submission.name,
            client_key=submission.client_key,
            spec=submission.spec,
            spec_sha256=submission.spec_sha256,
            shape=self._intern(submission.shape),
            grace_us=submission.grace_us,
            retries_max=submission.retries_max,
            submitted_wall_us=self.now.wall_us,
            order_us=self.now.wall_us,
            traceparent=submission.traceparent,
            shard=self.shard,
            reason=Reason(ReasonCode.SUBMITTED, submission.ruled),
            terms=submission.terms,
            array=None if submission.array is None else Array(submission.array),
        )
        if job.terms.after:
            job.reason = _waits_for(job.terms)
            self._await(job)
        self.keys[(job.tenant, job.client_key)] = (job.id, job.spec_sha256)
        self._enter(job, "QUEUED")
        return job

    def accept(self, commit: Commit, giver: str, ledger_id: str) -> Job:
        """A transfer is accepted: QUEUED(e) and "accepted e" in one transaction."""
        assert commit.shape is not None
        self._decide(
            commit.job_id, commit.epoch, commit.sequence, giver, ledger_id, Verdict.COMMITTED, _ACCEPTED
        )
        known = self.jobs.get(commit.job_id)
        reason = Reason(ReasonCode.ACCEPTED, f"from {giver}")
        if known is not None:
            assert commit.epoch > max(known.epoch, known.transfer_epoch), "an epoch is never used again"
            _begin_epoch(known, commit.epoch, 0)
            if known.array is not None and commit.progress is not None:
                known.array.go_on_from(commit.progress)
            known.path, known.failures, known.moves = commit.path, commit.failures, commit.moves
            known.spec = commit.spec
            # It may have been given orders since it was here.
            known.shape = self._intern(commit.shape)
            known.cancel_id = known.cancel_id or commit.cancel_id or self._take_intent(known.id)
            known.remote = None
            known.allocation = None
            self._change(known, JobInput.ACCEPT, reason, whole=True)
            return known
        job = self._job_of(commit, reason)
        job.cancel_id = commit.cancel_id or self._take_intent(commit.job_id)
        self._enter(job, "QUEUED")
        return job

    def burn(
        self, job_id: str, epoch: int, sequence: int, giver: str, ledger_id: str, reason: Reason
    ) -> DecisionRow:
        """This epoch will never be accepted here."""
        return self._decide(job_id, epoch, sequence, giver, ledger_id, Verdict.BURNED, reason)

    def supersede(self, transfer: Commit | Withdraw, giver: str, ledger_id: str) -> DecisionRow:
        """The job has passed this epoch, so it was accepted once, in a life that this disk has forgotten."""
        reason = Reason(ReasonCode.OLD_DISK, "superseded")
        return self._decide(
            transfer.job_id, transfer.epoch, transfer.sequence, giver, ledger_id, Verdict.COMMITTED, reason
        )

    # --- it runs ----------------------------------------------------------------------------------------------------

    def start(self, job: Job, allocation: Allocation, why: str = "") -> None:
        """Capacity was taken for it: the next attempt is RUNNING, durably before it is launched. `why`: by what part
        of the policy, if that needs saying."""
        job.attempt = max(job.attempt, self._attempt_base) + 1
        job.allocation = allocation
        job.started_wall_us = self.now.wall_us
        job.ended_wall_us = 0
        job.exit_code = 0
        detail = _where(allocation)
        self._change(job, JobInput.START, Reason(ReasonCode.STARTED, f"{detail}; {why}" if why else detail))

    def stop(self, job: Job, reason: Reason) -> None:
        """Its tasks are to be ended; the reason says what for."""
        self._change(job, JobInput.STOP, reason)

    def stop_to_move(self, job: Job, reason: Reason) -> None:
        """Its tasks are to be ended so that it goes on in another region: one of the few moves that a job may make."""
        job.moves += 1
        self._change(job, JobInput.STOP, reason)

    def requeue(self, job: Job, reason: Reason) -> None:
        """All its tasks are dead; it waits for its next attempt at its old place."""
        job.allocation = None
        self._change(job, JobInput.STOPPED_REQUEUE, reason)

    def recall_run(self, job: Job, region: str) -> None:
        """An earlier leader's region had launched this attempt. Its timeline is lost with it; what the job's row still
        tells goes into this one."""
        what = f"{job.state.name} in {region}"
        self._note(job, what, job.reason, job.epoch, job.attempt, at_wall_us=job.started_wall_us)

    def finish(self, job: Job, happened: JobInput, reason: Reason, exit_code: int) -> None:
        """It ended here. At its home that settles it; elsewhere the home must hear of it first."""
        if job.array is not None:
            self.elements.cancel_waiting(job, job.array.waiting)
        job.ended_wall_us = self.now.wall_us
        job.exit_code = exit_code
        job.settled = job.home == self.party
        self._change(job, happened, reason)

    def count_failure(self, job: Job, exit_code: int) -> None:
        """One more attempt failed."""
        job.failures += 1
        job.exit_code = exit_code
        self._owe(job)

    def attempts(self) -> Iterator[Job]:
        """Whatever holds capacity: jobs, and elements of arrays."""
        for job in self.jobs.values():
            if job.array is not None:
                yield from job.array.in_flight.values()
            elif job.state in ALLOCATED_STATES:
                yield job

    # --- an array (elements.py) -------------------------------------------------------------------------------------

    def run_elements(self, job: Job, reason: Reason) -> None:
        """Elements of a queued array hold capacity from now on."""
        job.started_wall_us = job.started_wall_us or self.now.wall_us
        self._change(job, JobInput.START, reason)

    def note_elements(self, job: Job, what: str, reason: Reason) -> None:
        """Something about its elements that people should find in its timeline."""
        self._note(job, what, reason, job.epoch, job.attempt)

    def owe_element(self, row: ElementRow) -> None:
        """What an element's row says from now on; its array has changed, too."""
        self._rows.elements.append(row)
        self.owed.setdefault(row.job_id, False)

    def drop_element(self, job: Job, element: int) -> None:
        """The array says all that there is to say of this element."""
        self._rows.elements_delete.append((self.shard, job.id, element))
        self._owe(job)

    def owe(self, job: Job) -> None:
        """Sets of its elements have changed."""
        self._owe(job)

    # --- somebody's hands --------------------------------------------------------------------------------------------

    def hold(self, job: Job, reason: Reason) -> None:
        """A queued job is not to start until it is released."""
        self._say(job, reason)

    def release(self, job: Job, reason: Reason) -> None:
        """It is not held any more; it may wait for other jobs."""
        self._say(job, _waits_for(job.terms) if job.terms.after else reason)

    def reshape(self, job: Job, shape: Shape, reason: Reason, *, way_is_new: bool = False) -> None:
        """It is ordered or placed otherwise from now on; what its tasks take stays what it is. `way_is_new`: the hops
        that it has taken count no more."""
        assert shape.body.groups == job.shape.body.groups, "what a job takes never changes"
        if way_is_new:
            job.path = ()
        job.shape = self._intern(shape)
        self._note(job, "CHANGED", reason, job.epoch, job.attempt)
        self._owe(job, whole=True)

    def meet(self, job: Job, ended: str) -> None:
        """One of the jobs that this one waits for has ended as it has to."""
        left = tuple(each for each in job.terms.after if each.job_id != ended)
        job.terms = msgspec.structs.replace(job.terms, after=left)
        if job.reason.code is not ReasonCode.HELD:
            self._say(
                job, _waits_for(job.terms) if left else Reason(ReasonCode.SUBMITTED, f"{ended} has ended")
            )
        self._owe(job, whole=True)

    def _say(self, job: Job, reason: Reason) -> None:
        """Why a queued job waits."""
        assert job.state is JobState.QUEUED, f"{job.id} is {job.state.name}, and does not wait"
        job.reason = reason
        self._note(job, job.state.name, reason, job.epoch, job.attempt)
        self._owe(job)
        self._publish(job, job.state, self.region, job.epoch, job.attempt, reason)

    def recall_ends(self) -> None:
        """What ended last, and what followed from it, need not have been written in one piece."""
        self.ended.update((job_id, self.closed[job_id]) for job_id in self.awaited if job_id in self.closed)

    def _await(self, job: Job) -> None:
        for each in job.terms.after:
            self.awaited.setdefault(each.job_id, {})[job.id] = None

    # --- it leaves --------------------------------------------------------------------------------------------------

    def give(self, job: Job, to: str, why: str = "") -> int:
        """XFER to a peer that accepted; returns the transfer's sequence in the channel to it. `why` is for people, if
        it is not for room."""
        sequence = self.outbound.get(to, 1)
        self.outbound[to] = sequence + 1
        self._rows.outbound.append(OutboundRow(to, sequence + 1))
        job.transfer_epoch = job.epoch + 1
        job.transfer_to = to
        job.transfer_sequence = sequence
        self._change(job, JobInput.GIVE, Reason(ReasonCode.HANDED_OFF, f"to {to}{why and f': {why}'}"))
        return sequence

    def moved(self, job: Job) -> None:
        """The target owns it now. The spec is kept until the outcome is on the home's disk."""
        self._change(job, JobInput.COMMITTED, Reason(ReasonCode.HANDED_OFF, f"to {job.transfer_to}"))

    def burned(self, job: Job, reason: Reason) -> None:
        """The target will never take this epoch: ours again, at that epoch."""
        _begin_epoch(job, job.transfer_epoch, 0)
        self._change(job, JobInput.BURNED, reason)

    # --- an old disk learns what the others know (federation/old_disk.py) --------------------------------------------

    def overtaken_moved(self, job: Job, to: str, epoch: int) -> None:
        """Another region has it, or has closed it, at this epoch."""
        job.epoch = min(job.epoch, epoch - 1)
        job.transfer_to, job.transfer_epoch, job.transfer_sequence = to, epoch, 0
        self._change(job, JobInput.OVERTAKEN_MOVED, Reason(ReasonCode.OLD_DISK, f"{to} knows epoch {epoch}"))

    def overtaken_queued(
        self, job: Job, epoch: int, attempt: int, commit: Commit | None, told: Sequence[ArrayProgress] = ()
    ) -> None:
        """It is ours, at another epoch than this disk knew; `attempt` was the last there, and others have `told` what
        they know of an array's elements."""
        if commit is not None and not job.spec:
            job.spec = commit.spec
        _begin_epoch(job, epoch, attempt)
        self.elements.learn(job, told)
        self._change(
            job, JobInput.OVERTAKEN_QUEUED, Reason(ReasonCode.OLD_DISK, f"ours at epoch {epoch}"), whole=True
        )

    def taken_back(self, job: Job, epoch: int) -> None:
        """Who had it was declared lost, and nobody else has it: ours again, at an epoch that nobody has heard of."""
        assert epoch > max(job.epoch, job.transfer_epoch), "an epoch is never used again"
        reason = Reason(ReasonCode.REGION_LOST, f"{job.transfer_to} was declared lost; ours at epoch {epoch}")
        _begin_epoch(job, epoch, 0)
        job.remote = None
        job.allocation = None
        self._change(job, JobInput.TAKEN_BACK, reason)

    def found_queued(
        self, commit: Commit, epoch: int, attempt: int, told: Sequence[ArrayProgress] = ()
    ) -> Job:
        """A job that this disk had not heard of is ours, at this epoch, after this attempt; others have `told` what
        they know of an array's elements."""
        job = self._job_of(commit, _UNKNOWN_HERE)
        job.epoch, job.attempt = epoch, attempt
        self.elements.learn(job, told)
        job.cancel_id = job.cancel_id or self._take_intent(job.id)
        self._enter(job, JobState.QUEUED.name)
        return job

    def found_moved(self, commit: Commit, to: str, epoch: int) -> Job:
        """A job that this disk had not heard of is with another region, or has ended there, at this epoch."""
        job = self._job_of(commit, _UNKNOWN_HERE)
        job.state = JobState.MOVED
        job.epoch = epoch - 1
        job.transfer_to, job.transfer_epoch = to, epoch
        job.cancel_id = job.cancel_id or self._take_intent(job.id)
        self._enter(job, JobState.MOVED.name)
        return job

    def skip_attempts(self, job: Job, attempt: int) -> None:
        """Attempts up to this one were begun in a life that this disk has forgotten."""
        if attempt > job.attempt:
            job.attempt = attempt
            self._owe(job)

    def hear_anew(self, job: Job) -> None:
        """Its owner has forgotten how much it has told of this job: whatever it tells next is news."""
        assert job.remote is not None
        job.remote = msgspec.structs.replace(job.remote, sequence=0)
        self._owe(job)

    def skip_sequences(self, peer: str, next_sequence: int) -> None:
        """Transfer sequences that the peer has seen are never used again."""
        if next_sequence > self.outbound.get(peer, 1):
            self.outbound[peer] = next_sequence
            self._rows.outbound.append(OutboundRow(peer, next_sequence))

    # --- what the home learns ----------------------------------------------------------------------------------------

    def observe(self, job: Job, view: RemoteView) -> None:
        """The owner told the home how its job fares."""
        job.remote = view
        self._note(job, f"{view.state.name} in {view.region}", view.reason, view.epoch, view.attempt)
        self._owe(job)
        self._publish(job, view.state, view.region, view.epoch, view.attempt, view.reason)

    def close(self, job: Job, terminal: Terminal) -> None:
        """The home learnt the outcome."""
        job.remote = RemoteView(
            region=terminal.region,
            state=terminal.outcome,
            epoch=terminal.epoch,
            attempt=terminal.attempt,
            reason=terminal.reason,
            sequence=1 << 62,
            at_wall_us=self.now.wall_us,
        )
        job.started_wall_us = terminal.started_wall_us
        job.ended_wall_us = terminal.ended_wall_us
        job.exit_code = terminal.exit_code
        if job.array is not None and terminal.progress is not None:
            job.array.go_on_from(terminal.progress)
        job.settled = True
        self._change(job, _CLOSING[terminal.outcome], terminal.reason)

    def settle(self, job: Job, *, keep_spec: bool = False) -> None:
        """The outcome is on the home's disk: nothing more is owed to anybody, and memory lets go of the job.

        `keep_spec`: the home only did not know it any more; the row keeps the spec until retention takes it.
        """
        job.settled = True
        if job.state is JobState.MOVED and not keep_spec:
            job.spec = b""
            self._rows.specs_delete.append(job.id)
        self._owe(job)

    def want_cancel(self, job: Job, cancel_id: str) -> None:
        """The caller's wish is on this region's disk."""
        job.cancel_id = cancel_id
        self._note(job, "CANCEL", Reason(ReasonCode.CANCEL_REQUESTED, cancel_id), job.epoch, job.attempt)
        self._owe(job)

    def cancel_queued(self, job: Job) -> None:
        """It never ran here. An array, of which nothing runs now, ends in this step as the sum of its elements: those
        that wait are cancelled, and perhaps none does."""
        if job.array is not None:
            self.elements.cancel_waiting(job, job.array.waiting)
            self.elements.touched[job.id] = None
            return
        self.finish(job, JobInput.CANCEL, Reason(ReasonCode.CANCELLED, "before it started"), 0)

    # --- what outlives jobs -------------------------------------------------------------------------------------------

    def remember_intent(self, job_id: str, cancel_id: str) -> None:
        """A cancel arrived before its job."""
        row = IntentRow(job_id, cancel_id, self.now.wall_us)
        self.intents[job_id] = row
        self._rows.intents.append(row)

    def forget_intents(self, until_wall_us: int) -> None:
        """Cancels that have waited for their job since before this instant."""
        for job_id in [row.job_id for row in self.intents.values() if row.at_wall_us < until_wall_us]:
            self._take_intent(job_id)

    def make_stable(self, ledger_id: str, giver: str, sequence: int) -> None:
        """Decisions below `sequence` may be forgotten, and everything about them is answered with silence."""
        if sequence <= self.channels.get(ledger_id, 0):
            return
        self.channels[ledger_id] = sequence
        self._rows.channels.append(ChannelRow(ledger_id, giver, sequence))
        decided = self._decided_by_ledger.get(ledger_id, {})
        forgotten = [each for each in decided if each < sequence]
        for each in forgotten:
            del decided[each]
            del self.decisions[(ledger_id, each)]
        if forgotten:
            self._rows.decisions_delete_below.append((ledger_id, sequence))

    def remember_peer(self, row: PeerSeenRow) -> None:
        """The newest position that was seen of a peer."""
        self._rows.peers_seen.append(row)

    def remember_roster(self, row: RosterRow) -> None:
        """A roster that is in force, or that this region countersigns."""
        self._rows.rosters.append(row)

    def keep_policy(self, version: int, text: PolicyText, at_wall_us: int) -> None:
        """This version of the policy is in force from now on; or was, from the beginning (0)."""
        row = PolicyRow(version, text.digest, text.document, text.author, text.why, at_wall_us)
        self._rows.policies.append(row)
        if version > POLICY_VERSIONS_KEPT_MAX:
            self._rows.policies_delete_to.append(version - POLICY_VERSIONS_KEPT_MAX)

    def keep_league_policy(self, row: LeaguePolicyRow) -> None:
        """The largest document of the league's policy, and whether it is in force here."""
        self._rows.league_policies.append(row)

    def keep_reservation(self, reservation: CapacityReservation) -> None:
        """It is in force from now on, as it is now."""
        row = ReservationRow(
            reservation.id, reservation.name, reservation.tenant, msgspec.msgpack.encode(reservation)
        )
        self._rows.reservations.append(row)

    def drop_reservation(self, reservation_id: str) -> None:
        """It is not in force any more."""
        self._rows.reservations_delete.append(reservation_id)

    def remember_quotas(self, row: QuotaDocumentRow) -> None:
        """A quota document that is in force."""
        self._rows.quota_documents.append(row)

    def set_meta(self, name: str, value: str) -> None:
        """A small durable fact."""
        self._rows.meta.append((name, value))

    @property
    def owes_rows(self) -> bool:
        """Whether this step has changed a job, a transfer or what is remembered of them so far."""
        rows = self._writes
        return bool(self.owed or rows.decisions or rows.channels or rows.intents or self.account.owes_rows)

    @property
    def owes_nothing(self) -> bool:
        """Whether this step has written nothing so far."""
        return (
            not self.owed and self._writes is NO_WRITES and not self._changes and not self.account.owes_rows
        )

    def changed(self) -> list[Job]:
        """Jobs that changed in this step so far."""
        return [self.jobs[job_id] for job_id in self.owed if job_id in self.jobs]

    def forget(self, job_ids: tuple[str, ...], client_keys: tuple[tuple[str, str], ...]) -> None:
        """Retention picked these final jobs."""
        for job_id in job_ids:
            job = self.jobs.get(job_id)
            assert job is None or job.settled, "only settled jobs are forgotten"
        for key in client_keys:
            self.keys.pop(key, None)
        if job_ids:
            self._rows.jobs_delete.extend(job_ids)

    # --- shared parts of the changes ----------------------------------------------------------------------------------

    def _take_intent(self, job_id: str) -> str:
        """The cancel that was waiting for this job; empty: none."""
        row = self.intents.pop(job_id, None)
        if row is None:
            return ""
        self._rows.intents_delete.append(job_id)
        return row.cancel_id

    def _job_of(self, commit: Commit, reason: Reason) -> Job:
        assert commit.shape is not None
        return Job(
            id=commit.job_id,
            home=commit.home,
            tenant=commit.tenant,
            name=commit.name,
            client_key="",
            spec=commit.spec,
            spec_sha256=commit.spec_sha256,
            shape=self._intern(commit.shape),
            grace_us=commit.grace_us,
            retries_max=commit.retries_max,
            submitted_wall_us=commit.submitted_wall_us,
            order_us=commit.submitted_wall_us,
            traceparent=commit.traceparent,
            path=commit.path,
            shard=self.shard,
            reason=reason,
            epoch=commit.epoch,
            failures=commit.failures,
            moves=commit.moves,
            cancel_id=commit.cancel_id,
            terms=NO_TERMS if commit.retry is None else JobTerms(retry=commit.retry),
            array=None if commit.array is None else Array(commit.array, commit.progress),
        )

    def _enter(self, job: Job, what: str) -> None:
        self.jobs[job.id] = job
        self.counts[job.state] += 1
        self._note(job, what, job.reason, job.epoch, job.attempt)
        self._owe(job, whole=True)
        self._publish(job, job.state, self.region, job.epoch, job.attempt, job.reason)

    def _change(self, job: Job, happened: JobInput, reason: Reason, *, whole: bool = False) -> None:
        before = job.state
        job.state = next_state(before, happened)
        job.reason = reason
        if job.id in self.awaited and job.state in TERMINAL_STATES and job.home == self.party:
            self.ended[job.id] = job.state
        self.counts[before] -= 1
        self.counts[job.state] += 1
        if before in ALLOCATED_STATES and job.state not in ALLOCATED_STATES:
            self.account.discharge(job.id)
        self._note(job, job.state.name, reason, job.epoch, job.attempt)
        self._owe(job, whole=whole)
        where = job.transfer_to if job.state in (JobState.XFER, JobState.MOVED) else self.region
        if job.state in TERMINAL_STATES and job.remote is not None:
            where = job.remote.region
        self._publish(job, job.state, where, job.epoch, job.attempt, reason)

    def _note(
        self, job: Job, what: str, reason: Reason, epoch: int, attempt: int, at_wall_us: int = 0
    ) -> None:
        """One entry of the job's timeline, of now unless it says when."""
        row = TimelineRow(
            job.id,
            job.timeline_length,
            at_wall_us or self.now.wall_us,
            what,
            reason.code,
            reason.detail,
            epoch,
            attempt,
            self.cause,
            self.shard,
        )
        job.timeline_length += 1
        self._rows.timeline.append(row)

    def _owe(self, job: Job, *, whole: bool = False) -> None:
        self.owed[job.id] = self.owed.get(job.id, False) or whole

    def _publish(
        self, job: Job, state: JobState, where: str, epoch: int, attempt: int, reason: Reason
    ) -> None:
        self._changes.append(
            JobChange(
                job_id=job.id,
                tenant=job.tenant,
                home=job.home,
                state=state,
                region=where,
                epoch=epoch,
                attempt=attempt,
                reason=reason,
                at_wall_us=self.now.wall_us,
                exit_code=job.exit_code,
                cause=self.cause,
                traceparent=job.traceparent,
                name=job.name,
                shard=self.shard,
            )
        )

    def _decide(
        self,
        job_id: str,
        epoch: int,
        sequence: int,
        giver: str,
        ledger_id: str,
        verdict: Verdict,
        reason: Reason,
    ) -> DecisionRow:
        key = (ledger_id, sequence)
        assert key not in self.decisions, "a decision is written once"
        row = DecisionRow(ledger_id, sequence, giver, job_id, epoch, int(verdict), reason.code, reason.detail)
        self.decisions[key] = row
        self._decided_by_ledger.setdefault(ledger_id, {})[sequence] = None
        self._rows.decisions.append(row)
        return row

    def _intern(self, shape: Shape) -> Shape:
        if self.shard and not shape.body.adoptable:
            shape = self._adoptable(shape)
        known = self._shapes.get(shape.key)
        if known is not None:
            return known
        if len(self._shapes) > max(SHAPES_KEPT_MIN, 2 * len(self.jobs)):
            self._shapes = {job.shape.key: job.shape for job in self.jobs.values()}
        self._shapes[shape.key] = shape
        self._rows.shapes.append(ShapeRow(shape.key, msgspec.msgpack.encode(shape.body)))
        return shape

    def _adoptable(self, shape: Shape) -> Shape:
        """The same, for a region that leads its shard only."""
        adoptable = self._adoptables.get(shape.key)
        if adoptable is None:
            if len(self._adoptables) >= SHAPES_KEPT_MIN:
                self._adoptables = {}
            adoptable = make_shape(msgspec.structs.replace(shape.body, adoptable=True))
            self._adoptables[shape.key] = adoptable
        return adoptable

    def _drop(self, job: Job) -> None:
        del self.jobs[job.id]
        self.counts[job.state] -= 1
        if job.home == self.party:
            if len(self.closed) >= CLOSED_REMEMBERED_MAX:
                del self.closed[next(iter(self.closed))]
            self.closed[job.id] = job.state


_ACCEPTED = Reason(ReasonCode.ACCEPTED)
# The rest is a number.
_AFTER_NAMED_MAX = 3


def _where(allocation: Allocation) -> str:
    tasks = allocation.tasks
    if len(tasks) == 1:
        return f"1 tasks on {tasks[0].node}"
    nodes = list(dict.fromkeys([task.node for task in tasks]))
    return f"{len(tasks)} tasks on {', '.join(nodes[:4])}{' ...' if len(nodes) > 4 else ''}"


def _waits_for(terms: JobTerms) -> Reason:
    words = {When.OK: "to succeed", When.ANY: "to end", When.FAILED: "to fail"}
    named = [f"{each.job_id} {words[each.when]}" for each in terms.after[:_AFTER_NAMED_MAX]]
    more = len(terms.after) - len(named)
    others = f" and {more} more" if more else ""
    return Reason(ReasonCode.WAITS_FOR_JOBS, f"for {', '.join(named)}{others}")


def _begin_epoch(job: Job, epoch: int, attempt: int) -> None:
    """It is ours at another epoch, after this attempt. Those of its elements begin anew, too."""
    job.epoch, job.attempt = epoch, attempt
    if job.array is not None:
        job.array.attempts = {}


_UNKNOWN_HERE = Reason(ReasonCode.OLD_DISK, "this disk did not know it")
