"""What becomes of jobs that went elsewhere: the home's view, the caller's cancel on its way, and where a job is.

has                      event                  writes            sends
home, MOVED or XFER      STATUS, newer          the new view      nothing
home, MOVED or XFER      TERMINAL               the outcome       ACK; what it took is learnt
home, final or forgotten TERMINAL again         nothing           ACK
MOVED                    cancel                 the wish          CANCEL to the next hop until its ACK
unknown job              CANCEL                 the intent        ACK
earlier hop, MOVED       STATUS(settled)        the spec goes     nothing
anything                 LOCATE                 nothing           LOCATED: state, epoch, next hop
"""

from __future__ import annotations

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.handoff.giver import Giver
from hanse.core.federation.ports import LocalWork
from hanse.core.messages import Cancel, CancelAck, Locate, Located, Status, Terminal, TerminalAck
from hanse.core.model.deadlines import NEVER_US, Alarm, Deadlines, backoff_us
from hanse.core.model.jobs import Job, RemoteView
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.limits import (
    INTENT_AGE_US_MAX,
    INTENTS_MAX,
    LOCATE_SWEEP_US,
    LOCATE_SWEEP_US_MAX,
    LOCATES_PER_SWEEP_MAX,
)
from hanse.core.model.regions import Timings
from hanse.core.model.time import Now

_ELSEWHERE = (JobState.MOVED, JobState.XFER)


