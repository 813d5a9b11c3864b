"""Conservative backfill: each of the first waiting jobs has its place in time, and nobody may take it.

Theory of operation (Feitelson and Weil, "Utilization and predictability in scheduling the IBM SP2 with backfilling",
1998). The plan holds, for each job, from when to when it will run, and where. A job that is new takes the earliest
place that the others leave it. When something ended earlier than predicted, each job in turn, in order, gives up its
place and takes the earliest one that is there now, which is never a later one. A job whose place begins now starts.

A place must be free for the whole time that the job is predicted to take. A node that two others use one after the
other during that time counts as taken by both at once: a job may be planned later than it could be, never earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import Allocation, Job, Shape
from hanse.core.model.limits import RESERVATION_ENDS_MAX
from hanse.core.model.resources import Resources
from hanse.core.scheduling.backfill import WindowsAhead
from hanse.core.scheduling.cohorts import Usage
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.quota import QuotaQueue, held_by
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.ways import Way


class Place(msgspec.Struct, frozen=True):
    """Where a waiting job is planned to run, mono microseconds."""

    job: Job
    way: Way
    allocation: Allocation
    starts_us: int
    ends_us: int


class Plan:
    """Places of waiting jobs. `world`, `used` and `windows` as for backfill.Outlook."""

    def __init__(
        self,
        capacity: Capacity,
        standing: Standing,
        world: Callable[[], Trial],
        used: Callable[[QuotaQueue], Usage],
        windows: WindowsAhead,
    ) -> None:
        self._capacity = capacity
        self._standing = standing
        self._world = world
        self._used = used
        self._windows = windows
        self._places: dict[str, Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def starts_us(self, job_id: str) -> int | None:
        """When a job is planned to start."""
        place = self._places.get(job_id)
        return None if place is None else place.starts_us

    def next_us(self) -> int:
        """When the next job is planned to start."""
        return min((place.starts_us for place in self._places.values()), default=NEVER_US)

    def keep_only(self, jobs: Iterable[Job]) -> None:
        """Forget those that don't wait any more."""
        self._places = {job.id: self._places[job.id] for job in jobs if job.id in self._places}

    def book(self, job: Job, now_us: int) -> Place | None:
        """Give the job the earliest place that is left; which one, if that is now."""
        self._places.pop(job.id, None)
        found = self._earliest(job, now_us)
        if found is None:
            return None
        if found.starts_us <= now_us:
            return found
        self._places[job.id] = found
        return None

    def starts_now(self, job: Job, way: Way, now_us: int, besides: str = "") -> Allocation | None:
        """Where a job would start now in this way, as if the job `besides` had no place; None: it has to wait."""
        kept = self._places
        self._places = {job_id: place for job_id, place in kept.items() if job_id != besides}
        ends = self._standing.running.ends.first(RESERVATION_ENDS_MAX)
        try:
            return self._room(job, way, now_us, now_us + self._standing.predictor.predict_us(job), ends)
        finally:
            self._places = kept

    def in_the_way(self, job: Job, now_us: int) -> list[Job]:
        """Jobs whose places begin before this one would have ended if it started now."""
        ends_us = now_us + self._standing.predictor.predict_us(job)
        return [
            place.job for place in self._places.values() if place.job is not job and place.starts_us < ends_us
        ]

    def _earliest(self, job: Job, now_us: int) -> Place | None:
        run_us = self._standing.predictor.predict_us(job)
        ends = self._standing.running.ends.first(RESERVATION_ENDS_MAX)
        instants = {now_us: None} | dict.fromkeys(end_us for end_us, _ in ends if end_us > now_us)
        instants |= dict.fromkeys(place.ends_us for place in self._places.values())
        free = self._free_at(now_us, ends)
        ways = self._standing.ways_of(job)
        # What is set aside for it is not free, and it may have that.
        reserved = self._windows.hold_for(job.tenant)
        for starts_us in sorted(instants):
            ends_us = starts_us + run_us
            for way in ways:
                if not reserved and not self._enough(way.placed, free, starts_us, ends_us):
                    continue
                allocation = self._room(job, way, starts_us, ends_us, ends)
                if allocation is not None:
                    return Place(job, way, allocation, starts_us, ends_us)
        return None

    # -- a quick look at sums, so that few instants need a look at nodes

    def _free_at(self, now_us: int, ends: list[tuple[int, str]]) -> list[tuple[int, dict[str, int]]]:
        """From when on how much is free in all, by kind."""
        changes: dict[int, dict[str, int]] = {now_us: dict(self._capacity.free_total())}

        def change(at_us: int, held: Resources, sign: int) -> None:
            of_instant = changes.setdefault(max(at_us, now_us), {})
            for kind, quantity in held:
                of_instant[kind] = of_instant.get(kind, 0) + sign * quantity

        for end_us, job_id in ends:
            change(end_us, held_by(*self._capacity.held(job_id)), 1)
        for place in self._places.values():
            held = held_by(place.job.shape, place.allocation)
            change(place.starts_us, held, -1)
            change(place.ends_us, held, 1)
        free: dict[str, int] = {}
        profile = []
        for at_us in sorted(changes):
            for kind, quantity in changes[at_us].items():
                free[kind] = free.get(kind, 0) + quantity
            profile.append((at_us, dict(free)))
        return profile

    def _enough(
        self, shape: Shape, free: list[tuple[int, dict[str, int]]], starts_us: int, ends_us: int
    ) -> bool:
        if any(group.rules is not None and group.rules.alternatives for group in shape.body.groups):
            return True  # Placement may choose others than those that would be counted here.
        wanted = [
            (kind, sum(dict(group.resources).get(kind, 0) * group.count_min for group in shape.body.groups))
            for kind, _ in shape.total
        ]
        for number, (at_us, have) in enumerate(free):
            until_us = free[number + 1][0] if number + 1 < len(free) else ends_us + 1
            within = at_us < ends_us and until_us > starts_us
            if within and any(have.get(kind, 0) < quantity for kind, quantity in wanted):
                return False
        return True

    # -- nodes and quotas

    def _room(
        self,
        job: Job,
        way: Way,
        starts_us: int,
        ends_us: int,
        ends: list[tuple[int, str]],
    ) -> Allocation | None:
        gone = [job_id for end_us, job_id in ends if end_us <= starts_us]
        beside = [
            place
            for place in self._places.values()
            if place.starts_us < ends_us and place.ends_us > starts_us
        ]
        if way.queue is not None and not self._quota_left(way, way.queue, gone, beside):
            return None
        trial = self._world()
        for job_id in gone:
            trial.release(job_id, *self._capacity.held(job_id))
        self._windows.heed(trial, job.tenant, starts_us, ends_us, gone)
        for place in beside:
            if not trial.book(place.job.shape, place.allocation):
                for task in place.allocation.tasks:
                    trial.exclude(task.node)
        return way.place(trial)

    def _quota_left(self, way: Way, queue: QuotaQueue, gone: list[str], beside: list[Place]) -> bool:
        usage = self._used(queue)
        for job_id in gone:
            charge = self._standing.quotas.charge_of(job_id)
            if charge is not None and charge.queue.root is queue.root:
                charge.count(-1, usage)
        for place in beside:
            if place.way.shares_quota(queue):
                place.way.charge(1, usage)
        return way.bound(usage) is None
