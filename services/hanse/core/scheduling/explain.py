"""Why a job that is queued here does not run.

The blockers hold together: if everything that they name were out of the way (the jobs ahead, the jobs on the named
nodes), the job would start in the next cycle. The hints stand alone: each one would do. No blockers: it is about to
start.
"""

from __future__ import annotations

import msgspec

from hanse.core.effects import Blocker, RegionExplanation
from hanse.core.model.jobs import Job
from hanse.core.model.time import Now
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.hints import unblock_hints
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.wait import WaitPredictor

PRIORITY = "PRIORITY"
# Jobs ahead that are named; the rest is a number.
AHEAD_NAMED_MAX = 3


class LocalExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """This region's part of an Explanation. `position` counts from 1; `predicted_start_wall_us` 0: never here."""

    region: RegionExplanation
    position: int
    unblock: tuple[str, ...]
    predicted_start_wall_us: int


def explain_local(
    job: Job, queue: JobQueue, capacity: Capacity, waits: WaitPredictor, region: str, now: Now
) -> LocalExplanation:
    """Explain a job that is in the queue of this region. Takes milliseconds."""
    position = queue.position(job.id)
    refused = refused_here(region, job.shape.body)
    if refused is not None:
        return LocalExplanation(
            region=RegionExplanation(region=region, blockers=(refused,)),
            position=position,
            unblock=(),
            predicted_start_wall_us=0,
        )
    short = capacity.blockers(job.shape)
    return LocalExplanation(
        region=RegionExplanation(region=region, blockers=short + _jobs_ahead(job, queue, position)),
        position=position,
        unblock=unblock_hints(capacity, job.shape) if short else (),
        predicted_start_wall_us=waits.predicted_start_wall_us(job, now),
    )


def _jobs_ahead(job: Job, queue: JobQueue, position: int) -> tuple[Blocker, ...]:
    """Who goes first, if anybody does."""
    if position <= 1:
        return ()
    named = [f"{other.id} ({other.name})" for other in queue.ahead(job.id, AHEAD_NAMED_MAX)]
    more = position - 1 - len(named)
    names = ", ".join(named) + (f" and {more} more" if more else "")
    ahead = "1 job goes" if position == 2 else f"{position - 1} jobs go"
    return (Blocker(code=PRIORITY, message=f"{ahead} first, by tier, priority and age: {names}"),)
