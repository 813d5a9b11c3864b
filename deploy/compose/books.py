"""Balancing the books of a test in which whole containers died: what `hanse.demo.audit` defines, and two things more.

A container takes its tasks with it, so that they write no end. Their end is then the moment in which Docker said that
nothing of the container lived any more. And a task may have written its end and not have *ended*: its supervisor, who
would have told, died first. Nobody can know then how it ended, its job has to start again, and its run counts as cut
short. Both are taken from the supervisors' own records, read from the dead container before it was started again; no
other run is touched, so that whatever else lacks an end counts as running for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from deploy.compose.league import TaskId
from hanse.core.model.jobs import RunId
from hanse.demo.records import TaskRun

TAKEOVER = (
    "Seconds from the moment in which a killed container was dead to the first begin, anywhere, of the next attempt of "
    "a job that it cut short; the longest of these. null: nothing was cut short."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A container that was killed. `unended`: its tasks without an end on record. Microseconds of the wall clock."""

    region: str
    died_us: int
    unended: AbstractSet[TaskId]

    def cut_short(self, run: TaskRun) -> bool:
        """Whether the run ended with the container."""
        task = (RunId(run.job_id, run.epoch, run.attempt), run.task)
        return run.region == self.region and run.begin_us <= self.died_us and task in self.unended


def with_deaths(runs: Iterable[TaskRun], deaths: Sequence[Death]) -> list[TaskRun]:
    """The runs, those that were cut short ended by their container's death."""
    return [_ended_by(run, deaths) for run in runs]


def takeover_s(runs: Sequence[TaskRun], deaths: Iterable[Death]) -> float | None:
    """TAKEOVER says what it is. `runs`: as they were written."""
    waits_us = [
        min(later) - death.died_us
        for death in deaths
        for run in runs
        if death.cut_short(run) and (later := _later_begins(run, runs))
    ]
    return max(waits_us) / 1e6 if waits_us else None


def _ended_by(run: TaskRun, deaths: Iterable[Death]) -> TaskRun:
    for death in deaths:
        if death.cut_short(run):
            return replace(run, end_us=death.died_us, status=None)
    return run


def _later_begins(run: TaskRun, runs: Iterable[TaskRun]) -> list[int]:
    return [
        other.begin_us
        for other in runs
        if other.job_id == run.job_id and (other.epoch, other.attempt) > (run.epoch, run.attempt)
    ]
