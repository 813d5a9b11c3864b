"""Arrays in this region: which of their elements start, what stops them, and what their sum is.

An array has one entry in the queue while elements of it wait and one more may start. The cycle treats it as any job;
what then holds capacity is its next element, and the entry stays. What ends an element may let the next one start, or
end the array: its state is put right at two points of the step, before jobs that wait for it are looked at, and after
the cycle.

    nothing holds capacity, nothing waits      SUCCEEDED, FAILED or CANCELLED: the sum of its elements
    nothing holds capacity, elements wait      QUEUED
    elements hold capacity                     RUNNING, or STOPPING until all of them are dead
"""

from __future__ import annotations

from collections.abc import Iterable

from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.library import Library
from hanse.core.model.arrays import Array, element_id
from hanse.core.model.indexes import Indexes, all_of, positions
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import ALLOCATED_STATES, JobInput, JobState
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.runs import Runs

_SUMS = {
    JobState.SUCCEEDED: (JobInput.ELEMENTS_SUCCEEDED, ReasonCode.SUCCEEDED),
    JobState.FAILED: (JobInput.ELEMENTS_FAILED, ReasonCode.EXIT_CODE),
    JobState.CANCELLED: (JobInput.ELEMENTS_CANCELLED, ReasonCode.CANCELLED),
}
# Why an array was stopped as a whole and waits again: people are to find that reason.
_KEPT = (ReasonCode.HELD, ReasonCode.REQUESTED, ReasonCode.OLD_DISK, ReasonCode.REGION_LOST)
_NEXT = Reason(ReasonCode.WAITING, "its next elements wait for capacity")


