"""What would become of a job if its turn were now: asked of the code that decides, without a decision.

A job is supposed to be found as the cycle finds it: all that goes before it has been looked at and is blocked. (Whoever
asks between two cycles may be told that a job starts which then comes too late.)
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from hanse.core.model.arrays import Array
from hanse.core.model.jobs import Allocation, Job, Reason, ReasonCode, Shape, Submission, make_shape
from hanse.core.model.time import Now
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.preemption import Victim


class Outcome(enum.StrEnum):
    """Stable words: programs match on them."""

    # It starts at once.
    START = "START"
    # Others are stopped for it, and it starts when they are gone.
    PREEMPT = "PREEMPT"
    WAIT = "WAIT"
    # Not even if the region were idle.
    NEVER = "NEVER"
    # The region takes nothing new at present.
    CLOSED = "CLOSED"


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """START has an allocation and, where a quota limits it, the queue that it is charged to; PREEMPT has victims."""

    outcome: Outcome
    allocation: Allocation | None = None
    queue: str = ""
    victims: tuple[Victim, ...] = ()

    @property
    def starts(self) -> bool:
        """Whether it would run without anybody else having to end by itself."""
        return self.outcome in (Outcome.START, Outcome.PREEMPT)


_WAITS = Prospect(outcome=Outcome.WAIT)


def prospect(scheduler: Scheduler, region: str, job: Job) -> Prospect:
    """Of a job that is queued, or of one that is not. Of the same id as a queued one: in its place."""
    if refused_here(region, job.shape.body) is not None:
        return _WAITS
    start = _start(scheduler, job)
    if start is not None:
        return start
    victims = scheduler.would_stop(job, besides=job.id)
    return Prospect(outcome=Outcome.PREEMPT, victims=victims) if victims else _WAITS


def _start(scheduler: Scheduler, job: Job) -> Prospect | None:
    for way in scheduler.standing.ways_of(job):
        allocation = scheduler.would_start(job, way, besides=job.id)
        if allocation is not None:
            queue = way.queue.name if way.queue is not None else ""
            return Prospect(outcome=Outcome.START, allocation=allocation, queue=queue)
    return None


def starts_as(scheduler: Scheduler, job: Job) -> Callable[[Shape], bool]:
    """Asks whether the job would start now, stopping nobody, if it had another shape."""

    def starts(shape: Shape) -> bool:
        return _start(scheduler, msgspec.structs.replace(job, shape=shape)) is not None

    return starts


def in_tier(job: Job, tier: str) -> Job:
    """The same job, in another tier."""
    return msgspec.structs.replace(job, shape=make_shape(msgspec.structs.replace(job.shape.body, tier=tier)))


def of_priority(job: Job, priority: int) -> Job:
    """The same job, with another priority."""
    return msgspec.structs.replace(
        job, shape=make_shape(msgspec.structs.replace(job.shape.body, priority=priority))
    )


def supposed(submission: Submission, home: str, now: Now) -> Job:
    """The job that a submission would become if it were taken now. It is in no books."""
    return Job(
        id=submission.job_id,
        home=home,
        tenant=submission.tenant,
        name=submission.name,
        client_key=submission.client_key,
        spec=b"",
        spec_sha256=submission.spec_sha256,
        shape=submission.shape,
        grace_us=submission.grace_us,
        retries_max=submission.retries_max,
        submitted_wall_us=now.wall_us,
        order_us=now.wall_us,
        reason=Reason(ReasonCode.SUBMITTED, submission.ruled),
        terms=submission.terms,
        array=None if submission.array is None else Array(submission.array),
    )
