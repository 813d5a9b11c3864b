"""What runs, as those ask who look for room: by queue and tier, with predicted ends."""

from __future__ import annotations

from hanse.core.model.jobs import Job
from hanse.core.scheduling.cohorts import QuotaRoot
from hanse.core.scheduling.profile import Ends


class Running:
    """Jobs that hold capacity. Those that are being stopped for another job are `leaving`."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ends = Ends()
        # Newest last, so that who would lose least is found first from the end.
        self.by_tier: dict[str, dict[str, Job]] = {}
        self.by_queue: dict[str, dict[str, Job]] = {}
        self.leaving: dict[str, None] = {}
        self._ends_of: dict[str, Ends] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def start(self, job: Job, began_us: int, end_us: int, queue: str, root: QuotaRoot | None) -> None:
        """This job runs since `began_us`, probably until `end_us` (mono)."""
        self.jobs[job.id] = job
        self._places[job.id] = (queue, root.name if root is not None else "")
        self.by_tier.setdefault(job.shape.body.tier, {})[job.id] = job
        self.ends.add(job.id, began_us, end_us)
        if root is not None:
            self.by_queue.setdefault(queue, {})[job.id] = job
            self._ends_of.setdefault(root.name, Ends()).add(job.id, began_us, end_us)

    def end(self, job_id: str) -> None:
        """It holds nothing any more."""
        job = self.jobs.pop(job_id)
        queue, root = self._places.pop(job_id)
        del self.by_tier[job.shape.body.tier][job_id]
        self.ends.discard(job_id)
        self.leaving.pop(job_id, None)
        if root:
            del self.by_queue[queue][job_id]
            self._ends_of[root].discard(job_id)

    def leave(self, job_id: str, end_us: int) -> None:
        """It has been told to stop, and is gone at `end_us` at the latest."""
        self.leaving[job_id] = None
        self.ends.move(job_id, end_us)
        root = self._places[job_id][1]
        if root:
            self._ends_of[root].move(job_id, end_us)

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
