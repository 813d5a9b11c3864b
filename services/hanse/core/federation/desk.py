"""One desk: everything durable that one set of books owes and is owed. A region has one for its own `wait` jobs, and
one for each shard that it leads.

    giver      transfers away, until they are decided
    target     decisions on transfers that come
    reports    what is owed to the homes of jobs that are owned here
    tracking   what became of jobs that went elsewhere, and the caller's wish to end them

What it sends is addressed to parties: regions for a region's own desk, shards for a shard's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.handoff.giver import Giver
from hanse.core.federation.handoff.intake import Intake
from hanse.core.federation.handoff.target import Target
from hanse.core.federation.ports import LocalWork
from hanse.core.federation.reports import Reports
from hanse.core.federation.routing import Router
from hanse.core.federation.tracking import Tracking
from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Locate,
    Located,
    ShardMessage,
    Stable,
    Status,
    Terminal,
    TerminalAck,
    Verdict,
    Withdraw,
)
from hanse.core.model.deadlines import Alarm, Alarms
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import Now
from hanse.core.replies import Refused


class Desk:
    """See the module's docstring. Built from the books; built again when something else has changed them. `enqueue`
    takes in the jobs that were accepted, to be started when they may be. To parties that are `lost` nothing is owed."""

    def __init__(
        self,
        config: RegionConfig,
        books: Books,
        ledger_id: str,
        local: LocalWork,
        intake: Intake,
        router: Router,
        now: Now,
        enqueue: Callable[[Job], None],
        lost: tuple[str, ...] = (),
    ) -> None:
        timings = config.timings
        self._timings = timings
        self._local = local
        self._router = router
        # Whether the disk that these books rest on may be an old one.
        self.in_doubt = False
        self.books = books
        self.ledger_id = ledger_id
        self.giver = Giver(books.party, ledger_id, books, local, timings, now)
        self.target = Target(books, local, self.giver, intake, enqueue)
        self.reports = Reports(books, timings, now, lost)
        self.tracking = Tracking(books.party, books, self.giver, local, timings, now, lost)
        # When something is to be sent again.
        self.alarm: Alarm = Alarms(self.giver.alarm, *self.reports.alarms, *self.tracking.alarms)

    # --- messages ---

    def on_message(
        self, now: Now, peer: str, ledger_id: str, message: ShardMessage, out: Effects, via: str = ""
    ) -> None:
        """One message of a party; `ledger_id` names its transfers, `via` is the region that speaks for it."""
        match message:
            case Commit():
                self.target.on_commit(peer, ledger_id, message, out, via)
            case Decision():
                job = self.giver.on_decision(peer, message, out)
                if job is not None:
                    self._after_decision(now, via or peer, job, message, out)
            case Terminal():
                self.tracking.on_terminal(peer, message, out)
            case TerminalAck():
                self.reports.on_ack(peer, message, out)
            case Status():
                self.tracking.on_status(now, message, out)
            case Stable():
                self.target.on_stable(peer, ledger_id, message)
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
            case _:
                assert_never(message)

    def on_session(self, now: Now, peer: str, out: Effects) -> None:
        """This party can be reached, or somebody new speaks for it: repeat at once what it has not answered."""
        self.giver.on_session(now, peer, out)
        self.reports.on_session(now, peer)

    def _after_decision(self, now: Now, peer: str, job: Job, decision: Decision, out: Effects) -> None:
        if decision.verdict is Verdict.BURNED:
            self._router.refused(now, peer, job.shape, decision.reason, self._timings.decline_memory_us)
        if job.cancel_id and job.state is JobState.QUEUED:
            self._local.dequeue(job)
            self.books.cancel_queued(job)
        elif job.cancel_id:
            self.tracking.relay_cancel(now, job, out)

    # --- cancel ---

    def cancel(self, now: Now, job: Job, cancel_id: str, out: Effects) -> JobState | Refused:
        """A caller's wish. Returns the state in which it was taken."""
        if job.state in TERMINAL_STATES:
            return Refused("TERMINAL", "job_ids", f"{job.id} is {job.state.name} already")
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
            self.carry_out_wish(now, job, out)

    def carry_out_wish(self, now: Now, job: Job, out: Effects) -> None:
        """The caller wants the job to end."""
        match job.state:
            case JobState.QUEUED:
                self._local.dequeue(job)
                self.books.cancel_queued(job)
            case JobState.RUNNING:
                self._local.stop(job, Reason(ReasonCode.CANCEL_REQUESTED), out)
            case JobState.XFER:
                self.giver.withdraw(now, job, out)
            case JobState.MOVED:
                self.tracking.relay_cancel(now, job, out)
            case _:
                pass  # STOPPING: the wish decides what comes of it when its tasks are dead.

    # --- time ---

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Send again what was not answered."""
        self.giver.on_deadline(now, out)
        self.reports.on_deadline(now, out)
        self.tracking.on_deadline(now, out)

    def report(self, now: Now, out: Effects) -> None:
        """At the end of a step: homes hear of what changed, and targets how far they may forget."""
        if self.books.owed:
            for job in self.books.changed():
                self.reports.on_change(now, job, out)
                self.tracking.on_change(now, job)
        if self.giver.owes_stable:
            self.giver.flush(out)
