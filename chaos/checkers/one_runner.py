"""P3: at any instant, the processes of a job belong to one run in one region."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import FINAL, shard_rows, stopped_to_go_on
from hanse.core.model.jobs import RunId
from hanse.sim.record import Committed, DiskReplaced, Launched, TaskBegan, TaskFinished

_Place = tuple[str, RunId]


class OneRunner(Checker):
    """Also: a task of a run begins at most once, is ordered at most once, and what has succeeded never runs again. A
    run that only a replaced disk knew may be ordered anew, and a success that no disk knows any more does not count;
    that of an adoptable job counts once a majority of its guardians holds it. Nor does that of a run that was stopped
    so that its job goes on later, unless all its tasks had ended before they were told to (outcomes.py). But no two
    processes live at once, whatever was forgotten, and the runs of an adoptable job begin in the order of their fencing
    tokens (epoch, attempt). So do those of a `wait` job that comes back from a region that is gone for ever."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        # job -> where it runs, and how many of its tasks live.
        self._living: dict[str, tuple[_Place, int]] = {}
        self._begun: set[tuple[_Place, int]] = set()
        self._ordered: dict[_Place, set[int]] = {}
        # Runs that were ordered, and that their region's disk does not know any more.
        self._forgotten: dict[_Place, None] = {}
        self._stopped: set[RunId] = set()
        self._succeeded_tasks: dict[_Place, set[int]] = {}
        # Where a job has succeeded, and how often that region's disk had been replaced by then.
        self._succeeded: dict[str, tuple[_Place, int]] = {}
        self._adoptable: set[str] = set()
        # Adoptable jobs whose end callers may know, and the newest run of each.
        self._told: set[str] = set()
        self._newest: dict[str, RunId] = {}
        # Of `wait` jobs: where each began to run last.
        self._last: dict[str, _Place] = {}

    def handlers(self) -> Handlers:
        return {
            Launched: self._on_launched,
            TaskBegan: self._on_began,
            TaskFinished: self._on_finished,
            DiskReplaced: self._on_replaced,
            Committed: self._on_committed,
        }

    def _on_committed(self, entry: Committed) -> None:
        self._stopped.update(stopped_to_go_on(entry))
        for row in shard_rows(entry):
            if row.state not in FINAL:
                continue
            if row.id in self._living:
                (region, run), _ = self._living[row.id]
                raise violated(f"told to have ended while {run} lived in {region}", entry.at_us, row.id)
            self._told.add(row.id)

    def _on_replaced(self, entry: DiskReplaced) -> None:
        for place in self._ordered:
            of_shard = place[1].job_id in self._adoptable
            if place[0] == entry.region and not of_shard and not self.disks.holds_run(*place):
                self._forgotten[place] = None

    def _on_launched(self, entry: Launched) -> None:
        place = (entry.region, entry.run)
        if entry.shard:
            self._adoptable.add(entry.run.job_id)
        if place in self._forgotten:
            self._order_anew(entry)
        ordered = self._ordered.setdefault(place, set())
        for task in entry.tasks:
            if task in ordered:
                raise violated(
                    f"{entry.region}: task {task} of {entry.run} launched twice",
                    entry.at_us,
                    entry.run.job_id,
                )
            ordered.add(task)

    def _order_anew(self, entry: Launched) -> None:
        """A run that its region's disk has forgotten may come again, once it is dead, if nobody else remembers it."""
        place = (entry.region, entry.run)
        job_id = entry.run.job_id
        if job_id in self._living:
            raise violated(f"{entry.region}: {entry.run} launched again while it lives", entry.at_us, job_id)
        if self.disks.others_know_run(*place):
            raise violated(
                f"{entry.region}: {entry.run} comes again, and others know it", entry.at_us, job_id
            )
        del self._forgotten[place], self._ordered[place]
        self._succeeded_tasks.pop(place, None)
        self._stopped.discard(entry.run)
        self._begun = {begun for begun in self._begun if begun[0] != place}

    def _on_began(self, entry: TaskBegan) -> None:
        job_id, place = entry.run.job_id, (entry.region, entry.run)
        if (place, entry.task) in self._begun:
            raise violated(
                f"{entry.region}: task {entry.task} of {entry.run} began twice", entry.at_us, job_id
            )
        self._begun.add((place, entry.task))
        if job_id in self._adoptable:
            self._check_token(entry)
        else:
            self._check_token_after_loss(entry)
        if job_id in self._succeeded and (job_id not in self._adoptable or job_id in self._told):
            (region, run), generation = self._succeeded[job_id]
            told = job_id in self._told or self.disks.outcome_is_known(job_id)
            if told or self.disks.generation(region) == generation:
                raise violated(
                    f"{entry.run} began in {entry.region} after {run} had succeeded in {region}",
                    entry.at_us,
                    job_id,
                )
            del self._succeeded[job_id]
        lives_at, count = self._living.get(job_id, (place, 0))
        if lives_at != place:
            raise violated(
                f"run twice: {entry.run} began in {entry.region} while {lives_at[1]} lived in {lives_at[0]}",
                entry.at_us,
                job_id,
            )
        self._living[job_id] = (place, count + 1)

    def _check_token_after_loss(self, entry: TaskBegan) -> None:
        run, job_id = entry.run, entry.run.job_id
        region, last = self._last.get(job_id, (entry.region, run))
        is_larger = (run.epoch, run.attempt) > (last.epoch, last.attempt)
        if region != entry.region and region in self.disks.gone and not is_larger:
            message = f"{run} began in {entry.region}, and {region}, which is gone, had begun {last}"
            raise violated(message, entry.at_us, job_id)
        self._last[job_id] = (entry.region, run)

    def _check_token(self, entry: TaskBegan) -> None:
        run = entry.run
        newest = self._newest.setdefault(run.job_id, run)
        if (run.epoch, run.attempt) < (newest.epoch, newest.attempt):
            raise violated(f"{run} began in {entry.region} after {newest} had begun", entry.at_us, run.job_id)
        self._newest[run.job_id] = run

    def _on_finished(self, entry: TaskFinished) -> None:
        job_id, place = entry.run.job_id, (entry.region, entry.run)
        _, count = self._living[job_id]
        if count == 1:
            del self._living[job_id]
        else:
            self._living[job_id] = (place, count - 1)
        if entry.told_to_end and entry.run in self._stopped:
            return
        if entry.natural and entry.exit_code == 0 and place not in self._forgotten:
            succeeded = self._succeeded_tasks.setdefault(place, set())
            succeeded.add(entry.task)
            if succeeded == self._ordered.get(place):
                self._succeeded[job_id] = (place, self.disks.generation(entry.region))
