"""The scheduling cycle: from queued jobs to allocations.

A shape that was blocked stays parked until capacity is released: nothing else can give it room. So an arrival behind
a blocked shape costs next to nothing, and a cycle costs one placement for each job that starts and each shape that
does not.
"""

from __future__ import annotations

from hanse.core.model.jobs import Allocation, Job
from hanse.core.model.time import Now
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.gate import OPEN_GATE, StartGate
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue


class Scheduler:
    """Decides what starts in this region. The caller records every start that `run` returns."""

    def __init__(self, queue: JobQueue, capacity: Capacity, region: str) -> None:
        self._queue = queue
        self._capacity = capacity
        self._region = region
        # Global quotas (federation/escrow): who may not start for want of rights waits outside the queue.
        self.gate: StartGate = OPEN_GATE
        self._parked_at_version = capacity.version
        # Whether the last cycle stopped at its limit, so that another one should follow at once.
        self.more = False

    def run(self, now: Now, limit: int) -> list[tuple[Job, Allocation]]:
        """One cycle: at most `limit` jobs, in the order in which they were decided. They have left the queue and hold
        their allocation; there is no way back but `Capacity.release`."""
        # 0. What was blocked is worth another look only once something has been released.
        if self._capacity.version != self._parked_at_version:
            self._parked_at_version = self._capacity.version
            self._queue.reopen()
        started: list[tuple[Job, Allocation]] = []
        # 1. Order: tier, priority, age.
        without_rights = 0
        while (job := self._queue.best()) is not None and len(started) + without_rights < limit:
            # 2. Admit. 3. Place.
            allocation = self._allocation_for(job)
            if allocation is None:
                self._queue.park(job.shape.key)
                continue
            self._queue.discard(job.id)
            # 3b. Global quotas.
            if not self.gate.may_start(job):
                self.gate.set_aside(job)
                without_rights += 1
                continue
            self.gate.take(job)
            # 4. Take.
            self._capacity.take(job.id, job.shape, allocation)
            started.append((job, allocation))
        self.more = job is not None
        return started

    def _allocation_for(self, job: Job) -> Allocation | None:
        if refused_here(self._region, job.shape.body) is not None:
            return None
        return self._capacity.place(job.shape)
