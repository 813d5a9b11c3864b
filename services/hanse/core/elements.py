"""What becomes of the elements of arrays: the changes that `Books` makes to jobs, for attempts without a row of jobs.

An element that holds capacity is a Job in memory, made when it starts and gone when its attempt is over. What changes
is its row (`elements`), and the sets of its array (model/arrays.py), which are in the array's own row:

    the attempt                 its row               its array
    starts                      RUNNING, the attempt  in flight
    is stopped                  STOPPING              in flight
    is to be tried again        QUEUED, the attempt   waits
    has succeeded               none                  succeeded
    has failed for good         FAILED                failed
    has ended, was cancelled    none                  cancelled

All of it is in the step's one transaction, like everything that the books owe.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from hanse.core.model.arrays import Array, ArrayProgress, element_id, parse_element_id
from hanse.core.model.jobs import Allocation, Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobInput, JobState, next_state
from hanse.core.model.limits import ARRAY_FAILURES_NOTED_MAX, ARRAY_TENTHS
from hanse.core.rows import ElementRow

if TYPE_CHECKING:
    from hanse.core.books import Books

# Of an element that is to end, and not to be tried again: the wish of its array, or for it alone.
_CANCELLED = "element"


class Elements:
    """Those of one set of books. `touched`: arrays whose state may not be the sum of their elements any more."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.touched: dict[str, None] = {}
        # Elements that hold capacity, and those that have ended here in this life.
        self.in_flight = 0
        self.ended = dict.fromkeys((JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED), 0)

    def restore(self, rows: Iterable[ElementRow]) -> None:
        """What elements' rows say, at the start of a life. Rows of an earlier epoch say nothing any more."""
        for row in rows:
            job = self._books.jobs.get(row.job_id)
            if job is None or job.array is None or row.epoch != job.epoch:
                continue
            position = job.array.rules.indexes.position(row.element)
            if position is None or job.array.is_over(position):
                continue
            if row.state == JobState.QUEUED:
                job.array.attempts[position] = row.attempt
            elif row.state in (JobState.RUNNING, JobState.STOPPING):
                _resume(self.take(job, position), row)

    # --- questions

    def find(self, attempt_id: str) -> Job | None:
        """The element of this id, if it holds capacity."""
        job, position = self._place(attempt_id)
        return None if job is None else _array(job).in_flight.get(position)

    def is_forgotten(self, attempt_id: str, epoch: int, attempt: int) -> bool:
        """Whether this run of an element was begun, and these books don't know that it ever was."""
        job, position = self._place(attempt_id)
        if job is None or _array(job).is_over(position):
            return False
        element = _array(job).in_flight.get(position)
        known = _array(job).attempts.get(position, job.attempt) if element is None else element.attempt
        return (epoch, attempt) > (job.epoch, known)

    def _place(self, attempt_id: str) -> tuple[Job | None, int]:
        parsed = parse_element_id(attempt_id)
        job = None if parsed is None else self._books.jobs.get(parsed[0])
        if parsed is None or job is None or job.array is None:
            return None, 0
        position = job.array.rules.indexes.position(parsed[1])
        return (None, 0) if position is None else (job, position)

    def parent(self, element: Job) -> Job:
        """The array that this element is of."""
        parsed = parse_element_id(element.id)
        assert parsed is not None, f"{element.id} is no element"
        return self._books.jobs[parsed[0]]

    # --- an attempt, from its start to its end (the names are those of Books)

    def take(self, job: Job, position: int) -> Job:
        """This element is about to hold capacity: the job that stands for it."""
        array = _array(job)
        array.waiting &= ~(1 << position)
        index = array.rules.indexes.at(position)
        element = msgspec.structs.replace(
            job,
            id=element_id(job.id, index),
            index=index,
            array=None,
            state=JobState.QUEUED,
            attempt=max(job.attempt, array.attempts.pop(position, 0)),
            failures=array.failures_of(position),
            moves=0,
            started_wall_us=0,
            exit_code=0,
            cancel_id="",
        )
        array.in_flight[position] = element
        self.in_flight += 1
        self.touched[job.id] = None
        return element

    def start(self, element: Job, allocation: Allocation, why: str = "") -> None:
        """Capacity was taken for it: its next attempt is RUNNING, durably before it is launched."""
        element.attempt += 1
        element.allocation = allocation
        element.started_wall_us = self._books.now.wall_us
        self._change(element, JobInput.START, Reason(ReasonCode.STARTED, why))

    def stop(self, element: Job, reason: Reason) -> None:
        """Its tasks are to be ended; the reason says what for."""
        self._change(element, JobInput.STOP, reason)

    def want_cancel(self, element: Job, reason: Reason) -> None:
        """It is not to be tried again, whatever it is being stopped for."""
        element.cancel_id = _CANCELLED
        if element.state is JobState.STOPPING:
            element.reason = reason
            self._owe(element)

    def requeue(self, element: Job, reason: Reason) -> None:
        """All its tasks are dead, and it waits for its next attempt; or was cancelled while nobody could tell whether
        the job is here at all."""
        job, position = self.parent(element), self._position(element)
        array = _array(job)
        del array.in_flight[position]
        if element.cancel_id:
            self._leave(element)
            array.end(position)
            array.cancelled |= 1 << position
            self.ended[JobState.CANCELLED] += 1
            self._books.drop_element(job, self._index(element))
            return
        array.waiting |= 1 << position
        array.attempts[position] = element.attempt
        element.allocation = None
        self._change(element, JobInput.STOPPED_REQUEUE, reason)
        self._leave(element)

    def finish(self, element: Job, happened: JobInput, reason: Reason, exit_code: int) -> None:
        """It is through."""
        job, position = self.parent(element), self._position(element)
        array = _array(job)
        element.ended_wall_us = self._books.now.wall_us
        element.exit_code = exit_code
        before = array.ended_count
        if next_state(element.state, happened) is JobState.FAILED:
            array.fail(position, reason.code, exit_code)
            self._change(element, happened, reason)
            self._note_failure(job, element)
        else:
            element.state = next_state(element.state, happened)
            array.end(position)
            bit = 1 << position
            if element.state is JobState.SUCCEEDED:
                array.succeeded |= bit
            else:
                array.cancelled |= bit
            self._books.drop_element(job, self._index(element))
        self._leave(element)
        self.ended[element.state] += 1
        self._note_progress(job, before)

    def count_failure(self, element: Job, exit_code: int) -> None:
        """One more attempt failed."""
        job = self.parent(element)
        element.failures += 1
        element.exit_code = exit_code
        _array(job).count_failure(self._position(element))
        self._books.owe(job)

    def stop_to_move(self, element: Job, reason: Reason) -> None:
        """Never: an array leaves its region while nothing of it runs."""
        raise AssertionError(f"{element.id} does not move by itself")

    # --- those that wait

    def learn(self, job: Job, told: Iterable[ArrayProgress]) -> None:
        """Others know elements to be through that wait here. The array's row is to be written anyway."""
        if job.array is None:
            return
        for progress in told:
            job.array.learn(progress)
        self.touched[job.id] = None

    def cancel_waiting(self, job: Job, elements: int) -> None:
        """These, of those that wait, are not to be done."""
        array = _array(job)
        gone = array.waiting & elements
        if not gone:
            return
        before = array.ended_count
        for position in [each for each in array.attempts if gone >> each & 1]:
            self._books.drop_element(job, array.rules.indexes.at(position))
        array.cancel_waiting(gone)
        self.ended[JobState.CANCELLED] += gone.bit_count()
        self.touched[job.id] = None
        self._books.owe(job)
        self._note_progress(job, before)

    # --- shared

    def _change(self, element: Job, happened: JobInput, reason: Reason) -> None:
        element.state = next_state(element.state, happened)
        element.reason = reason
        self._owe(element)

    def _owe(self, element: Job) -> None:
        job = self.parent(element)
        self.touched[job.id] = None
        allocation = element.allocation
        self._books.owe_element(
            ElementRow(
                element.shard,
                job.id,
                self._index(element),
                int(element.state),
                element.epoch,
                element.attempt,
                element.reason.code,
                element.reason.detail,
                b"" if allocation is None else msgspec.msgpack.encode(allocation),
                element.started_wall_us,
                element.ended_wall_us,
                element.exit_code,
            )
        )

    def _leave(self, element: Job) -> None:
        """It holds nothing any more."""
        self.in_flight -= 1
        self.touched[self.parent(element).id] = None
        self._books.account.discharge(element.id)

    @staticmethod
    def _index(element: Job) -> int:
        assert element.index is not None, f"{element.id} is no element"
        return element.index

    def _position(self, element: Job) -> int:
        position = _array(self.parent(element)).rules.indexes.position(self._index(element))
        assert position is not None, f"{element.id} is none of its array"
        return position

    # --- the timeline, which does not grow with the elements

    def _note_failure(self, job: Job, element: Job) -> None:
        array = _array(job)
        if array.noted >= ARRAY_FAILURES_NOTED_MAX:
            return
        array.noted += 1
        last = "; no more of them are noted here" if array.noted == ARRAY_FAILURES_NOTED_MAX else ""
        reason = Reason(element.reason.code, f"attempt {element.attempt}: {element.reason.detail}{last}")
        self._books.note_elements(job, f"[{element.index}] FAILED", reason)

    def _note_progress(self, job: Job, before: int) -> None:
        array = _array(job)
        tenths = array.ended_count * ARRAY_TENTHS // array.count
        if tenths > before * ARRAY_TENTHS // array.count:
            self._books.note_elements(job, "ELEMENTS", Reason(ReasonCode.PROGRESS, array.counts().text()))


def _array(job: Job) -> Array:
    assert job.array is not None, f"{job.id} is no array"
    return job.array


def _resume(element: Job, row: ElementRow) -> None:
    """As the row has it."""
    element.state = JobState(row.state)
    element.attempt = row.attempt
    known = row.reason in ReasonCode.__members__
    element.reason = Reason(ReasonCode(row.reason) if known else ReasonCode.UNKNOWN, row.reason_detail)
    element.allocation = msgspec.msgpack.decode(row.allocation, type=Allocation)
    element.started_wall_us = row.started_wall_us
    if element.reason.code is ReasonCode.CANCEL_REQUESTED:
        element.cancel_id = _CANCELLED
