"""Making and ending reservations: judged whole, written before anybody is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from hanse.core.events import CancelReservation, Reserve
from hanse.core.model.jobs import Allocation, GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.limits import (
    DEVICE_UNIT,
    RESERVATION_AHEAD_US_MAX,
    RESERVATION_DURATION_US_MIN,
    RESERVATION_TASKS_MAX,
    RESERVATION_WINDOWS_MAX,
    RESERVATIONS_MAX,
)
from hanse.core.model.reservations import CapacityReservation, WantedReservation, reservation_of, same_wish
from hanse.core.model.selectors import SelectorError, parse_selector
from hanse.core.model.time import Now, clock_text
from hanse.core.replies import Answer, Done, Refused, Reserved
from hanse.core.scheduling.devices import device_family
from hanse.core.scheduling.overlaps import blamed, overlapping, room_beside
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.windows import Windows

# Others that a refusal names.
_NAMED_MAX = 3


class Reserving:
    """The door for operators. A refusal names the field, and changes nothing."""

    def __init__(self, windows: Windows, capacity: Capacity) -> None:
        self._windows = windows
        self._capacity = capacity

    def reserve(self, now: Now, event: Reserve) -> Answer:
        """Set capacity aside as wanted, or say why not. Asked again for the same, it answers the same."""
        wanted = event.wanted
        known = self.known(wanted.name)
        if known is not None:
            if known.part is None and same_wish(wanted, known):
                return Reserved(known, existed=True)
            return Refused("KEY_CONFLICT", "name", f"there is another reservation {wanted.name!r}")
        allocation = self.judge(now, wanted)
        if isinstance(allocation, Refused):
            return allocation
        reservation = reservation_of(wanted, event.id, allocation, now)
        self._windows.put(reservation)
        return Reserved(reservation, existed=False)

    def judge(
        self, now: Now, wanted: WantedReservation, besides: Iterable[CapacityReservation] = ()
    ) -> Allocation | Refused:
        """Its nodes, beside all others and these; or why there are none. Nothing comes of it."""
        fault = next(_faults(wanted, now), None)
        if fault is not None:
            return fault
        if len(self._windows) >= RESERVATIONS_MAX:
            return Refused("EXHAUSTED", "", f"there are {RESERVATIONS_MAX} reservations, which is the most")
        shape = make_shape(ShapeBody(groups=wanted.groups))
        lacks = self._capacity.never_fits(shape)
        if lacks is not None:
            return Refused("NEVER_FITS", "groups", lacks)
        return self._room(wanted, shape, besides)

    def _room(
        self, wanted: WantedReservation, shape: Shape, besides: Iterable[CapacityReservation]
    ) -> Allocation | Refused:
        # Also those that seem to be over: if the clock is wrong about that, they are not.
        others = [*(window.reservation for window in self._windows.all()), *besides]
        sets = overlapping(wanted, others)
        closed = list(self._capacity.cordoned())
        allocation = room_beside(self._capacity.empty, closed, shape, sets)
        if allocation is None:
            together = blamed(self._capacity.empty, closed, shape, sets)
            return Refused("CONFLICT", "groups", _overlap(wanted, together, closed))
        return allocation

    def cancel(self, event: CancelReservation) -> Answer:
        """End a reservation at once. What runs in it goes on."""
        known = self.known(event.name)
        if known is None:
            return Refused("NOT_FOUND", "name", f"no reservation {event.name!r}")
        self._windows.remove(known.id)
        return Done()

    def parts(self) -> list[CapacityReservation]:
        """Those that are parts of reservations over several regions, by id."""
        return [each.reservation for each in self._windows.all() if each.reservation.part is not None]

    def put(self, reservation: CapacityReservation) -> None:
        """It is in force, as it is now; written in this step."""
        self._windows.put(reservation)

    def remove(self, reservation_id: str, trace: CapacityReservation | None = None) -> None:
        """It is over; what is to be remembered of it is kept."""
        self._windows.remove(reservation_id, trace)

    def is_long_over(self, reservation: CapacityReservation) -> bool:
        """Whether nobody has to know of it any more, by a clock that is believed."""
        return self._windows.is_long_over(reservation)

    def known(self, name: str) -> CapacityReservation | None:
        """The reservation of this name."""
        named = [window for window in self._windows.all() if window.reservation.name == name]
        return named[0].reservation if named else None


def _faults(wanted: WantedReservation, now: Now) -> Iterator[Refused]:
    """Everything that can never be right."""
    starts = wanted.starts_wall_us
    if not starts:
        yield Refused("INVALID", "recurrence", "there is no window at all")
        return
    if starts[0] < now.wall_us:
        ago_s = (now.wall_us - starts[0]) / 1e6
        yield Refused("INVALID", "start", f"the first window would have begun {ago_s:.1f} s ago")
    if len(starts) > RESERVATION_WINDOWS_MAX:
        message = f"{len(starts)} windows; at most {RESERVATION_WINDOWS_MAX}"
        yield Refused("INVALID", "recurrence", message)
    if wanted.duration_us < RESERVATION_DURATION_US_MIN:
        message = f"{wanted.duration_us / 1e6:g} s; at least {RESERVATION_DURATION_US_MIN / 1e6:g}"
        yield Refused("INVALID", "duration", message)
    if any(after - before < wanted.duration_us for before, after in pairwise(starts)):
        yield Refused("INVALID", "duration", "a window would begin before the one before it has ended")
    if starts[-1] + wanted.duration_us - now.wall_us > RESERVATION_AHEAD_US_MAX:
        days = RESERVATION_AHEAD_US_MAX // (86_400 * 1_000_000)
        yield Refused("INVALID", "until", f"the last window would end more than {days} days ahead")
    if wanted.idle_release_us < 0:
        yield Refused("INVALID", "idle_release", "less than nothing")
    yield from _group_faults(wanted.groups)


def _group_faults(groups: tuple[GroupShape, ...]) -> Iterator[Refused]:
    if not groups:
        yield Refused("INVALID", "groups", "nothing is wanted")
    tasks = sum(group.count for group in groups)
    if tasks > RESERVATION_TASKS_MAX:
        yield Refused("INVALID", "groups", f"{tasks} places; at most {RESERVATION_TASKS_MAX}")
    for number, group in enumerate(groups):
        where = f"groups[{number}]"
        if group.count < 1:
            yield Refused("INVALID", f"{where}.count", "at least 1")
        if not group.resources:
            yield Refused("INVALID", f"{where}.resources", "nothing is wanted")
        for kind, quantity in group.resources:
            if device_family(kind) and quantity % DEVICE_UNIT:
                message = f"{kind}={quantity}: only whole devices (multiples of {DEVICE_UNIT}) are reserved"
                yield Refused("INVALID", f"{where}.resources[{kind}]", message)
        for at, text in enumerate(group.constraints):
            fault = _selector_fault(text)
            if fault:
                yield Refused("INVALID", f"{where}.constraints[{at}]", fault)


def _selector_fault(text: str) -> str:
    try:
        parse_selector(text)
    except SelectorError as error:
        return str(error)
    return ""


def _overlap(wanted: WantedReservation, together: tuple[CapacityReservation, ...], closed: list[str]) -> str:
    """Which others leave too little."""
    aside = f" ({len(closed)} cordoned nodes don't count)" if closed else ""
    if not together:
        return f"no nodes have room for it in all its windows beside the other reservations{aside}"
    named = [f"{each.name} of {each.tenant}, from {clock_text(_meeting(wanted, each))}" for each in together]
    more = f" and {len(named) - _NAMED_MAX} more" if len(named) > _NAMED_MAX else ""
    return f"the nodes have no room for it beside {'; '.join(named[:_NAMED_MAX])}{more}{aside}"


def _meeting(wanted: WantedReservation, other: CapacityReservation) -> int:
    """When the first window of the other begins that overlaps with one of these."""
    for begins_us in wanted.starts_wall_us:
        met = other.window_at(begins_us)
        if met is not None and met < begins_us + wanted.duration_us:
            return met
    return other.starts_wall_us[0]
