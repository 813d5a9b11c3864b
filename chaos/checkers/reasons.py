"""P6: every job that does not run says why, on disk and when it is asked."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.rows import job_rows
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import Committed, Explained


class Reasons(Checker):
    """Reads rows and explanations. "Nothing is in its way" is true only of a job whose start is on disk by then."""

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed, Explained: self._on_explained}

    def _on_committed(self, entry: Committed) -> None:
        for row in job_rows(entry):
            if not row.reason:
                raise violated(
                    f"{entry.region}: {JobState(row.state).name} without a reason", entry.at_us, row.id
                )
            if row.state == JobState.RUNNING and not row.allocation and not row.array:
                raise violated(f"{entry.region}: RUNNING without an allocation", entry.at_us, row.id)

    def _on_explained(self, entry: Explained) -> None:
        explanation = entry.explanation
        if not explanation.summary:
            raise violated(f"{entry.region}: nothing to say", entry.at_us, explanation.job_id)
        row = self.disks.row(entry.region, explanation.job_id)
        durable = row is None or row.state == JobState.QUEUED
        waits = explanation.state is JobState.QUEUED and durable
        if waits and not any(region.blockers for region in explanation.regions):
            raise violated(
                f"{entry.region}: queued, and nothing is in its way: {explanation.summary}",
                entry.at_us,
                explanation.job_id,
            )
