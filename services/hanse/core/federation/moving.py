"""Moving running jobs out of a region that is being drained (`hanse region drain --running move`).

    RUNNING    may move, another region has room    STOPPING, moves + 1    its tasks get SIGTERM, their grace, SIGKILL
    STOPPING   all its tasks are known to be dead   QUEUED, MOVING         nothing
    QUEUED     as any other job that waits          XFER                   OFFER, then COMMIT (offers.py, giver.py)

A move is no transaction of its own: the job is stopped, is confirmed dead, waits, and is handed over as everything that
waits here. Whatever comes between (a crash, a cancel, the end of the drain, nobody who takes it) finds the job in a
state that it may be in anyway. Being stopped for it is no failure, and the epoch is the transfer's business alone.

A stop costs what was done since the last checkpoint. So a job is stopped only if the records of the others say that one
of them could start it now, a bounded number of jobs is without a place at a time, and no job is moved more than
MOVES_MAX times. What may not be moved runs to its end.
"""

from __future__ import annotations

import enum

from hanse.core.effects import Effects
from hanse.core.federation.ports import LocalWork
from hanse.core.federation.routing import Router
from hanse.core.model.deadlines import NEVER_US, Alarm
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import MOVES_AT_ONCE_MAX, MOVES_MAX
from hanse.core.model.regions import RunningJobs, Timings
from hanse.core.model.time import Now
from hanse.core.replies import DrainView

# Until it runs elsewhere, or has ended.
_WITHOUT_A_PLACE = (JobState.STOPPING, JobState.QUEUED, JobState.XFER)


class Stays(enum.StrEnum):
    """Why a running job is not being moved. Stable words: they are what `hanse region status` counts by."""

    FINISHING = "FINISHING"
    NOT_RESTARTABLE = "NOT_RESTARTABLE"
    MOVED_OFTEN = "MOVED_OFTEN"
    ENDS_SOON = "ENDS_SOON"
    NO_ROOM_ELSEWHERE = "NO_ROOM_ELSEWHERE"
    NEXT = "NEXT"


class MovableJobs:
    """Which running jobs may be moved at all, and which have been stopped for it and are without a place."""

    def __init__(self, timings: Timings) -> None:
        self._hop_cost_us = timings.hop_cost_us
        self._stopped: dict[str, Job] = {}

    def why_not(self, now: Now, job: Job) -> Stays | None:
        """Why this running job is not to be moved, whoever might take it; None: it may."""
        if job.index is not None:
            return Stays.FINISHING  # Elements of an array don't leave by themselves.
        if not job.shape.body.restartable:
            return Stays.NOT_RESTARTABLE
        if job.moves >= MOVES_MAX:
            return Stays.MOVED_OFTEN
        return Stays.ENDS_SOON if self._ends_soon(now, job) else None

    def note_stopped(self, job: Job) -> None:
        """It is being stopped in order to move."""
        self._stopped[job.id] = job

    def without_a_place(self) -> int:
        """How many were stopped here, and do not run again nor have been taken by anybody."""
        self._stopped = {job.id: job for job in self._stopped.values() if job.state in _WITHOUT_A_PLACE}
        return len(self._stopped)

    def in_state(self, *states: JobState) -> int:
        """How many of them are in one of these states."""
        return sum(1 for job in self._stopped.values() if job.state in states)

    def waiting(self) -> int:
        """How many of them will take room elsewhere that nobody has been asked for yet; of which kind is not told."""
        return self.in_state(JobState.STOPPING, JobState.QUEUED)

    def _ends_soon(self, now: Now, job: Job) -> bool:
        """Whether, by its caller's estimate, it is over before it could start elsewhere. Who has run for longer than
        that has given no estimate."""
        estimate_us = job.shape.body.runtime_estimate_us
        left_us = job.started_wall_us + estimate_us - now.wall_us
        return 0 <= left_us <= job.grace_us + self._hop_cost_us if estimate_us else False


class Moving:
    """Which running jobs leave, and when, as the operator wishes; no wish: the region is not drained."""

    def __init__(self, timings: Timings, local: LocalWork, router: Router, movable: MovableJobs) -> None:
        self._timings = timings
        self._local = local
        self._router = router
        self._movable = movable
        self._wish: RunningJobs | None = None
        self._stopped = 0
        # (shape, path, shard) of jobs that nobody has room for: asked once in a look, since thousands may be alike.
        self._full: dict[tuple[bytes, tuple[str, ...], str], None] = {}
        # When to look again: at the pace at which regions look for capacity elsewhere.
        self.alarm = Alarm()

    @property
    def wished(self) -> RunningJobs | None:
        """What the operator wants of the running jobs."""
        return self._wish

    def wish(self, now: Now, wish: RunningJobs | None) -> None:
        """What an operator wants. What is being stopped already goes on being stopped, and then waits as others do."""
        if self._wish is None or wish is None:
            self._stopped = 0
        self._wish = wish
        self.alarm.ring_at(now.mono_us if wish is RunningJobs.MOVE else NEVER_US)

    def look(self, now: Now, out: Effects) -> None:
        """Stop what may go, as far as there is room for it elsewhere. To be called in every step."""
        if now.mono_us < self.alarm.next_us:
            return
        self.alarm.ring_at(now.mono_us + self._timings.solicit_interval_us)
        self._full = {}
        left = MOVES_AT_ONCE_MAX - self._movable.without_a_place()
        for job in self._local.running():
            if left <= 0:
                return
            if self._why_it_stays(now, job) is Stays.NEXT:
                self._movable.note_stopped(job)
                self._stopped += 1
                left -= 1
                self._local.stop_to_move(job, _DRAINED, out)

    def view(self, now: Now, queued: int, leaving: int) -> DrainView | None:
        """How far the drain is; None: there is none. Grows with the number of running jobs."""
        if self._wish is None:
            return None
        running_on: dict[str, int] = {}
        self._full = {}
        for job in self._local.running():
            why = self._why_it_stays(now, job)
            running_on[why] = running_on.get(why, 0) + 1
        return DrainView(
            running=self._wish,
            queued=queued,
            leaving=leaving,
            stopping=self._movable.in_state(JobState.STOPPING),
            stopped=self._stopped,
            running_on=tuple(sorted(running_on.items())),
        )

    def _why_it_stays(self, now: Now, job: Job) -> Stays:
        if self._wish is not RunningJobs.MOVE:
            return Stays.FINISHING
        why_not = self._movable.why_not(now, job)
        if why_not is not None:
            return why_not
        kind = (job.shape.key, job.path, job.shard)
        if kind in self._full:
            return Stays.NO_ROOM_ELSEWHERE
        waiting = self._movable.waiting()
        room = self._router.room_elsewhere(now, job.shape, job.path, job.shard, waiting + 1)
        if room > waiting:
            return Stays.NEXT
        self._full[kind] = None
        return Stays.NO_ROOM_ELSEWHERE


_DRAINED = Reason(ReasonCode.MOVING, "the region is being drained")
