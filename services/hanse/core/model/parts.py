"""Parts of reservations over several regions, as they are kept and remembered."""

from __future__ import annotations

import msgspec

from hanse.core.model.jobs import Allocation, GroupShape
from hanse.core.model.reservations import CapacityReservation, Part, PartState, WantedReservation
from hanse.core.model.time import Now


def part_of(reservation: CapacityReservation) -> Part:
    """Its part, of one that is over several regions."""
    assert reservation.part is not None, f"{reservation.id} is whole in one region"
    return reservation.part


def in_state(reservation: CapacityReservation, state: PartState, why: str = "") -> CapacityReservation:
    """The same, of which this is known."""
    part = msgspec.structs.replace(part_of(reservation), state=state, why=why)
    return msgspec.structs.replace(reservation, part=part)


def trace_of(dropped: CapacityReservation) -> CapacityReservation:
    """What has to be remembered of it."""
    last = dropped.starts_wall_us[-1:]
    part = part_of(dropped)
    elsewhere = tuple(msgspec.structs.replace(each, groups=()) for each in part.elsewhere)
    return msgspec.structs.replace(
        dropped,
        groups=(),
        allocation=Allocation(()),
        starts_wall_us=last,
        part=msgspec.structs.replace(part, elsewhere=elsewhere),
    )


def never_heard_of(reservation_id: str, over_wall_us: int, owner: str, now: Now) -> CapacityReservation:
    """Dropped before this region had heard of it."""
    return CapacityReservation(
        name="",
        tenant="",
        groups=(),
        starts_wall_us=(over_wall_us,),
        duration_us=0,
        id=reservation_id,
        allocation=Allocation(()),
        created_wall_us=now.wall_us,
        part=Part(owner, PartState.DROPPED),
    )


def wish_of(own: CapacityReservation, groups: tuple[GroupShape, ...]) -> WantedReservation:
    """What is wanted in another region."""
    fields = {name: getattr(own, name) for name in WantedReservation.__struct_fields__}
    return msgspec.structs.replace(WantedReservation(**fields), groups=groups)
