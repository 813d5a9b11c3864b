"""P2: owners + undecided transfers + terminals of a job are 1, whenever a transaction has become durable anywhere."""

from __future__ import annotations

from chaos.checkers.base import (
    HELD,
    Checker,
    Handlers,
    Row,
    decision_rows,
    deleted_jobs,
    ended_here,
    job_rows,
    violated,
)
from hanse.core.messages import Verdict
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import Acknowledged, Committed, place_of


class Conservation(Checker):
    """The durable rows of all regions side by side: what no region can see, and what must add up."""

    def __init__(self) -> None:
        # job -> place -> its newest row.
        self._rows: dict[str, dict[str, Row]] = {}
        # (shard, job) -> the newest epoch at which that shard has had it: its decisions are in its log alone.
        self._reached: dict[tuple[str, str], int] = {}
        # (target, job, epoch) that the target accepted.
        self._accepted: set[tuple[str, str, int]] = set()
        self._forgotten: set[str] = set()
        self._acknowledged: dict[str, int] = {}

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed, Acknowledged: self._on_acknowledged}

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        self._acknowledged.setdefault(entry.job_id, entry.at_us)

    def _on_committed(self, entry: Committed) -> None:
        touched: dict[str, None] = {}
        for row in job_rows(entry):
            place = place_of(entry.region, row)
            self._rows.setdefault(row.id, {})[place] = row
            if row.shard and row.state != JobState.MOVED:
                self._reached[(place, row.id)] = max(row.epoch, self._reached.get((place, row.id), 0))
            touched[row.id] = None
        for decision in decision_rows(entry):
            if decision.verdict == Verdict.COMMITTED:
                self._accepted.add((entry.region, decision.job_id, decision.epoch))
            touched[decision.job_id] = None
        self._forget(entry)
        for job_id in touched:
            if job_id not in self._forgotten:
                self._judge(job_id, entry.at_us)

    def _forget(self, entry: Committed) -> None:
        for writes in entry.writes:
            for place, job_id in deleted_jobs(entry.region, writes):
                row = self._rows.get(job_id, {}).pop(place, None)
                if row is not None and ended_here(row):
                    self._forgotten.add(job_id)

    def _judge(self, job_id: str, at_us: int) -> None:
        counted = {place: self._counts(row) for place, row in self._rows.get(job_id, {}).items()}
        total = sum(counted.values())
        if total != 1 and counted:
            story = "; ".join(
                f"{place}: {JobState(row.state).name} epoch {row.epoch} transfer {row.transfer_epoch} to "
                f"{row.transfer_to or '-'} counts {counted[place]}"
                for place, row in self._rows[job_id].items()
            )
            raise violated(f"{'lost' if total == 0 else 'owned twice'}: {story}", at_us, job_id)

    def _counts(self, row: Row) -> int:
        if row.state in HELD:
            return 1
        if row.state == JobState.XFER and row.shard:
            return 0 if self._reached.get((row.transfer_to, row.id), 0) >= row.transfer_epoch else 1
        if row.state == JobState.XFER:
            return 0 if (row.transfer_to, row.id, row.transfer_epoch) in self._accepted else 1
        return 1 if ended_here(row) else 0

    def finish(self) -> None:
        for job_id, at_us in self._acknowledged.items():
            if job_id not in self._forgotten and job_id not in self._rows:
                raise violated("acknowledged, and on no disk", at_us, job_id)
