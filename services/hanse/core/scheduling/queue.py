"""The queue: jobs in the order (tier, priority, age), kept apart by shape, and shapes by what placement sees of them.

Jobs of one placement class (the same groups, in the same regions) are interchangeable to placement: if the first of
them has no room, none has. So a cycle asks for one job of each class, and a class that is blocked is parked with all
its jobs at once. Looking for work among 100,000 jobs of ten classes then costs ten placements and the starts, not
100,000 looks, even if every job has a runtime estimate, and so a shape, of its own.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from hanse.core.model.jobs import GroupShape, Job, Shape, ShapeBody
from hanse.core.model.regions import QueuedShape
from hanse.core.scheduling.sorted_jobs import SortedJobs

# Entries that are out of date are swept from a heap when they outnumber those that count by this factor.
STALE_ENTRIES_FACTOR = 2
# Below this, sweeping is not worth a thought.
STALE_ENTRIES_MIN = 64

# (tier rank, -priority, order_us, id, shape key): who goes first.
_Entry = tuple[int, int, int, str, bytes]
_ClassKey = tuple[tuple[GroupShape, ...], tuple[str, ...], tuple[str, ...]]


class ShapeQueue:
    """Queued jobs with one shape."""

    __slots__ = ("entry", "jobs", "level", "placement", "shape")

    def __init__(self, shape: Shape, tier_rank: int, placement: PlacementClass) -> None:
        self.shape = shape
        self.placement = placement
        # Tier and priority belong to the shape.
        self.level = (tier_rank, -shape.body.priority)
        self.jobs = SortedJobs()
        # The one entry of the class's heap that stands for these jobs.
        self.entry: _Entry | None = None

    def fresh_entry(self) -> _Entry:
        """An entry for the first job; an older one is out of date from now on."""
        first = self.jobs.first
        self.entry = (*self.level, first.order_us, first.id, self.shape.key)
        return self.entry


class PlacementClass:
    """The shapes that placement cannot tell apart, and the sums that predictions need of their jobs."""

    __slots__ = ("count", "entry", "estimates_us", "heap", "key", "parked", "shapes", "total", "unestimated")

    def __init__(self, key: _ClassKey, shape: Shape) -> None:
        self.key = key
        self.total = shape.total
        self.shapes: dict[bytes, ShapeQueue] = {}
        self.heap: list[_Entry] = []
        self.parked = False
        # The one entry of the queue's heap that stands for this class.
        self.entry: _Entry | None = None
        self.count = 0
        self.estimates_us = 0
        self.unestimated = 0

    def tally(self, job: Job, sign: int) -> None:
        """Count a job that comes (1) or goes (-1)."""
        self.count += sign
        estimate_us = job.shape.body.runtime_estimate_us
        self.estimates_us += sign * estimate_us
        if not estimate_us:
            self.unestimated += sign

    def enter(self, queue: ShapeQueue) -> None:
        """The first job of this shape is another one."""
        entry = queue.fresh_entry()
        if _crowded(self.heap, len(self.shapes)):
            self.heap = [other.entry for other in self.shapes.values() if other.entry is not None]
            heapq.heapify(self.heap)
        else:
            heapq.heappush(self.heap, entry)

    def best_entry(self) -> _Entry:
        """The entry of the shape that goes first; there must be one."""
        while True:
            entry = self.heap[0]
            queue = self.shapes.get(entry[4])
            if queue is not None and queue.entry is entry:
                return entry
            heapq.heappop(self.heap)


def _crowded(heap: list[_Entry], current: int) -> bool:
    return len(heap) > STALE_ENTRIES_MIN + STALE_ENTRIES_FACTOR * current


def _class_key(body: ShapeBody) -> _ClassKey:
    return (body.groups, body.regions_allow, body.regions_deny)


def _serving_key(queue: ShapeQueue) -> tuple[int, int, int, str]:
    first = queue.jobs.first
    return (*queue.level, first.order_us, first.id)


def _rarity(queue: ShapeQueue) -> tuple[int, bytes]:
    return (-len(queue.jobs), queue.shape.key)


class JobQueue:
    """All queued jobs of a region. `tiers` go from first served to last; unknown tiers come after them.

    `version` grows with every job that comes or goes.
    """

    def __init__(self, tiers: tuple[str, ...]) -> None:
        self._rank = {tier: rank for rank, tier in enumerate(tiers)}
        self._jobs: dict[str, Job] = {}
        self._shapes: dict[bytes, ShapeQueue] = {}
        self._classes: dict[_ClassKey, PlacementClass] = {}
        self._heap: list[_Entry] = []
        self._parked: dict[_ClassKey, None] = {}
        self.version = 0
        # As many as len(); every step asks.
        self.depth = 0

    def __len__(self) -> int:
        return self.depth

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def add(self, job: Job) -> None:
        """Queue a job. Its shape, `order_us` and id must not change until it leaves."""
        assert job.id not in self._jobs, f"{job.id} is queued already"
        self._jobs[job.id] = job
        self.depth += 1
        self.version += 1
        queue = self._shapes.get(job.shape.key)
        if queue is None:
            queue = self._open_shape(job.shape)
        queue.jobs.add(job)
        queue.placement.tally(job, 1)
        if queue.jobs.first is job:
            self._first_changed(queue)

    def discard(self, job_id: str) -> None:
        """Take a job out, if it is in."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        self.depth -= 1
        self.version += 1
        queue = self._shapes[job.shape.key]
        was_first = queue.jobs.first is job
        queue.jobs.remove(job)
        queue.placement.tally(job, -1)
        if not len(queue.jobs):
            self._close_shape(queue)
        elif was_first:
            self._first_changed(queue)

    def _open_shape(self, shape: Shape) -> ShapeQueue:
        key = _class_key(shape.body)
        placement = self._classes.get(key)
        if placement is None:
            placement = self._classes[key] = PlacementClass(key, shape)
        rank = self._rank.get(shape.body.tier, len(self._rank))
        queue = ShapeQueue(shape, rank, placement)
        self._shapes[shape.key] = placement.shapes[shape.key] = queue
        return queue

    def _close_shape(self, queue: ShapeQueue) -> None:
        placement = queue.placement
        del self._shapes[queue.shape.key]
        del placement.shapes[queue.shape.key]
        if placement.shapes:
            self._best_changed(placement)
        else:
            del self._classes[placement.key]
            self._parked.pop(placement.key, None)

    def _first_changed(self, queue: ShapeQueue) -> None:
        queue.placement.enter(queue)
        self._best_changed(queue.placement)

    def _best_changed(self, placement: PlacementClass) -> None:
        """Let the best job of an open class stand for it in the heap."""
        if placement.parked:
            return
        best = placement.best_entry()
        if placement.entry is best:
            return
        placement.entry = best
        if _crowded(self._heap, len(self._classes)):
            open_classes = (other for other in self._classes.values() if not other.parked)
            self._heap = [other.entry for other in open_classes if other.entry is not None]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, best)

    # -- the cycle's view

    def best(self) -> Job | None:
        """The first job in order whose placement class is not parked."""
        while self._heap:
            entry = self._heap[0]
            queue = self._shapes.get(entry[4])
            if queue is not None and queue.placement.entry is entry:
                return queue.jobs.first
            heapq.heappop(self._heap)
        return None

    def park(self, shape_key: bytes) -> None:
        """Pass over everything that is placed like this shape, queued or still to come, until `reopen`."""
        queue = self._shapes.get(shape_key)
        if queue is not None and not queue.placement.parked:
            queue.placement.parked = True
            queue.placement.entry = None
            self._parked[queue.placement.key] = None

    def reopen(self) -> None:
        """Nothing is parked any more."""
        for key in self._parked:
            placement = self._classes[key]
            placement.parked = False
            self._best_changed(placement)
        self._parked.clear()

    # -- questions

    def get(self, job_id: str) -> Job | None:
        """The queued job with this id."""
        return self._jobs.get(job_id)

    def shapes(self) -> Iterator[ShapeQueue]:
        """Every shape that has jobs queued; not to be changed."""
        return iter(self._shapes.values())

    def classes(self) -> Iterator[PlacementClass]:
        """Every placement class that has jobs queued; not to be changed."""
        return iter(self._classes.values())

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

    def spread_of(self, shape_key: bytes, from_us: int, until_us: int, count: int) -> list[Job]:
        """`count` jobs with this shape, in order and evenly spread over those that will have waited `from_us` when they
        start, if the last one will have waited `until_us`. (Where in the queue its other jobs are is not asked.)"""
        queue = self._shapes.get(shape_key)
        if queue is None:
            return []
        return queue.jobs.spread(len(queue.jobs) * from_us // max(1, until_us), count)

    def numerous_shapes(self, limit: int) -> list[Shape]:
        """The `limit` shapes with most jobs, most numerous first."""
        chosen = heapq.nsmallest(limit, self._shapes.values(), key=_rarity)
        return [queue.shape for queue in chosen]

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
        chosen = heapq.nsmallest(limit, self._shapes.values(), key=_rarity)
        return tuple(
            QueuedShape(
                shape_key=queue.shape.key,
                count=len(queue.jobs),
                resources=queue.shape.total,
                oldest_wait_us=max(0, now_wall_us - queue.jobs.first.order_us),
            )
            for queue in chosen
        )
