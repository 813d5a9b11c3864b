"""What is set aside: no capacity is reserved twice, nobody else starts in what is reserved, and who is stopped for a
window is stopped for one that begins.

Judged by rows alone. A row's own wall clock is the one that its region went by: a start or a stop is decided in a step
that reads it. A region whose clock has just jumped goes on by the former one for some seconds, so a start is judged
only where windows are the same by both: by the clock of the row, and by that of the region's earlier rows.
"""

from __future__ import annotations

import re

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import Row
from hanse.core.model.jobs import Allocation, ReasonCode, ShapeBody
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import CLOCK_JITTER_US, CLOCK_STEADY_US, GRACE_US_MAX
from hanse.core.model.reservations import Before, CapacityReservation
from hanse.core.model.resources import Resources, added, fits
from hanse.core.rows import JobRow, TimelineRow, Writes
from hanse.sim.record import Committed, DiskReplaced, ImageTaken, RegionJoined

_HOLDING = frozenset((JobState.RUNNING, JobState.STOPPING))
_FOR_WINDOW = re.compile(r"for reservation (\S+) of ")
_RESERVATION = msgspec.msgpack.Decoder(CapacityReservation)
_ALLOCATION = msgspec.msgpack.Decoder(Allocation)
_SHAPE = msgspec.msgpack.Decoder(ShapeBody)
_Known = dict[str, CapacityReservation]


class _Region:
    """What its rows say: reservations, and what its `wait` jobs hold, by node. `offsets`: how far its wall clock was
    ahead of the run's, and when."""

    def __init__(self) -> None:
        self.capacity: dict[str, Resources] = {}
        self.known: _Known = {}
        self.held: dict[str, dict[str, Resources]] = {}
        self.offsets: list[tuple[int, int]] = []


