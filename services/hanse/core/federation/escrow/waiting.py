"""Jobs that could be placed and have no rights: out of the queue until their account has what they need.

Jobs of one account that need the same wait in one lane, in the queue's order. Rights go to the job that goes first; one
behind it may go only if it needs none of what the first one lacks, so that a job that needs much is not passed for ever
by those that need little.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from hanse.core.model.jobs import Job
from hanse.core.model.quota import QuotaKey, Rights

# Who goes first: (tier rank, -priority, order_us, id).
Place = tuple[int, int, int, str]
# (account, what each job needs)
LaneKey = tuple[str, Rights]


class Lane:
    """Jobs of one account with the same needs. `hopeless`: more than a quota's limit, so that nothing is asked for and
    nothing is kept for it."""

    def __init__(self, needs: Rights, *, hopeless: bool) -> None:
        self.needs = needs
        self.hopeless = hopeless
        self.jobs: dict[str, Job] = {}
        self._heap: list[tuple[Place, str]] = []

    def add(self, job: Job, place: Place) -> None:
        """At its place."""
        self.jobs[job.id] = job
        heapq.heappush(self._heap, (place, job.id))

    def first(self) -> tuple[Place, Job]:
        """The one that goes first; there must be one."""
        while self._heap[0][1] not in self.jobs:
            heapq.heappop(self._heap)
        place, job_id = self._heap[0]
        return place, self.jobs[job_id]


class WaitingRoom:
    """See the module's docstring. `version` grows when whoever goes first may be another one."""

    def __init__(self, tiers: tuple[str, ...]) -> None:
        self.rank(tiers)
        self._lanes: dict[LaneKey, Lane] = {}
        self._lane_of: dict[str, LaneKey] = {}
        # Of arrays: for how many elements rights are asked for.
        self._elements: dict[str, int] = {}
        # By account: for what it lacks, the place of the job that it is kept for.
        self._kept: dict[str, dict[QuotaKey, Place]] = {}
        # By account: what the jobs that wait need together.
        self._needed: dict[str, dict[QuotaKey, int]] = {}

    def __len__(self) -> int:
        return len(self._lane_of)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._lane_of

    def rank(self, tiers: tuple[str, ...]) -> None:
        """Tiers are served in this order from now on; to be told while nobody waits."""
        self._rank = {tier: rank for rank, tier in enumerate(tiers)}

    def get(self, job_id: str) -> Job | None:
        """The job, if it waits."""
        key = self._lane_of.get(job_id)
        return None if key is None else self._lanes[key].jobs[job_id]

    def place(self, job: Job) -> Place:
        """Of any job."""
        rank = self._rank.get(job.shape.body.tier, len(self._rank))
        return (rank, -job.shape.body.priority, job.order_us, job.id)

    def add(self, account: str, job: Job, needs: Rights, *, hopeless: bool) -> None:
        """It waits from now on."""
        assert job.id not in self._lane_of, f"{job.id} waits already"
        key = (account, needs)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(needs, hopeless=hopeless)
        lane.add(job, self.place(job))
        self._lane_of[job.id] = key
        if job.array is not None:
            self._elements[job.id] = job.array.startable
        if not lane.hopeless:
            self._count(account, needs, self._elements.get(job.id, 1))

    def discard(self, job_id: str) -> None:
        """It does not any more."""
        key = self._lane_of.pop(job_id, None)
        if key is None:
            return
        lane = self._lanes[key]
        del lane.jobs[job_id]
        many = self._elements.pop(job_id, 1)
        if not lane.hopeless:
            self._count(key[0], lane.needs, -many)
        if not lane.jobs:
            del self._lanes[key]

    def _count(self, account: str, needs: Rights, times: int) -> None:
        needed = self._needed.setdefault(account, {})
        for key, amount in needs:
            needed[key] = needed.get(key, 0) + times * amount
            if not needed[key]:
                del needed[key]

    def needed(self, account: str) -> dict[QuotaKey, int]:
        """What the jobs that wait for this account need together; not to be changed."""
        return self._needed.get(account, {})

    def first(self, account: str, quota: QuotaKey) -> tuple[Place, Job, int] | None:
        """Of the jobs that wait for this quota: who goes first, and how much it needs."""
        firsts = [
            (*lane.first(), dict(lane.needs)[quota])
            for (name, needs), lane in self._lanes.items()
            if name == account and not lane.hopeless and any(key == quota for key, _ in needs)
        ]
        return min(firsts, key=lambda each: each[0], default=None)

    def is_kept(self, account: str, job: Job, needs: Rights) -> bool:
        """Whether what this job needs is kept for one that goes before it."""
        kept = self._kept.get(account)
        if not kept:
            return False
        place = self.place(job)
        return any(kept[key] < place for key, _ in needs if key in kept)

    def admit(self, account: str, free: dict[QuotaKey, int], limit: int) -> list[Job]:
        """Let those go that can be served by what is free, at most so many, in order; and keep for the first that can't
        what it lacks."""
        kept: dict[QuotaKey, Place] = {}
        heads = [
            (*lane.first()[:1], number, lane)
            for number, ((name, _), lane) in enumerate(self._lanes.items())
            if name == account and not lane.hopeless
        ]
        heapq.heapify(heads)
        admitted: list[Job] = []
        while heads and len(admitted) < limit:
            place, number, lane = heapq.heappop(heads)
            short = [key for key, amount in lane.needs if free.get(key, 0) < amount or key in kept]
            if short:
                for key in short:
                    kept.setdefault(key, place)
                continue
            for key, amount in lane.needs:
                free[key] -= amount
            _, job = lane.first()
            self.discard(job.id)
            admitted.append(job)
            if lane.jobs:
                heapq.heappush(heads, (lane.first()[0], number, lane))
        self._kept[account] = kept
        return admitted

    def drain(self) -> Iterator[Job]:
        """Everybody leaves."""
        jobs = [job for lane in self._lanes.values() for job in lane.jobs.values()]
        self._lanes, self._lane_of, self._kept, self._needed = {}, {}, {}, {}
        self._elements = {}
        yield from jobs
