"""What a node is still good for, and what a task would take away of that.

A node's free capacity is worth what it can still be given to. The typical tasks of the region are read off what it
runs: for each of the most frequent wishes for devices, how frequent it is, and what it takes of the host on average.
The *usable* capacity of a node is the sum, over the typical tasks and by their frequency, of the devices that such
tasks would get if the node were filled with them. Placing a task costs usable capacity, and costs more than the task
takes where it leaves devices without processors, or shares that nobody asks for: that is fragmentation. The node that
loses least is chosen.

This follows the idea of fragmentation gradient descent (Weng et al., Beware of Fragmentation: Scheduling GPU-Sharing
Workloads with Fragmentation Gradient Descent, USENIX ATC 2023), which counts the devices that typical tasks could *not*
use. Counting how many typical tasks fit, by all kinds of a node, also sees the processors run out before the devices.

All numbers are integers. Arrays hold them as doubles, whose division is several times as fast: up to 2^53 they are
exact, the floor of a quotient included, in whatever order they are added.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from hanse.core.model.limits import DEVICE_UNIT, DEVICES_PER_NODE_MAX
from hanse.core.model.regions import Node
from hanse.core.scheduling.nodes import Layout, NodeState, TaskNeed

Int64s = npt.NDArray[np.int64]
# Whole numbers below 2^53.
Doubles = npt.NDArray[np.float64]

# Wishes that are looked at. On the Alibaba trace 12 of 24 are 98 % of the tasks, and more of them gain nothing: rare
# wishes make differences where there are none.
TYPICAL_TASKS_MAX = 12
# Numbers that differ by less than one in so many parts count as the same.
ALIKE_PARTS = 8
# Frequencies are counted in this many parts.
FREQUENCY_UNIT = 1024
# The typical tasks are read anew after this many starts and ends, or half as many as run if that is more: each time all
# nodes are asked anew, some 10 ms for 30,000.
OBSERVATIONS_MIN = 32

# What is remembered of how room is lost; some 200 bytes each.
LOST_MAX = 16_384

_NO_DEVICES: tuple[int, list[int]] = (0, [])


class TypicalTask(msgspec.Struct, frozen=True):
    """A wish for `quantity` of a device kind; `host` (column, quantity) is what comes with it. `worth`: of one such
    task, its devices times its frequency."""

    kind: str
    quantity: int
    host: tuple[tuple[int, int], ...]
    worth: int


class _Tally:
    """Tasks with one wish that run now."""

    __slots__ = ("count", "host")

    def __init__(self) -> None:
        self.count = 0
        self.host: dict[int, int] = {}


class Workload:
    """The typical tasks of a region, by what runs there, sorted by kind and quantity. `version` grows when they are
    others."""

    def __init__(self, layout: Layout, nodes: tuple[Node, ...]) -> None:
        self.version = 0
        self._tallies: dict[tuple[str, int], _Tally] = {}
        self._running = 0
        self._observed = 0
        self.tasks: tuple[TypicalTask, ...] = ()
        self.adopt(_by_hardware(layout, nodes))

    def adopt(self, tasks: tuple[TypicalTask, ...]) -> None:
        """Take these, sorted by kind and quantity, as typical until the next review."""
        self._observed = 0
        tasks = _evened(tasks)
        if tasks == self.tasks and self.version:
            return
        self.version += 1
        self.tasks = tasks
        self.worths: Doubles = np.array([task.worth for task in tasks], dtype=np.float64)
        self.columns = tuple(column for column, _ in tasks[0].host) if tasks else ()
        # By column, then by task: what it takes.
        self.demands: Doubles = np.array(
            [[quantity for _, quantity in task.host] for task in tasks], dtype=np.float64
        ).T.reshape(len(self.columns), len(tasks), 1)
        self._costs: dict[tuple[str, int], Doubles] = {}
        self._columns_of_costs: dict[tuple[str, int, int], list[int]] = {}

    # -- what runs

    def observe(self, need: TaskNeed, tasks: int) -> None:
        """So many tasks with this need have started, or (below zero) ended."""
        if not need.devices:
            return
        kind, quantity, _ = need.devices[0]
        tally = self._tallies.get((kind, quantity))
        if tally is None:
            tally = self._tallies[kind, quantity] = _Tally()
        tally.count += tasks
        self._running += tasks
        self._observed += abs(tasks)
        host = tally.host
        for column, charge in need.charges:
            host[column] = host.get(column, 0) + tasks * charge
        if not tally.count:
            del self._tallies[kind, quantity]

    def review(self) -> None:
        """Read the typical tasks anew, if enough has happened since the last time."""
        if self._observed < OBSERVATIONS_MIN or 2 * self._observed < self._running or not self._running:
            return
        self._observed = 0
        frequent = sorted(self._tallies.items(), key=lambda item: (-item[1].count, item[0]))
        frequent = frequent[:TYPICAL_TASKS_MAX]
        counted = sum(tally.count for _, tally in frequent)
        tasks = _evened(
            tuple(
                TypicalTask(
                    kind,
                    quantity,
                    tuple((column, taken // tally.count) for column, taken in sorted(tally.host.items())),
                    quantity * max(1, tally.count * FREQUENCY_UNIT // counted),
                )
                for (kind, quantity), tally in sorted(frequent, key=_by_wish)
            )
        )
        if not _alike(tasks, self.tasks):
            self.adopt(tasks)

    # -- one node

    def rooms_of(self, shares: dict[str, list[int]]) -> list[int]:
        """For each typical task, how many these devices could take."""
        parts = {
            kind: (free.count(DEVICE_UNIT), [share for share in free if 0 < share < DEVICE_UNIT])
            for kind, free in shares.items()
        }
        rooms = []
        for task in self.tasks:
            whole, partial = parts.get(task.kind, _NO_DEVICES)
            quantity = task.quantity
            if quantity >= DEVICE_UNIT:
                rooms.append(whole * DEVICE_UNIT // quantity)
                continue
            room = whole * (DEVICE_UNIT // quantity)
            for share in partial:
                room += share // quantity
            rooms.append(room)
        return rooms

    def usable_with(self, rooms: list[int], columns: list[int]) -> int:
        """The usable capacity of a node with these columns, whose devices have this room."""
        total = 0
        for task, room in zip(self.tasks, rooms, strict=True):
            if not room:
                continue
            for column, demand in task.host:
                if demand * room > columns[column]:
                    room = columns[column] // demand
            total += task.worth * room
        return total

    def usable(self, state: NodeState) -> int:
        """The usable capacity of a node as it is; none while something is stranded."""
        if state.closed or not state.shares:
            return 0
        return self.usable_with(self.rooms_of(state.shares), state.columns)

    def usable_after(self, columns: list[int], shares: dict[str, list[int]], need: TaskNeed) -> int:
        """The usable capacity of a node with this free once it has taken a task, which must fit."""
        if need.charges:
            columns = columns.copy()
            for column, quantity in need.charges:
                columns[column] -= quantity
        if need.devices:
            shares = dict(shares)
            for kind, quantity, each in need.devices:
                shares[kind] = _without(shares[kind], quantity, each)
        return self.usable_with(self.rooms_of(shares), columns)

    def loss(
        self, need: TaskNeed, columns: list[int], shares: dict[str, list[int]], rooms: list[int], usable: int
    ) -> int:
        """The usable capacity that a node loses to a task that needs devices of one kind, which must fit. `rooms`,
        `usable`: what rooms_of and usable_with say of the node."""
        kind, quantity, each = need.devices[0]
        free = shares[kind]
        whole = free.count(DEVICE_UNIT)
        if quantity >= DEVICE_UNIT:
            lost = self._lost(kind, quantity, whole)
        else:
            share = min([share for share in free if share >= each])
            lost = self._lost(kind, quantity, share if share < DEVICE_UNIT else DEVICE_UNIT + whole)
        charged = dict(need.charges)
        left = {column: columns[column] - charged.get(column, 0) for column in self.columns}
        for task, room, less in zip(self.tasks, rooms, lost, strict=True):
            room -= less
            if not room:
                continue
            for column, demand in task.host:
                if demand * room > left[column]:
                    room = left[column] // demand
            usable -= task.worth * room
        return usable

    def _lost(self, kind: str, quantity: int, state: int) -> list[int]:
        """A column of `costs`."""
        known = self._columns_of_costs.get((kind, quantity, state))
        if known is None:
            if len(self._columns_of_costs) >= LOST_MAX:
                self._columns_of_costs.clear()
            column = self.costs(kind, quantity)[:, state].astype(np.int64).tolist()
            known = self._columns_of_costs[kind, quantity, state] = column
        return known

    # -- many nodes

    def rooms(self, shares: dict[str, Doubles], nodes: int) -> Doubles:
        """By typical task and node, how many the node's devices could take. `shares`: by kind, the free share of each
        device by device and node."""
        rooms = np.zeros((len(self.tasks), nodes), dtype=np.float64)
        for number, task in enumerate(self.tasks):
            free = shares[task.kind]
            if task.quantity >= DEVICE_UNIT:
                whole = np.count_nonzero(free == DEVICE_UNIT, axis=0)
                rooms[number] = whole * DEVICE_UNIT // task.quantity
            else:
                rooms[number] = np.floor(free / task.quantity).sum(axis=0)
        return rooms

    def usable_of(self, rooms: Doubles, free: Doubles) -> Doubles:
        """The usable capacity of nodes by their devices' room, and what is free of each of `self.columns`."""
        if self.columns:
            fitting = free[:, None] / self.demands
            np.floor(fitting, out=fitting)
            for of_column in fitting:
                rooms = np.minimum(rooms, of_column)
        total: Doubles = self.worths @ rooms
        return total

    def costs(self, kind: str, quantity: int) -> Doubles:
        """By typical task and state of a node's devices (see below), how much less room there is for it once a
        task has taken this much of this kind."""
        known = self._costs.get((kind, quantity))
        if known is None:
            typical = np.array([[task.quantity] for task in self.tasks], dtype=np.int64)
            concerned = np.array([[task.kind == kind] for task in self.tasks])
            lost = (
                _whole_lost(typical, quantity) if quantity >= DEVICE_UNIT else _share_lost(typical, quantity)
            )
            known = self._costs[kind, quantity] = (lost * concerned).astype(np.float64)
        return known


