"""The order and the choice in a small region: node by node, without arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from hanse.core.scheduling.table import NodeTable, TaskFit


class SmallRanking:
    """See table.py: Ranking. Keys are kept until their node changes."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._keys: list[int] = [0] * len(table.states)
        self._version = -1
        self._seen = 0

    def key(self, index: int) -> int:
        """The node's place in the order."""
        self._refresh()
        return self._keys[index]

    def best(self, fit: TaskFit) -> int | None:
        """The node that one task goes to."""
        ordered = self._ordered(fit)
        if not ordered:
            return None
        states, need = self._table.states, fit.need
        if not states[ordered[0]].shares:
            return ordered[0]
        if fit.costs is not None:
            costs = self._table.costs(fit)
            assert costs is not None, "a fit with costs keeps them"
            least = costs[ordered[0]]
            ordered = [index for index in ordered if costs[index] == least]
        workload = self._table.workload
        chosen, least_lost = ordered[0], None
        for index in ordered:
            state = states[index]
            if not state.shares:
                continue
            lost = workload.usable(state) - workload.usable_after(state, need)
            if least_lost is None or lost < least_lost:
                chosen, least_lost = index, lost
        return chosen

    def in_order(self, fit: TaskFit) -> Iterator[int]:
        """Every node that has room for the task, best liked first, then in order."""
        return iter(self._ordered(fit))

    def fitting(self, fit: TaskFit) -> npt.NDArray[np.intp]:
        """Every node that has room for the task, by index."""
        return np.array(sorted(self._ordered(fit)), dtype=np.intp)

    def _ordered(self, fit: TaskFit) -> list[int]:
        self._refresh()
        allowed, need, states, keys = fit.mask.allowed, fit.need, self._table.states, self._keys
        found = [index for index, state in enumerate(states) if allowed[index] and state.fits(need)]
        if need.devices:
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
            self._keys[index] = table.order_key(table.states[index])
        self._seen, self._version = table.changes, table.workload.version
