"""The local side of a region: its queue, its capacity, and what runs, behind one door.

Implements what the federation side asks of it (federation/ports.py: LocalWork).
"""

from __future__ import annotations

import heapq

from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.events import FoundTask, TaskEnded
from hanse.core.library import Library
from hanse.core.model.jobs import Job, Reason, Shape
from hanse.core.model.lifecycle import ALLOCATED_STATES, JobState
from hanse.core.model.limits import ACCEPT_AHEAD_MAX, ACCEPT_AHEAD_US, STARTS_PER_STEP_MAX
from hanse.core.model.regions import RegionConfig
from hanse.core.model.resources import times_fitting
from hanse.core.model.time import FOR_EVER_US, Now
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.runs import Runs, Settled
from hanse.core.scheduling.wait import WaitPredictor


class LocalSide:
    """Everything that this region runs or will run. `draining`: nothing new is started; nor is it while the disk is
    `in_doubt`."""

    def __init__(self, config: RegionConfig, library: Library) -> None:
        self._library = library
        self.queue = JobQueue(config.tiers)
        self.capacity = Capacity(config.nodes)
        self.scheduler = Scheduler(self.queue, self.capacity, config.name)
        self.wait = WaitPredictor(self.queue, self.capacity)
        self.runs = Runs(library)
        self.draining = False
        # Whether the last cycle stopped at its limit.
        self.more = False
        # Queued jobs whose last attempt here, under a term that is over, still holds capacity.
        self._haunted: dict[str, Job] = {}
        for job in library.jobs():
            self._seat(job)
            if job.state is JobState.QUEUED:
                self.queue.add(job)

    # --- books of shards ---------------------------------------------------------------------------------------------

    def open_books(self, books: Books) -> None:
        """This region leads a shard: what it was running under the same term goes on."""
        for job in books.jobs.values():
            self._seat(job)
            self.runs.resume(job)

    def abandon(self, books: Books, out: Effects) -> None:
        """Another region leads the shard: end what runs here, and hold its capacity until it is dead."""
        for job in books.jobs.values():
            if job.state in ALLOCATED_STATES:
                self.runs.abandon(job, out)

    def waits_for_ghost(self, job_id: str) -> bool:
        """Whether this queued job waits until its last attempt here is dead."""
        return job_id in self._haunted

    def is_haunted(self, job_id: str) -> bool:
        """Whether an attempt under a term that is over still holds capacity."""
        return self.runs.has_ghost(job_id)

    def living(self, shard: str) -> bool:
        """Whether tasks of this shard may be alive here."""
        return self.runs.living(shard)

    def _seat(self, job: Job) -> None:
        if job.state in ALLOCATED_STATES:
            assert job.allocation is not None
            self.capacity.take(job.id, job.shape, job.allocation, recovering=True)

    # --- the cycle ------------------------------------------------------------------------------------------------

    def cycle(self, now: Now, out: Effects) -> None:
        """Start what can be started, at most so much in one step."""
        self.more = False
        if self._is_closed():
            return
        started = self.scheduler.run(now, STARTS_PER_STEP_MAX)
        for job, allocation in started:
            self.runs.start(job, allocation, out)
        self.more = self.scheduler.more

    @property
    def in_doubt(self) -> bool:
        """Whether the region may have forgotten what became of its jobs."""
        return self.runs.in_doubt

    @in_doubt.setter
    def in_doubt(self, in_doubt: bool) -> None:
        self.runs.in_doubt = in_doubt

    def _is_closed(self) -> bool:
        """Whether nothing may be launched now."""
        return self.draining or self.in_doubt or not self.runs.recovered or self.runs.has_orphans

    def found_attempt(self, job_id: str, epoch: int) -> int:
        """The newest attempt of this job at this epoch that the engine knew of at the start of this life; 0: none."""
        return self.runs.found_attempt(job_id, epoch)

    def stop(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the job's present attempt."""
        self.runs.stop(job, reason, out)

    def stop_to_move(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the job's present attempt so that it goes on elsewhere."""
        self.runs.stop_to_move(job, reason, out)

    def running(self) -> list[Job]:
        """The jobs that run here, and are not being stopped, in the order of their starts."""
        return self.runs.running()

    def suspend(self, reason: Reason, out: Effects) -> None:
        """End every attempt that this life of the daemon began."""
        for job_id in list(self.runs.begun):
            job = self.runs.job(job_id)
            assert job is not None
            self.runs.stop(job, reason, out)

    def on_task_ended(self, event: TaskEnded, out: Effects) -> None:
        """A task is dead."""
        settled = self.runs.on_task_ended(event, out)
        if settled is not None:
            self._after(settled)
        for job_id in self.runs.ghosts_gone:
            self._exorcise(job_id)
        self.runs.ghosts_gone.clear()

    def _exorcise(self, job_id: str) -> None:
        """Nothing of this job holds capacity any more."""
        if self.capacity.holds(job_id):
            self.capacity.release(job_id)
        job = self._haunted.pop(job_id, None)
        if job is not None:
            self.queue.add(job)

    def on_recovered(self, found: tuple[FoundTask, ...], out: Effects) -> None:
        """The executor told what it found after a start."""
        for settled in self.runs.on_recovered(found, out):
            self._after(settled)

    def _after(self, settled: Settled) -> None:
        self._exorcise(settled.job.id)
        self.wait.observe_run(settled.job.shape, settled.run_us)
        if settled.requeued:
            self.enqueue(settled.job)

    # --- what the federation side asks ------------------------------------------------------------------------------

    def slots(self, shape: Shape, limit: int) -> int:
        """How many jobs of this shape could start now, or follow those within a hop's round trip: a pipeline that is
        filled only when it is empty runs dry once in every round trip."""
        if self._is_closed():
            return 0
        free = self.capacity.fitting(shape, limit) if not self.queue else 0
        return min(limit, free + max(0, self._freed_within(shape, ACCEPT_AHEAD_US) - len(self.queue)))

    def never_fits(self, shape: Shape) -> str | None:
        """Why it could not run here even if everything were idle; None: it could."""
        return self.capacity.never_fits(shape)

    def predicted_wait_us(self, shape: Shape) -> int:
        """How long a job of this shape that is queued now would wait."""
        if self.draining or self.in_doubt or self.never_fits(shape) is not None:
            return FOR_EVER_US
        return self.wait.predicted_wait_us(shape)

    def waiting_shapes(self, limit: int) -> list[Shape]:
        """Shapes that are blocked here, in the order in which they would be served."""
        heads = heapq.nsmallest(
            limit, self.queue.shapes(), key=lambda each: (each.level, each.jobs.first.order_us)
        )
        return [each.shape for each in heads]

    def waiting(self, shape_key: bytes, limit: int) -> list[Job]:
        """The first queued jobs of a shape, in order."""
        return self.queue.first_of(shape_key, limit)

    def waiting_spread(self, shape_key: bytes, from_us: int, until_us: int, count: int) -> list[Job]:
        """So many queued jobs of a shape, evenly spread over those that would start between these waits, as if the last
        one waited `until_us`."""
        return self.queue.spread_of(shape_key, from_us, until_us, count)

    def is_waiting(self, job: Job) -> bool:
        """Whether it is queued, and could start as soon as there is room."""
        return self.queue.get(job.id) is job

    def numerous_shapes(self, limit: int) -> list[Shape]:
        """The shapes with most queued jobs, most numerous first."""
        return self.queue.numerous_shapes(limit)

    def added_wait_us(self, shape: Shape) -> int:
        """By how much one more job of this shape prolongs the queue."""
        return self.wait.added_wait_us(shape)

    def enqueue(self, job: Job) -> None:
        """This QUEUED job waits for capacity here; one of a shard only while there is a lease to run it under."""
        if job.shard and job.shard not in self._library.leases:
            return
        if self.capacity.holds(job.id):
            self._haunted[job.id] = job
        else:
            self.queue.add(job)

    def readmit(self, job: Job) -> None:
        """It waited outside the queue for its rights, and may start now."""
        self.queue.add(job)

    def dequeue(self, job: Job) -> None:
        """It does not any more."""
        self._haunted.pop(job.id, None)
        self.scheduler.gate.forget(job)
        self.queue.discard(job.id)

    def _freed_within(self, shape: Shape, within_us: int) -> int:
        """How many jobs of this shape, running here one after another on everything there is, end in this time."""
        if not shape.total:
            return ACCEPT_AHEAD_MAX
        at_once = times_fitting(shape.total, self.capacity.capacity_total())
        return min(ACCEPT_AHEAD_MAX, at_once * within_us // max(1, self.wait.run_us(shape)))
