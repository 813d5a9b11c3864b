"""P1: what was acknowledged ends at its home, once, and the way its processes (or a caller's cancel) say."""

from __future__ import annotations

from chaos.checkers.base import FINAL, Checker, Handlers, Row, deleted_jobs, ended_here, job_rows, violated
from hanse.core.model.jobs import RunId
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import (
    Acknowledged,
    CancelAsked,
    Committed,
    Launched,
    LaunchFailed,
    TaskFinished,
    place_of,
)


class Outcomes(Checker):
    """Outcomes as rows tell them, beside the ends of processes as the engines' own records tell them."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str], str] = {}
        self._homes: dict[str, str] = {}
        self._cancelled: set[str] = set()
        self._tasks: dict[tuple[str, RunId], set[int]] = {}
        self._clean: dict[tuple[str, RunId], set[int]] = {}
        self._succeeded: set[str] = set()
        self._failed: set[str] = set()
        # What the place where the job ended says, and what its home says.
        self._ended: dict[str, tuple[str, Row]] = {}
        self._told: dict[str, tuple[int, Row]] = {}

    def handlers(self) -> Handlers:
        return {
            Acknowledged: self._on_acknowledged,
            CancelAsked: self._on_cancel,
            Launched: self._on_launched,
            LaunchFailed: self._on_launch_failed,
            TaskFinished: self._on_finished,
            Committed: self._on_committed,
        }

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        key = (entry.region, entry.tenant, entry.client_key)
        known = self._keys.setdefault(key, entry.job_id)
        if known != entry.job_id:
            raise violated(f"key {entry.client_key} was {known} before", entry.at_us, entry.job_id)
        self._homes[entry.job_id] = entry.region

    def _on_cancel(self, entry: CancelAsked) -> None:
        self._cancelled.add(entry.job_id)

    def _on_launched(self, entry: Launched) -> None:
        self._tasks.setdefault((entry.region, entry.run), set()).update(entry.tasks)

    def _on_launch_failed(self, entry: LaunchFailed) -> None:
        self._failed.add(entry.run.job_id)

    def _on_finished(self, entry: TaskFinished) -> None:
        run = (entry.region, entry.run)
        if entry.exit_code:
            self._failed.add(entry.run.job_id)
            return
        clean = self._clean.setdefault(run, set())
        clean.add(entry.task)
        if clean == self._tasks.get(run):
            self._succeeded.add(entry.run.job_id)

    def _forget(self, entry: Committed) -> None:
        """Retention at the home lets keys be used again."""
        gone = {each for writes in entry.writes for each in deleted_jobs(entry.region, writes)}
        if gone:
            self._keys = {key: job_id for key, job_id in self._keys.items() if (key[0], job_id) not in gone}

    def _on_committed(self, entry: Committed) -> None:
        self._forget(entry)
        for row in job_rows(entry):
            place = place_of(entry.region, row)
            if row.state not in FINAL:
                if row.id in self._ended and self._ended[row.id][0] == place:
                    raise violated(f"{place}: left its final state", entry.at_us, row.id)
                continue
            if ended_here(row):
                self._on_ended(entry, place, row)
            self._agree(entry, place, row)
            self._told[row.id] = (entry.at_us, row)

    def _on_ended(self, entry: Committed, place: str, row: Row) -> None:
        first, before = self._ended.setdefault(row.id, (place, row))
        if first != place or before.state != row.state:
            raise violated(f"ended in {first} and again in {place}", entry.at_us, row.id)
        fault = self._fault(row)
        if fault:
            raise violated(f"{place}: {JobState(row.state).name}, but {fault}", entry.at_us, row.id)

    def _fault(self, row: Row) -> str:
        if row.state == JobState.CANCELLED:
            # A task may end well while it is being stopped: the wish was first, and decides.
            return "" if row.id in self._cancelled else "nobody asked for a cancel"
        if row.state == JobState.SUCCEEDED and row.id not in self._succeeded:
            return "no run of it ended well"
        # An adoptable job's success may be lost with its region before guardians hold it: then the next run counts.
        if row.state == JobState.FAILED and row.id in self._succeeded and not row.shard:
            return "a run of it ended well"
        if row.state == JobState.FAILED and row.id not in self._failed:
            return "no task of it failed"
        return ""

    def _agree(self, entry: Committed, place: str, row: Row) -> None:
        if row.id not in self._ended:
            raise violated(
                f"{place} says {JobState(row.state).name}, but it ended nowhere", entry.at_us, row.id
            )
        ended_at, ended = self._ended[row.id]
        if (row.state, row.exit_code) != (ended.state, ended.exit_code):
            raise violated(
                f"{place} says {JobState(row.state).name} ({row.exit_code}), "
                f"{ended_at} says {JobState(ended.state).name} ({ended.exit_code})",
                entry.at_us,
                row.id,
            )
