"""What runs, as those ask who look for room: by queue and tier, with predicted ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from hanse.core.model.jobs import Job
from hanse.core.scheduling.cohorts import QuotaRoot
from hanse.core.scheduling.devices import has_devices
from hanse.core.scheduling.profile import Ends

_Key = TypeVar("_Key", str, int)


class _Crowd:
    """Some of what runs, newest last; those that hold devices apart."""

    __slots__ = ("_others", "_with_devices")

    def __init__(self) -> None:
        self._with_devices: dict[str, Job] = {}
        self._others: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._with_devices) + len(self._others)

    def add(self, job: Job, with_devices: bool) -> None:
        (self._with_devices if with_devices else self._others)[job.id] = job

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
_NO_PLACE = ("", "")


def _crowd(crowds: dict[_Key, _Crowd], key: _Key) -> _Crowd:
    known = crowds.get(key)
    if known is None:
        known = crowds[key] = _Crowd()
    return known


class Running:
    """Jobs that hold capacity. Those that are being stopped for another job are `leaving`."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ends = Ends()
        self._by_tier: dict[str, _Crowd] = {}
        # By queue, then by priority.
        self._by_queue: dict[str, dict[int, _Crowd]] = {}
        self.leaving: dict[str, None] = {}
        # By tree of quotas, of those that somebody has asked about.
        self._ends_of: dict[str, Ends] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def start(self, job: Job, began_us: int, end_us: int, queue: str, root: QuotaRoot | None) -> None:
        """This job runs since `began_us`, probably until `end_us` (mono)."""
        job_id, body = job.id, job.shape.body
        with_devices = has_devices(job.shape.total)
        self.jobs[job_id] = job
        self.ends.add(job_id, began_us, end_us)
        _crowd(self._by_tier, body.tier).add(job, with_devices)
        if root is None:
            self._places[job_id] = _NO_PLACE
            return
        self._places[job_id] = (queue, root.name)
        _crowd(self._by_queue.setdefault(queue, {}), body.priority).add(job, with_devices)
        ends = self._ends_of.get(root.name)
        if ends is not None:
            ends.add(job_id, began_us, end_us)

    def end(self, job_id: str) -> None:
        """It holds nothing any more."""
        job = self.jobs.pop(job_id)
        queue, root = self._places.pop(job_id)
        self._by_tier[job.shape.body.tier].discard(job)
        self.ends.discard(job_id)
        self.leaving.pop(job_id, None)
        if root:
            self._leave_queue(queue, job, job.shape.body.priority)
            if root in self._ends_of:
                self._ends_of[root].discard(job_id)

    def reprioritised(self, job: Job, former: int) -> None:
        """A job has another priority than this one, if it is among those that run."""
        if self.jobs.get(job.id) is not job:
            return
        queue, root = self._places[job.id]
        if root:
            self._leave_queue(queue, job, former)
            crowd = _crowd(self._by_queue[queue], job.shape.body.priority)
            crowd.add(job, has_devices(job.shape.total))

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
        if root in self._ends_of:
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
        ends = self._ends_of.get(root.name)
        if ends is None:
            ends = self._ends_of[root.name] = Ends()
            for job_id, (_, name) in self._places.items():
                if name == root.name:
                    ends.add(job_id, self.ends.began_us(job_id), self.ends.end_us(job_id))
        return ends

    def queue_of(self, job_id: str) -> str:
        """The queue that the job is charged to; "" for none."""
        return self._places[job_id][0]

    def correct(self, now_us: int) -> None:
        """Predictions that were wrong."""
        self.ends.correct(now_us)
        for ends in self._ends_of.values():
            ends.correct(now_us)
