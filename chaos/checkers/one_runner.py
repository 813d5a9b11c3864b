"""P3: at any instant, the processes of a job belong to one run in one region."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from hanse.core.model.jobs import RunId
from hanse.sim.record import Launched, TaskBegan, TaskFinished

_Place = tuple[str, RunId]


class OneRunner(Checker):
    """Also: a task of a run begins at most once, is ordered at most once, and what has succeeded never runs again."""

    def __init__(self) -> None:
        # job -> where it runs, and how many of its tasks live.
        self._living: dict[str, tuple[_Place, int]] = {}
        self._begun: set[tuple[_Place, int]] = set()
        self._ordered: dict[_Place, set[int]] = {}
        self._succeeded_tasks: dict[_Place, set[int]] = {}
        self._succeeded: dict[str, _Place] = {}

    def handlers(self) -> Handlers:
        return {Launched: self._on_launched, TaskBegan: self._on_began, TaskFinished: self._on_finished}

    def _on_launched(self, entry: Launched) -> None:
        ordered = self._ordered.setdefault((entry.region, entry.run), set())
        for task in entry.tasks:
            if task in ordered:
                raise violated(
                    f"{entry.region}: task {task} of {entry.run} launched twice",
                    entry.at_us,
                    entry.run.job_id,
                )
            ordered.add(task)

    def _on_began(self, entry: TaskBegan) -> None:
        job_id, place = entry.run.job_id, (entry.region, entry.run)
        if (place, entry.task) in self._begun:
            raise violated(
                f"{entry.region}: task {entry.task} of {entry.run} began twice", entry.at_us, job_id
            )
        self._begun.add((place, entry.task))
        if job_id in self._succeeded:
            region, run = self._succeeded[job_id]
            raise violated(
                f"{entry.run} began in {entry.region} after {run} had succeeded in {region}",
                entry.at_us,
                job_id,
            )
        lives_at, count = self._living.get(job_id, (place, 0))
        if lives_at != place:
            raise violated(
                f"run twice: {entry.run} began in {entry.region} while {lives_at[1]} lived in {lives_at[0]}",
                entry.at_us,
                job_id,
            )
        self._living[job_id] = (place, count + 1)

    def _on_finished(self, entry: TaskFinished) -> None:
        job_id, place = entry.run.job_id, (entry.region, entry.run)
        _, count = self._living[job_id]
        if count == 1:
            del self._living[job_id]
        else:
            self._living[job_id] = (place, count - 1)
        if entry.natural and entry.exit_code == 0:
            succeeded = self._succeeded_tasks.setdefault(place, set())
            succeeded.add(entry.task)
            if succeeded == self._ordered.get(place):
                self._succeeded[job_id] = place
