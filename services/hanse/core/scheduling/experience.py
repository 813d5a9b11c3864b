"""How long jobs ran, for the queue's order: by tenant and size, else by size, else all together.

For an order a plain mean serves best: what ran last counts most, so that it follows a tenant from one kind of work to
the next. (Backfill asks how long a job may take at most: predictor.py.) Where users estimate, their estimates are
believed as far as those before them were right: of an estimate counts the part that the tenant's jobs really used of
theirs, on average.
"""

from __future__ import annotations

from typing import Any

from hanse.core.model.jobs import GroupShape, Job, Shape
from hanse.core.model.limits import RUNTIMES_REMEMBERED_MAX
from hanse.core.model.time import SECOND_US

Groups = tuple[GroupShape, ...]

# The newest run counts an eighth, as for the predictions of waits; of the first few all count alike.
_MEAN_WEIGHT = 8
# All of an estimate.
_WHOLE = 1 << 20
# Run times closer together than one part in 16 are equal: so a lane's place changes with few of the ends that are
# learnt, and age decides between jobs that are about equally long.
_PRECISION_BITS = 5
_UNKNOWN_US = 60 * SECOND_US


class Runs:
    """Of jobs that are alike. `above`: those to go by as long as none of these has ended."""

    __slots__ = ("above", "count", "mean_us", "used")

    def __init__(self, above: Runs | None) -> None:
        self.above = above
        self.count = 0
        self.mean_us = 0
        # Of their estimates, in _WHOLE; -1: none had one.
        self.used = -1

    def add(self, run_us: int, estimate_us: int) -> None:
        """One of them has ended, after so long."""
        self.count = min(self.count + 1, _MEAN_WEIGHT)
        self.mean_us += (run_us - self.mean_us) // self.count
        if estimate_us:
            used = run_us * _WHOLE // estimate_us
            self.used = used if self.used < 0 else self.used + (used - self.used) // self.count

    def expected_us(self, estimate_us: int) -> int:
        """How long one that was estimated so long (0: not at all) will probably run; coarse."""
        return _coarse(max(1, self._mean_us(estimate_us)))

    def _mean_us(self, estimate_us: int) -> int:
        runs: Runs | None = self
        while runs is not None:
            if estimate_us and runs.used >= 0:
                return estimate_us * runs.used // _WHOLE
            if not estimate_us and runs.count:
                return runs.mean_us
            runs = runs.above
        return estimate_us or _UNKNOWN_US


class Experience:
    """What has run. `version` grows with every end that is learnt."""

    def __init__(self) -> None:
        self.version = 0
        self._all = Runs(None)
        self._of_size: dict[Groups, Runs] = {}
        self._of_tenant: dict[tuple[str, Groups], Runs] = {}
        # The same by the shape's key, which is quicker to look up than its groups.
        self._of_shape: dict[tuple[str, bytes], Runs] = {}

    def learn(self, job: Job, run_us: int) -> None:
        """An attempt of this job ran to its own end, here or elsewhere."""
        self.version += 1
        runs: Runs | None = self.runs(job.tenant, job.shape)
        while runs is not None:
            runs.add(run_us, job.shape.body.runtime_estimate_us)
            runs = runs.above

    def runs(self, tenant: str, shape: Shape) -> Runs:
        """What is known of jobs like this; it goes on to learn."""
        name = (tenant, shape.key)
        found = self._of_shape.get(name)
        if found is None:
            if len(self._of_shape) >= RUNTIMES_REMEMBERED_MAX:
                self._of_shape.clear()
            found = self._of_shape[name] = self._runs_of(tenant, shape.body.groups)
        return found

    def _runs_of(self, tenant: str, groups: Groups) -> Runs:
        key = (tenant, groups)
        found = self._of_tenant.get(key)
        if found is None:
            size = self._of_size.get(groups)
            if size is None:
                _make_room(self._of_size)
                size = self._of_size[groups] = Runs(self._all)
            _make_room(self._of_tenant)
            found = self._of_tenant[key] = Runs(size)
        return found


def _make_room(known: dict[Any, Runs]) -> None:
    """Forget the oldest. Queued jobs keep what they were given."""
    if len(known) >= RUNTIMES_REMEMBERED_MAX:
        del known[next(iter(known))]


def _coarse(run_us: int) -> int:
    spare_bits = max(0, run_us.bit_length() - _PRECISION_BITS)
    return run_us >> spare_bits << spare_bits
