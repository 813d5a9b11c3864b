"""Windows of reservations: when they open and end, and what is set aside in them.

Theory of operation. Of each reservation the present window or the next one is followed. While it is open, whatever its
tenant's jobs don't use of its places on a node is *held* there: it is taken off the node as if a job had it, so that
nobody else is placed on it, counts on it or is told of it, and whoever looks ahead (profile.py) sees it end with the
window. The tenant's jobs are started in what is held (reserved.py), and each job of the tenant on one of its nodes
counts as its use, wherever it was started. What is held is worked out anew for a node whenever anything starts or ends
there; where other work is still in the way it is less than it should be, and grows as that ends (evictions.py says who
is stopped for it). A window that nobody uses for long enough is given up until the next one.

    AHEAD -> OPEN -> OVER        the next window is AHEAD at once, if there is one
             OPEN -> RELEASED    given up; durable, so that a restart does not take back what others have got since

Nothing that may be in use beyond a window's start is put on its nodes before it: crossings.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import Allocation, GroupShape, Shape, ShapeBody, TaskPlacement, make_shape
from hanse.core.model.limits import DEVICE_UNIT, GRACE_US_MAX, RESERVATION_KEPT_US
from hanse.core.model.reservations import Before, CapacityReservation, WindowState
from hanse.core.model.resources import Resources, added, resources, subtracted
from hanse.core.model.time import Now
from hanse.core.replies import ReservationView
from hanse.core.scheduling.clock import SteadyClock
from hanse.core.scheduling.devices import device_family
from hanse.core.scheduling.nodes import Devices, NodeState
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.running import Running

_Amounts = dict[str, int]
_START = Now(mono_us=0, wall_us=0)


class Hold(msgspec.Struct, frozen=True):
    """Something set aside on a node: what one task of this group takes, on these devices."""

    group: GroupShape
    devices: Devices


class Window:
    """The present or the next window of one reservation. `places`: what it is to have, by node."""

    def __init__(self, reservation: CapacityReservation) -> None:
        self.reservation = reservation
        self.state = WindowState.OVER
        # When it begins, or began.
        self.begins_wall_us = 0
        # Since when nobody uses it (mono).
        self.idle_since_us = NEVER_US
        self.places: dict[str, Resources] = {}
        for task in reservation.allocation.tasks:
            wanted = reservation.groups[task.group].resources
            self.places[task.node] = added(self.places.get(task.node, ()), wanted)
        # Of its places, by node, while it is open.
        self.holds: dict[str, list[Hold]] = {}
        self.used: dict[str, Resources] = {}
        self._aside: tuple[Shape, Allocation] | None = None

    @property
    def id(self) -> str:
        """Of its reservation."""
        return self.reservation.id

    @property
    def ends_wall_us(self) -> int:
        """When it is over."""
        return self.begins_wall_us + self.reservation.duration_us

    def held_on(self, node: str) -> Resources:
        """What is set aside there."""
        held: Resources = ()
        for hold in self.holds.get(node, ()):
            held = added(held, hold.group.resources)
        return held

    def held(self) -> Resources:
        """What is set aside on all nodes."""
        held: Resources = ()
        for node in self.holds:
            held = added(held, self.held_on(node))
        return held

    def missing_on(self, node: str) -> Resources:
        """What is neither used nor held, of an open one."""
        there = added(self.used.get(node, ()), self.held_on(node))
        return resources((kind, lacks) for kind, lacks in subtracted(self.places[node], there) if lacks > 0)

    def aside(self) -> tuple[Shape, Allocation]:
        """What is held, as if it were a job."""
        if self._aside is None:
            groups: dict[GroupShape, int] = {}
            tasks = [
                TaskPlacement(groups.setdefault(hold.group, len(groups)), node, hold.devices)
                for node, holds in self.holds.items()
                for hold in holds
            ]
            self._aside = (make_shape(ShapeBody(groups=tuple(groups))), Allocation(tuple(tasks)))
        return self._aside

    def changed(self) -> None:
        """What is held is different now."""
        self._aside = None


class Windows:
    """All reservations of a region. `keep` writes one that changed, `drop` forgets one that is long over."""

    def __init__(
        self,
        capacity: Capacity,
        running: Running,
        now: Now = _START,
        known: Iterable[CapacityReservation] = (),
        keep: Callable[[CapacityReservation], None] = lambda reservation: None,
        drop: Callable[[str], None] = lambda reservation_id: None,
    ) -> None:
        self.capacity = capacity
        self.running = running
        self.clock = SteadyClock(now)
        self.now_us = now.mono_us
        self._keep = keep
        self._drop = drop
        self._windows: dict[str, Window] = {}
        # The same, by id.
        self._ordered: tuple[Window, ...] = ()
        # Those that are open, by node, in the order in which use is charged to them.
        self._on_node: dict[str, list[Window]] = {}
        # When something is due next (mono).
        self.next_us = NEVER_US
        # Grows whenever others may have room that they had not.
        self.version = 0
        capacity.aside = self._aside_of
        for reservation in known:
            self._windows[reservation.id] = Window(reservation)
        self._sort()

    def _sort(self) -> None:
        self._ordered = tuple(self._windows[each] for each in sorted(self._windows))

    def __len__(self) -> int:
        return len(self._windows)

    def all(self) -> tuple[Window, ...]:
        """Of each reservation the window that is followed, by id."""
        return self._ordered

    def open(self) -> list[Window]:
        """Those that are open, by id."""
        return [window for window in self.all() if window.state is WindowState.OPEN]

    def on_node(self, node: str) -> list[Window]:
        """Those that are open and have places there."""
        return self._on_node.get(node, [])

    def open_nodes(self) -> Iterable[str]:
        """Nodes on which one that is open has places."""
        return self._on_node

    @property
    def are_near(self) -> bool:
        """Whether any of them is not over yet."""
        return any(window.state is not WindowState.OVER for window in self._windows.values())

    def are_for(self, tenant: str) -> bool:
        """Whether any window that is open is for this tenant."""
        return bool(self._on_node) and any(each.reservation.is_for(tenant) for each in self.open())

    @property
    def holding(self) -> list[str]:
        """The ids under which something is set aside."""
        return [window.id for window in self.open()]

    def _aside_of(self, reservation_id: str) -> tuple[Shape, Allocation]:
        return self._windows[reservation_id].aside()

    # -- reservations come and go

    def put(self, reservation: CapacityReservation) -> None:
        """It is in force from the next tick on; if it was before: something else is known of it."""
        known = self._windows.get(reservation.id)
        if known is None:
            self._windows[reservation.id] = Window(reservation)
            self._sort()
        else:
            known.reservation = reservation
        self._keep(reservation)
        self.next_us = self.now_us

    def remove(self, reservation_id: str, trace: CapacityReservation | None = None) -> None:
        """It is over; what is to be remembered of it is kept."""
        window = self._windows[reservation_id]
        self._leave_open(window)
        del self._windows[reservation_id]
        self._sort()
        if trace is None:
            self._drop(reservation_id)
        else:
            self._keep(trace)
        self.version += 1
        self.next_us = self.now_us

    def adopt(self, running: Running) -> None:
        """What runs is kept in other books, under another policy."""
        self.running = running
        for window in self.open():
            self._expect_end(window)

    # -- time

    def tick(self, now: Now) -> None:
        """It is now: open, end and give up what is due."""
        self.now_us = now.mono_us
        if not self._windows:
            self.next_us = NEVER_US
            return
        self.clock.read(now)
        for window in self.all():
            self._advance(window)
        self.next_us = max(now.mono_us + 1, min([self.clock.next_us, *map(self._due_us, self.all())]))

    def _advance(self, window: Window) -> None:
        reservation, wall_us = window.reservation, self.clock.wall_us(self.now_us)
        begins_us = reservation.window_at(wall_us)
        state = WindowState.OPEN
        if begins_us is None:
            state = WindowState.OVER
        elif wall_us < begins_us or not reservation.is_sure:
            state = WindowState.AHEAD
        elif begins_us == reservation.released_wall_us:
            state = WindowState.RELEASED
        known = begins_us is None or begins_us == window.begins_wall_us
        if window.state is not state or not known:
            self._leave_open(window)
            window.begins_wall_us = begins_us or window.begins_wall_us
            window.state = state
            self.version += 1
            if state is WindowState.OPEN:
                self._enter_open(window)
        if state is WindowState.OPEN and self.now_us >= self._idle_due_us(window):
            self._give_up(window)
        if state is WindowState.OVER and self.is_long_over(reservation):
            self.remove(window.id)

    def is_long_over(self, reservation: CapacityReservation) -> bool:
        """Whether nobody wants to see it any more, by a clock that is believed."""
        gone_us = self.clock.wall_us(self.now_us) - reservation.over_wall_us
        return gone_us >= RESERVATION_KEPT_US and self.clock.is_steady

    def _give_up(self, window: Window) -> None:
        """Its tenant does not use it: others may, until the next one begins."""
        self._leave_open(window)
        window.state = WindowState.RELEASED
        window.reservation = msgspec.structs.replace(
            window.reservation, released_wall_us=window.begins_wall_us
        )
        self._keep(window.reservation)
        self.version += 1

    def _idle_due_us(self, window: Window) -> int:
        idle_us = window.reservation.idle_release_us
        return window.idle_since_us + idle_us if idle_us and not window.used else NEVER_US

    def _due_us(self, window: Window) -> int:
        """When it changes, or somebody may have to leave for it (mono)."""
        begins_us, ends_us = (
            self.clock.mono_us(each) for each in (window.begins_wall_us, window.ends_wall_us)
        )
        match window.state:
            case WindowState.AHEAD:
                makes_room = window.reservation.before is not Before.FINISH
                notice_us = begins_us - GRACE_US_MAX
                if makes_room and notice_us > self.now_us:
                    return notice_us
                return begins_us if begins_us > self.now_us else ends_us
            case WindowState.OPEN:
                return min(ends_us, self._idle_due_us(window))
            case WindowState.RELEASED:
                return ends_us
            case WindowState.OVER:
                return self.clock.mono_us(window.reservation.over_wall_us + RESERVATION_KEPT_US)

    def _enter_open(self, window: Window) -> None:
        window.idle_since_us = self.now_us
        for node in window.places:
            here = self._on_node.setdefault(node, [])
            here.append(window)
            here.sort(key=lambda each: each.id)
        self._expect_end(window)
        self.settle(window.places, self.now_us)

    def _expect_end(self, window: Window) -> None:
        ends_us = max(self.now_us + 1, self.clock.mono_us(window.ends_wall_us))
        self.running.ends.add(window.id, self.now_us, ends_us)

    def _leave_open(self, window: Window) -> None:
        if window.state is not WindowState.OPEN:
            return
        window.state = WindowState.OVER
        self.running.ends.discard(window.id)
        for node in list(window.places):
            self._let_go(window, node)
            here = self._on_node[node]
            here.remove(window)
            if not here:
                del self._on_node[node]
        window.used = {}
        self.settle(window.places, self.now_us)

    # -- what is held

    def settle(self, nodes: Iterable[str], now_us: int) -> None:
        """Something has started or ended on these nodes: hold there what is neither used nor in the way."""
        self.now_us = now_us
        if not self._on_node:
            return
        for node in dict.fromkeys(nodes):
            here = self._on_node.get(node)
            if here is not None:
                self._settle_node(node, here)

    def make_way(self, nodes: Iterable[str]) -> None:
        """Let go of what is held on these nodes: a job takes its part of it, and then they are settled."""
        for node in dict.fromkeys(nodes):
            for window in self._on_node.get(node, ()):
                self._let_go(window, node)

    def _let_go(self, window: Window, node: str) -> None:
        for hold in window.holds.pop(node, ()):
            self.capacity.let_go(node, hold.group, hold.devices)
            window.changed()

    def _settle_node(self, node: str, here: list[Window]) -> None:
        self.make_way([node])
        used = self._charged(node, here)
        state = self.capacity.table.by_name.get(node)
        for window in here:
            self._note_use(window, node, used[window.id])
            wanted = subtracted(window.places[node], window.used.get(node, ()))
            if state is not None:
                for group in as_tasks(wanted):
                    self._hold(window, state, group)

    def _hold(self, window: Window, state: NodeState, group: GroupShape) -> None:
        """As much of it as there is."""
        node = state.node.name
        devices = self.capacity.hold(node, group)
        if devices is None:
            layout = self.capacity.table.layout
            less = resources(
                (
                    kind,
                    min(quantity, _free(state, layout.whole_column.get(kind, layout.column.get(kind)), kind)),
                )
                for kind, quantity in group.resources
            )
            group = GroupShape(1, 1, less)
            devices = self.capacity.hold(node, group) if less else None
        if devices is not None:
            window.holds.setdefault(node, []).append(Hold(group, devices))
            window.changed()

    def _charged(self, node: str, here: list[Window], without: Collection[str] = ()) -> dict[str, _Amounts]:
        """What of the windows' places on a node their tenants' jobs use, but for those `without`: each job uses the
        first that has some left."""
        used: dict[str, _Amounts] = {window.id: {} for window in here}
        state = self.capacity.table.by_name.get(node)
        for job_id in sorted(state.jobs) if state is not None else ():
            job = self.running.jobs.get(job_id) if job_id not in without else None
            left = dict(self._taken(job_id, node)) if job is not None else {}
            for window in here:
                if job is not None and window.reservation.is_for(job.tenant):
                    _charge(dict(window.places[node]), used[window.id], left)
        return used

    def missing_without(self, window: Window, node: str, gone: Collection[str]) -> Resources:
        """What an open window would have too little there, if these jobs were gone and nothing were set aside anew."""
        used = self._charged(node, self._on_node[node], gone)[window.id]
        there = added(resources(used), window.held_on(node))
        return resources((kind, lacks) for kind, lacks in subtracted(window.places[node], there) if lacks > 0)

    def unused_of(self, window: Window, node: str) -> Resources:
        """What of a window's places its tenant's jobs would not use there if it were open now."""
        used = self._charged(node, [window])[window.id]
        return subtracted(window.places[node], resources(used))

    def _taken(self, job_id: str, node: str) -> Resources:
        shape, allocation = self.capacity.held(job_id)
        taken: Resources = ()
        for task in allocation.tasks:
            if task.node == node:
                taken = added(taken, shape.body.groups[task.group].resources_of(task.alternative))
        return taken

    def _note_use(self, window: Window, node: str, used: _Amounts) -> None:
        was_used = bool(window.used)
        if any(used.values()):
            window.used[node] = resources(used)
        else:
            window.used.pop(node, None)
        if was_used and not window.used:
            window.idle_since_us = self.now_us
            self.next_us = min(self.next_us, self._idle_due_us(window))

    # -- for people

    def view(self) -> tuple[ReservationView, ...]:
        """Every reservation, by name."""
        return tuple(
            _view(window) for window in sorted(self._windows.values(), key=lambda each: each.reservation.name)
        )


def _view(window: Window) -> ReservationView:
    is_open, is_over = window.state is WindowState.OPEN, window.state is WindowState.OVER
    used: Resources = ()
    missing: Resources = ()
    for node in window.places if is_open else ():
        used = added(used, window.used.get(node, ()))
        missing = added(missing, window.missing_on(node))
    return ReservationView(
        reservation=window.reservation,
        window_wall_us=0 if is_over else window.begins_wall_us,
        state=window.state,
        used=used,
        held=window.held(),
        missing=missing,
    )


def _charge(places: _Amounts, used: _Amounts, left: _Amounts) -> None:
    """Let what is left of a job use what is left of the places."""
    for kind, quantity in places.items():
        part = min(left.get(kind, 0), quantity - used.get(kind, 0))
        if part > 0:
            used[kind] = used.get(kind, 0) + part
            left[kind] -= part


def as_tasks(wanted: Resources) -> list[GroupShape]:
    """As something that can be placed: whole devices with all else, and each share of a device by itself."""
    whole: _Amounts = {}
    shares: list[GroupShape] = []
    for kind, quantity in wanted:
        share = quantity % DEVICE_UNIT if device_family(kind) else 0
        if share > 0:
            shares.append(GroupShape(1, 1, ((kind, share),)))
        if quantity - share > 0:
            whole[kind] = quantity - share
    return ([GroupShape(1, 1, resources(whole))] if whole else []) + shares


def _free(state: NodeState, column: int | None, kind: str) -> int:
    free = state.columns[column] if column is not None else 0
    return max(0, free - free % DEVICE_UNIT if device_family(kind) else free)
