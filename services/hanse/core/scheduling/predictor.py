"""How long a job will run: as its user says, or as jobs like it did.

A port, so that a better predictor can take its place. The default learns online, from what ran here: by tenant and
name without its digits ("train-17" and "train-18" are alike), else as the wait predictor does, by size and then by
all. It predicts a mean and twice the mean deviation, as TCP does with round-trip times (Jacobson, "Congestion
Avoidance and Control", 1988): an end that comes too early costs backfill a little, one that is late delays others.
"""

from __future__ import annotations

from typing import Protocol

from hanse.core.model.jobs import Job
from hanse.core.model.limits import RUNTIMES_REMEMBERED_MAX
from hanse.core.policy.model import RuntimeSource
from hanse.core.scheduling.wait import RUN_US_DEFAULT, WaitPredictor, smoothed_us

_NO_DIGITS = str.maketrans("", "", "0123456789")
_DEVIATIONS = 2


class RuntimePredictor(Protocol):
    """What backfill and preemption ask."""

    def observe(self, job: Job, run_us: int) -> None:
        """An attempt of this job ran to its own end, in this time."""

    def predict_us(self, job: Job) -> int:
        """How long one attempt of it takes."""


class _Runs:
    """Of jobs that are alike: mean and mean deviation."""

    __slots__ = ("deviation_us", "mean_us")

    def __init__(self, run_us: int) -> None:
        self.mean_us = run_us
        self.deviation_us = 0

    def add(self, run_us: int) -> None:
        self.deviation_us = smoothed_us(self.deviation_us, abs(run_us - self.mean_us))
        self.mean_us = smoothed_us(self.mean_us, run_us)


class OnlinePredictor:
    """The default. `source`: whether the user's estimate goes before experience."""

    def __init__(self, source: RuntimeSource) -> None:
        self.source = source
        # For jobs such as none has run yet.
        self.fallback: WaitPredictor | None = None
        self._runs: dict[tuple[str, str], _Runs] = {}

    def observe(self, job: Job, run_us: int) -> None:
        """See RuntimePredictor."""
        key = self._key(job)
        known = self._runs.pop(key, None)
        if known is None:
            if len(self._runs) >= RUNTIMES_REMEMBERED_MAX:
                del self._runs[next(iter(self._runs))]
            known = _Runs(run_us)
        else:
            known.add(run_us)
        self._runs[key] = known

    def predict_us(self, job: Job) -> int:
        """See RuntimePredictor."""
        estimate_us = job.shape.body.runtime_estimate_us
        if estimate_us and self.source == "estimate_first":
            return estimate_us
        known = self._runs.get(self._key(job)) if self._runs else None
        if known is not None:
            return max(1, known.mean_us + _DEVIATIONS * known.deviation_us)
        if self.fallback is not None:
            return max(1, self.fallback.run_us(job.shape))
        return max(1, estimate_us or RUN_US_DEFAULT)

    def _key(self, job: Job) -> tuple[str, str]:
        return (job.tenant, job.name.translate(_NO_DIGITS))
