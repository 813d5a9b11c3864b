"""One node's free capacity, and what one task needs of a node.

A node's quantities stand in columns: first one for each kind of the region (free, in the kind's unit), then two for
each device kind, because a sum does not tell whether a task fits: how much is free in whole devices, and the largest
free share of one device; then, where nodes have islands, how much one island has free in whole devices. A task fits if
every column that it checks has enough, which numpy can ask of all nodes, and if the caps of the node's domains (a
rack's power) have, too.
"""

from __future__ import annotations

import msgspec

from hanse.core.model.errors import CallerFault
from hanse.core.model.limits import DEVICE_UNIT, DEVICES_PER_NODE_MAX
from hanse.core.model.regions import Node
from hanse.core.model.resources import Resources
from hanse.core.model.rules import Island
from hanse.core.scheduling.devices import (
    choose_devices,
    device_capacity_error,
    device_family,
    device_request_error,
    first_indices,
    largest_island,
    shares_fitting,
)

# (kind, index) pairs, as in TaskPlacement.
Devices = tuple[tuple[str, int], ...]

# Slack is summed in shares of the region's largest node; 2^20 tells 1 MiB of 1 TiB apart.
SLACK_UNIT = 1 << 20
# Sums over a whole region must stay far from the end of 64 bits.
REGION_QUANTITY_MAX = 1 << 61
# How many tasks that need nothing at all one node takes.
EMPTY_TASKS_PER_NODE_MAX = 1 << 16


class NodeError(CallerFault):
    """A configured node that cannot be."""


class Layout:
    """Which column holds what, for all nodes of a region."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        total: dict[str, int] = {}
        peak: dict[str, int] = {}
        for node in nodes:
            for kind, quantity in node.capacity:
                _refuse_capacity(node, kind, quantity)
                total[kind] = total.get(kind, 0) + quantity
                peak[kind] = max(peak.get(kind, 0), quantity)
        for kind, quantity in total.items():
            if quantity > REGION_QUANTITY_MAX:
                raise NodeError(f"all nodes together have {kind}={quantity}, more than {REGION_QUANTITY_MAX}")
        self.kinds = tuple(sorted(total))
        self.column = {kind: number for number, kind in enumerate(self.kinds)}
        self.peaks = tuple(peak[kind] for kind in self.kinds)
        device_kinds = [kind for kind in self.kinds if device_family(kind)]
        first = len(self.kinds)
        self.whole_column = {kind: first + 2 * number for number, kind in enumerate(device_kinds)}
        self.share_column = {kind: first + 2 * number + 1 for number, kind in enumerate(device_kinds)}
        after = first + 2 * len(device_kinds)
        levels = sorted({level for node in nodes for level, _ in node.islands})
        pairs = [(kind, level) for kind in device_kinds for level in levels]
        self.island_column = {pair: after + number for number, pair in enumerate(pairs)}
        self.width = after + len(pairs)
        self.device_kinds = tuple(device_kinds)


def _refuse_capacity(node: Node, kind: str, quantity: int) -> None:
    if quantity < 0:
        raise NodeError(f"node {node.name}: {kind}={quantity} is negative")
    error = device_capacity_error(kind, quantity)
    if error is not None:
        raise NodeError(f"node {node.name}: {error}")
    if device_family(kind) and quantity > DEVICES_PER_NODE_MAX * DEVICE_UNIT:
        raise NodeError(f"node {node.name}: {kind}={quantity} is more than {DEVICES_PER_NODE_MAX} devices")


class TaskNeed(msgspec.Struct, frozen=True, kw_only=True):
    """What one task of a group needs of a node, compiled for a layout.

    `checks` are (column, at least); `charges` (column, quantity) of kinds that are not devices; `devices` (kind, total
    quantity, quantity of each device). `impossible`: no node of the region has such a thing. `capped` are the
    quantities that count against the caps of domains. `island`: the level that its devices should share.
    """

    resources: Resources
    constraints: tuple[str, ...]
    checks: tuple[tuple[int, int], ...]
    charges: tuple[tuple[int, int], ...]
    devices: tuple[tuple[str, int, int], ...]
    capped: tuple[tuple[str, int], ...] = ()
    island: Island | None = None
    impossible: bool = False


def compile_need(
    layout: Layout,
    resources: Resources,
    constraints: tuple[str, ...] = (),
    island: Island | None = None,
    capped_kinds: frozenset[str] = frozenset(),
) -> TaskNeed:
    """The need of one task."""
    checks: list[tuple[int, int]] = []
    charges: list[tuple[int, int]] = []
    devices: list[tuple[str, int, int]] = []
    impossible = False
    for kind, quantity in resources:
        if kind not in layout.column or device_request_error(kind, quantity) is not None:
            impossible = True
        elif not device_family(kind):
            checks.append((layout.column[kind], quantity))
            charges.append((layout.column[kind], quantity))
        else:
            column = _device_column(layout, kind, quantity, island)
            impossible = impossible or column is None
            checks.append((column or 0, quantity))
            devices.append((kind, quantity, min(quantity, DEVICE_UNIT)))
    return TaskNeed(
        resources=resources,
        constraints=constraints,
        # Devices are what most nodes lack first.
        checks=tuple(sorted(checks, key=lambda check: check[0] < len(layout.kinds))),
        charges=tuple(charges),
        devices=tuple(devices),
        capped=tuple(pair for pair in resources if pair[0] in capped_kinds),
        island=island,
        impossible=impossible,
    )


def _device_column(layout: Layout, kind: str, quantity: int, island: Island | None) -> int | None:
    """The column that tells whether a task finds its devices; None: no node has such islands."""
    if quantity < DEVICE_UNIT:
        return layout.share_column[kind]
    if island is not None and island.required and quantity > DEVICE_UNIT:
        return layout.island_column.get((kind, island.level))
    return layout.whole_column[kind]


class CapState:
    """What is free of a domain's cap. Shared by the nodes of the domain."""

    __slots__ = ("domain", "free", "index", "level")

    def __init__(self, index: int, level: str, domain: str, free: dict[str, int]) -> None:
        self.index = index
        self.level = level
        self.domain = domain
        self.free = free

    def copy(self) -> CapState:
        """The same, to try things out."""
        return CapState(self.index, self.level, self.domain, dict(self.free))