class Reservations(Checker):
    """Follows the rows of each region, step by step."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._regions: dict[str, _Region] = {}
        self._images: dict[int, _Known] = {}
        self._tenants: dict[str, str] = {}
        self._shape_of: dict[str, bytes] = {}
        self._shapes: dict[bytes, ShapeBody] = {}

    def handlers(self) -> Handlers:
        return {
            RegionJoined: self._on_joined,
            Committed: self._on_committed,
            ImageTaken: self._on_image,
            DiskReplaced: self._on_replaced,
        }

    def _on_joined(self, entry: RegionJoined) -> None:
        region = self._regions.setdefault(entry.region, _Region())
        region.capacity = {node.name: node.capacity for node in entry.nodes}

    def _on_image(self, entry: ImageTaken) -> None:
        self._images[entry.image] = dict(self._regions[entry.region].known)

    def _on_replaced(self, entry: DiskReplaced) -> None:
        region = self._regions[entry.region]
        region.known, region.held = dict(self._images.get(entry.image, {})), {}

    def _on_committed(self, entry: Committed) -> None:
        region = self._regions.setdefault(entry.region, _Region())
        for writes in entry.writes:
            before = dict(region.known)
            self._note(region, writes)
            self._reserve(entry, region, writes)
            # What came or went in the very step may have been there when another row of it was decided.
            settled = {each: region.known[each] for each in before if region.known.get(each) == before[each]}
            for row in writes.timeline:
                self._judge(entry, region, settled, before | region.known, row)

    # --- what is reserved -------------------------------------------------------------------------------------------

    def _reserve(self, entry: Committed, region: _Region, writes: Writes) -> None:
        for reservation_id in writes.reservations_delete:
            region.known.pop(reservation_id, None)
        for row in writes.reservations:
            reservation = _RESERVATION.decode(row.body)
            is_new = reservation.id not in region.known
            region.known[reservation.id] = reservation
            if is_new:
                self._weigh(entry, region, reservation)

    def _weigh(self, entry: Committed, region: _Region, new: CapacityReservation) -> None:
        """At each instant at which a window begins, all that are open then have room together."""
        others = list(region.known.values())
        for at_us in sorted({start for each in others for start in each.starts_wall_us}):
            if not _is_open(new, at_us):
                continue
            for node, wanted in _reserved(others, at_us).items():
                if not fits(wanted, region.capacity.get(node, ())):
                    message = f"{entry.region}: {wanted} is reserved on {node}, which has {region.capacity.get(node)}"
                    raise violated(message, entry.at_us)

    # --- what is started and stopped --------------------------------------------------------------------------------

    def _note(self, region: _Region, writes: Writes) -> None:
        for shape in writes.shapes:
            self._shapes[shape.key] = _SHAPE.decode(shape.body)
        for job in writes.jobs:
            self._tenants[job.id], self._shape_of[job.id] = job.tenant, job.shape_key
        rows: list[Row] = [*writes.jobs, *writes.job_states]
        for row in rows:
            if not row.shard:
                region.held.pop(row.id, None)
                if row.state in _HOLDING and row.allocation:
                    region.held[row.id] = self._holds(row)

    def _holds(self, row: Row) -> dict[str, Resources]:
        shape = self._shapes.get(row.shape_key if isinstance(row, JobRow) else self._shape_of[row.id])
        held: dict[str, Resources] = {}
        for task in _ALLOCATION.decode(row.allocation).tasks if shape is not None else ():
            assert shape is not None
            taken = shape.groups[task.group].resources_of(task.alternative)
            held[task.node] = added(held.get(task.node, ()), taken)
        return held

    def _judge(
        self, entry: Committed, region: _Region, settled: _Known, named: _Known, row: TimelineRow
    ) -> None:
        region.offsets.append((entry.at_us, row.at_wall_us - entry.at_us))
        if row.what == JobState.STOPPING.name and row.reason == ReasonCode.PREEMPTED.value:
            found = _FOR_WINDOW.search(row.detail)
            if found is not None:
                self._judge_stop(entry, found[1], named, row)
        starts = row.what == JobState.RUNNING.name and row.reason == ReasonCode.STARTED.value
        if starts and not row.shard and self._is_steady(region, entry.at_us):
            self._judge_start(entry, region, settled, row)

    def _is_steady(self, region: _Region, at_us: int) -> bool:
        """Whether its rows show no jump of its clock for twice as long as it takes to believe one."""
        since_us = at_us - 2 * CLOCK_STEADY_US
        region.offsets = [each for each in region.offsets if each[0] >= since_us - CLOCK_STEADY_US]
        recent = [offset for _, offset in region.offsets]
        enough = region.offsets[0][0] <= since_us
        return enough and max(recent) - min(recent) <= CLOCK_JITTER_US

    def _judge_stop(self, entry: Committed, name: str, named: _Known, row: TimelineRow) -> None:
        """It is for a reservation that says so, and for a window that is open or about to be."""
        asking = [each for each in named.values() if each.name == name and each.before is not Before.FINISH]
        near = [
            begins_us
            for each in asking
            if (begins_us := each.window_at(row.at_wall_us - CLOCK_JITTER_US)) is not None
            and begins_us <= row.at_wall_us + GRACE_US_MAX + CLOCK_JITTER_US
        ]
        if not near:
            message = f"{entry.region}: stopped for reservation {name}, which has no window that begins"
            raise violated(message, entry.at_us, row.job_id)

    def _judge_start(self, entry: Committed, region: _Region, known: _Known, row: TimelineRow) -> None:
        """Beside what others than the tenants of open windows hold, these windows have their places."""
        tenant = self._tenants.get(row.job_id, "")
        wall_us = row.at_wall_us
        open_now = [
            each
            for each in known.values()
            if each.is_sure
            and _is_open(each, wall_us)
            and each.window_at(wall_us - CLOCK_JITTER_US) == each.window_at(wall_us + CLOCK_JITTER_US)
            and _is_open(each, wall_us - CLOCK_JITTER_US)
            and each.window_at(wall_us) != each.released_wall_us
        ]
        reserved = _reserved(open_now, wall_us)
        for node in region.held.get(row.job_id, {}):
            here = [each for each in open_now if _has_places(each, node)]
            if not here or any(each.is_for(tenant) for each in here):
                continue
            taken = reserved[node]
            for job_id, held in region.held.items():
                if not any(each.is_for(self._tenants.get(job_id, "")) for each in here):
                    taken = added(taken, held.get(node, ()))
            # What is not reserved may be had, and the job may take nothing of what is.
            own = dict(region.held[row.job_id][node])
            taken = tuple(each for each in taken if each[0] in own)
            if not fits(taken, region.capacity.get(node, ())):
                message = f"{entry.region}: a job of {tenant} starts on {node}, which is reserved: {taken}"
                raise violated(message, entry.at_us, row.job_id)


def _is_open(reservation: CapacityReservation, wall_us: int) -> bool:
    begins_us = reservation.window_at(wall_us)
    return begins_us is not None and begins_us <= wall_us


def _has_places(reservation: CapacityReservation, node: str) -> bool:
    return any(task.node == node for task in reservation.allocation.tasks)


def _reserved(reservations: list[CapacityReservation], wall_us: int) -> dict[str, Resources]:
    """By node, what all windows that are open then are to have."""
    found: dict[str, Resources] = {}
    for reservation in reservations:
        for task in reservation.allocation.tasks if _is_open(reservation, wall_us) else ():
            wanted = reservation.groups[task.group].resources
            found[task.node] = added(found.get(task.node, ()), wanted)
    return found
