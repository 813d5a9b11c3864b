"""Arrays among the simulated jobs, and callers who cancel some of their elements.

They draw from randomness of their own: a world without arrays is the same as before there were any.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence

import msgspec

from hanse.core.events import Order, OrderJobs, OrderKind
from hanse.core.model.arrays import ArrayRules
from hanse.core.model.indexes import Indexes, Range
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import SECOND_US
from hanse.sim.host import Host
from hanse.sim.timeline import Timeline
from hanse.sim.workload import JobKind, SpecWriter

_ELEMENTS_MAX = 24
# An array is to take about as long as the job that it was made of.
_SPEEDUP = 8
_SHARES = (0.0, 0.0, 0.3)
_TRIM_EVERY_US = 4 * SECOND_US
_TRIMMED_MAX = 4
_REQUEST = -3


def draw_share(randomness: random.Random) -> float:
    """How many kinds of jobs are arrays."""
    return randomness.choice(_SHARES)


def with_arrays(
    kinds: Sequence[JobKind], randomness: random.Random, share: float, write_spec: SpecWriter
) -> tuple[JobKind, ...]:
    """Some of these kinds as arrays of shorter runs. What never ends stays what it is."""
    return tuple(
        _as_array(kind, randomness, write_spec) if not kind.endless and randomness.random() < share else kind
        for kind in kinds
    )


def _as_array(kind: JobKind, randomness: random.Random, write_spec: SpecWriter) -> JobKind:
    rules = draw_rules(randomness)
    spec = write_spec(kind.name, kind.shape.body, kind.grace_us, kind.retries_max, rules)
    behaviour = msgspec.structs.replace(kind.behaviour, runtime_us=kind.behaviour.runtime_us // _SPEEDUP)
    return msgspec.structs.replace(
        kind,
        spec=spec,
        spec_sha256=hashlib.sha256(spec).digest(),
        behaviour=behaviour,
        array=rules,
        plain=kind,
    )


def draw_rules(randomness: random.Random) -> ArrayRules:
    """One or two ranges, and bounds on what runs and what may fail."""
    ranges: list[Range] = []
    first = randomness.randint(0, 3)
    for _ in range(randomness.randint(1, 2)):
        step = randomness.choice((1, 1, 2, 5))
        last = first + step * randomness.randint(0, _ELEMENTS_MAX // 2 - 1)
        ranges.append((first, last, step))
        first = last + randomness.randint(1, 3)
    return ArrayRules(
        Indexes(tuple(ranges)), randomness.choice((0, 0, 1, 3)), randomness.choice((0, 0, 0, 1, 2, 5))
    )


class Trimmers:
    """Now and then some elements of an array are cancelled, at the region that has it."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        hosts: Sequence[Host],
        count: Callable[[str], None],
    ) -> None:
        self._timeline = timeline
        self._random = randomness
        self._hosts = hosts
        self._count = count

    def begin(self) -> None:
        """Plan the next one."""
        self._timeline.after(int(self._random.expovariate(1.0) * _TRIM_EVERY_US), self._trim)

    def _trim(self) -> None:
        up = [host for host in self._hosts if host.core is not None]
        if up:
            self._trim_at(self._random.choice(up))
        self.begin()

    def _trim_at(self, host: Host) -> None:
        assert host.core is not None
        arrays = sorted(
            (job for job in host.core.books.jobs.values() if _is_open(job)), key=lambda job: job.id
        )
        if not arrays:
            return
        job = self._random.choice(arrays)
        assert job.array is not None
        count = self._random.randint(1, min(_TRIMMED_MAX, job.array.count))
        chosen = sorted(self._random.sample(range(job.array.count), count))
        indexes = [job.array.rules.indexes.at(position) for position in chosen]
        order = Order(
            kind=OrderKind.CANCEL_ELEMENTS, indexes=Indexes(tuple((index, index, 1) for index in indexes))
        )
        self._count("trimmed")
        host.post(OrderJobs(request_id=_REQUEST, job_ids=(job.id,), order=order, cause="caller"))


def _is_open(job: Job) -> bool:
    return job.array is not None and job.state in (JobState.QUEUED, JobState.RUNNING)
