"""P1, P7: once everything has healed, every job ends, every outcome reaches home, every caller is answered."""

from __future__ import annotations

from chaos.checkers.base import FINAL, Checker, Handlers, Row, deleted_jobs, job_rows
from hanse.core.model.lifecycle import JobState
from hanse.sim.errors import LivenessViolation
from hanse.sim.record import Acknowledged, Committed, Finished, place_of

_NAMED_MAX = 5


class Liveness(Checker):
    """Says what is still open when time is up."""

    def __init__(self) -> None:
        # job -> place -> its newest row.
        self._rows: dict[str, dict[str, Row]] = {}
        self._homes: dict[str, str] = {}
        self._finished: Finished | None = None

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            Acknowledged: self._on_acknowledged,
            Finished: self._on_finished,
        }

    def _on_committed(self, entry: Committed) -> None:
        for row in job_rows(entry):
            self._rows.setdefault(row.id, {})[place_of(entry.region, row)] = row
        for writes in entry.writes:
            for place, job_id in deleted_jobs(entry.region, writes):
                self._rows.get(job_id, {}).pop(place, None)

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        self._homes[entry.job_id] = entry.region

    def _on_finished(self, entry: Finished) -> None:
        self._finished = entry

    def finish(self) -> None:
        if self._finished is None or self._finished.quiet:
            return
        unfinished = [job for job, home in self._homes.items() if not self._is_final(job, home)]
        unsettled = [job for job, rows in self._rows.items() if any(_is_open(row) for row in rows.values())]
        named = list(dict.fromkeys(unfinished + unsettled))
        stories = " / ".join(f"{job}: {self._story(job)}" for job in named[:_NAMED_MAX])
        raise LivenessViolation(
            f"{len(unfinished)} acknowledged jobs without an outcome at home, {len(unsettled)} jobs open in some "
            f"ledger, time is up: {stories or 'a caller was not answered'}",
            at_us=self._finished.at_us,
            job_id=named[0] if named else "",
        )

    def _is_final(self, job_id: str, home: str) -> bool:
        row = self._rows.get(job_id, {}).get(home)
        return row is None or row.state in FINAL

    def _story(self, job_id: str) -> str:
        return ", ".join(
            f"{place} {JobState(row.state).name}({row.epoch},{row.transfer_epoch}>{row.transfer_to or '-'})"
            for place, row in self._rows.get(job_id, {}).items()
        )


def _is_open(row: Row) -> bool:
    return row.state != JobState.MOVED and not (row.state in FINAL and row.settled)
