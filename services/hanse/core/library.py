"""All books of a region: its own, and those of the shards that it leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hanse.core.books import Books
from hanse.core.effects import Lease
from hanse.core.model.arrays import job_of_run
from hanse.core.model.jobs import Allocation, Job, Reason
from hanse.core.model.lifecycle import OWNING_STATES, JobInput, JobState
from hanse.core.model.time import Now


class AttemptBooks(Protocol):
    """Where the attempts of a job are written down: `Books`, or `Elements` for an element of an array."""

    def start(self, job: Job, allocation: Allocation, why: str = "", /) -> None:
        """Its next attempt is RUNNING."""

    def stop(self, job: Job, reason: Reason, /) -> None:
        """Its tasks are to be ended."""

    def stop_to_move(self, job: Job, reason: Reason, /) -> None:
        """They are, so that it goes on in another region."""

    def requeue(self, job: Job, reason: Reason, /) -> None:
        """They are dead, and it waits for its next attempt."""

    def finish(self, job: Job, happened: JobInput, reason: Reason, exit_code: int, /) -> None:
        """It is through."""

    def count_failure(self, job: Job, exit_code: int, /) -> None:
        """One more attempt failed."""


class Library:
    """Finds the books of a job. `leases` are those under which tasks of a shard may be launched, by shard."""

    def __init__(self, own: Books) -> None:
        self.own = own
        self._shards: dict[str, Books] = {}
        self._all: list[Books] = [own]
        self.leases: dict[str, Lease] = {}

    def __iter__(self) -> Iterator[Books]:
        return iter(self._all)

    @property
    def cause(self) -> str:
        """What the step works on at present."""
        return self.own.cause

    @property
    def now(self) -> Now:
        """The time of the step."""
        return self.own.now

    def begin(self, now: Now) -> None:
        """A step starts."""
        for books in self._all:
            books.begin(now)

    def set_cause(self, cause: str) -> None:
        """What follows is due to this."""
        for books in self._all:
            books.cause = cause

    def add(self, books: Books) -> None:
        """This region leads a shard from now on."""
        self._shards[books.shard] = books
        self._all = [self.own, *self._shards.values()]
        books.begin(self.own.now)
        books.cause = self.own.cause

    def remove(self, shard: str) -> None:
        """It does not any more."""
        del self._shards[shard]
        self._all = [self.own, *self._shards.values()]
        self.leases.pop(shard, None)

    def of(self, job: Job) -> Books:
        """The books that this job is in."""
        return self._shards[job.shard] if job.shard else self.own

    def attempts_of(self, job: Job) -> AttemptBooks:
        """Where the attempts of this job, or element of an array, are written down."""
        return self.of(job) if job.index is None else self.of(job).elements

    def attempts(self) -> Iterator[Job]:
        """Whatever holds capacity by the books: jobs, and elements of arrays."""
        for books in self:
            yield from books.attempts()

    def holder(self, attempt_id: str) -> Job | None:
        """The job, or element of an array, of this id."""
        if job_of_run(attempt_id) == attempt_id:
            return self.find(attempt_id)
        found = (books.elements.find(attempt_id) for books in self)
        return next((each for each in found if each is not None), None)

    def find(self, job_id: str) -> Job | None:
        """The job of this id that waits or runs here; else the one that this region knows most of. (One shard may have
        handed it to another that is led here too.)"""
        if not self._shards:
            return self.own.jobs.get(job_id)
        found = [books.jobs[job_id] for books in self if job_id in books.jobs]
        here = [job for job in found if job.state in OWNING_STATES and job.state is not JobState.XFER]
        at_home = [job for job in found if job.home == (job.shard or self.own.region)]
        return next(iter((*here, *at_home, *found)), None)

    def jobs(self) -> Iterator[Job]:
        """Every job of every book."""
        for books in self:
            yield from books.jobs.values()