class Arrays:
    """See the module's docstring."""

    def __init__(self, library: Library, queue: JobQueue, scheduler: Scheduler, runs: Runs) -> None:
        self._library = library
        self._queue = queue
        self._scheduler = scheduler
        self._runs = runs
        # While the disk is in doubt nothing comes to its end here: another region may have the job.
        self.in_doubt = False

    # --- starting

    def next_of(self, job: Job) -> Job:
        """What of a queued job starts now."""
        if job.array is None:
            return job
        return self._library.of(job).elements.take(job, job.array.first_waiting())

    def resume(self, job: Job) -> None:
        """As the ledger has it, at the start of a life."""
        if job.state in (JobState.QUEUED, *ALLOCATED_STATES):
            self._library.of(job).elements.touched[job.id] = None
            self.enqueue(job)

    @staticmethod
    def begun(job: Job, elements: int = -1) -> list[str]:
        """Of these elements, those that wait for another attempt: as they are called while they hold capacity."""
        array = _array(job)
        found = [position for position in array.attempts if elements >> position & 1]
        return [element_id(job.id, array.rules.indexes.at(position)) for position in found]

    def enqueue(self, job: Job) -> None:
        """Let it be in the queue, if one more of its elements may start."""
        array = job.array
        assert array is not None, f"{job.id} is no array"
        waits = job.id in self._queue or self._scheduler.gate.waits(job.id)
        if array.may_start and not waits and not job.is_parked and _is_open(job):
            self._queue.add(job)

    def after(self, element: Job, out: Effects) -> None:
        """An element's attempt is over, and it holds nothing any more."""
        job = self._library.of(element).elements.parent(element)
        array = _array(job)
        if array.has_failed and _is_open(job):
            many = (
                f"{array.failed_count} elements have failed"
                if array.failed_count > 1
                else "an element has failed"
            )
            self._end(job, Reason(ReasonCode.CANCEL_REQUESTED, f"{many} ({array.failures_text()})"), out)
        self.enqueue(job)

    # --- stopping

    def stop(self, job: Job, reason: Reason, out: Effects) -> None:
        """End what runs of it; for good, if that is the caller's wish."""
        if reason.code is ReasonCode.CANCEL_REQUESTED:
            self._end(job, reason, out)
        else:
            self._stop(job, reason, out)

    def _end(self, job: Job, reason: Reason, out: Effects) -> None:
        """Nothing of it goes on."""
        self.cancel(job, all_of(_array(job).count), reason, out)
        self._stop(job, reason, out)

    def _stop(self, job: Job, reason: Reason, out: Effects) -> None:
        self._scheduler.gate.forget(job)
        self._queue.discard(job.id)
        books = self._library.of(job)
        if job.state is JobState.RUNNING:
            books.stop(job, reason)
        books.elements.touched[job.id] = None
        for element in list(_array(job).in_flight.values()):
            self._runs.stop(element, reason, out)

    def cancel(self, job: Job, elements: int, reason: Reason, out: Effects) -> None:
        """These are not to be done, as far as they are not through."""
        books, array = self._library.of(job), _array(job)
        self._cancel_waiting(books, job, elements)
        for position in [each for each in array.in_flight if elements >> each & 1]:
            element = array.in_flight[position]
            books.elements.want_cancel(element, reason)
            self._runs.stop(element, reason, out)
        if job.id in self._queue and not array.may_start:
            self._queue.discard(job.id)
        if not array.waiting:
            self._scheduler.gate.forget(job)

    def _cancel_waiting(self, books: Books, job: Job, elements: int) -> None:
        standing = self._scheduler.standing
        tier = standing.tiers.tier(job.shape.body.tier)
        for job_id in self.begun(job, elements):
            # What was promised to them is over.
            standing.attainment.ended(job_id, job.tenant, tier, self._library.now)
        books.elements.cancel_waiting(job, elements)

    # --- the sum

    def close(self) -> None:
        """Before jobs that wait for others are looked at: arrays that are through end."""
        for books in self._library:
            if not books.elements.touched:
                continue
            for job in _touched(books):
                if not _array(job).in_flight:
                    self._try_to_end(books, job)

    def settle(self) -> None:
        """After the cycle: all that was touched is in the state that its elements make it."""
        for books in self._library:
            if not books.elements.touched:
                continue
            for job in list(_touched(books)):
                array = _array(job)
                if array.in_flight:
                    if job.state is JobState.QUEUED:
                        books.run_elements(job, _started(array))
                elif not self._try_to_end(books, job) and job.state in ALLOCATED_STATES:
                    self._requeue(books, job)
            books.elements.touched = {job.id: None for job in _touched(books) if self._is_unsettled(job)}

    def _try_to_end(self, books: Books, job: Job) -> bool:
        """End it, if it is through. Nothing of it holds capacity."""
        if self.in_doubt or job.state not in (JobState.QUEUED, *ALLOCATED_STATES):
            return False
        array = _array(job)
        if job.cancel_id or array.has_failed:
            self._cancel_waiting(books, job, array.waiting)
        if array.waiting:
            return False
        outcome = array.outcome(ended_by_caller=bool(job.cancel_id))
        happened, code = _SUMS[outcome]
        self._queue.discard(job.id)
        text = array.counts().text()
        detail = f"{text} ({array.failures_text()})" if array.failed else text
        if outcome is JobState.FAILED:
            code = ReasonCode(next(iter(array.failed))[0])
        books.finish(job, happened, Reason(code, detail), array.exit_code())
        return True

    def _requeue(self, books: Books, job: Job) -> None:
        reason = job.reason
        books.requeue(job, reason if job.state is JobState.STOPPING and reason.code in _KEPT else _NEXT)
        self.enqueue(job)

    def _is_unsettled(self, job: Job) -> bool:
        """Whether it is through, and could not end here yet."""
        array = _array(job)
        return self.in_doubt and not array.in_flight and (not array.waiting or bool(job.cancel_id))


def _started(array: Array) -> Reason:
    """How many start together, and why the first of them may."""
    count = len(array.in_flight)
    first = next(iter(array.in_flight.values()))
    many = f"{count:,} of {array.count:,} elements" if count > 1 else f"element {first.index}"
    why = first.reason.detail
    return Reason(ReasonCode.STARTED, f"{many}; {why}" if why else many)


def _touched(books: Books) -> Iterable[Job]:
    found = (books.jobs.get(job_id) for job_id in books.elements.touched)
    return [job for job in found if job is not None and job.array is not None]


def _is_open(job: Job) -> bool:
    """Whether its elements may start."""
    return job.state in (JobState.QUEUED, JobState.RUNNING)


def _array(job: Job) -> Array:
    assert job.array is not None, f"{job.id} is no array"
    return job.array


def positions_of(array: Array, indexes: Indexes) -> tuple[int, int | None]:
    """The set of the elements with these indexes; and an index that the array does not have, if there is one."""
    elements = 0
    for index in map(indexes.at, range(indexes.count)):
        position = array.rules.indexes.position(index)
        if position is None:
            return elements, index
        elements |= 1 << position
    return elements, None


def left_of(array: Array, elements: int) -> list[int]:
    """Of these elements, those that are not through: their positions."""
    return [position for position in positions(elements) if not array.is_over(position)]
