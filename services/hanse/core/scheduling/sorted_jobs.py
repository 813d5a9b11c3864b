"""A sorted sequence of jobs that is cheap to hold (8 bytes a job), to append to, to take from the front of, and to
search: chunks of references, bisected by key. Removing from the middle moves one chunk's tail, whatever the length."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from hanse.core.model.jobs import Job

# A full chunk is split in halves. Moving 8 KiB costs about as much as the bisection that finds the place.
CHUNK_JOBS_MAX = 1024


def job_key(job: Job) -> tuple[int, str]:
    """Who goes first among jobs with the same shape."""
    return (job.order_us, job.id)


class SortedJobs:
    """Jobs by (order_us, id). A job's key must not change while it is in here."""

    __slots__ = ("_chunks", "_length")

    def __init__(self) -> None:
        self._chunks: list[list[Job]] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Job]:
        for chunk in self._chunks:
            yield from chunk

    @property
    def first(self) -> Job:
        """The job that goes first."""
        return self._chunks[0][0]

    def add(self, job: Job) -> None:
        """Put a job in its place."""
        self._length += 1
        if not self._chunks:
            self._chunks.append([job])
            return
        number = self._chunk_of(job_key(job))
        chunk = self._chunks[number]
        if job_key(job) > job_key(chunk[-1]):
            chunk.append(job)
        else:
            insort(chunk, job, key=job_key)
        if len(chunk) > CHUNK_JOBS_MAX:
            half = len(chunk) // 2
            self._chunks[number : number + 1] = [chunk[:half], chunk[half:]]

    def remove(self, job: Job) -> None:
        """Take out a job that is in here."""
        key = job_key(job)
        number = 0 if job is self._chunks[0][0] else self._chunk_of(key)
        chunk = self._chunks[number]
        at = 0 if job is chunk[0] else bisect_left(chunk, key, key=job_key)
        assert chunk[at : at + 1] == [job], f"{job.id}: its place changed while it was queued"
        del chunk[at]
        if not chunk:
            del self._chunks[number]
        self._length -= 1

    def take_first(self) -> Job:
        """Take out the job that goes first."""
        chunk = self._chunks[0]
        job = chunk.pop(0)
        if not chunk:
            del self._chunks[0]
        self._length -= 1
        return job

    def rank(self, job: Job) -> int:
        """How many go before this job, which need not be in here."""
        return self.rank_of(job_key(job))

    def rank_of(self, key: tuple[int, str]) -> int:
        """How many go before a job with this key."""
        if not self._chunks:
            return 0
        number = self._chunk_of(key)
        return sum(map(len, self._chunks[:number])) + bisect_left(self._chunks[number], key, key=job_key)

    def count_until(self, order_us: int) -> int:
        """How many have an `order_us` of at most this."""
        return self.rank_of((order_us + 1, ""))

    def copy(self) -> SortedJobs:
        """The same jobs in another sequence."""
        twin = SortedJobs()
        twin._chunks = [list(chunk) for chunk in self._chunks]
        twin._length = self._length
        return twin

    def head(self, count: int) -> list[Job]:
        """The first `count` jobs in order."""
        taken: list[Job] = []
        for chunk in self._chunks:
            if len(taken) >= count:
                break
            taken += chunk[: count - len(taken)]
        return taken

    def spread(self, after: int, count: int) -> list[Job]:
        """`count` jobs, in order and evenly spread over all but the first `after`; all of these if they are fewer."""
        left = max(0, self._length - after)
        count = min(count, left)
        wanted = iter([after + number * left // count for number in range(count)])
        taken: list[Job] = []
        start, place = 0, next(wanted, self._length)
        for chunk in self._chunks:
            while place < start + len(chunk):
                taken.append(chunk[place - start])
                place = next(wanted, self._length)
            start += len(chunk)
        return taken

    def _chunk_of(self, key: tuple[int, str]) -> int:
        """The chunk that holds this key, or into which it belongs."""
        last = len(self._chunks) - 1
        if last == 0 or key > job_key(self._chunks[last][0]):
            return last
        return min(last, bisect_left(self._chunks, key, key=lambda chunk: job_key(chunk[-1])))
