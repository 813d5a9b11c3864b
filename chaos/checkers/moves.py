"""Moves of running jobs: only of those that may be moved, only when all of them is dead, no failure, and few."""

from __future__ import annotations

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import HELD, Row, job_rows, shard_rows
from hanse.core.model.jobs import ReasonCode, RunId, ShapeBody
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import MOVES_MAX
from hanse.core.rows import JobRow
from hanse.sim.record import Committed, DiskReplaced, TaskBegan, TaskFinished

_Place = tuple[str, RunId]
_BODY = msgspec.msgpack.Decoder(ShapeBody)


class Moves(Checker):
    """Reads rows beside the lives of processes. How often a job was moved is counted here, too: while every disk has
    all that it ever had, and the job is in its region's ledger alone, no stop is forgotten."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._living: dict[_Place, int] = {}
        self._restartable: dict[bytes, bool] = {}
        self._shapes: dict[str, bytes] = {}
        # Attempts that were stopped to move.
        self._stopped: set[_Place] = set()
        # (region, job) -> its failures, as its newest row has them.
        self._failures: dict[tuple[str, str], int] = {}
        self._counts: dict[str, int] = {}
        self._forgetful = False

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            TaskBegan: self._on_began,
            TaskFinished: self._on_finished,
            DiskReplaced: self._on_replaced,
        }

    def _on_began(self, entry: TaskBegan) -> None:
        place = (entry.region, entry.run)
        self._living[place] = self._living.get(place, 0) + 1

    def _on_finished(self, entry: TaskFinished) -> None:
        place = (entry.region, entry.run)
        self._living[place] -= 1
        if not self._living[place]:
            del self._living[place]

    def _on_replaced(self, entry: DiskReplaced) -> None:
        self._forgetful = True

    def _on_committed(self, entry: Committed) -> None:
        for writes in entry.writes:
            for shape in writes.shapes:
                self._restartable[shape.key] = _BODY.decode(shape.body).restartable
        for row in (*job_rows(entry), *shard_rows(entry)):
            if isinstance(row, JobRow):
                self._shapes[row.id] = row.shape_key
            self._judge(entry, row)

    def _judge(self, entry: Committed, row: Row) -> None:
        place = (entry.region, RunId(row.id, row.epoch, row.attempt))
        moving = row.reason == ReasonCode.MOVING
        if row.moves > MOVES_MAX:
            raise violated(f"{entry.region}: moved {row.moves} times", entry.at_us, row.id)
        if moving and row.state == JobState.STOPPING and place not in self._stopped:
            self._on_stop(entry, row, place)
        elif moving and row.state == JobState.QUEUED and self._living.get(place):
            raise violated(
                f"{entry.region}: {place[1]} waits to be handed over while it lives", entry.at_us, row.id
            )
        before = self._failures.get((entry.region, row.id), row.failures)
        if moving and row.state in HELD and row.failures > before:
            raise violated(f"{entry.region}: a move was counted as a failure", entry.at_us, row.id)
        self._failures[entry.region, row.id] = row.failures

    def _on_stop(self, entry: Committed, row: Row, place: _Place) -> None:
        self._stopped.add(place)
        if not self._restartable.get(self._shapes.get(row.id, b""), True):
            raise violated(f"{entry.region}: stopped to move, and not restartable", entry.at_us, row.id)
        if not row.shard:
            self._counts[row.id] = self._counts.get(row.id, 0) + 1
        if self._counts.get(row.id, 0) > MOVES_MAX and not self._forgetful:
            raise violated(f"{entry.region}: stopped to move once too often", entry.at_us, row.id)
