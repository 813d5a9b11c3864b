"""What the scheduling cycle starts of a job that has room: the job, or the next element of an array."""

from __future__ import annotations

from typing import Protocol

from hanse.core.model.jobs import Job


class Unfolding(Protocol):
    """Arrays, as the cycle sees them. Implemented by scheduling/arrays.py."""

    def next_of(self, job: Job) -> Job:
        """What starts now: the job itself, unless it is an array."""


class _WholeJobs:
    def next_of(self, job: Job) -> Job:
        assert job.array is None, f"{job.id}: nobody keeps the elements of arrays here"
        return job


WHOLE_JOBS: Unfolding = _WholeJobs()
