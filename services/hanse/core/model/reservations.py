"""Reservations: capacity that an operator sets aside for a tenant, over windows of time.

A reservation has groups of *places*, each as large as a task would be, and one or more windows, which are all as long.
When it is made it gets nodes, the same for all its windows. The calendar that the windows come from (a recurrence, a
time zone) is the shell's: here each begins at an instant.
"""

from __future__ import annotations

import enum
from bisect import bisect_right

import msgspec

from hanse.core.model.jobs import Allocation, GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.time import Now


class Before(enum.IntEnum):
    """What becomes of other work that still runs on a window's nodes when the window is about to begin."""

    # It runs to its end, and the window has what it leaves.
    FINISH = 1
    # What may be restarted gets its grace to write a checkpoint, in time for the window; the rest runs to its end.
    CHECKPOINT = 2
    # All that is in the way is stopped, with its grace, in time for the window.
    PREEMPT = 3


class WindowState(enum.IntEnum):
    """Where a window is in its life."""

    AHEAD = 1
    OPEN = 2
    # Given up early, because nobody used it.
    RELEASED = 3
    OVER = 4


class PartState(enum.IntEnum):
    """Of a part of a reservation over several regions: what its region knows of the whole. Windows open in a KEPT part
    only."""

    # The region has taken its part, and the owner has not said what becomes of the whole.
    HELD = 1
    KEPT = 2
    # It is not kept here, and never will be.
    DROPPED = 3


class RegionPlaces(msgspec.Struct, frozen=True):
    """What a reservation is to have in another region than the one that is asked."""

    region: str
    groups: tuple[GroupShape, ...]


class Part(msgspec.Struct, frozen=True):
    """That a reservation is part of one over several regions. The `owner` was asked, has a part itself, and decides;
    `elsewhere` is known there only. `why`: it was dropped."""

    owner: str
    state: PartState
    elsewhere: tuple[RegionPlaces, ...] = ()
    why: str = ""


class WantedReservation(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for. `starts_wall_us`: when each window begins, ascending; `idle_release_us`: a window that
    its tenant does not use for so long is given up, 0: never. `recurrence`, `time_zone` and `until_wall_us` are what
    the windows were made from, for people."""

    name: str
    tenant: str
    groups: tuple[GroupShape, ...]
    starts_wall_us: tuple[int, ...]
    duration_us: int
    before: Before = Before.FINISH
    idle_release_us: int = 0
    recurrence: str = ""
    time_zone: str = ""
    until_wall_us: int = 0
    author: str = ""
    why: str = ""


class CapacityReservation(WantedReservation, frozen=True, kw_only=True):
    """One that is in force, with its nodes. `released_wall_us`: when the newest window that was given up began."""

    id: str
    allocation: Allocation
    created_wall_us: int
    released_wall_us: int = 0
    part: Part | None = None

    @property
    def is_dropped(self) -> bool:
        """Whether it is only remembered."""
        return self.part is not None and self.part.state is PartState.DROPPED

    @property
    def is_sure(self) -> bool:
        """Whether its windows open: nothing is stopped or kept from others for half a reservation."""
        return self.part is None or self.part.state is PartState.KEPT

    @property
    def shape(self) -> Shape:
        """Its places, as placement knows them."""
        return make_shape(ShapeBody(groups=self.groups))

    @property
    def over_wall_us(self) -> int:
        """When its last window ends."""
        return self.starts_wall_us[-1] + self.duration_us

    def window_at(self, wall_us: int) -> int | None:
        """When the window begins that is open at this instant, or else the next one; None: all are over."""
        at = bisect_right(self.starts_wall_us, wall_us - self.duration_us)
        return self.starts_wall_us[at] if at < len(self.starts_wall_us) else None

    def is_for(self, tenant: str) -> bool:
        """Whether this tenant's jobs may use it: its own, and those below it."""
        return tenant == self.tenant or tenant.startswith(f"{self.tenant}/")


def reservation_of(
    wanted: WantedReservation, reservation_id: str, allocation: Allocation, now: Now, part: Part | None = None
) -> CapacityReservation:
    """What is wanted, with its nodes."""
    fields = {name: getattr(wanted, name) for name in WantedReservation.__struct_fields__}
    return CapacityReservation(
        **fields, id=reservation_id, allocation=allocation, created_wall_us=now.wall_us, part=part
    )


def same_wish(wanted: WantedReservation, known: WantedReservation) -> bool:
    """Whether both ask for the same."""
    fields = WantedReservation.__struct_fields__
    return all(getattr(wanted, each) == getattr(known, each) for each in fields)
