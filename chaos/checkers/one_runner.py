"""P3: at any instant, the processes of a job belong to one run in one region."""

from __future__ import annotations

from chaos.checkers.base import FINAL, Checker, Handlers, job_rows, violated
from hanse.core.model.jobs import RunId
from hanse.sim.record import Committed, Launched, TaskBegan, TaskFinished

_Place = tuple[str, RunId]


class OneRunner(Checker):
    """Also: a task of a run begins at most once, is ordered at most once, runs begin in the order of their fencing
    tokens (epoch, attempt), and what has succeeded never runs again: a `wait` job as soon as its processes ended well,
    an adoptable one once that was told (a majority of guardians held it, or its region may be lost with the news).
    """

    def __init__(self) -> None:
        # job -> where it runs, and how many of its tasks live.
        self._living: dict[str, tuple[_Place, int]] = {}
        self._begun: set[tuple[_Place, int]] = set()
        self._ordered: dict[_Place, set[int]] = {}
        self._succeeded_tasks: dict[_Place, set[int]] = {}
        self._succeeded: dict[str, _Place] = {}
        self._adoptable: set[str] = set()
        self._told: set[str] = set()
        self._newest: dict[str, RunId] = {}

    def handlers(self) -> Handlers:
        return {
            Launched: self._on_launched,
            TaskBegan: self._on_began,
            TaskFinished: self._on_finished,
            Committed: self._on_committed,
        }

    def _on_committed(self, entry: Committed) -> None:
        self._told.update(row.id for row in job_rows(entry) if row.shard and row.state in FINAL)

    def _on_launched(self, entry: Launched) -> None:
        if entry.shard:
            self._adoptable.add(entry.run.job_id)
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
        newest = self._newest.setdefault(job_id, entry.run)
        if (entry.run.epoch, entry.run.attempt) < (newest.epoch, newest.attempt):
            raise violated(
                f"{entry.run} began in {entry.region} after {newest} had begun", entry.at_us, job_id
            )
        self._newest[job_id] = entry.run
        if job_id in self._succeeded and (job_id not in self._adoptable or job_id in self._told):
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
