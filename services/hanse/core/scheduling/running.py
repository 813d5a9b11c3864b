"""What runs, as those ask who look for room: by queue and tier, with predicted ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hanse.core.model.jobs import Job
from hanse.core.scheduling.cohorts import QuotaRoot
from hanse.core.scheduling.devices import has_devices
from hanse.core.scheduling.profile import Ends


class _Crowd:
    """Some of what runs, newest last; those that hold devices apart."""

    __slots__ = ("_others", "_with_devices")

    def __init__(self) -> None:
        self._with_devices: dict[str, Job] = {}
        self._others: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._with_devices) + len(self._others)

    def add(self, job: Job) -> None:
        part = self._with_devices if has_devices(job.shape.total) else self._others
        part[job.id] = job

    def discard(self, job: Job) -> None:
        if self._with_devices.pop(job.id, None) is None:
            del self._others[job.id]

    def newest(self, job: Job) -> Iterator[Job]:
        first, then = self._others, self._with_devices
        if has_devices(job.shape.total):
            first, then = then, first
        yield from reversed(first.values())
        yield from reversed(then.values())


_NOBODY = _Crowd()


class Running:
    """Jobs that hold capacity. Those that are being stopped for another job are `leaving`."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ends = Ends()
        self._by_tier: dict[str, _Crowd] = {}
        # By queue, then by priority.
        self._by_queue: dict[str, dict[int, _Crowd]] = {}
        self.leaving: dict[str, None] = {}
        self._ends_of: dict[str, Ends] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def start(self, job: Job, began_us: int, end_us: int, queue: str, root: QuotaRoot | None) -> None:
        """This job runs since `began_us`, probably until `end_us` (mono)."""
        self.jobs[job.id] = job
        self._places[job.id] = (queue, root.name if root is not None else "")
        self._by_tier.setdefault(job.shape.body.tier, _Crowd()).add(job)
        self.ends.add(job.id, began_us, end_us)
        if root is not None:
            by_priority = self._by_queue.setdefault(queue, {})
            by_priority.setdefault(job.shape.body.priority, _Crowd()).add(job)
            self._ends_of.setdefault(root.name, Ends()).add(job.id, began_us, end_us)

    def end(self, job_id: str) -> None:
        """It holds nothing any more."""
        job = self.jobs.pop(job_id)
        queue, root = self._places.pop(job_id)
        self._by_tier[job.shape.body.tier].discard(job)
        self.ends.discard(job_id)
        self.leaving.pop(job_id, None)
        if root:
            self._leave_queue(queue, job, job.shape.body.priority)
            self._ends_of[root].discard(job_id)

    def reprioritised(self, job: Job, former: int) -> None:
        """A job has another priority than this one, if it is among those that run."""
        if self.jobs.get(job.id) is not job:
            return
        queue, root = self._places[job.id]
        if root:
            self._leave_queue(queue, job, former)
            self._by_queue[queue].setdefault(job.shape.body.priority, _Crowd()).add(job)

    def _leave_queue(self, queue: str, job: Job, priority: int) -> None:
        by_priority = self._by_queue[queue]
        by_priority[priority].discard(job)
        if not by_priority[priority]:
            del by_priority[priority]

    def leave(self, job_id: str, end_us: int) -> None:
        """It has been told to stop, and is gone at `end_us` at the latest."""
        self.leaving[job_id] = None
        self.ends.move(job_id, end_us)
        root = self._places[job_id][1]
        if root:
            self._ends_of[root].move(job_id, end_us)

    def in_tier(self, tier: str) -> bool:
        """Whether any job of this tier runs."""
        return bool(self._by_tier.get(tier))

    def in_queue(self, queue: str) -> bool:
        """Whether any job is charged to this queue."""
        return bool(self._by_queue.get(queue))

    def queues(self) -> Iterable[str]:
        """Queues that jobs were charged to."""
        return self._by_queue

    def newest_of_tier(self, tier: str, job: Job) -> Iterator[Job]:
        """Those of a tier from which `job` might gain most first: if it needs devices, those that hold some; then those
        that would lose least."""
        return self._by_tier.get(tier, _NOBODY).newest(job)

    def newest_of_queue(self, queue: str, job: Job, priority_max: int | None = None) -> Iterator[Job]:
        """The same, of those that are charged to a queue and have at most this priority, lowest first."""
        by_priority = self._by_queue.get(queue, {})
        for priority in sorted(by_priority):
            if priority_max is None or priority <= priority_max:
                yield from by_priority[priority].newest(job)

    def ends_of(self, root: QuotaRoot) -> Ends:
        """The ends of what is charged to this tree of quotas."""
        return self._ends_of.setdefault(root.name, Ends())

    def queue_of(self, job_id: str) -> str:
        """The queue that the job is charged to; "" for none."""
        return self._places[job_id][0]

    def correct(self, now_us: int) -> None:
        """Predictions that were wrong."""
        self.ends.correct(now_us)
        for ends in self._ends_of.values():
            ends.correct(now_us)
