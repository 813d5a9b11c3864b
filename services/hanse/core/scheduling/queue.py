"""The queue: jobs in the order (tier, priority, age), kept apart by shape.

Jobs with the same shape are interchangeable to placement: if the first of them has no room, none has. So a cycle asks
for one job of each shape, and a shape that is blocked is parked with all its jobs at once. Looking for work among
100,000 jobs of ten shapes then costs ten placements and the starts, not 100,000 looks.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from hanse.core.model.jobs import Job, Shape
from hanse.core.model.regions import QueuedShape
from hanse.core.scheduling.sorted_jobs import SortedJobs

# Entries that are out of date are swept from the heap when they outnumber the shapes by this factor.
STALE_ENTRIES_FACTOR = 2
# Below this, sweeping is not worth a thought.
STALE_ENTRIES_MIN = 64

# (tier rank, -priority, order_us, id, shape key): who goes first.
_Entry = tuple[int, int, int, str, bytes]


class ShapeQueue:
    """Queued jobs with one shape."""

    __slots__ = ("entry", "jobs", "level", "parked", "shape")

    def __init__(self, shape: Shape, tier_rank: int) -> None:
        self.shape = shape
        # Tier and priority belong to the shape.
        self.level = (tier_rank, -shape.body.priority)
        self.jobs = SortedJobs()
        self.parked = False
        # The one entry of the heap that stands for these jobs.
        self.entry: _Entry | None = None


def _serving_key(queue: ShapeQueue) -> tuple[int, int, int, str]:
    first = queue.jobs.first
    return (*queue.level, first.order_us, first.id)


class JobQueue:
    """All queued jobs of a region. `tiers` go from first served to last; unknown tiers come after them.

    `version` grows with every job that comes or goes.
    """

    def __init__(self, tiers: tuple[str, ...]) -> None:
        self._rank = {tier: rank for rank, tier in enumerate(tiers)}
        self._jobs: dict[str, Job] = {}
        self._shapes: dict[bytes, ShapeQueue] = {}
        self._heap: list[_Entry] = []
        self._parked: dict[bytes, None] = {}
        self.version = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def add(self, job: Job) -> None:
        """Queue a job. Its shape, `order_us` and id must not change until it leaves."""
        assert job.id not in self._jobs, f"{job.id} is queued already"
        self._jobs[job.id] = job
        self.version += 1
        key = job.shape.key
        queue = self._shapes.get(key)
        if queue is None:
            rank = self._rank.get(job.shape.body.tier, len(self._rank))
            queue = self._shapes[key] = ShapeQueue(job.shape, rank)
        queue.jobs.add(job)
        if not queue.parked and queue.jobs.first is job:
            self._enter(queue)

    def discard(self, job_id: str) -> None:
        """Take a job out, if it is in."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        self.version += 1
        queue = self._shapes[job.shape.key]
        was_first = queue.jobs.first is job
        queue.jobs.remove(job)
        if not len(queue.jobs):
            del self._shapes[job.shape.key]
            self._parked.pop(job.shape.key, None)
        elif was_first and not queue.parked:
            self._enter(queue)

    # -- the cycle's view

    def best(self) -> Job | None:
        """The first job in order whose shape is not parked."""
        while self._heap:
            entry = self._heap[0]
            queue = self._shapes.get(entry[4])
            if queue is not None and queue.entry is entry and not queue.parked:
                return queue.jobs.first
            heapq.heappop(self._heap)
        return None

    def park(self, shape_key: bytes) -> None:
        """Pass over this shape, for jobs that are queued and those that come, until `reopen`."""
        queue = self._shapes.get(shape_key)
        if queue is not None and not queue.parked:
            queue.parked = True
            self._parked[shape_key] = None

    def reopen(self) -> None:
        """No shape is parked any more."""
        for key in self._parked:
            queue = self._shapes[key]
            queue.parked = False
            self._enter(queue)
        self._parked.clear()

    def _enter(self, queue: ShapeQueue) -> None:
        """Let the first job of this shape stand for it in the heap; an older entry is out of date from now on."""
        first = queue.jobs.first
        queue.entry = (*queue.level, first.order_us, first.id, first.shape.key)
        if len(self._heap) > STALE_ENTRIES_MIN + STALE_ENTRIES_FACTOR * len(self._shapes):
            open_queues = (other for other in self._shapes.values() if not other.parked)
            self._heap = [other.entry for other in open_queues if other.entry is not None]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, queue.entry)

    # -- questions

    def get(self, job_id: str) -> Job | None:
        """The queued job with this id."""
        return self._jobs.get(job_id)

    def shapes(self) -> Iterator[ShapeQueue]:
        """Every shape that has jobs queued; not to be changed."""
        return iter(self._shapes.values())

    def position(self, job_id: str) -> int:
        """The job's place in the order, from 1; 0 if it is not queued. Grows with the number of shapes."""
        job = self._jobs.get(job_id)
        return 1 + sum(count for _, count in self.ahead_by_shape(job)) if job is not None else 0

    def ahead_by_shape(self, job: Job) -> Iterator[tuple[ShapeQueue, int]]:
        """How many jobs of each shape go before this one (which need not be queued)."""
        rank = self._rank.get(job.shape.body.tier, len(self._rank))
        level = (rank, -job.shape.body.priority)
        for queue in self._shapes.values():
            if queue.level < level:
                yield queue, len(queue.jobs)
            elif queue.level == level:
                yield queue, queue.jobs.rank(job)

    def ahead(self, job_id: str, limit: int) -> list[Job]:
        """The first `limit` jobs of the queue, as far as they go before this one."""
        job = self._jobs.get(job_id)
        if job is None:
            return []
        heads: list[tuple[_Entry, Job]] = []
        for queue, count in self.ahead_by_shape(job):
            for other in queue.jobs.head(min(count, limit)):
                heads.append(((*queue.level, other.order_us, other.id, b""), other))
        return [other for _, other in heapq.nsmallest(limit, heads, key=lambda head: head[0])]

    def depth_of(self, shape_key: bytes) -> int:
        """How many jobs with this shape are queued."""
        queue = self._shapes.get(shape_key)
        return len(queue.jobs) if queue is not None else 0

    def first_of(self, shape_key: bytes, limit: int) -> list[Job]:
        """The first `limit` jobs with this shape, in order."""
        queue = self._shapes.get(shape_key)
        return queue.jobs.head(limit) if queue is not None else []

    def first_shapes(self, limit: int) -> list[Shape]:
        """The first `limit` shapes in the order in which their first jobs will be served."""
        queues = heapq.nsmallest(limit, self._shapes.values(), key=_serving_key)
        return [queue.shape for queue in queues]

    def oldest(self) -> Job | None:
        """The job that has waited longest."""
        return min(
            (q.jobs.first for q in self._shapes.values()),
            key=lambda job: (job.order_us, job.id),
            default=None,
        )

    def waiting_shapes(self, limit: int, now_wall_us: int) -> tuple[QueuedShape, ...]:
        """The `limit` shapes with most jobs, most numerous first; waits are counted from `order_us`."""
        chosen = heapq.nsmallest(limit, self._shapes.values(), key=lambda q: (-len(q.jobs), q.shape.key))
        return tuple(
            QueuedShape(
                shape_key=queue.shape.key,
                count=len(queue.jobs),
                resources=queue.shape.total,
                oldest_wait_us=max(0, now_wall_us - queue.jobs.first.order_us),
            )
            for queue in chosen
        )