def _whole_lost(typical: Int64s, quantity: int) -> Int64s:
    """How many fewer tasks of `typical` thousandths fit once whole devices were taken, by how many there were."""
    whole = np.arange(DEVICES_PER_NODE_MAX + 1, dtype=np.int64) * DEVICE_UNIT
    of_wholes = whole // typical - np.maximum(0, whole - quantity) // typical
    of_shares = quantity // DEVICE_UNIT * (DEVICE_UNIT // typical)
    lost: Int64s = np.where(typical >= DEVICE_UNIT, of_wholes, of_shares)
    return lost


def _share_lost(typical: Int64s, quantity: int) -> Int64s:
    """The same for a share, by the free share of the device that it comes from; if that is a whole one, by that and the
    number of whole ones."""
    state = np.arange(DEVICE_UNIT + DEVICES_PER_NODE_MAX + 1, dtype=np.int64)
    share, whole = np.minimum(state, DEVICE_UNIT), np.maximum(0, state - DEVICE_UNIT) * DEVICE_UNIT
    of_wholes = whole // typical - np.maximum(0, whole - DEVICE_UNIT) // typical
    of_shares = share // typical - np.maximum(0, share - quantity) // typical
    lost: Int64s = np.where(typical >= DEVICE_UNIT, of_wholes, of_shares)
    return lost


