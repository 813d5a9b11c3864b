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
All numbers are integers.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.model.regions import Node
from hanse.core.scheduling.nodes import Layout, NodeState, TaskNeed

Int64s = npt.NDArray[np.int64]

# Wishes that are looked at. On the Alibaba trace 12 of 24 are 98 % of the tasks, and more of them gain nothing: rare
# wishes make differences where there are none.
TYPICAL_TASKS_MAX = 12
# Frequencies are counted in this many parts.
FREQUENCY_UNIT = 1024
# Usable capacity beyond this is not told apart: with 1,000 devices on a node it would be.
USABLE_MAX = (1 << 28) - 1
# The typical tasks are read anew after this many starts and ends, or a quarter of what runs if that is more: each time
# all nodes are asked anew, some 10 ms for 30,000.
OBSERVATIONS_MIN = 64

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
    """The typical tasks of a region, by what runs there. `version` grows when they are others."""

    def __init__(self, layout: Layout, nodes: tuple[Node, ...]) -> None:
        self.version = 0
        self._tallies: dict[tuple[str, int], _Tally] = {}
        self._running = 0
        self._observed = 0
        self.tasks: tuple[TypicalTask, ...] = ()
        self._adopt(_by_hardware(layout, nodes))

    def _adopt(self, tasks: tuple[TypicalTask, ...]) -> None:
        if tasks == self.tasks:
            return
        self.version += 1
        self.tasks = tasks
        self.worths: Int64s = np.array([task.worth for task in tasks], dtype=np.int64)
        columns = sorted({column for task in tasks for column, _ in task.host})
        demands = [dict(task.host) for task in tasks]
        # For each column, what each typical task takes of it; what none of it takes is as if it took 1.
        self.host: list[tuple[int, Int64s]] = [
            (column, np.array([[max(1, demand.get(column, 0))] for demand in demands], dtype=np.int64))
            for column in columns
        ]
        self.rows: dict[str, tuple[npt.NDArray[np.intp], Int64s, npt.NDArray[np.intp], Int64s]] = {}
        for kind in dict.fromkeys(task.kind for task in tasks):
            shares = [n for n, task in enumerate(tasks) if task.kind == kind and task.quantity < DEVICE_UNIT]
            wholes = [n for n, task in enumerate(tasks) if task.kind == kind and task.quantity >= DEVICE_UNIT]
            self.rows[kind] = (
                np.array(shares, dtype=np.intp),
                np.array([[tasks[n].quantity] for n in shares], dtype=np.int64).reshape(-1, 1),
                np.array(wholes, dtype=np.intp),
                np.array([[tasks[n].quantity] for n in wholes], dtype=np.int64).reshape(-1, 1),
            )

    # -- what runs

    def observe(self, need: TaskNeed, sign: int) -> None:
        """A task has started (1) or ended (-1)."""
        if not need.devices:
            return
        kind, quantity, _ = need.devices[0]
        tally = self._tallies.get((kind, quantity))
        if tally is None:
            tally = self._tallies[kind, quantity] = _Tally()
        tally.count += sign
        self._running += sign
        self._observed += 1
        host = tally.host
        for column, charge in need.charges:
            host[column] = host.get(column, 0) + sign * charge
        if not tally.count:
            del self._tallies[kind, quantity]

    def review(self) -> None:
        """Read the typical tasks anew, if enough has happened since the last time."""
        if self._observed < OBSERVATIONS_MIN or 4 * self._observed < self._running or not self._running:
            return
        self._observed = 0
        frequent = sorted(self._tallies.items(), key=lambda item: (-item[1].count, item[0]))
        frequent = frequent[:TYPICAL_TASKS_MAX]
        counted = sum(tally.count for _, tally in frequent)
        self._adopt(
            tuple(
                TypicalTask(
                    kind,
                    quantity,
                    tuple((column, taken // tally.count) for column, taken in sorted(tally.host.items())),
                    quantity * max(1, tally.count * FREQUENCY_UNIT // counted),
                )
                for (kind, quantity), tally in frequent
            )
        )

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
        return min(total, USABLE_MAX)

    def usable(self, state: NodeState) -> int:
        """The usable capacity of a node as it is; none while something is stranded."""
        if state.stranded or not state.shares:
            return 0
        return self.usable_with(self.rooms_of(state.shares), state.columns)

    def usable_after(self, state: NodeState, need: TaskNeed) -> int:
        """The usable capacity of a node once it has taken a task, which must fit."""
        columns, shares = state.columns, state.shares
        if need.charges:
            columns = columns.copy()
            for column, quantity in need.charges:
                columns[column] -= quantity
        if need.devices:
            shares = dict(shares)
            for kind, quantity, each in need.devices:
                shares[kind] = _without(shares[kind], quantity, each)
        return self.usable_with(self.rooms_of(shares), columns)

    # -- many nodes

    def rooms(self, shares: dict[str, Int64s], nodes: int) -> Int64s:
        """For each typical task (rows) and node, how many the node's devices could take. `shares`: by kind, the free
        share of each device (rows) of each node."""
        rooms = np.zeros((len(self.tasks), nodes), dtype=np.int64)
        for row, task in enumerate(self.tasks):
            free = shares[task.kind]
            if task.quantity >= DEVICE_UNIT:
                rooms[row] = (free == DEVICE_UNIT).sum(axis=0) * DEVICE_UNIT // task.quantity
            else:
                rooms[row] = (free // task.quantity).sum(axis=0)
        return rooms

    def usable_of(self, rooms: Int64s, free: list[Int64s]) -> Int64s:
        """The usable capacity of nodes by their devices' room, and what is free of each column of `self.host`."""
        for (_, demand), have in zip(self.host, free, strict=True):
            rooms = np.minimum(rooms, have // demand)
        total: Int64s = self.worths @ rooms
        return np.clip(total, 0, USABLE_MAX)

    def rooms_after(self, rooms: Int64s, need: TaskNeed, whole: Int64s, share: Int64s) -> Int64s:
        """The room of nodes once each has taken a task. `whole`: thousandths that they have free in whole devices of
        its kind; `share`: the free share of the device from which it takes its share, if it takes one."""
        kind, quantity, _ = need.devices[0]
        known = self.rows.get(kind)
        if known is None:
            return rooms
        share_rows, share_quantities, whole_rows, whole_quantities = known
        after = rooms.copy()
        if quantity >= DEVICE_UNIT:
            whole = whole - quantity
            after[share_rows] -= quantity // DEVICE_UNIT * (DEVICE_UNIT // share_quantities)
        else:
            whole = whole - DEVICE_UNIT * (share == DEVICE_UNIT)
            after[share_rows] -= share // share_quantities - (share - quantity) // share_quantities
        after[whole_rows] = whole // whole_quantities
        return after


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
