"""A shard that this region leads: a desk of its own, whose effects wait for a majority.

Theory of operation. The desk works as a region's own does, on the jobs of the log. At the end of a step what it changed
becomes records of the log, durable here in the same transaction; what it would say (messages, answers, news for
watchers, and the rows that callers read) waits at a gate until a majority holds those records. Tasks are launched under
a lease without waiting for the record of their start: were it lost, the next leader would start the job again, after
this region's tasks have ended with their lease. A new job is launched once a majority holds it: until then nobody was
told of it. Its caller, or whoever gives it, may turn to another leader that knows nothing of it, and a run of it here
would be nobody's. And what is said because there is no record of a job (that its outcome need not be told again) waits
for a record of its own, since only the present leader knows that there is none.

When another region leads, the desk is closed: its tasks are stopped, and what waited at the gate was never said.
"""

from __future__ import annotations

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.desk import Desk
from hanse.core.federation.handoff.intake import Intake
from hanse.core.federation.ports import LocalWork
from hanse.core.federation.routing import Router
from hanse.core.federation.shards.gate import Freed, Gate, Held, OwedRows, complete
from hanse.core.federation.shards.journal import Journal, unpack
from hanse.core.federation.shards.shard import Shard
from hanse.core.job_rows import job_row
from hanse.core.messages import Located, TerminalAck
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import ATTEMPTS_PER_TERM, Job, Reason, ReasonCode
from hanse.core.model.lifecycle import ALLOCATED_STATES, TERMINAL_STATES, JobInput, JobState
from hanse.core.model.limits import GATE_STEPS_MAX
from hanse.core.model.regions import Group, RegionConfig
from hanse.core.model.time import Now
from hanse.core.replies import Reply
from hanse.core.rows import NO_WRITES, Writes

_NOT_WRITTEN = 1 << 62


def channel_of(shard: str) -> str:
    """What names a shard's transfers, where a region's ledger has its id. No ledger id begins with it."""
    return f"@{shard}"


