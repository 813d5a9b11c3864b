"""Reservations over several regions: windows open in one region only if all others have their parts, and what was
dropped does not come back.

Judged by rows: a part that is KEPT may have its windows open.
"""

from __future__ import annotations

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from hanse.core.model.reservations import CapacityReservation, Part, PartState
from hanse.core.rows import Writes
from hanse.sim.record import Committed, DiskReplaced

_RESERVATION = msgspec.msgpack.Decoder(CapacityReservation)


class _Whole(msgspec.Struct):
    """One reservation: where it has parts, and how they stand. `forgotten`: its owner knows nothing of it any more."""

    owner: str
    regions: tuple[str, ...] = ()
    states: dict[str, PartState] = {}
    forgotten: bool = False


class JointReservations(Checker):
    """Follows the rows of all regions. What was on a disk that was replaced is not judged any more."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._known: dict[str, _Whole] = {}
        self._spoilt: dict[str, None] = {}

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed, DiskReplaced: self._on_replaced}

    def _on_replaced(self, entry: DiskReplaced) -> None:
        for reservation_id, whole in self._known.items():
            if entry.region in whole.states or entry.region == whole.owner:
                self._spoilt[reservation_id] = None

    def _on_committed(self, entry: Committed) -> None:
        for writes in entry.writes:
            self._take(entry, writes)

    def _take(self, entry: Committed, writes: Writes) -> None:
        for row in writes.reservations:
            part = _RESERVATION.decode(row.body).part
            if part is not None and row.id not in self._spoilt:
                self._judge(entry, row.id, part)
        for reservation_id in writes.reservations_delete:
            whole = self._known.get(reservation_id)
            if whole is not None and whole.owner == entry.region:
                whole.forgotten = True

    def _judge(self, entry: Committed, reservation_id: str, part: Part) -> None:
        whole = self._known.setdefault(reservation_id, _Whole(part.owner, states={}))
        if part.owner == entry.region:
            whole.regions = (part.owner, *(each.region for each in part.elsewhere))
        before = whole.states.get(entry.region)
        whole.states[entry.region] = part.state
        if before is PartState.DROPPED and part.state is not PartState.DROPPED:
            message = (
                f"{entry.region}: reservation {reservation_id} was dropped, and is {part.state.name} again"
            )
            raise violated(message, entry.at_us)
        if part.state is PartState.KEPT and before is not PartState.KEPT:
            self._judge_kept(entry, reservation_id, whole)

    def _judge_kept(self, entry: Committed, reservation_id: str, whole: _Whole) -> None:
        """Its windows may open here from now on."""
        if whole.forgotten:
            message = (
                f"{entry.region}: reservation {reservation_id} is kept, and {whole.owner} has forgotten it"
            )
            raise violated(message, entry.at_us)
        if whole.states.get(whole.owner) is PartState.DROPPED:
            return  # It is on its way.
        for region in whole.regions:
            state = whole.states.get(region)
            if state not in (PartState.HELD, PartState.KEPT):
                how = "has no part" if state is None else "has dropped its part"
                message = f"{entry.region}: reservation {reservation_id} is kept, and {region} {how}"
                raise violated(message, entry.at_us)