def _evened(tasks: tuple[TypicalTask, ...]) -> tuple[TypicalTask, ...]:
    """The same columns for all of them: a task that takes nothing of one is taken to need a trace of it, at least 1."""
    columns = sorted({column for task in tasks for column, _ in task.host})
    evened = []
    for task in tasks:
        host = dict(task.host)
        taken = tuple((column, max(1, host.get(column, 0))) for column in columns)
        evened.append(msgspec.structs.replace(task, host=taken))
    return tuple(evened)


def _alike(left: tuple[TypicalTask, ...], right: tuple[TypicalTask, ...]) -> bool:
    """Whether it is not worth asking all nodes anew: the same wishes, and no number an eighth larger or smaller."""
    if [(task.kind, task.quantity) for task in left] != [(task.kind, task.quantity) for task in right]:
        return False
    pairs = [(one.worth, other.worth) for one, other in zip(left, right, strict=True)]
    for one, other in zip(left, right, strict=True):
        if [column for column, _ in one.host] != [column for column, _ in other.host]:
            return False
        pairs += [(taken, was) for (_, taken), (_, was) in zip(one.host, other.host, strict=True)]
    return all(ALIKE_PARTS * abs(new - old) <= old for new, old in pairs)


def _by_wish(item: tuple[tuple[str, int], _Tally]) -> tuple[str, int]:
    return item[0]


def _without(shares: list[int], quantity: int, each: int) -> list[int]:
    """These devices after a task took its own; from which of the whole ones makes no difference."""
    left = shares.copy()
    if quantity < DEVICE_UNIT:
        left[left.index(min(share for share in left if share >= quantity))] -= quantity
        return left
    for _ in range(quantity // each):
        left[left.index(each)] = 0
    return left


def _by_hardware(layout: Layout, nodes: tuple[Node, ...]) -> tuple[TypicalTask, ...]:
    """Before anything runs: one device of each kind, with its part of the host that it is in."""
    found = []
    for kind in layout.device_kinds:
        devices = 0
        host: dict[int, int] = {}
        for node in nodes:
            capacity = dict(node.capacity)
            if kind not in capacity:
                continue
            devices += capacity[kind] // DEVICE_UNIT
            for other, quantity in node.capacity:
                if other not in layout.whole_column:
                    column = layout.column[other]
                    host[column] = host.get(column, 0) + quantity
        parts = tuple((column, quantity // devices) for column, quantity in sorted(host.items()))
        found.append(TypicalTask(kind, DEVICE_UNIT, parts, DEVICE_UNIT * FREQUENCY_UNIT))
    return tuple(found)
