"""P1, P7: once everything has healed, every job ends, every outcome reaches home, every caller is answered."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers
from chaos.checkers.disks import Disks
from chaos.checkers.rows import FINAL, Row
from hanse.core.model.lifecycle import JobState
from hanse.sim.errors import LivenessViolation
from hanse.sim.record import Acknowledged, Finished

_NAMED_MAX = 5


class Liveness(Checker):
    """Says what is still open when time is up, and which jobs their home has forgotten although others know them."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._homes: dict[str, str] = {}
        self._finished: Finished | None = None

    def handlers(self) -> Handlers:
        return {Acknowledged: self._on_acknowledged, Finished: self._on_finished}

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        self._homes[entry.job_id] = entry.region

    def _on_finished(self, entry: Finished) -> None:
        self._finished = entry

    def finish(self) -> None:
        if self._finished is None:
            return
        if not self._finished.waits_for:
            self._look_for_orphans(self._finished.at_us)
            return
        unfinished = [job for job, home in self._homes.items() if not self._is_final(job, home)]
        unsettled = [
            job_id
            for disk in self.disks.by_region.values()
            for job_id, row in disk.rows.items()
            if _is_open(row)
        ]
        named = list(dict.fromkeys(unfinished + unsettled))
        stories = " / ".join(f"{job}: {self._story(job)}" for job in named[:_NAMED_MAX])
        raise LivenessViolation(
            f"{len(unfinished)} acknowledged jobs without an outcome at home, {len(unsettled)} jobs open in some "
            f"ledger, time is up: {stories or self._finished.waits_for}",
            at_us=self._finished.at_us,
            job_id=named[0] if named else "",
        )

    def _look_for_orphans(self, at_us: int) -> None:
        """A home whose disk forgot a job must have learnt of it again from whoever knows more than that it is over."""
        for job_id, home in self._homes.items():
            if home in self.disks.gone:
                continue
            if self.disks.has_lost(home, job_id) and not self.disks.is_forgotten(job_id):
                raise LivenessViolation(
                    f"{home} has forgotten the job for good, others have not: {self._story(job_id)}",
                    at_us=at_us,
                    job_id=job_id,
                )

    def _is_final(self, job_id: str, home: str) -> bool:
        row = self.disks.row(home, job_id)
        return row is None or row.state in FINAL

    def _story(self, job_id: str) -> str:
        return ", ".join(
            f"{region} {JobState(row.state).name}({row.epoch},{row.transfer_epoch}>{row.transfer_to or '-'})"
            for region, row in self.disks.rows_of(job_id).items()
        )


def _is_open(row: Row) -> bool:
    return row.state != JobState.MOVED and not (row.state in FINAL and row.settled)
