"""Claims: room that victims are leaving, kept for the jobs that they were stopped for (preemption.py).

Whoever looks for room, or ahead, sees the nodes and the quotas as they are with all claims on them: victims gone, and
the jobs that they make room for in their place.
"""

from __future__ import annotations

from collections.abc import Iterator

from hanse.core.model.jobs import Job
from hanse.core.scheduling.backfill import Reservation
from hanse.core.scheduling.cohorts import Usage
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.preemption import Claim
from hanse.core.scheduling.quota import QuotaQueue
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.trial import Trial


class Claims:
    """All claims of a region, by the job that each is for."""

    def __init__(self, capacity: Capacity, standing: Standing) -> None:
        self._capacity = capacity
        self._standing = standing
        self._claims: dict[str, Claim] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._claims

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def of(self, job_id: str) -> Claim | None:
        """What is kept for this job."""
        return self._claims.get(job_id)

    def add(self, claim: Claim) -> None:
        """Its victims have been told to leave."""
        self._claims[claim.reservation.job.id] = claim
        for victim in claim.victims:
            self._standing.running.leave(victim.job.id, claim.reservation.starts_us)

    def drop(self, claim: Claim) -> None:
        """Nothing is kept for it any more. Its victims leave all the same."""
        del self._claims[claim.reservation.job.id]

    def vacated(self) -> list[Claim]:
        """Those whose victims are all gone."""
        running = self._standing.running.jobs
        return [claim for claim in self if not any(victim.job.id in running for victim in claim.victims)]

    def binding(self, job: Job) -> list[Reservation]:
        """What this job has to keep clear of, whatever its place in the order."""
        return [claim.reservation for claim in self if claim.reservation.job is not job]

    # -- the world with all claims on it

    def world(self) -> Trial:
        """The nodes, in a trial of one's own."""
        trial = Trial(self._capacity.table)
        running = self._standing.running.jobs
        for claim in self:
            for victim in claim.victims:
                if victim.job.id in running:
                    trial.release(victim.job.id, *self._capacity.held(victim.job.id))
        for claim in self:
            if claim.reservation.allocation is not None:
                trial.book(claim.reservation.job.shape, claim.reservation.allocation)
        return trial

    def used(self, queue: QuotaQueue) -> Usage:
        """What is used of the tree of quotas that this queue is in."""
        usage = dict(queue.root.usage)
        for claim in self:
            for victim in claim.victims:
                charge = self._standing.quotas.charge_of(victim.job.id)
                if charge is not None and charge.queue.root is queue.root:
                    charge.count(-1, usage)
            if claim.reservation.way.shares_quota(queue):
                claim.reservation.way.charge(1, usage)
        return usage