class NodeState:
    """What is free on one node, and who is on it.

    `stranded` holds allocations of an earlier life that the node as configured now has no room for. They keep the
    whole node from taking more until enough has been released for all of them to fit. `cordoned`: an operator wants
    nothing to be started here. `columns` are never changed in place: nodes of one form (forms.py) may share them.
    """

    __slots__ = (
        "_first_index",
        "_layout",
        "caps",
        "columns",
        "cordoned",
        "index",
        "jobs",
        "node",
        "shares",
        "slack",
        "stranded",
    )

    def __init__(self, layout: Layout, index: int, node: Node, caps: tuple[CapState, ...] = ()) -> None:
        self._layout = layout
        self.caps = caps
        self._first_index = first_indices(node.capacity)
        self.index = index
        self.node = node
        self.columns = [0] * layout.width
        self.shares: dict[str, list[int]] = {}
        for kind, quantity in node.capacity:
            self.columns[layout.column[kind]] = quantity
            if device_family(kind):
                self.shares[kind] = [DEVICE_UNIT] * (quantity // DEVICE_UNIT)
        # Job -> how many of its tasks are here.
        self.jobs: dict[str, int] = {}
        self.stranded: dict[str, list[tuple[TaskNeed, Devices]]] = {}
        self.cordoned = False
        self.slack = 0
        for kind in self.shares:
            self._settle_devices(kind)
        self._settle_slack()

    def copy(self, caps: tuple[CapState, ...] = ()) -> NodeState:
        """A state for trying things out, under these caps: who is on the node is left behind."""
        twin = NodeState.__new__(NodeState)
        twin.caps = caps
        twin._layout = self._layout
        twin._first_index = self._first_index
        twin.index = self.index
        twin.node = self.node
        twin.columns = self.columns
        twin.shares = {kind: shares.copy() for kind, shares in self.shares.items()} if self.shares else {}
        twin.jobs = {}
        twin.stranded = dict(self.stranded)
        twin.cordoned = self.cordoned
        twin.slack = self.slack
        return twin

    def emptied(self, caps: tuple[CapState, ...] = ()) -> NodeState:
        """The node as if nothing were on it."""
        empty = NodeState(self._layout, self.index, self.node, caps)
        empty.cordoned = self.cordoned
        return empty

    @property
    def closed(self) -> bool:
        """Whether it takes nothing, whatever is free."""
        return self.cordoned or bool(self.stranded)

    def fits(self, need: TaskNeed) -> bool:
        """Whether one more task with this need has room; labels are not looked at."""
        return not self.stranded and not self.cordoned and self._has_room(need)

    def _has_room(self, need: TaskNeed) -> bool:
        if need.impossible:
            return False
        columns = self.columns
        for column, quantity in need.checks:
            if columns[column] < quantity:
                return False
        return not need.capped or not self.caps or self._under_caps(need)

    def _under_caps(self, need: TaskNeed) -> bool:
        for cap in self.caps:
            for kind, quantity in need.capped:
                if kind in cap.free and cap.free[kind] < quantity:
                    return False
        return True

    def times(self, need: TaskNeed) -> int:
        """How many tasks with this need have room together."""
        if not self.fits(need):
            return 0
        columns = self.columns
        counts = [columns[column] // quantity for column, quantity in need.charges]
        counts += [
            shares_fitting(self.shares[kind], quantity, self._required_island(need))
            for kind, quantity, _ in need.devices
        ]
        if need.capped:
            counts += [
                cap.free[kind] // quantity
                for cap in self.caps
                for kind, quantity in need.capped
                if kind in cap.free
            ]
        return min(counts, default=EMPTY_TASKS_PER_NODE_MAX)

    def _required_island(self, need: TaskNeed) -> int:
        """The size of the islands that a task of several devices must not leave; 0: it may."""
        if need.island is None or not need.island.required:
            return 0
        return dict(self.node.islands).get(need.island.level, 0)

    def choose(self, need: TaskNeed) -> Devices:
        """The devices that a task gets here, if it is placed now. It must fit."""
        if not need.devices:
            return ()
        chosen: list[tuple[str, int]] = []
        islands = self.node.islands
        for kind, quantity, _ in need.devices:
            if islands:
                level = islands[0][0] if need.island is None else need.island.level
                size = dict(islands).get(level, 0)
                strict = need.island is not None and need.island.required
                positions = choose_devices(self.shares[kind], quantity, size, one_island=strict)
            else:
                positions = choose_devices(self.shares[kind], quantity)
            assert positions is not None, f"{self.node.name}: a task that fits must find its {kind}"
            first = self._first_index[kind]
            chosen += [(kind, first + position) for position in positions]
        return tuple(chosen)

    def accepts(self, need: TaskNeed, devices: Devices) -> bool:
        """Whether a task has room here on exactly these devices, whatever is stranded."""
        if not self._has_room(need):
            return False
        if not need.devices:
            return not devices
        if len({*devices}) != len(devices):
            return False
        each_of = {kind: each for kind, _, each in need.devices}
        taken = dict.fromkeys(each_of, 0)
        for kind, index in devices:
            position = index - self._first_index.get(kind, 0)
            shares = self.shares.get(kind, [])
            if kind not in each_of or not 0 <= position < len(shares) or shares[position] < each_of[kind]:
                return False
            taken[kind] += each_of[kind]
        return all(taken[kind] == quantity for kind, quantity, _ in need.devices)

    def take(self, need: TaskNeed, devices: Devices) -> None:
        """Book a task that is accepted."""
        self._book(need, devices, -1)

    def take_to(self, need: TaskNeed, devices: Devices, columns: list[int], slack: int) -> None:
        """The same for a task that counts against no caps, where it is known what the node will have left."""
        for kind, _, each in need.devices:
            shares, first = self.shares[kind], self._first_index[kind]
            for other, index in devices:
                if other == kind:
                    shares[index - first] -= each
        self.columns, self.slack = columns, slack

    def give_back(self, need: TaskNeed, devices: Devices) -> None:
        """Free what `take` booked."""
        self._book(need, devices, 1)

    def _book(self, need: TaskNeed, devices: Devices, sign: int) -> None:
        self.suppose(need, devices, sign)
        self._settle_slack()

    def suppose(self, need: TaskNeed, devices: Devices, sign: int) -> None:
        """The same as `give_back` (1) or `take` (-1), for those who only ask for room: what the node is ranked by stays
        as it was."""
        self.columns = columns = self.columns.copy()
        for column, quantity in need.charges:
            columns[column] += sign * quantity
        if devices:
            each_of = {kind: each for kind, _, each in need.devices}
            for kind, index in devices:
                self.shares[kind][index - self._first_index[kind]] += sign * each_of[kind]
        if need.capped:
            for cap in self.caps:
                for kind, quantity in need.capped:
                    if kind in cap.free:
                        cap.free[kind] += sign * quantity
        for kind, _, _ in need.devices:
            self._settle_devices(kind)

    def _settle_devices(self, kind: str) -> None:
        """Bring the columns of a device kind up to date."""
        columns, layout, shares = self.columns, self._layout, self.shares[kind]
        columns[layout.column[kind]] = sum(shares)
        columns[layout.whole_column[kind]] = shares.count(DEVICE_UNIT) * DEVICE_UNIT
        columns[layout.share_column[kind]] = max(shares, default=0)
        for level, size in self.node.islands:
            columns[layout.island_column[kind, level]] = largest_island(shares, size)

    def _settle_slack(self) -> None:
        columns, layout = self.columns, self._layout
        self.slack = sum(
            [free * SLACK_UNIT // peak for free, peak in zip(columns, layout.peaks, strict=False)]
        )

    # -- who is here

    def seat(self, job_id: str, need: TaskNeed, devices: Devices) -> bool:
        """Book a task of this job. False: there is no room, so it is stranded."""
        self.jobs[job_id] = self.jobs.get(job_id, 0) + 1
        if self.accepts(need, devices):
            self.take(need, devices)
            return True
        self.stranded.setdefault(job_id, []).append((need, devices))
        return False

    def unseat(self, job_id: str, need: TaskNeed, devices: Devices) -> None:
        """Free one task of this job, then give room to what is stranded."""
        left = self.jobs[job_id] - 1
        if left:
            self.jobs[job_id] = left
        else:
            del self.jobs[job_id]
        waiting = self.stranded.get(job_id)
        if waiting is not None and (need, devices) in waiting:
            waiting.remove((need, devices))
            if not waiting:
                del self.stranded[job_id]
        else:
            self.give_back(need, devices)
        if self.stranded:
            self.seat_stranded()

    def seat_stranded(self) -> None:
        """Book every stranded task that has room now, in the order in which they were found."""
        waiting, self.stranded = self.stranded, {}
        kept: dict[str, list[tuple[TaskNeed, Devices]]] = {}
        for job_id, tasks in waiting.items():
            for need, devices in tasks:
                if self.accepts(need, devices):
                    self.take(need, devices)
                else:
                    kept.setdefault(job_id, []).append((need, devices))
        self.stranded = kept

    def free(self) -> Resources:
        """What is free, by kind; nothing while nothing may be placed."""
        if self.closed:
            return ()
        return tuple(
            (kind, free) for kind, free in zip(self._layout.kinds, self.columns, strict=False) if free
        )
