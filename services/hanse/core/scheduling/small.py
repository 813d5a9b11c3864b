"""The order and the choice in a small region: node by node, without arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hanse.core.scheduling.order import order_key

if TYPE_CHECKING:
    from hanse.core.scheduling.table import NodeTable, TaskFit


class SmallRanking:
    """See table.py: Ranking. Keys are kept until their node changes."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._keys: list[int] = [0] * len(table.states)
        self._usable: list[int] = [0] * len(table.states)
        self._version = -1
        self._seen = 0

    def key(self, index: int) -> int:
        """The node's place in the order."""
        self._refresh()
        return self._keys[index]

    def best(self, fit: TaskFit) -> int | None:
        """The node that one task goes to."""
        if fit.plain:
            self._refresh()
            if not fit.need.devices:
                found = self._first_without_devices(fit)
                if found is not None:
                    return found
            return self._least_loss(fit, self._fitting(fit))
        ordered = self._ordered(fit)
        if not ordered or not self._table.states[ordered[0]].shares:
            return ordered[0] if ordered else None
        costs = self._table.costs(fit)
        if costs is not None:
            least = costs[ordered[0]]
            ordered = [index for index in ordered if costs[index] == least]
        return self._least_loss(fit, ordered)

    def _first_without_devices(self, fit: TaskFit) -> int | None:
        allowed, need, keys = fit.mask.allowed, fit.need, self._keys
        found: int | None = None
        for state in self._table.states:
            index = state.index
            if (
                not state.shares
                and allowed[index]
                and (found is None or keys[index] < keys[found])
                and state.fits(need)
            ):
                found = index
        return found

    def _least_loss(self, fit: TaskFit, nodes: list[int]) -> int | None:
        """Of these nodes the one that loses least usable capacity, in order among equals."""
        states, need, workload = self._table.states, fit.need, self._table.workload
        chosen: tuple[int, int, int] | None = None
        for index in nodes:
            state = states[index]
            if state.shares:
                lost = self._usable[index] - workload.usable_after(state, need)
                if chosen is None or (lost, self._keys[index]) < chosen[:2]:
                    chosen = (lost, self._keys[index], index)
        return None if chosen is None else chosen[2]

    def _fitting(self, fit: TaskFit) -> list[int]:
        allowed, need = fit.mask.allowed, fit.need
        return [state.index for state in self._table.states if allowed[state.index] and state.fits(need)]

    def in_order(self, fit: TaskFit) -> Iterator[int]:
        """Every node that has room for the task, best liked first, then in order."""
        return iter(self._ordered(fit))

    def fitting(self, fit: TaskFit) -> npt.NDArray[np.intp]:
        """Every node that has room for the task, by index."""
        return np.array(sorted(self._ordered(fit)), dtype=np.intp)

    def _ordered(self, fit: TaskFit) -> list[int]:
        self._refresh()
        states, keys = self._table.states, self._keys
        found = self._fitting(fit)
        if fit.need.devices:
            found.sort(key=keys.__getitem__)
        else:
            # Nodes without devices first: their keys have no usable capacity, but neither have those of full ones.
            found.sort(key=lambda index: (bool(states[index].shares), keys[index]))
        if fit.plain:
            return found
        besides, costs = self._table.besides(fit), self._table.costs(fit)
        if besides is not None:
            found = [index for index in found if besides[index]]
        if costs is not None:
            found.sort(key=costs.__getitem__)
        return found

    def _refresh(self) -> None:
        table = self._table
        if self._seen == table.changes and self._version == table.workload.version:
            return
        table.workload.review()
        changed = table.changed_since(self._seen)
        if changed is None or self._version != table.workload.version:
            changed = list(range(len(table.states)))
        for index in dict.fromkeys(changed):
            state = table.states[index]
            usable = self._usable[index] = table.workload.usable(state)
            self._keys[index] = order_key(table.layout, usable, state.slack, index)
        self._seen, self._version = table.changes, table.workload.version
