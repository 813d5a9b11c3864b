"""All books of a region: its own, and those of the shards that it leads."""

from __future__ import annotations

from collections.abc import Iterator

from hanse.core.books import Books
from hanse.core.effects import Lease
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import OWNING_STATES, JobState
from hanse.core.model.time import Now


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
