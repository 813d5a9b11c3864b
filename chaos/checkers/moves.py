"""Moves of running jobs: only of those that may be moved, only when all of them is dead, no failure, and few; to make
room only for gangs, and not at the cost of better tiers."""

from __future__ import annotations

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import HELD, Row, job_rows, shard_rows
from hanse.core.model.jobs import ReasonCode, RunId, ShapeBody
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import MOVES_MAX
from hanse.core.policy.model import DEFAULT_TIERS
from hanse.core.rows import JobRow
from hanse.sim.record import Committed, DiskReplaced, TaskBegan, TaskFinished

_Place = tuple[str, RunId]
_BODY = msgspec.msgpack.Decoder(ShapeBody)
_MAKES_ROOM = "makes room for "
_TIER_NAMES = [tier.name for tier in DEFAULT_TIERS]


class Moves(Checker):
    """Reads rows beside the lives of processes. How often a job was moved is counted here, too: while every disk has
    all that it ever had, and the job is in its region's ledger alone, no stop is forgotten."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._living: dict[_Place, int] = {}
        self._bodies: dict[bytes, ShapeBody] = {}
        self._shapes: dict[str, bytes] = {}
        # Attempts that were stopped to move.
        self._stopped: set[_Place] = set()
        # (region, job) -> of its newest row the attempt, and the failures. A copy of a log need not have had every row.
        self._failures: dict[tuple[str, str], tuple[RunId, int]] = {}
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
                self._bodies[shape.key] = _BODY.decode(shape.body)
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
        elif moving and row.state == JobState.QUEUED and self._living.get(place) and not self._forgetful:
            # (On an old disk it may be an attempt that the disk has forgotten, whose number is skipped.)
            raise violated(
                f"{entry.region}: {place[1]} waits to be handed over while it lives", entry.at_us, row.id
            )
        run, failures = self._failures.get((entry.region, row.id), (place[1], row.failures))
        if moving and row.state in HELD and run == place[1] and row.failures > failures:
            raise violated(f"{entry.region}: a move was counted as a failure", entry.at_us, row.id)
        self._failures[entry.region, row.id] = (place[1], row.failures)

    def _on_stop(self, entry: Committed, row: Row, place: _Place) -> None:
        self._stopped.add(place)
        body = self._body_of(row.id)
        if body is not None and not body.restartable:
            raise violated(f"{entry.region}: stopped to move, and not restartable", entry.at_us, row.id)
        if not row.shard:
            self._counts[row.id] = self._counts.get(row.id, 0) + 1
        if self._counts.get(row.id, 0) > MOVES_MAX and not self._forgetful:
            raise violated(f"{entry.region}: stopped to move once too often", entry.at_us, row.id)
        if body is not None and row.reason_detail.startswith(_MAKES_ROOM):
            self._check_room_made(entry, row, body)

    def _check_room_made(self, entry: Committed, row: Row, body: ShapeBody) -> None:
        """Every policy of the simulation has the default tiers."""
        gang_id = row.reason_detail.removeprefix(_MAKES_ROOM).split(" ", 1)[0]
        gang = self._body_of(gang_id)
        if gang is None:
            return
        if sum(group.count for group in gang.groups) < 2:
            raise violated(
                f"{entry.region}: room is made for {gang_id}, which is no gang", entry.at_us, row.id
            )
        tier = next(each for each in DEFAULT_TIERS if each.name == body.tier)
        is_better = _TIER_NAMES.index(body.tier) < _TIER_NAMES.index(gang.tier)
        if is_better or not tier.preemptible_by:
            raise violated(
                f"{entry.region}: of tier {body.tier}, and makes room for one of tier {gang.tier}",
                entry.at_us,
                row.id,
            )

    def _body_of(self, job_id: str) -> ShapeBody | None:
        return self._bodies.get(self._shapes.get(job_id, b""))