class Leading:
    """See the module's docstring. `out` gathers what the desk wants to say in this step."""

    def __init__(
        self,
        config: RegionConfig,
        shard: Shard,
        local: LocalWork,
        intake: Intake,
        router: Router,
        now: Now,
        *,
        resumed: bool,
    ) -> None:
        self.shard = shard
        self.term = shard.term
        unpacked = unpack(shard.log, channel_of(shard.name))
        attempt_base = (shard.term - 1) * ATTEMPTS_PER_TERM
        self.books = Books(config.name, unpacked.snapshot, shard.name, attempt_base)
        self.books.closed.update(unpacked.closed)
        self.books.recall_ends()
        self.books.begin(now)
        self._journal = Journal(shard.log)
        self._gate = Gate()
        # The group whose majority counts, and what the region's write sequence is when that is on disk.
        self._group: Group | None = None
        self._group_at = 0
        # What the step under way has put there.
        self._newest: Held | None = None
        # What a majority holds and callers can't read yet.
        self.rows = OwedRows()
        # New jobs that no majority holds yet: those of this step, and for the others from which sequence on.
        self._new: list[Job] = []
        self._unheld: dict[str, tuple[int, Job]] = {}
        self._local = local
        self.out = Effects(writes=NO_WRITES)
        if not resumed:
            self._requeue_what_ran()
        self.desk = Desk(
            config, self.books, channel_of(shard.name), local, intake, router, now, self.enqueue_when_held
        )
        # When the desk was to be called, as of the last time that this was looked at.
        self._wound_us = NEVER_US
        # Queued jobs are in the region's queue only while they may be launched.
        self.startable = False
        # Since when nothing may start although there is something to start.
        self._without_lease_us: int | None = None
        # Since when another region that should lead could: the shard's home, or whoever takes this one's place.
        self.heir_since_us: int | None = None
        self.waited_for_heir = False
        self._patience_us = config.timings.lease_us
        # What callers of this region may read of the shard, once a majority holds what the term begins with; after a
        # restart these rows may lag.
        self._inherited = Writes(
            shapes=unpacked.shapes,
            jobs=[job_row(job) for job in self.books.jobs.values()] + unpacked.ended,
        )
        # Whether callers can't read them yet. What retention took meanwhile would come back with them, for good.
        self.shows_inherited = bool(self._inherited.jobs)
        self._inherited_at = self._released = 0

    def runs_here(self) -> bool:
        """Whether tasks of the shard live, or are being ended."""
        return any(self.books.counts[state] for state in ALLOCATED_STATES)

    @property
    def open_jobs(self) -> int:
        """Jobs that have not ended."""
        return sum(job.state not in TERMINAL_STATES for job in self.books.jobs.values())

    @property
    def is_at_rest(self) -> bool:
        """Whether another region may lead at once: nothing runs, and all that was decided is written and said."""
        return not self.runs_here() and not self.books.owes_rows and not len(self._gate)

    @property
    def idle(self) -> bool:
        """Whether nothing happened to its desk in this step: neither jobs nor timers, and nothing is to be said."""
        out = self.out
        return (
            self.books.owes_nothing
            and self.desk.alarm.next_us == self._wound_us
            and self._inherited is NO_WRITES
            and not self.desk.giver.owes_stable
            and not (out.sends or out.replies or out.launches or out.stops or out.reaps)
        )

    def wind(self, lease_us: int) -> int:
        """When the desk has something to do, what has a lease may not start any more, or an heir may be trusted to
        stay (after a lease)."""
        due_us = self._wound_us = self.desk.alarm.next_us
        if self.startable:
            due_us = min(due_us, self.shard.renewals.lapses_us())
        if self.heir_since_us is not None and not self.waited_for_heir:
            due_us = min(due_us, self.heir_since_us + lease_us)
        return due_us

    def admits(self, now: Now) -> bool:
        """Whether a new job may be taken: the region leads, and a majority has answered of late."""
        since_us = self._without_lease_us
        lapsed = since_us is not None and now.mono_us > since_us + self._patience_us
        return self.shard.leads and not self.full and not lapsed

    @property
    def full(self) -> bool:
        """Whether the group can't keep up: nothing new is admitted."""
        return len(self._gate) >= GATE_STEPS_MAX

    def _show_inherited(self) -> None:
        """Behind the records of what was queued again: they may not be committed though all before them is."""
        rows, self._inherited = self._inherited, NO_WRITES
        if rows.jobs:
            end = self._inherited_at = self.shard.log.end.sequence
            self._gate.put(Held(end, [], [], [], rows, retry=False), GATE_STEPS_MAX)

    def _requeue_what_ran(self) -> None:
        """What ran in an older term has ended with its lease."""
        for job in list(self.books.jobs.values()):
            if job.state in ALLOCATED_STATES:
                self.books.recall_run(job, self.shard.leader_before)
                if job.cancel_id:
                    reason = Reason(ReasonCode.CANCELLED, "its region was lost while it ran")
                    self.books.finish(job, JobInput.STOPPED_CANCEL, reason, job.exit_code)
                elif job.reason.code is ReasonCode.HELD:
                    self.books.requeue(job, job.reason)
                else:
                    self.books.requeue(job, Reason(ReasonCode.ADOPTED, f"in term {self.term}"))

    def set_startable(self, now: Now, startable: bool) -> None:
        """Put the queued jobs into the region's queue, or take them out."""
        if startable or not self.shard.busy:
            self._without_lease_us = None
        elif self._without_lease_us is None:
            self._without_lease_us = now.mono_us
        if startable == self.startable:
            return
        self.startable = startable
        for job in self.books.jobs.values():
            if job.state is JobState.QUEUED and not self.is_unheld(job.id):
                if startable:
                    self._local.enqueue(job)
                else:
                    self._local.dequeue(job)

    def enqueue_when_held(self, job: Job) -> None:
        """A job that is new here, of a caller or of another party. Its record is written at the end of the step."""
        self._new.append(job)
        self._unheld[job.id] = (_NOT_WRITTEN, job)

    def is_unheld(self, job_id: str) -> bool:
        """Whether this queued job waits until a majority holds it."""
        return job_id in self._unheld

    def enqueue_held(self) -> None:
        """What a majority holds by now may be started. (In the order of their sequences.)"""
        while self._unheld:
            job_id, (sequence, job) = next(iter(self._unheld.items()))
            if sequence > self.shard.log.committed:
                return
            del self._unheld[job_id]
            if job.state is JobState.QUEUED:
                self._local.enqueue(job)

    def forget(self, job_id: str, client_key: tuple[str, str] | None) -> None:
        """Retention picked this job, which has ended."""
        if job_id in self.books.jobs:
            return
        self.books.closed.pop(job_id, None)
        if client_key is not None:
            self.books.keys.pop(client_key, None)
        self._journal.forget(self.term, job_id)
        self.shard.stirred = True

    def collect(self, written_at: int) -> None:
        """The end of a step: what changed goes into the log, what is to be said to the gate. `written_at`: see Held."""
        if self.shard.group is not self._group:
            self._group, self._group_at = self.shard.group, written_at
        rows, changes = self.books.collect()
        if rows is not NO_WRITES:
            self._journal.add(self.term, rows, self.books)
            self.shard.stirred = True
        if any(_rests_on_nothing(send, self.books) for send in self.out.sends):
            self._journal.lead(self.term)
            self.shard.stirred = True
        end = self.shard.log.end.sequence
        self._unheld.update((job.id, (end, job)) for job in self._new)
        self._new = []
        if self._inherited is not NO_WRITES:
            self._show_inherited()
        if rows is NO_WRITES and not (self.out.sends or self.out.replies or changes):
            return
        held = Held(
            sequence=self.shard.log.end.sequence,
            sends=self.out.sends,
            replies=self.out.replies,
            changes=changes,
            rows=_read_by_callers(rows),
            retry=rows is NO_WRITES and not self.out.replies,
            written_at=written_at,
        )
        self._gate.put(held, GATE_STEPS_MAX)
        self._newest = held
        self.out = Effects(writes=NO_WRITES)

    def release(self) -> Freed:
        """What a majority holds by now. Rows that callers may read, and what watchers are to be told, are owed from now
        on."""
        sends: list[Send] = []
        fresh: list[Reply] = []
        settled: list[Reply] = []
        # Nobody is told of a majority of a group that this disk may not have.
        rests_on = self._group_at
        newest, self._newest = self._newest, None
        if not self.shard.leads:
            return Freed([], [], [], 0)
        if self._inherited is NO_WRITES and self._inherited_at <= self._released and not self.rows:
            self.shows_inherited = False
        for held in self._gate.open(self.shard.log.committed):
            sends.extend(held.sends)
            # What this very step has put there may rest on what it writes elsewhere.
            replies = fresh if held is newest else settled
            replies.extend(complete(held.replies, self.shard.name))
            rests_on = max(rests_on, held.written_at)
            self.rows.add(held.rows, held.changes)
        self._released = self.shard.log.committed
        return Freed(sends, fresh, settled, rests_on)


def _rests_on_nothing(send: Send, books: Books) -> bool:
    """Whether it is said because these books do not have the job. What they do have, some majority held; but who has
    been followed by another leader, and has not noticed, does not have what came since."""
    match send.message:
        case TerminalAck(job_id=job_id):
            return job_id not in books.jobs and job_id not in books.closed
        case Located(state=None):
            return True
        case _:
            return False


def _read_by_callers(rows: Writes) -> Writes:
    if rows is NO_WRITES:
        return NO_WRITES
    return Writes(shapes=rows.shapes, jobs=rows.jobs, job_states=rows.job_states, timeline=rows.timeline)
