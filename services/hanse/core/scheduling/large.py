"""The order and the choice in a large region, in arrays: for each typical task how many of it every node's devices
take, what every node is good for, and all nodes in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.scheduling.fragmentation import Workload
from hanse.core.scheduling.nodes import NodeState
from hanse.core.scheduling.order import MOVES_MAX, NodeOrder, order_key, order_keys

if TYPE_CHECKING:
    from hanse.core.scheduling.table import NodeTable, TaskFit

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

# Nodes that a task with devices chooses from; as many as a small region has. On the Alibaba trace more of them allocate
# no more, and asking them takes longer than everything else together.
CANDIDATES_MAX = 64
# So few nodes are asked one by one.
FEW_NODES = 4
# More than the free share of any device.
_NO_SHARE = 2 * DEVICE_UNIT
_NO_DEVICES: list[int] = []


class LargeRanking:
    """See table.py: Ranking. `_facts` has a row for each node: for each typical task how many its devices take, what
    it has free of the host's kinds, its usable capacity; then for each device kind what it has free in whole devices,
    and the free share of each (0 where it has fewer devices than others)."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        count = len(table.states)
        self._with_devices = np.array([bool(state.shares) for state in table.states], dtype=np.bool_)
        self._devices_max = {
            kind: max((len(state.shares.get(kind, ())) for state in table.states), default=0)
            for kind in table.layout.device_kinds
        }
        self._slack = np.zeros(count, dtype=np.int64)
        self._keys: list[int] = []
        self._seen = -1
        self._version = -1
        self._lay_out(table.workload)
        self._facts: Doubles = np.zeros((count, self._width))

    def _lay_out(self, workload: Workload) -> None:
        """Where in a row stands what, for these typical tasks."""
        self._host = slice(len(workload.tasks), len(workload.tasks) + len(workload.columns))
        self._usable = self._host.stop
        at = self._usable + 1
        self._whole: dict[str, int] = {}
        self._shares: dict[str, slice] = {}
        for kind, most in self._devices_max.items():
            self._whole[kind] = at
            self._shares[kind] = slice(at + 1, at + 1 + most)
            at += 1 + most
        self._width = at

    # -- Ranking

    def key(self, index: int) -> int:
        """The node's place in the order."""
        self._refresh()
        return self._keys[index]

    def best(self, fit: TaskFit) -> int | None:
        """The node that one task goes to."""
        self._refresh()
        flags = self._liked(fit, self._open(fit))
        if not fit.need.devices:
            first = self._first(self._plain_order, flags, 1)
            if first.size:
                return int(first[0])
        candidates = self._first(self._device_order, flags, CANDIDATES_MAX, fit.open_from if fit.plain else 0)
        if candidates.size and fit.plain:
            fit.open_from = self._keys[int(candidates[0])]
        if candidates.size < 2:
            return int(candidates[0]) if candidates.size else None
        return int(candidates[self._losses(fit, candidates).argmin()])

    def in_order(self, fit: TaskFit) -> Iterator[int]:
        """Every node that has room for the task, best liked first, then in order."""
        self._refresh()
        flags = self._open(fit)
        costs = self._table.costs(fit)
        if costs is None:
            yield from self._all_in_order(fit, flags)
            return
        for cost in np.unique(costs[flags]).tolist():
            yield from self._all_in_order(fit, flags & (costs == cost))

    def fitting(self, fit: TaskFit) -> Indices:
        """Every node that has room for the task, by index."""
        self._refresh()
        return np.flatnonzero(self._open(fit))

    def _all_in_order(self, fit: TaskFit, flags: Bools) -> Iterator[int]:
        orders = (self._device_order,) if fit.need.devices else (self._plain_order, self._device_order)
        for order in orders:
            for nodes in order.chunks():
                yield from nodes[flags[nodes]].tolist()

    @staticmethod
    def _first(order: NodeOrder, flags: Bools, limit: int, from_key: int = 0) -> Indices:
        """The first nodes in order, from that key on, that have their flag up."""
        found: list[Indices] = []
        missing = limit
        for nodes in order.chunks(from_key):
            chosen = nodes[flags.take(nodes)][:missing]
            if chosen.size == limit:
                return chosen
            found.append(chosen)
            missing -= chosen.size
            if not missing:
                break
        return np.concatenate(found) if found else np.zeros(0, dtype=np.intp)

    # -- which nodes have room

    def _open(self, fit: TaskFit) -> Bools:
        """Which nodes have room for the task, all told. Not to be written to."""
        flags = self._flags(fit)
        if fit.plain:
            return flags
        besides = self._table.besides(fit)
        return flags if besides is None else flags & besides

    def _liked(self, fit: TaskFit, flags: Bools) -> Bools:
        """Of these nodes, those that cost least."""
        costs = self._table.costs(fit)
        if costs is None:
            return flags
        open_costs = costs[flags]
        return flags & (costs == open_costs.min()) if open_costs.size else flags

    def _flags(self, fit: TaskFit) -> Bools:
        table, need = self._table, fit.need
        changed = table.changed_since(fit.seen) if fit.flags is not None else None
        fit.seen = table.changes
        if fit.version != self._version:
            fit.version, fit.open_from = self._version, 0
        if changed is None or fit.flags is None:
            fit.flags = self._all_flags(fit)
        elif len(changed) <= FEW_NODES:
            for index in changed:
                if fit.mask.allowed[index]:
                    fit.flags[index] = fits = table.states[index].fits(need)
                    if fits and self._keys[index] < fit.open_from:
                        fit.open_from = self._keys[index]
        else:
            nodes = np.array(changed, dtype=np.intp)
            matrix = table.matrix()
            flags = fit.mask.flags.take(nodes)
            for column, quantity in self._checks(fit):
                flags &= matrix[column].take(nodes) >= quantity
            fit.flags[nodes] = flags
            if fit.open_from:
                keys = [self._keys[index] for index in nodes[flags].tolist()]
                fit.open_from = min(fit.open_from, *keys) if keys else fit.open_from
        return fit.flags

    def _all_flags(self, fit: TaskFit) -> Bools:
        if fit.need.impossible:
            return np.zeros(len(self._table.states), dtype=np.bool_)
        matrix = self._table.matrix()
        fit.open_from = 0
        flags = fit.mask.flags.copy()
        for column, quantity in self._checks(fit):
            flags &= matrix[column] >= quantity
        return flags

    @staticmethod
    def _checks(fit: TaskFit) -> tuple[tuple[int, int], ...]:
        """A task that needs nothing still stays away from nodes with stranded tasks, whose columns are -1."""
        if fit.need.impossible:
            return ((0, 1 << 62),)
        return fit.need.checks or ((0, 0),)

    # -- what a task costs

    def _losses(self, fit: TaskFit, nodes: Indices) -> Doubles:
        """The usable capacity that each of these nodes loses to the task."""
        workload, need = self._table.workload, fit.need
        if len(need.devices) > 1:
            return self._losses_one_by_one(fit, nodes)
        # A row for each fact, so that what is done to all nodes is done to numbers side by side.
        facts = self._facts.take(nodes, axis=0).T.copy()
        rooms = facts[: self._host.start]
        free = facts[self._host] - self._charges(fit)
        if need.devices:
            kind, quantity, _ = need.devices[0]
            state = facts[self._whole[kind]] / DEVICE_UNIT
            if quantity < DEVICE_UNIT:
                shares = facts[self._shares[kind]]
                np.putmask(shares, shares < quantity, _NO_SHARE)
                share = shares.min(axis=0)
                state = share + state * (share == DEVICE_UNIT)
            rooms -= workload.costs(kind, quantity).take(state.astype(np.intp), axis=1)
        losses: Doubles = facts[self._usable] - workload.usable_of(rooms, free)
        return losses

    def _charges(self, fit: TaskFit) -> Doubles:
        """What the task takes of each of the typical tasks' columns; made once for each kind of task."""
        workload = self._table.workload
        known = fit.charges
        if known is None or known[0] != workload.version:
            charged = dict(fit.need.charges)
            charges = np.array([[charged.get(column, 0)] for column in workload.columns], dtype=np.float64)
            known = fit.charges = (workload.version, charges.reshape(-1, 1))
        return known[1]

    def _losses_one_by_one(self, fit: TaskFit, nodes: Indices) -> Doubles:
        """Of tasks that need devices of several kinds, which are rare."""
        workload, states = self._table.workload, self._table.states
        after = [workload.usable_after(states[index], fit.need) for index in nodes.tolist()]
        losses: Doubles = self._facts[nodes, self._usable] - np.array(after, dtype=np.float64)
        return losses

    # -- keeping up

    def _refresh(self) -> None:
        table = self._table
        if self._seen == table.changes:
            return
        table.workload.review()
        changed = table.changed_since(self._seen) if self._seen >= 0 else None
        if changed is None or len(changed) > MOVES_MAX or self._version != table.workload.version:
            self._rebuild(table.workload, changed)
        else:
            table.matrix()
            for index in dict.fromkeys(changed):
                self._renew(index, table.states[index])
        self._seen, self._version = table.changes, table.workload.version

    def _renew(self, index: int, state: NodeState) -> None:
        """One node has changed."""
        table = self._table
        self._slack[index] = state.slack
        order, usable = self._plain_order, 0
        if state.shares:
            order = self._device_order
            facts, usable = self._facts_of(state)
            self._facts[index] = facts
        key = order_key(table.layout, usable, state.slack, index)
        order.move(self._keys[index], key)
        self._keys[index] = key

    def _facts_of(self, state: NodeState) -> tuple[list[int], int]:
        """The row of a node, and its usable capacity."""
        workload, columns = self._table.workload, state.columns
        rooms = workload.rooms_of(state.shares)
        usable = 0 if state.stranded else workload.usable_with(rooms, columns)
        facts = rooms + [columns[column] for column in workload.columns]
        facts.append(usable)
        return facts + self._devices_of(state), usable

    def _devices_of(self, state: NodeState) -> list[int]:
        facts: list[int] = []
        columns, whole_column = state.columns, self._table.layout.whole_column
        for kind, most in self._devices_max.items():
            shares = state.shares.get(kind, _NO_DEVICES)
            facts.append(columns[whole_column[kind]])
            facts += shares
            if len(shares) < most:
                facts += [0] * (most - len(shares))
        return facts

    def _rebuild(self, workload: Workload, changed: Iterable[int] | None) -> None:
        """Many nodes have changed, or what is typical."""
        table = self._table
        if changed is None:
            changed = range(len(table.states))
        self._note_devices(changed)
        if self._version != workload.version:
            self._lay_out(workload)
        devices = self._facts[:, self._facts.shape[1] - self._width + self._usable + 1 :]
        facts = np.zeros((len(table.states), self._width), dtype=np.float64)
        facts[:, self._usable + 1 :] = devices
        matrix = table.matrix()
        host = matrix[list(workload.columns)].astype(np.float64)
        facts[:, self._host] = host.T
        shares = {kind: facts[:, columns].T for kind, columns in self._shares.items()}
        rooms = workload.rooms(shares, len(table.states))
        facts[:, : self._host.start] = rooms.T
        usable = workload.usable_of(rooms, host)
        usable[[bool(state.stranded) for state in table.states]] = 0
        facts[:, self._usable] = usable
        self._facts = facts
        keys = order_keys(table.layout, usable.astype(np.int64), self._slack)
        self._keys = keys.tolist()
        self._plain_order = NodeOrder(keys[~self._with_devices])
        self._device_order = NodeOrder(keys[self._with_devices])

    def _note_devices(self, changed: Iterable[int]) -> None:
        """Bring the part of the rows up to date that does not depend on what is typical: it is their end."""
        first = self._facts.shape[1] - (self._width - self._usable - 1)
        for index in dict.fromkeys(changed):
            state = self._table.states[index]
            self._slack[index] = state.slack
            if state.shares:
                self._facts[index, first:] = self._devices_of(state)
