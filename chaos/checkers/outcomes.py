"""P1: what was acknowledged ends at its home, once, and the way its processes (or a caller's cancel) say."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import FINAL, Row, ended_here, job_rows, stopped_to_go_on
from hanse.core.model.jobs import RunId
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import (
    Acknowledged,
    CancelAsked,
    Committed,
    DiskReplaced,
    Launched,
    LaunchFailed,
    TaskFinished,
)

_Place = tuple[str, RunId]
_End = tuple[str, Row]


class Outcomes(Checker):
    """Outcomes as rows tell them, beside the ends of processes as the engines' own records tell them.

    An outcome that only a replaced disk had may come out differently the next time; one that any disk still has may
    not. A client key whose job its home has forgotten may name another job.

    A run has ended well when all its tasks have ended with 0. Of a run that was stopped to go on later, only what
    ended before it was told to end counts: a task that answers SIGTERM with 0 may have written its checkpoint and be
    half done, so that the job has to go on elsewhere, and may fail there. Of any other run every end with 0 counts,
    also within the grace of a stop: nothing but a caller's cancel lets it run again or end otherwise.
    """

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._keys: dict[tuple[str, str, str], str] = {}
        self._cancelled: set[str] = set()
        self._tasks: dict[_Place, set[int]] = {}
        self._clean: dict[_Place, set[int]] = {}
        self._stopped: set[RunId] = set()
        # Runs that ended well, by job, and how often their region's disk had been replaced by then.
        self._succeeded: dict[str, dict[_Place, int]] = {}
        self._failed: set[str] = set()
        # What the region where the job ended says; and the same, of regions that have forgotten it.
        self._ended: dict[str, _End] = {}
        self._forgotten: dict[str, list[_End]] = {}

    def handlers(self) -> Handlers:
        return {
            Acknowledged: self._on_acknowledged,
            CancelAsked: self._on_cancel,
            Launched: self._on_launched,
            LaunchFailed: self._on_launch_failed,
            TaskFinished: self._on_finished,
            Committed: self._on_committed,
            DiskReplaced: self._on_replaced,
        }

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        key = (entry.region, entry.tenant, entry.client_key)
        known = self._keys.setdefault(key, entry.job_id)
        if known != entry.job_id:
            raise violated(f"key {entry.client_key} was {known} before", entry.at_us, entry.job_id)

    def _on_replaced(self, entry: DiskReplaced) -> None:
        region, disks = entry.region, self.disks
        self._keys = {
            key: job_id for key, job_id in self._keys.items() if key[0] != region or disks.row(region, job_id)
        }
        for job_id, (where, row) in list(self._ended.items()):
            kept = disks.row(region, job_id)
            if where == region and (kept is None or kept.state not in FINAL):
                self._forgotten.setdefault(job_id, []).append((where, row))
        for job_id in [each for each in self._forgotten if each in self._ended]:
            if not disks.outcome_is_known(job_id):
                del self._ended[job_id]
        for place in [each for each in self._tasks if each[0] == region and not disks.holds_run(*each)]:
            del self._tasks[place]
            self._clean.pop(place, None)

    def _on_cancel(self, entry: CancelAsked) -> None:
        self._cancelled.add(entry.job_id)

    def _on_launched(self, entry: Launched) -> None:
        place = (entry.region, entry.run)
        if place not in self._tasks:
            # What ended under this name meanwhile was of a run that the region has forgotten.
            self._clean.pop(place, None)
            self._stopped.discard(entry.run)
        self._tasks.setdefault(place, set()).update(entry.tasks)

    def _on_launch_failed(self, entry: LaunchFailed) -> None:
        self._failed.add(entry.run.job_id)

    def _on_finished(self, entry: TaskFinished) -> None:
        run = (entry.region, entry.run)
        if entry.exit_code:
            self._failed.add(entry.run.job_id)
            return
        if entry.told_to_end and entry.run in self._stopped:
            return
        clean = self._clean.setdefault(run, set())
        clean.add(entry.task)
        if clean == self._tasks.get(run):
            generation = self.disks.generation(entry.region)
            self._succeeded.setdefault(entry.run.job_id, {})[run] = generation

    def _forget(self, entry: Committed) -> None:
        """Retention at the home lets keys be used again."""
        gone = {job_id for writes in entry.writes for job_id in writes.jobs_delete}
        if gone:
            self._keys = {
                key: job_id
                for key, job_id in self._keys.items()
                if job_id not in gone or key[0] != entry.region
            }

    def _on_committed(self, entry: Committed) -> None:
        self._forget(entry)
        self._stopped.update(stopped_to_go_on(entry))
        for row in job_rows(entry):
            if row.state not in FINAL:
                if row.id in self._ended and self._ended[row.id][0] == entry.region:
                    self._leave(entry, row)
                continue
            if ended_here(row):
                self._on_ended(entry, row)
            self._agree(entry, row)

    def _leave(self, entry: Committed, row: Row) -> None:
        """Of a region that has forgotten how the job ended there, though another knows."""
        if self._ended[row.id] not in self._forgotten.get(row.id, ()):
            raise violated(f"{entry.region}: left its final state", entry.at_us, row.id)

    def _on_ended(self, entry: Committed, row: Row) -> None:
        region, before = self._ended.setdefault(row.id, (entry.region, row))
        if region != entry.region or before.state != row.state:
            raise violated(f"ended in {region} and again in {entry.region}", entry.at_us, row.id)
        fault = self._fault(row)
        if fault:
            raise violated(f"{entry.region}: {JobState(row.state).name}, but {fault}", entry.at_us, row.id)

    def _fault(self, row: Row) -> str:
        if row.array:
            return ""  # Its elements are looked at one by one (elements.py).
        if row.state == JobState.CANCELLED:
            # A task may end well while it is being stopped: the wish was first, and decides.
            return "" if row.id in self._cancelled else "nobody asked for a cancel"
        if row.state == JobState.SUCCEEDED and not self._succeeded.get(row.id):
            return "no run of it ended well"
        if row.state == JobState.FAILED and self._has_succeeded(row.id):
            return "a run of it ended well"
        if row.state == JobState.FAILED and row.id not in self._failed:
            return "no task of it failed"
        return ""

    def _has_succeeded(self, job_id: str) -> bool:
        """Whether a run ended well, and its region's disk is still the one that could say so."""
        places = self._succeeded.get(job_id, {})
        return any(self.disks.generation(region) == generation for (region, _), generation in places.items())

    def _agree(self, entry: Committed, row: Row) -> None:
        if row.id not in self._ended:
            # It was told before its region's disk was replaced, or it never ended.
            told = [end for end in self._forgotten.get(row.id, ()) if _same(end[1], row)]
            if not told:
                raise violated(
                    f"{entry.region} says {JobState(row.state).name}, but it ended nowhere",
                    entry.at_us,
                    row.id,
                )
            self._ended[row.id] = told[-1]
        region, ended = self._ended[row.id]
        if not _same(row, ended):
            raise violated(
                f"{entry.region} says {JobState(row.state).name} ({row.exit_code}), "
                f"{region} says {JobState(ended.state).name} ({ended.exit_code})",
                entry.at_us,
                row.id,
            )


def _same(row: Row, other: Row) -> bool:
    return (row.state, row.exit_code) == (other.state, other.exit_code)
