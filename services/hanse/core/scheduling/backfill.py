"""Backfill: what may overtake a job that is blocked (Lifka, "The ANL/IBM SP Scheduling System", 1995: EASY).

Theory of operation. The first job in order that is blocked gets a *reservation*: the earliest instant at which, by
predicted ends, it has room, and the room itself: nodes and devices that are then free, and quota. Another job may
start before that instant if it will be gone by then, or if what it takes is not among what is reserved: then the
reserved job starts when it would have started without the other. A reservation is worked out when the first candidate
asks for it, and anew when something ends, when its own time has come, and when the job that it is for is another one.

A job that is blocked by quota reserves quota in its tree and no nodes, since those would stand idle until the quota
is there. A job that is blocked by nodes reserves both. So there is one reservation for each tree of quotas and one for
the nodes. Those of preemptors (preemption.py: claims) hold for everybody, the others only for jobs that come later in
the order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice, takewhile
from typing import Protocol

import msgspec

from hanse.core.model.jobs import Allocation, Job, Shape
from hanse.core.model.limits import RESERVATION_ENDS_MAX
from hanse.core.scheduling.cohorts import Usage
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.quota import QuotaQueue
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.wakeups import counts_by_node
from hanse.core.scheduling.ways import Way


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A job that has room now in this way. `end_us` is when it is expected to be gone (mono)."""

    job: Job
    way: Way
    end_us: int


class Reservation:
    """Room that is kept for one job from `starts_us` (mono) on. `allocation` None: it reserves quota only."""

    def __init__(
        self,
        job: Job,
        starts_us: int,
        way: Way,
        *,
        usage: Usage | None,
        allocation: Allocation | None,
        nodes: Trial | None,
    ) -> None:
        self.job = job
        self.starts_us = starts_us
        self.way = way
        self.allocation = allocation
        # What is used and taken at that instant, the job itself included in `nodes` and not in `usage`.
        self._usage = usage
        self._nodes = nodes
        self.reserved = {} if allocation is None else dict.fromkeys(task.node for task in allocation.tasks)

    def admits(self, candidate: Candidate, allocation: Allocation) -> bool:
        """Whether the candidate may start on these nodes now."""
        if candidate.end_us <= self.starts_us:
            return True
        return self._quota_admits(candidate) and self._nodes_admit(candidate, allocation)

    def quota_admits(self, candidate: Candidate) -> bool:
        """The same, wherever the candidate is placed."""
        return candidate.end_us <= self.starts_us or self._quota_admits(candidate)

    def _quota_admits(self, candidate: Candidate) -> bool:
        if self._usage is None or not candidate.way.shares_quota(self.way.queue):
            return True
        candidate.way.charge(1, self._usage)
        bound = self.way.bound(self._usage)
        candidate.way.charge(-1, self._usage)
        return bound is None

    def _nodes_admit(self, candidate: Candidate, allocation: Allocation) -> bool:
        if self._nodes is None or all(task.node not in self.reserved for task in allocation.tasks):
            return True
        fits = self._nodes.book(candidate.job.shape, allocation)
        if fits:
            self._nodes.release(candidate.job.id, candidate.job.shape, allocation)
        return fits

    def note_start(self, candidate: Candidate, allocation: Allocation) -> None:
        """The candidate was admitted and has started."""
        if candidate.end_us <= self.starts_us:
            return
        if self._nodes is not None:
            self._nodes.book(candidate.job.shape, allocation)
        if self._usage is not None and candidate.way.shares_quota(self.way.queue):
            candidate.way.charge(1, self._usage)


class WindowsAhead(Protocol):
    """What reservations mean for whoever looks ahead: crossings.py."""

    def heed(
        self, trial: Trial, tenant: str, from_us: int, until_us: int, gone: Collection[str] = ()
    ) -> None:
        """Suppose what they make of the nodes for a job of this tenant from one instant to another (mono), once those
        that are `gone` have been released."""

    def hold_for(self, tenant: str) -> bool:
        """Whether something is set aside for this tenant now."""


