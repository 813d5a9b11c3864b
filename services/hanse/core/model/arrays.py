"""Arrays: many independent runs of one program, told apart by an index, as one job.

What has ended, what waits and what failed before are sets of elements (indexes.py). Only elements that hold capacity
are objects: jobs of their own in memory, named "ID[7]", in no queue and no table of jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hanse.core.model.indexes import Indexes, Packed, all_of, indexes_text, lowest, pack, unpack
from hanse.core.model.lifecycle import JobState

if TYPE_CHECKING:
    from hanse.core.model.jobs import Job


class ArrayRules(msgspec.Struct, frozen=True, array_like=True):
    """What the caller said: which elements, how many at most hold capacity at a time (0: any number), and after how
    many failures for good the rest is cancelled (0: never)."""

    indexes: Indexes
    in_flight_max: int = 0
    stop_at_failures: int = 0


class FailedSet(msgspec.Struct, frozen=True, array_like=True):
    """Elements that failed for good, in the same way: the code of the reason, and the exit code."""

    reason: str
    exit_code: int
    elements: Packed


class TriedSet(msgspec.Struct, frozen=True, array_like=True):
    """Elements that are not through, and failed so many times."""

    failures: int
    elements: Packed


class ArrayProgress(msgspec.Struct, frozen=True, array_like=True):
    """What has become of the elements so far: all that another region needs to go on. Who is in no set has not ended,
    and has not failed."""

    succeeded: Packed = ()
    cancelled: Packed = ()
    failed: tuple[FailedSet, ...] = ()
    tried: tuple[TriedSet, ...] = ()


class ArrayRecord(msgspec.Struct, frozen=True, array_like=True):
    """The column of an array's row. `noted`: failures that the timeline has named."""

    rules: ArrayRules
    progress: ArrayProgress
    noted: int = 0


_RECORD = msgspec.msgpack.Decoder(ArrayRecord)
_encode = msgspec.msgpack.Encoder().encode