class Tracking:
    """See the module's docstring."""

    def __init__(
        self,
        region: str,
        books: Books,
        giver: Giver,
        local: LocalWork,
        timings: Timings,
        now: Now,
        lost: tuple[str, ...] = (),
    ) -> None:
        self._local = local
        self._region = region
        self._books = books
        self._giver = giver
        self._timings = timings
        self._lost = frozenset(lost)
        self._cancels: Deadlines[str] = Deadlines()
        self._cancels_sent: dict[str, int] = {}
        self._sweep_pause_us = LOCATE_SWEEP_US
        # Only while jobs are elsewhere that were not this home's, or cancels wait for their jobs.
        self._sweep_alarm = Alarm()
        self.alarms: tuple[Alarm, ...] = (self._cancels, self._sweep_alarm)
        self._sweep_from = ""
        # Nothing is lost on its way: sweeps that bring nothing to light come to an end.
        self._is_resting = False
        self.conflicts = 0
        for job in books.jobs.values():
            if job.state is JobState.MOVED and job.cancel_id:
                self._cancels.set(job.id, now.mono_us)
            self.on_change(now, job)
        if books.intents:
            self._sweep_soon(now)

    def on_change(self, now: Now, job: Job) -> None:
        """A job's row changed in this step."""
        is_passing = job.state is JobState.MOVED and not job.settled and job.home != self._region
        if is_passing and not self._is_resting:
            self._sweep_soon(now)

    def _sweep_soon(self, now: Now) -> None:
        if self._sweep_alarm.next_us == NEVER_US:
            self._sweep_pause_us = LOCATE_SWEEP_US
            self._sweep_alarm.ring_at(now.mono_us + LOCATE_SWEEP_US)

    def rest(self) -> None:
        """Whoever drives this region loses no message, until `stir`."""
        self._is_resting = True

    def stir(self, now: Now) -> None:
        """Messages may be lost from now on."""
        if self._is_resting:
            self._is_resting = False
            self._sweep_alarm.ring_at(NEVER_US)
            self._sweep_soon(now)

    # --- the home's view --------------------------------------------------------------------------------------------

    def on_status(self, now: Now, status: Status, out: Effects) -> None:
        """The owner's word: newer than what is known, or of no use. If it owns the job at the epoch of a transfer in
        doubt, or at a later one, the transfer was accepted: its target may have lost its disk since, and must not be
        asked to accept it again."""
        job = self._books.jobs.get(status.job_id)
        if job is None or job.state not in _ELSEWHERE:
            return
        if status.settled:
            if (
                job.home != self._region
                and job.state is JobState.MOVED
                and status.epoch >= job.transfer_epoch
            ):
                self.forget_cancel(job)
                self._books.settle(job)
            return
        known = job.remote
        newer = known is None or (status.epoch, status.sequence) > (known.epoch, known.sequence)
        if job.home == self._region and newer and status.epoch >= job.transfer_epoch:
            if job.state is JobState.XFER:
                self._giver.imply_committed(job)
                self._books.moved(job)
                if job.cancel_id:
                    self.relay_cancel(now, job, out)
            self._books.observe(job, _view(status))

    def on_terminal(self, peer: str, terminal: Terminal, out: Effects) -> None:
        """The outcome of a job of this home. Acknowledged once it is on this disk, and whenever it is told again."""
        job = self._books.jobs.get(terminal.job_id)
        if job is not None and job.state not in TERMINAL_STATES:
            if job.state not in _ELSEWHERE or terminal.epoch < job.transfer_epoch or job.home != self._region:
                self.conflicts += 1
                return
            self._giver.imply_committed(job)
            self.forget_cancel(job)
            self._books.close(job, terminal)
            if job.state is JobState.SUCCEEDED and job.array is None and job.started_wall_us:
                self._local.learn(job, max(0, job.ended_wall_us - job.started_wall_us))
        out.sends.append(Send(peer, TerminalAck(terminal.job_id, terminal.epoch)))

    # --- cancel -----------------------------------------------------------------------------------------------------

    def relay_cancel(self, now: Now, job: Job, out: Effects) -> None:
        """A MOVED job is to end: tell the next hop until it says that it has the wish on disk."""
        sent = self._cancels_sent.get(job.id, 0)
        self._cancels_sent[job.id] = sent + 1
        retry_us = backoff_us(self._timings.report_retry_us, sent, self._timings.report_retry_max_us)
        self._cancels.set(job.id, now.mono_us + retry_us)
        out.sends.append(Send(job.transfer_to, Cancel(job.id, job.cancel_id)))

    def on_cancel_ack(self, peer: str, ack: CancelAck) -> None:
        """The wish is on the next hop's disk."""
        job = self._books.jobs.get(ack.job_id)
        if job is not None and job.state is JobState.MOVED and job.transfer_to == peer:
            self.forget_cancel(job)

    def remember_intent(self, cancel: Cancel) -> bool:
        """A cancel came before its job. False if no more can be remembered: then it is not acknowledged either."""
        if cancel.job_id in self._books.intents:
            return True
        if len(self._books.intents) >= INTENTS_MAX:
            return False
        self._books.remember_intent(cancel.job_id, cancel.cancel_id)
        self._sweep_soon(self._books.now)
        return True

    # --- where is it ------------------------------------------------------------------------------------------------

    def on_locate(self, peer: str, locate: Locate, out: Effects) -> None:
        """Tell what these books say, also of jobs that ended not long ago."""
        job = self._books.jobs.get(locate.job_id)
        if job is None:
            located = Located(locate.job_id, locate.id, self._books.closed.get(locate.job_id), 0)
        elif job.state in _ELSEWHERE:
            located = Located(job.id, locate.id, job.state, job.transfer_epoch, job.transfer_to)
        else:
            located = Located(job.id, locate.id, job.state, job.epoch)
        out.sends.append(Send(peer, located))

    def on_located(self, peer: str, located: Located) -> None:
        """The home has the outcome on disk, or has even forgotten it: this hop may let go of the job too."""
        job = self._books.jobs.get(located.job_id)
        ended = located.state is None or located.state in TERMINAL_STATES
        if (
            job is not None
            and job.state is JobState.MOVED
            and self._whom_to_ask(job) == peer
            and peer != self._region
            and ended
        ):
            # News was lost, and may have been of other jobs too.
            self._sweep_pause_us = LOCATE_SWEEP_US
            self.forget_cancel(job)
            self._books.settle(job, keep_spec=located.state is None)

    # --- deadlines ---------------------------------------------------------------------------------------------------

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Cancels without an ack, and now and then the question what became of jobs that moved on."""
        for job_id in self._cancels.pop_due(now.mono_us):
            job = self._books.jobs.get(job_id)
            if job is not None and job.state is JobState.MOVED:
                self.relay_cancel(now, job, out)
        if self._sweep_alarm.next_us <= now.mono_us:
            self._sweep(now, out)

    def _sweep(self, now: Now, out: Effects) -> None:
        """Ask the homes of jobs that only passed through here, a batch in each sweep, in turn; drop old intents. The
        homes tell by themselves, so sweeps that bring nothing to light become rare."""
        self._sweep_pause_us = min(2 * self._sweep_pause_us, LOCATE_SWEEP_US_MAX)
        self._books.forget_intents(now.wall_us - INTENT_AGE_US_MAX)
        passed = sorted(
            job.id
            for job in self._books.jobs.values()
            if job.state is JobState.MOVED and job.home != self._region
        )
        batch = [job_id for job_id in passed if job_id > self._sweep_from][:LOCATES_PER_SWEEP_MAX]
        self._sweep_from = batch[-1] if len(batch) == LOCATES_PER_SWEEP_MAX else ""
        is_calm = self._is_resting and self._sweep_pause_us == LOCATE_SWEEP_US_MAX
        is_over = is_calm or (not passed and not self._books.intents)
        self._sweep_alarm.ring_at(NEVER_US if is_over else now.mono_us + self._sweep_pause_us)
        for job_id in batch:
            out.sends.append(Send(self._whom_to_ask(self._books.jobs[job_id]), Locate(job_id, 0)))

    def _whom_to_ask(self, job: Job) -> str:
        """Its home; if that is lost, the next hop: one that let go of the job knew that it had ended."""
        return job.transfer_to if job.home in self._lost else job.home

    def forget_cancel(self, job: Job) -> None:
        """Nobody has to be told of the wish any more."""
        self._cancels.cancel(job.id)
        self._cancels_sent.pop(job.id, None)


def _view(status: Status) -> RemoteView:
    return RemoteView(
        region=status.region,
        state=status.state,
        epoch=status.epoch,
        attempt=status.attempt,
        reason=status.reason,
        sequence=status.sequence,
        at_wall_us=status.at_wall_us,
    )
