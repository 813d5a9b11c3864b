"""Moving running jobs to other regions so that a gang can start here.

A gang needs room for all its tasks at once, in one region. Where every region has some, none may have enough: then jobs
that can go on elsewhere are stopped here, and go (moving.py: a move is a stop and a handoff). What they leave is kept
for the gang, as what the victims of preemption leave is.

Nobody is stopped
- for a gang that has room elsewhere, starts soon by itself, or would not start even so;
- who may not be restarted, has been moved MOVES_MAX times, ends soon, or is of a better tier than the gang's, or of one
  that nobody may preempt;
- if the records of other regions do not show room for all that would be stopped, beside those that are without a place.

So a stop costs what was done since the last checkpoint, and a place in the queue is what it leads to at worst.
"""

from __future__ import annotations

from hanse.core.effects import Effects
from hanse.core.federation.moving import MovableJobs
from hanse.core.federation.ports import LocalWork
from hanse.core.federation.routing import Router
from hanse.core.model.deadlines import NEVER_US, Alarm
from hanse.core.model.jobs import Job
from hanse.core.model.limits import MOVES_AT_ONCE_MAX, RUNNING_LOOKED_AT_MAX
from hanse.core.model.regions import Timings
from hanse.core.model.time import Now

# Of the interval at which regions look for capacity elsewhere.
_PAUSES_MAX = 64


class MakingRoom:
    """For whom room is made, and by whom. (A region that is drained or in doubt starts no gang.)"""

    def __init__(self, timings: Timings, local: LocalWork, router: Router, movable: MovableJobs) -> None:
        self._timings = timings
        self._local = local
        self._router = router
        self._movable = movable
        # For whom room was looked for last, and how long that rests if it is in vain.
        self._gang = ""
        self._pause_us = 0
        self.alarm = Alarm()

    def look(self, now: Now, out: Effects) -> None:
        """Make room if somebody needs it: at most as often as regions look for capacity elsewhere, since records do not
        change faster, and ever more seldom for the same gang. To be called in every step."""
        gang = self._local.blocked_gang()
        if gang is None:
            self.alarm.ring_at(NEVER_US)
            return
        if gang.id != self._gang or self.alarm.next_us == NEVER_US:
            # Whoever has just come is offered to others first, as a rule.
            self._gang, self._pause_us = gang.id, self._timings.solicit_interval_us
            self.alarm.ring_by(now.mono_us + self._pause_us)
        if now.mono_us < self.alarm.next_us:
            return
        self._pause_us = min(2 * self._pause_us, _PAUSES_MAX * self._timings.solicit_interval_us)
        self.alarm.ring_at(now.mono_us + self._pause_us)
        most = MOVES_AT_ONCE_MAX - self._movable.without_a_place()
        if most <= 0 or self._router.room_elsewhere(now, gang.shape, gang.path, gang.shard, 1):
            return
        room: dict[tuple[bytes, tuple[str, ...], str], int] = {}

        def room_for(job: Job) -> int:
            kind = (job.shape.key, job.path, job.shard)
            if kind not in room:
                room[kind] = self._router.room_elsewhere(
                    now, job.shape, job.path, job.shard, MOVES_AT_ONCE_MAX
                )
            return room[kind]

        def all_have_room(jobs: list[Job]) -> bool:
            # Those of another kind, and those without a place yet, may take the same room.
            together = len(jobs) + self._movable.waiting()
            return all(room_for(job) >= together for job in jobs)

        newest = self._local.restartable_newest(RUNNING_LOOKED_AT_MAX)
        candidates = [job for job in newest if self._movable.why_not(now, job) is None and room_for(job)]
        for job in self._local.make_room(gang, candidates, most, all_have_room, out):
            self._movable.note_stopped(job)
