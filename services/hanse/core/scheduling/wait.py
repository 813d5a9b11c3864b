"""How long a job queued now will wait: a prediction for people and for choosing regions, never for safety.

Work is capacity times time, kind by kind. What is ahead of a job, and what is still running, must be worked off by the
region's whole capacity: the scarcest kind decides how long that takes. Fragmentation and the unknowable make this a
lower bound in most cases; it is compared with other regions' predictions, which err the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hanse.core.model.jobs import GroupShape, Job, Shape
from hanse.core.model.resources import Resources, subtracted
from hanse.core.model.time import SECOND_US
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue

# Nothing was ever observed and nobody estimated: a minute keeps an idle-looking region from seeming free for ever.
RUN_US_DEFAULT = 60 * SECOND_US
# The newest run counts an eighth, as in TCP's smoothed round-trip time (RFC 6298): some ten runs are remembered.
MEAN_WEIGHT = 8
# Sizes of jobs whose runs are remembered; some hundred bytes each.
OBSERVED_SHAPES_MAX = 4096


def smoothed_us(mean_us: int, observed_us: int) -> int:
    """The exponentially weighted mean after one more observation."""
    return mean_us + (observed_us - mean_us) // MEAN_WEIGHT


def drain_time_us(work: Mapping[str, int], capacity: Resources) -> int:
    """How long `capacity` takes to work off `work` (quantity x microseconds by kind), by the scarcest kind. Kinds that
    the region does not have are left out: no prediction is right for what never runs here."""
    return max((-(-work.get(kind, 0) // quantity) for kind, quantity in capacity), default=0)


def completions(held: Resources, wanted: Resources, mean_us: int, within_us: int) -> int:
    """How many jobs that want `wanted` fit into what will be released of `held` within a time, if what is held now is
    held for `mean_us` on average."""
    have = dict(held)
    freed = [have.get(kind, 0) * within_us // (max(1, mean_us) * quantity) for kind, quantity in wanted]
    return min(freed, default=0)


class WaitPredictor:
    """Predicts waits from the queue, what is held, and how long jobs of a shape ran."""

    def __init__(self, queue: JobQueue, capacity: Capacity) -> None:
        self._queue = queue
        self._capacity = capacity
        self._mean_us: dict[tuple[GroupShape, ...], int] = {}
        self._mean_of_all_us = 0
        self._queue_wait_us = 0
        self._queue_wait_seen: tuple[int, int, int] | None = None
        self._observations = 0

    def observe_run(self, shape: Shape, run_us: int) -> None:
        """A job with this shape held its capacity for so long."""
        run_us = max(0, run_us)
        self._observations += 1
        groups = shape.body.groups
        known = self._mean_us.pop(groups, None)
        if known is None and len(self._mean_us) >= OBSERVED_SHAPES_MAX:
            del self._mean_us[next(iter(self._mean_us))]
        self._mean_us[groups] = run_us if known is None else smoothed_us(known, run_us)
        first = self._observations == 1
        self._mean_of_all_us = run_us if first else smoothed_us(self._mean_of_all_us, run_us)

    def run_us(self, shape: Shape) -> int:
        """How long a job with this shape will run: as its user says, else as jobs of its size did, else as all did."""
        return shape.body.runtime_estimate_us or self._mean_of_us(shape.body.groups)

    def _mean_of_us(self, groups: tuple[GroupShape, ...]) -> int:
        known = self._mean_us.get(groups) if self._mean_us else None
        return self._mean_held_us() if known is None else known

    def queue_wait_us(self) -> int:
        """How long the last job of the queue will wait; 0 if nothing is queued. What the region publishes."""
        seen = (self._queue.version, self._capacity.table.changes, self._observations)
        if self._queue_wait_seen != seen:
            self._queue_wait_seen = seen
            self._queue_wait_us = self._wait_behind_us(self._queued_work()) if len(self._queue) else 0
        return self._queue_wait_us

    def predicted_wait_us(self, shape: Shape) -> int:
        """How long a job with this shape would wait if it were queued now; 0 if it could start now."""
        if not self._queue.depth_of(shape.key) and self._capacity.place(shape) is not None:
            return 0
        return self.queue_wait_us() if len(self._queue) else self._wait_behind_us(())

    def added_wait_us(self, shape: Shape) -> int:
        """By how much one more job with this shape prolongs the queue."""
        run_us = self.run_us(shape)
        work = {kind: quantity * run_us for kind, quantity in shape.total}
        return drain_time_us(work, self._capacity.capacity_total())

    def completions_within(self, shape: Shape, within_us: int) -> int:
        """How many jobs with this shape could start within this time on what running jobs will have given back."""
        return completions(self._held(), shape.total, self._mean_held_us(), within_us)

    def predicted_span_us(self, job: Job) -> tuple[int, int]:
        """How long a job that can't start now will wait, queued or not: probably, and if all that runs now has only
        just begun. By what goes before it."""
        ahead = [
            (queue.shape.total, count * self.run_us(queue.shape))
            for queue, count in self._queue.ahead_by_shape(job)
            if count
        ]
        return self._wait_behind_us(ahead), self._wait_behind_us(ahead, self._mean_held_us())

    def _queued_work(self) -> Iterator[tuple[Resources, int]]:
        """For each placement class of the queue, what one job holds and for how long all of them together will run."""
        for placement in self._queue.classes():
            unestimated_us = placement.unestimated * self._mean_of_us(placement.key[0])
            yield placement.total, placement.estimates_us + unestimated_us

    def _wait_behind_us(self, ahead: Iterable[tuple[Resources, int]], held_us: int | None = None) -> int:
        """The time until this work (resources, microseconds), and what is left of all that is held now (half of an
        average run, unless it is known better), is worked off."""
        held_us = self._mean_held_us() // 2 if held_us is None else held_us
        work = {kind: held * held_us for kind, held in self._held()}
        for wanted, run_us in ahead:
            for kind, quantity in wanted:
                work[kind] = work.get(kind, 0) + quantity * run_us
        return drain_time_us(work, self._capacity.capacity_total())

    def _held(self) -> Resources:
        return subtracted(self._capacity.capacity_total(), self._capacity.free_total())

    def _mean_held_us(self) -> int:
        return self._mean_of_all_us if self._observations else RUN_US_DEFAULT