class Outlook:
    """Looks ahead along the predicted ends. `world` gives the nodes as they are now, with what is claimed (a trial of
    one's own), `used` the same of a tree of quotas; `counted` says whether nothing is, and counting tells enough."""

    def __init__(
        self,
        capacity: Capacity,
        standing: Standing,
        world: Callable[[], Trial],
        used: Callable[[QuotaQueue], Usage],
        counted: Callable[[], bool],
        windows: WindowsAhead,
    ) -> None:
        self._capacity = capacity
        self._standing = standing
        self._running = standing.running
        self._world = world
        self._used = used
        self._counted = counted
        self._windows = windows

    def reserve(self, job: Job, now_us: int, *, nodes: bool) -> Reservation | None:
        """The earliest room for a blocked job, with its nodes if it is `nodes` that block it. None: not within the
        ends that are looked at."""
        found = [self._reserve_so(job, way, now_us, nodes=nodes) for way in self._standing.ways_of(job)]
        return min(
            (each for each in found if each is not None), key=lambda each: each.starts_us, default=None
        )

    def _reserve_so(self, job: Job, way: Way, now_us: int, *, nodes: bool) -> Reservation | None:
        starts_us, usage = now_us, None
        if way.queue is not None:
            quota = self._quota_start(way, way.queue, now_us)
            if quota is None:
                return None
            starts_us, usage = quota
        allocation = trial = None
        if nodes:
            placed = self._nodes_start(job, way, starts_us)
            if placed is None:
                return None
            nodes_us, allocation, trial = placed
            if way.queue is not None and usage is not None and nodes_us > starts_us:
                self._give_back_until(way.queue, nodes_us, usage, after_us=starts_us)
            starts_us = nodes_us
        return Reservation(job, starts_us, way, usage=usage, allocation=allocation, nodes=trial)

    # -- quota

    def _quota_start(self, way: Way, queue: QuotaQueue, now_us: int) -> tuple[int, Usage] | None:
        """When the queue will have enough quota, and what is used then."""
        usage = self._used(queue)
        starts_us = now_us
        for end_us, job_id in islice(self._running.ends_of(queue.root), RESERVATION_ENDS_MAX):
            if end_us > starts_us and way.bound(usage) is None:
                return starts_us, usage
            starts_us = max(starts_us, end_us)
            self._give_back(job_id, usage)
        return (starts_us, usage) if way.bound(usage) is None else None

    def _give_back_until(self, queue: QuotaQueue, until_us: int, usage: Usage, *, after_us: int) -> None:
        for end_us, job_id in self._running.ends_of(queue.root):
            if end_us > until_us:
                return
            if end_us > after_us:
                self._give_back(job_id, usage)

    def _give_back(self, job_id: str, usage: Usage) -> None:
        charge = self._standing.quotas.charge_of(job_id)
        if charge is not None and job_id not in self._running.leaving:
            charge.count(-1, usage)

    # -- nodes

    def _nodes_start(self, job: Job, way: Way, from_us: int) -> tuple[int, Allocation, Trial] | None:
        """When the nodes will have room, where, and all nodes then with the job on them."""
        if counts_by_node(self._capacity.table, way.placed) and self._counted():
            starts_us = self._counted_start(way.placed, from_us)
        else:
            starts_us = self._tried_start(job, way, from_us)
        if starts_us is None:
            return None
        found = self._placed_at(starts_us, job, way, self._ended_by(starts_us))
        return None if found is None else (starts_us, *found)

    def _counted_start(self, shape: Shape, from_us: int) -> int | None:
        """For one group: the first end after which the nodes take as many tasks as it needs."""
        world = self._world()
        fit = self._capacity.table.fits_of(shape)[0]
        room = self._capacity.table.tasks_fitting(fit)
        needed = shape.body.groups[0].count_min
        for end_us, job_id in islice(self._running.ends, RESERVATION_ENDS_MAX):
            if end_us > from_us and room >= needed:
                return from_us
            if job_id not in self._running.leaving:
                held = self._capacity.held(job_id)
                nodes = {task.node: None for task in held[1].tasks}
                before = world.room_on(fit, nodes)
                world.release(job_id, *held)
                room += world.room_on(fit, nodes) - before
            from_us = max(from_us, end_us)
        return from_us if room >= needed else None

    def _tried_start(self, job: Job, way: Way, from_us: int) -> int | None:
        """For any shape: by trying to place it, after twice as many ends each time, then in between."""
        if self._placed_at(from_us, job, way, self._ended_by(from_us)) is not None:
            return from_us
        ends = [end for end in self._running.ends.first(RESERVATION_ENDS_MAX) if end[0] > from_us]
        gone = self._ended_by(from_us)

        def has_room_after(count: int) -> bool:
            ended = [*gone, *ends[:count]]
            return self._placed_at(ends[count - 1][0], job, way, ended) is not None

        few, enough = 0, 1
        while enough < len(ends) and not has_room_after(enough):
            few, enough = enough, enough * 2
        enough = min(enough, len(ends))
        while enough - few > 1:
            middle = (enough + few) // 2
            if not has_room_after(middle):
                few = middle
            else:
                enough = middle
        return ends[enough - 1][0] if enough else None

    def _ended_by(self, until_us: int) -> list[tuple[int, str]]:
        return list(takewhile(lambda end: end[0] <= until_us, self._running.ends))

    def _placed_at(
        self, at_us: int, job: Job, way: Way, ended: Iterable[tuple[int, str]]
    ) -> tuple[Allocation, Trial] | None:
        """Where the job has room at this instant, once these have ended."""
        trial = self._world()
        gone = [job_id for _, job_id in ended]
        for job_id in gone:
            if job_id not in self._running.leaving:
                trial.release(job_id, *self._capacity.held(job_id))
        self._windows.heed(trial, job.tenant, at_us, at_us + self._standing.predictor.predict_us(job), gone)
        allocation = way.place(trial)
        return None if allocation is None else (allocation, trial)


def beside(trial: Trial, way: Way, reservations: Iterable[Reservation]) -> Allocation | None:
    """Where a job has room now away from all nodes on which something is reserved. Spoils the trial."""
    for reservation in reservations:
        for node in reservation.reserved:
            trial.exclude(node)
    return way.place(trial)
