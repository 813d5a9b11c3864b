"""The order and the choice in a large region, in arrays: for each typical task how many of it every node's devices
take, what every node is good for, and all nodes in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.scheduling.fragmentation import Workload
from hanse.core.scheduling.nodes import SLACK_UNIT, NodeState
from hanse.core.scheduling.order import INDEX_BITS, MOVES_MAX, SLACK_BITS, USABLE_SHIFT, NodeOrder, order_key

if TYPE_CHECKING:
    from hanse.core.scheduling.table import NodeTable, TaskFit

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

# Nodes looked at in one go; most tasks find enough candidates in the first.
CHUNK_NODES = 2048
# So few nodes are asked one by one.
FEW_NODES = 4
# More than the free share of any device.
_NO_SHARE = 2 * DEVICE_UNIT


class LargeRanking:
    """See table.py: Ranking."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        count = len(table.states)
        self._with_devices = np.array([bool(state.shares) for state in table.states], dtype=np.bool_)
        self._devices_max = {
            kind: max((len(state.shares.get(kind, ())) for state in table.states), default=0)
            for kind in table.layout.device_kinds
        }
        # By device kind, the free share of each device (rows) of each node; 0 where it has fewer.
        self._shares = {
            kind: np.zeros((most, count), dtype=np.int64) for kind, most in self._devices_max.items()
        }
        self._keys: list[int] = []
        self._seen = -1
        self._version = -1

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
        from hanse.core.scheduling.table import CANDIDATES_MAX

        candidates = self._first(self._device_order, flags, CANDIDATES_MAX)
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
            for start in range(0, len(order), CHUNK_NODES):
                nodes = order.nodes(start, start + CHUNK_NODES)
                yield from nodes[flags[nodes]].tolist()

    @staticmethod
    def _first(order: NodeOrder, flags: Bools, limit: int) -> Indices:
        """The first nodes in order that have their flag up."""
        found: list[Indices] = []
        missing = limit
        for start in range(0, len(order), CHUNK_NODES):
            nodes = order.nodes(start, start + CHUNK_NODES)
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
        if changed is None or fit.flags is None:
            fit.flags = self._all_flags(fit)
        elif len(changed) <= FEW_NODES:
            for index in changed:
                if fit.mask.allowed[index]:
                    fit.flags[index] = table.states[index].fits(need)
        else:
            nodes = np.array(changed, dtype=np.intp)
            matrix = table.matrix()
            flags = fit.mask.flags.take(nodes)
            for column, quantity in self._checks(fit):
                flags &= matrix[column].take(nodes) >= quantity
            fit.flags[nodes] = flags
        return fit.flags

    def _all_flags(self, fit: TaskFit) -> Bools:
        if fit.need.impossible:
            return np.zeros(len(self._table.states), dtype=np.bool_)
        matrix = self._table.matrix()
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

    def _losses(self, fit: TaskFit, nodes: Indices) -> Int64s:
        """The usable capacity that each of these nodes loses to the task."""
        workload, need = self._table.workload, fit.need
        matrix = self._table.matrix()
        rooms = self._rooms[:, nodes]
        charged = dict(need.charges)
        free = [matrix[column].take(nodes) - charged.get(column, 0) for column, _ in workload.host]
        if len(need.devices) == 1:
            kind, quantity, _ = need.devices[0]
            whole = matrix[self._table.layout.whole_column[kind]].take(nodes)
            share = whole
            if quantity < DEVICE_UNIT:
                shares = self._shares[kind][:, nodes]
                share = np.where(shares >= quantity, shares, _NO_SHARE).min(axis=0)
            rooms = workload.rooms_after(rooms, need, whole, share)
        elif need.devices:
            return self._losses_one_by_one(fit, nodes)
        losses: Int64s = self._usable.take(nodes) - workload.usable_of(rooms, free)
        return losses

    def _losses_one_by_one(self, fit: TaskFit, nodes: Indices) -> Int64s:
        """Of tasks that need devices of several kinds, which are rare."""
        workload, states = self._table.workload, self._table.states
        after = [workload.usable_after(states[index], fit.need) for index in nodes.tolist()]
        losses: Int64s = self._usable.take(nodes) - np.array(after, dtype=np.int64)
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
        order = self._plain_order
        usable = 0
        if state.shares:
            order = self._device_order
            self._copy_shares(index, state)
            rooms = table.workload.rooms_of(state.shares)
            self._rooms[:, index] = rooms
            if not state.stranded:
                usable = table.workload.usable_with(rooms, state.columns)
            self._usable[index] = usable
        key = order_key(table.layout, usable, state.slack, index)
        order.move(self._keys[index], key)
        self._keys[index] = key

    def _copy_shares(self, index: int, state: NodeState) -> None:
        for kind, shares in state.shares.items():
            self._shares[kind][: len(shares), index] = shares

    def _rebuild(self, workload: Workload, changed: list[int] | None) -> None:
        """Many nodes have changed, or what is typical."""
        states = self._table.states
        for index in range(len(states)) if changed is None else dict.fromkeys(changed):
            self._copy_shares(index, states[index])
        matrix = self._table.matrix()
        self._rooms = workload.rooms(self._shares, len(states))
        self._usable = workload.usable_of(self._rooms, [matrix[column] for column, _ in workload.host])
        self._usable[[bool(state.stranded) or not state.shares for state in states]] = 0
        slack = np.array([max(0, state.slack) for state in states], dtype=np.int64)
        most = SLACK_UNIT * max(1, len(self._table.layout.kinds))
        scaled = slack * ((1 << SLACK_BITS) - 1) // most
        keys = self._usable << USABLE_SHIFT | scaled << INDEX_BITS | np.arange(len(states), dtype=np.int64)
        self._keys = keys.tolist()
        self._plain_order = NodeOrder(keys[~self._with_devices])
        self._device_order = NodeOrder(keys[self._with_devices])
