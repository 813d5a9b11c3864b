"""P2: owners + undecided transfers + terminals of a job are 1, whenever a transaction has become durable anywhere."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks, is_trusted_by
from chaos.checkers.rows import HELD, Row, decision_rows, ended_here, job_rows
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import Acknowledged, Committed


class Conservation(Checker):
    """The durable rows of all regions side by side: what no region can see, and what must add up.

    While a region whose disk was replaced is in doubt, the others must not have more than one owner; once it has heard
    everybody, the sum is 1 again for every job, but for those that are forgotten, and those whose outcome the home
    knows from a region that has forgotten it.
    """

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        # Retention has deleted the row that counted.
        self._let_go: set[str] = set()
        self._acknowledged: dict[str, int] = {}

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed, Acknowledged: self._on_acknowledged}

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        self._acknowledged.setdefault(entry.job_id, entry.at_us)

    def _on_committed(self, entry: Committed) -> None:
        self._let_go.update(job_id for job_id, row in self.disks.deleted.items() if ended_here(row))
        if is_trusted_by(entry) and self.disks.generation(entry.region):
            touched = {job_id for disk in self.disks.by_region.values() for job_id in disk.rows}
        else:
            touched = {row.id for row in job_rows(entry)} | {each.job_id for each in decision_rows(entry)}
        for job_id in sorted(touched - self._let_go):
            self._judge(job_id, entry.at_us)

    def _judge(self, job_id: str, at_us: int) -> None:
        rows = self.disks.rows_of(job_id)
        counted = {region: self._counts(region, row) for region, row in rows.items()}
        total = sum(counted.values())
        if total == 1 or not rows:
            return
        if total == 0 and (self.disks.doubtful or self._is_answered_for(job_id)):
            return
        story = "; ".join(
            f"{region}: {JobState(row.state).name} epoch {row.epoch} transfer {row.transfer_epoch} to "
            f"{row.transfer_to or '-'} counts {counted[region]}"
            for region, row in rows.items()
        )
        raise violated(f"{'lost' if total == 0 else 'owned twice'}: {story}", at_us, job_id)

    def _is_answered_for(self, job_id: str) -> bool:
        """Whether nobody owns it because its home knows how it ended in a life that is forgotten, or nobody knows."""
        if not any(map(self.disks.generation, self.disks.by_region)):
            return False
        return self.disks.outcome_is_known(job_id) or self.disks.is_forgotten(job_id)

    def _counts(self, region: str, row: Row) -> int:
        if region in self.disks.doubtful:
            return 0
        if row.state in HELD:
            return 1
        if row.state == JobState.XFER:
            target, disks = row.transfer_to, self.disks
            taken = target in disks.doubtful or disks.has_accepted(target, row.id, row.transfer_epoch)
            return 0 if taken else 1
        return 1 if ended_here(row) else 0

    def finish(self) -> None:
        for job_id, at_us in self._acknowledged.items():
            if job_id in self._let_go or self.disks.rows_of(job_id) or self.disks.is_forgotten(job_id):
                continue
            raise violated("acknowledged, and on no disk", at_us, job_id)