class Counts(msgspec.Struct, frozen=True):
    """How many elements of an array are in which state. `stopping` are among those `in_flight`."""

    waiting: int
    in_flight: int
    stopping: int
    succeeded: int
    failed: int
    cancelled: int

    @property
    def ended(self) -> int:
        """How many are through."""
        return self.succeeded + self.failed + self.cancelled

    def text(self) -> str:
        """For people."""
        words = (
            (self.waiting, "waiting"),
            (self.in_flight, "in flight"),
            (self.succeeded, "succeeded"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
        )
        return ", ".join(f"{number:,} {word}" for number, word in words if number)


class Array:
    """The elements of one job: each of them is in exactly one of `waiting`, `in_flight` (by position), `succeeded`,
    `cancelled` and one set of `failed` (by reason and exit code). Only `Elements` changes it."""

    __slots__ = (
        "attempts",
        "cancelled",
        "count",
        "failed",
        "in_flight",
        "noted",
        "rules",
        "succeeded",
        "tallied",
        "tried",
        "waiting",
    )

    def __init__(self, rules: ArrayRules, progress: ArrayProgress | None = None, noted: int = 0) -> None:
        self.rules = rules
        self.count = rules.indexes.count
        self.noted = noted
        self.in_flight: dict[int, Job] = {}
        # Of elements that wait: the last attempt of this epoch, if there was one.
        self.attempts: dict[int, int] = {}
        # As how many jobs the queue counts it at present.
        self.tallied = 0
        self.go_on_from(progress or ArrayProgress())

    def go_on_from(self, progress: ArrayProgress) -> None:
        """What another region, or an earlier life, made of it. What contradicts itself counts as what it says first."""
        left = all_of(self.count)
        self.succeeded = unpack(progress.succeeded, self.count)
        left &= ~self.succeeded
        self.cancelled = unpack(progress.cancelled, self.count) & left
        left &= ~self.cancelled
        self.failed: dict[tuple[str, int], int] = {}
        for kind in progress.failed:
            elements = unpack(kind.elements, self.count) & left
            left &= ~elements
            if elements:
                key = (kind.reason, kind.exit_code)
                self.failed[key] = self.failed.get(key, 0) | elements
        self.tried: dict[int, int] = {}
        for tried in progress.tried:
            elements = unpack(tried.elements, self.count) & left
            if elements and tried.failures > 0:
                self.tried[tried.failures] = self.tried.get(tried.failures, 0) | elements
        self.waiting = left
        self.in_flight = {}
        self.attempts = {}

    # As what it is stored; two arrays that are read from the same rows are equal.
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and self.packed() == other.packed()

    # --- questions

    @property
    def failed_count(self) -> int:
        """How many have failed for good."""
        return sum(elements.bit_count() for elements in self.failed.values())

    @property
    def ended_count(self) -> int:
        """How many are through."""
        return self.succeeded.bit_count() + self.cancelled.bit_count() + self.failed_count

    @property
    def may_start(self) -> bool:
        """Whether one more may hold capacity."""
        limit = self.rules.in_flight_max
        return bool(self.waiting) and (not limit or len(self.in_flight) < limit)

    @property
    def startable(self) -> int:
        """How many more may hold capacity."""
        limit, waiting = self.rules.in_flight_max, self.waiting.bit_count()
        return min(waiting, max(0, limit - len(self.in_flight))) if limit else waiting

    @property
    def at_limit(self) -> bool:
        """Whether elements wait only for others to end."""
        return bool(self.waiting) and not self.may_start

    @property
    def has_failed(self) -> bool:
        """Whether so many have failed that the rest is not to be done."""
        limit = self.rules.stop_at_failures
        return bool(limit) and self.failed_count >= limit

    def is_over(self, position: int) -> bool:
        """Whether this element is through."""
        return position not in self.in_flight and not self.waiting >> position & 1

    def counts(self) -> Counts:
        """How many are in which state."""
        return Counts(
            waiting=self.waiting.bit_count(),
            in_flight=len(self.in_flight),
            stopping=sum(1 for each in self.in_flight.values() if each.state is JobState.STOPPING),
            succeeded=self.succeeded.bit_count(),
            failed=self.failed_count,
            cancelled=self.cancelled.bit_count(),
        )

    def failures_of(self, position: int) -> int:
        """How often an element that is not through has failed."""
        return next((times for times, elements in self.tried.items() if elements >> position & 1), 0)

    def first_waiting(self) -> int:
        """The element that goes next; there must be one."""
        return lowest(self.waiting)

    def outcome(self, *, ended_by_caller: bool) -> JobState:
        """The sum of all elements, once each is through."""
        if ended_by_caller and self.cancelled:
            return JobState.CANCELLED
        if self.failed:
            return JobState.FAILED
        return JobState.CANCELLED if self.cancelled else JobState.SUCCEEDED

    def exit_code(self) -> int:
        """Of the failed element with the lowest index; 0: none failed."""
        firsts = [(lowest(elements), exit_code) for (_, exit_code), elements in self.failed.items()]
        return min(firsts, default=(0, 0))[1]

    def failures_text(self) -> str:
        """Which elements failed, and how: "3,7-9: EXIT_CODE 2"."""
        kinds = sorted((lowest(elements), kind, elements) for kind, elements in self.failed.items())
        of = self.rules.indexes.of
        return "; ".join(
            f"{indexes_text(of(each))}: {reason} {code}" for _, (reason, code), each in kinds[:3]
        )

    # --- changes

    def end(self, position: int) -> None:
        """An element is through: it is in no set of those that go on."""
        self.waiting &= ~(1 << position)
        self.in_flight.pop(position, None)
        self.attempts.pop(position, None)
        self._forget_failures(1 << position)

    def fail(self, position: int, reason: str, exit_code: int) -> None:
        """It has failed for good."""
        self.end(position)
        key = (reason, exit_code)
        self.failed[key] = self.failed.get(key, 0) | 1 << position

    def cancel_waiting(self, elements: int) -> None:
        """None of these is to be done, of those that wait."""
        gone = self.waiting & elements
        self.waiting &= ~gone
        self.cancelled |= gone
        for position in [each for each in self.attempts if gone >> each & 1]:
            del self.attempts[position]
        self._forget_failures(gone)

    def learn(self, progress: ArrayProgress) -> None:
        """Elements that wait here are through, if another region has seen them so."""
        told = Array(self.rules, progress)
        through = self.waiting & ~told.waiting
        self.succeeded |= told.succeeded & through
        self.cancelled |= told.cancelled & through
        for key, elements in told.failed.items():
            if elements & through:
                self.failed[key] = self.failed.get(key, 0) | elements & through
        self.waiting &= ~through
        self._forget_failures(through)
        for position in [each for each in self.attempts if through >> each & 1]:
            del self.attempts[position]

    def count_failure(self, position: int) -> None:
        """One more attempt of it failed."""
        times = self.failures_of(position)
        self._forget_failures(1 << position)
        self.tried[times + 1] = self.tried.get(times + 1, 0) | 1 << position

    def _forget_failures(self, elements: int) -> None:
        for times in list(self.tried):
            self.tried[times] &= ~elements
            if not self.tried[times]:
                del self.tried[times]

    # --- as it is stored and sent

    def progress(self) -> ArrayProgress:
        """What has become of it. Elements in flight are as if they waited."""
        return ArrayProgress(
            pack(self.succeeded),
            pack(self.cancelled),
            tuple(FailedSet(*kind, pack(elements)) for kind, elements in self.failed.items()),
            tuple(TriedSet(times, pack(elements)) for times, elements in self.tried.items()),
        )

    def packed(self) -> bytes:
        """As a column."""
        return _encode(ArrayRecord(self.rules, self.progress(), self.noted))


def unpacked_array(packed: bytes) -> Array | None:
    """Of a column; None: the job is no array."""
    if not packed:
        return None
    record = _RECORD.decode(packed)
    return Array(record.rules, record.progress, record.noted)


def packed_array(array: Array | None) -> bytes:
    """As a column; empty: the job is no array."""
    return b"" if array is None else array.packed()


def element_id(job_id: str, index: int) -> str:
    """What an element's attempt is called where jobs are known by id."""
    return f"{job_id}[{index}]"


def parse_element_id(text: str) -> tuple[str, int] | None:
    """The job and the index of an element's id; None: it is a job's own."""
    if not text.endswith("]"):
        return None
    job_id, bracket, index = text[:-1].rpartition("[")
    return (job_id, int(index)) if job_id and bracket and index.isascii() and index.isdecimal() else None


def job_of_run(job_id: str) -> str:
    """The job that a run belongs to, which may be an element's."""
    parsed = parse_element_id(job_id)
    return job_id if parsed is None else parsed[0]
