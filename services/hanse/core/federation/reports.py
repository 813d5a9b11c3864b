"""What an owner owes the home of a job, and earlier hops: STATUS while it goes on, TERMINAL until it is acknowledged.

has                        event             writes    sends
a job of another home      a status change   nothing   STATUS, coalesced: the latest wins
the same                   the home is back    nothing   STATUS again: the last one may be lost
DONE, not acknowledged     timer             nothing   TERMINAL again
DONE, not acknowledged     TERMINAL_ACK      settled   STATUS(settled) to earlier hops: their specs may go
DONE, home is lost         at once           settled   the same
"""

from __future__ import annotations

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.messages import Status, Terminal, TerminalAck
from hanse.core.model.deadlines import NEVER_US, Alarm, Deadlines, backoff_us
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.limits import REPORTS_PER_STEP_MAX
from hanse.core.model.regions import Timings
from hanse.core.model.time import Now

_REPORTED = (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)


class Reports:
    """Jobs of other homes that this region owns or finished, as far as their homes may not know it."""

    def __init__(self, books: Books, timings: Timings, now: Now, lost: tuple[str, ...] = ()) -> None:
        self._party = books.party
        # Where the job really is, which a home shows its callers.
        self._region = books.region
        self._books = books
        self._timings = timings
        # Homes that are lost: nothing is owed to them, and what has ended is settled.
        self._lost = frozenset(lost)
        self._changed: dict[str, None] = {}
        self._flush = Alarm()
        self._terminals: Deadlines[str] = Deadlines()
        self.alarms: tuple[Alarm, ...] = (self._terminals, self._flush)
        self._sent: dict[str, int] = {}
        # Of arrays: how long the timeline was when the home was told last.
        self._told: dict[str, int] = {}
        for job in books.jobs.values():
            if job.home != self._party and not job.settled:
                if job.state in TERMINAL_STATES:
                    self._terminals.set(job.id, now.mono_us)
                elif job.state in _REPORTED and job.home not in self._lost:
                    self._note(job, now)

    def on_change(self, now: Now, job: Job, out: Effects) -> None:
        """A job's row changed in this step."""
        if job.home == self._party or job.settled:
            return
        if job.home in self._lost:
            if job.state in TERMINAL_STATES:
                self._settle(job, out)
        elif job.state in _REPORTED:
            # Of an array most changes are of its elements only: the home hears of those that are in the timeline.
            if job.array is None or self._told.get(job.id) != job.timeline_length:
                self._note(job, now)
        elif job.state in TERMINAL_STATES and job.id not in self._sent:
            self._changed.pop(job.id, None)
            self._send_terminal(now, job, out)

    def on_session(self, now: Now, peer: str) -> None:
        """A session with this home began, or somebody else speaks for it: what it has not acknowledged is due at once,
        and how its jobs fare is told anew, since the last word may have been lost."""
        for job_id in self._sent:
            if self._books.jobs[job_id].home == peer:
                self._terminals.set(job_id, now.mono_us)
        for job in self._books.jobs.values():
            if job.home == peer and job.state in _REPORTED:
                self._note(job, now)

    def on_ack(self, peer: str, ack: TerminalAck, out: Effects) -> None:
        """The outcome is on the home's disk."""
        job = self._books.jobs.get(ack.job_id)
        if job is None or job.home != peer or job.state not in TERMINAL_STATES or job.epoch != ack.epoch:
            return
        self._terminals.cancel(job.id)
        self._sent.pop(job.id, None)
        self._settle(job, out)

    def _settle(self, job: Job, out: Effects) -> None:
        """Nobody has to hear of its end any more but the regions that handed it on."""
        self._told.pop(job.id, None)
        for hop in dict.fromkeys(job.path):
            if hop not in (job.home, self._party):
                out.sends.append(Send(hop, self._status(job, settled=True)))
        self._books.settle(job)

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Send what is due, at most so much in one step."""
        for sent, job_id in enumerate(self._terminals.pop_due(now.mono_us)):
            if sent >= REPORTS_PER_STEP_MAX:
                self._terminals.set(job_id, now.mono_us + self._timings.report_retry_us)
            else:
                self._send_terminal(now, self._books.jobs[job_id], out)
        if self._flush.next_us <= now.mono_us:
            self._send_changed(now, out)

    def _note(self, job: Job, now: Now) -> None:
        self._changed[job.id] = None
        if self._flush.next_us == NEVER_US:
            self._flush.ring_at(now.mono_us + self._timings.status_flush_us)

    def _send_changed(self, now: Now, out: Effects) -> None:
        changed = list(self._changed)
        for job_id in changed[:REPORTS_PER_STEP_MAX]:
            del self._changed[job_id]
            job = self._books.jobs.get(job_id)
            if job is not None and job.state in _REPORTED:
                out.sends.append(Send(job.home, self._status(job, settled=False)))
                if job.array is not None:
                    self._told[job.id] = job.timeline_length
        self._flush.ring_at(now.mono_us + self._timings.status_flush_us if self._changed else NEVER_US)

    def _status(self, job: Job, *, settled: bool) -> Status:
        return Status(
            job_id=job.id,
            epoch=job.epoch,
            attempt=job.attempt,
            state=job.state,
            region=self._region,
            reason=job.reason,
            sequence=job.timeline_length,
            at_wall_us=self._books.now.wall_us,
            settled=settled,
        )

    def _send_terminal(self, now: Now, job: Job, out: Effects) -> None:
        if job.home in self._lost:
            self._settle(job, out)
            return
        sent = self._sent.get(job.id, 0)
        self._sent[job.id] = sent + 1
        retry_us = backoff_us(self._timings.report_retry_us, sent, self._timings.report_retry_max_us)
        self._terminals.set(job.id, now.mono_us + retry_us)
        terminal = Terminal(
            job_id=job.id,
            epoch=job.epoch,
            attempt=job.attempt,
            outcome=job.state,
            reason=job.reason,
            exit_code=job.exit_code,
            started_wall_us=job.started_wall_us,
            ended_wall_us=job.ended_wall_us,
            region=self._region,
            progress=None if job.array is None else job.array.progress(),
        )
        out.sends.append(Send(job.home, terminal))
