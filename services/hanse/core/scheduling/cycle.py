"""The scheduling cycle: from queued jobs to allocations.

A shape that was blocked stays parked until capacity is released: nothing else can give it room. So an arrival behind
a blocked shape costs next to nothing, and a cycle costs one placement for each job that starts and each shape that
does not.
"""

from __future__ import annotations

import msgspec

from hanse.core.model.jobs import Allocation, Job
from hanse.core.model.time import Now
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue


class Started(msgspec.Struct, frozen=True):
    """Jobs that have left the queue and hold their allocation, in the order in which they were decided.
    `more`: the limit was reached and others may start too, so another cycle should follow at once."""

    jobs: tuple[tuple[Job, Allocation], ...]
    more: bool


class Scheduler:
    """Decides what starts. The caller records every start that `run` returns; there is no way back but `release`."""

    def __init__(self, queue: JobQueue, capacity: Capacity, region: str = "") -> None:
        self._queue = queue
        self._capacity = capacity
        self._region = region
        self._parked_at_version = capacity.version

    def run(self, now: Now, limit: int) -> Started:
        """One cycle that starts at most `limit` jobs."""
        # 0. What was blocked is worth another look only once something has been released.
        if self._capacity.version != self._parked_at_version:
            self._parked_at_version = self._capacity.version
            self._queue.reopen()
        started: list[tuple[Job, Allocation]] = []
        # 1. Order: tier, priority, age.
        while (job := self._queue.best()) is not None:
            if len(started) >= limit:
                return Started(tuple(started), more=True)
            # 2. Admit.
            if refused_here(self._region, job.shape.body) is not None:
                self._queue.park(job.shape.key)
                continue
            # 3. Place.
            allocation = self._capacity.place(job.shape)
            if allocation is None:
                self._queue.park(job.shape.key)
                continue
            # 4. Take.
            self._queue.discard(job.id)
            self._capacity.take(job.id, job.shape, allocation)
            started.append((job, allocation))
        return Started(tuple(started), more=False)
