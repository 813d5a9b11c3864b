"""A job that somebody holds does not start until it is released. (Of `wait` jobs: their story is in one ledger.)"""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import TimelineRow
from hanse.sim.record import Committed, DiskReplaced


class Holds(Checker):
    """Reads the timelines of jobs, in order. A disk that was replaced may have forgotten an order."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._held: dict[tuple[str, str], None] = {}
        self.holds = 0

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed, DiskReplaced: self._on_disk_replaced}

    def _on_committed(self, entry: Committed) -> None:
        for writes in entry.writes:
            for row in writes.timeline:
                if not row.shard:
                    self._read(entry, row)

    def _read(self, entry: Committed, row: TimelineRow) -> None:
        place = (entry.region, row.job_id)
        if row.what == JobState.QUEUED.name and row.reason == ReasonCode.HELD:
            self._held[place] = None
            self.holds += 1
        elif row.what == JobState.RUNNING.name and place in self._held:
            raise violated(f"{entry.region}: it starts although it is held", entry.at_us, row.job_id)
        elif row.what in JobState.__members__:
            self._held.pop(place, None)

    def _on_disk_replaced(self, entry: DiskReplaced) -> None:
        for place in [each for each in self._held if each[0] == entry.region]:
            del self._held[place]
