"""Placing without consequences: tasks are booked on copies of the few nodes that they touch.

A Trial is a region's nodes with what was placed here, or taken away, on top. How a job's groups are placed on it stands
in groups.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from hanse.core.model.jobs import Allocation, Shape, TaskPlacement
from hanse.core.scheduling.form_facts import Rank
from hanse.core.scheduling.nodes import CapState, Devices, NodeState, TaskNeed
from hanse.core.scheduling.table import NodeTable, TaskFit
from hanse.core.scheduling.topology import Domains, Ids

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]


class Quotas:
    """How many tasks each domain of a level may still take."""

    def __init__(self, domains: Domains, left: dict[int, int]) -> None:
        self.domains = domains
        self.left = left

    def of(self, node: int) -> tuple[int, int]:
        """The node's domain, and how many it may still take."""
        domain = int(self.domains.of_node[node])
        return domain, self.left.get(domain, 0)


class Trial:
    """See the module's docstring. Must not outlive the next change of the table."""

    def __init__(self, table: NodeTable) -> None:
        self.table = table
        self._touched: dict[int, NodeState] = {}
        self._excluded: dict[int, None] = {}
        self._caps: dict[int, CapState] = {}
        # Whether only nodes that were touched count.
        self._confined = False

    # -- supposing

    def copy(self) -> Trial:
        """The same, to go on differently."""
        twin = Trial(self.table)
        twin._caps = {index: cap.copy() for index, cap in self._caps.items()}
        twin._touched = {
            index: state.copy(tuple(twin._caps[cap.index] for cap in state.caps))
            for index, state in self._touched.items()
        }
        twin._excluded = dict(self._excluded)
        twin._confined = self._confined
        return twin

    def adopt(self, other: Trial) -> None:
        """Go on where a copy has got to."""
        self._touched, self._excluded, self._caps = other._touched, other._excluded, other._caps
        self._confined = other._confined

    def empty(self, index: int) -> None:
        """Suppose that nothing runs on this node."""
        before = self._touch(index)
        emptied = before.emptied(before.caps)
        for cap in before.caps:
            for kind in cap.free:
                column = self.table.layout.column.get(kind)
                if column is not None:
                    cap.free[kind] += emptied.columns[column] - before.columns[column]
        self._touched[index] = emptied

    def exclude(self, node: str) -> None:
        """Place nothing on this node."""
        state = self.table.by_name.get(node)
        if state is not None:
            self._excluded[state.index] = None

    def confine(self, nodes: Iterable[str]) -> None:
        """Place on these nodes, and on those that something was booked or released on before, and on no others."""
        for node in nodes:
            known = self.table.by_name.get(node)
            if known is not None:
                self._touch(known.index)
        self._confined = True

    def squeeze(self, node: str, need: TaskNeed) -> bool:
        """Book one such task on this node, on whatever devices, labels not looked at. False: there is no room."""
        known = self.table.by_name.get(node)
        if known is None or known.closed or known.index in self._excluded:
            return False
        state = self._touch(known.index)
        if not state.fits(need):
            return False
        state.take(need, state.choose(need))
        return True

    def give_back(self, node: str, need: TaskNeed, devices: Devices) -> None:
        """Suppose that such a task has left this node."""
        self._touch(self.table.by_name[node].index).give_back(need, devices)

    def release(self, job_id: str, shape: Shape, allocation: Allocation) -> None:
        """Suppose that this job has ended. What is stranded, or on nodes that are gone, gives nothing back."""
        for task in allocation.tasks:
            state = self.table.by_name.get(task.node)
            if state is not None and job_id not in state.stranded:
                need = self.table.fit_of_task(shape, task).need
                self._touch(state.index).give_back(need, task.devices)

    def book(self, shape: Shape, allocation: Allocation) -> bool:
        """Book exactly this allocation. False, and nothing is booked: there is no room for it."""
        booked: list[tuple[NodeState, TaskPlacement]] = []
        for task in allocation.tasks:
            known = self.table.by_name.get(task.node)
            state = None if known is None else self._touch(known.index)
            need = self.table.fit_of_task(shape, task).need
            if state is None or state.closed or not state.accepts(need, task.devices):
                for other, former in booked:
                    other.give_back(self.table.fit_of_task(shape, former).need, former.devices)
                return False
            state.take(need, task.devices)
            booked.append((state, task))
        return True

    def state(self, node: str) -> NodeState | None:
        """A copy of a node as it is supposed to be, under caps of its own; None: there is no such node, or something is
        stranded there."""
        known = self.table.by_name.get(node)
        if known is None or known.closed or known.index in self._excluded:
            return None
        state = self._touched.get(known.index, known)
        return state.copy(tuple(cap.copy() for cap in state.caps))

    def room_on(self, fit: TaskFit, nodes: Iterable[str]) -> int:
        """How many tasks of this kind these nodes take together, by what each has free."""
        room = 0
        for node in nodes:
            known = self.table.by_name.get(node)
            if known is not None and fit.mask.allowed[known.index]:
                room += self._touched.get(known.index, known).times(fit.need)
        return room

    def place(self, shape: Shape) -> Allocation | None:
        """Book one job with this shape. After None the trial is spoilt."""
        from hanse.core.scheduling.groups import place_job

        return place_job(self, shape)

    # -- what groups.py builds on

    def place_tasks(
        self,
        group: int,
        fit: TaskFit,
        count: int,
        *,
        alternative: int = 0,
        allowed: Bools | None = None,
        quotas: Quotas | None = None,
    ) -> list[TaskPlacement]:
        """Book up to `count` tasks of one kind, filling node after node in order; only on nodes that are `allowed`, and
        in each domain no more than its quota."""
        placed: list[TaskPlacement] = []
        if count <= 0:
            return placed
        for index in self._in_order(fit):
            if allowed is not None and not allowed[index]:
                continue
            domain, most = quotas.of(index) if quotas is not None else (0, count)
            if not most:
                continue
            before = len(placed)
            self._fill(index, fit, min(most, count - before), group, alternative, placed)
            if quotas is not None:
                quotas.left[domain] -= len(placed) - before
            if len(placed) == count:
                break
        return placed

    def _fill(
        self, index: int, fit: TaskFit, most: int, group: int, alternative: int, placed: list[TaskPlacement]
    ) -> None:
        state = self._touch(index)
        for _ in range(most):
            if not state.fits(fit.need):
                return
            devices = state.choose(fit.need)
            state.take(fit.need, devices)
            placed.append(TaskPlacement(group, state.node.name, devices, alternative))

    def rooms(self, fit: TaskFit, of_node: Ids, domains: int, allowed: Bools | None) -> Int64s:
        """For each domain, how many tasks of this kind have room; with caps, an estimate from above."""
        indices, counts = self.table.tasks_by_node(fit)
        by_node = np.zeros(len(self.table.states), dtype=np.int64)
        by_node[indices] = counts
        besides = self.table.besides(fit) if self._touched and not fit.plain else None
        for index, state in self._touched.items():
            open_here = fit.mask.allowed[index] and (besides is None or besides[index])
            by_node[index] = state.times(fit.need) if open_here else 0
        for index in self._excluded:
            by_node[index] = 0
        if self._confined:
            known = list(self._touched)
            counted = by_node[known]
            by_node[:] = 0
            by_node[known] = counted
        if allowed is not None:
            by_node[~allowed] = 0
        rooms = np.zeros(domains + 1, dtype=np.int64)
        np.add.at(rooms, of_node, by_node)
        return rooms[:-1]

    def _in_order(self, fit: TaskFit) -> Iterator[int]:
        """Nodes that may have room, in the order in which they are to be filled."""
        if not self._touched and not self._excluded and not self._confined:
            return self.table.ranking.in_order(fit)
        if fit.need.capped and self._caps:
            return iter(self._in_order_under_caps(fit))
        touched = self._touched_in_order(fit)
        if self._confined:
            return (entry[-1] for entry in touched)
        away = self._touched.keys() | self._excluded.keys()
        costs = _Costs(self.table, fit)
        untouched = (
            (costs.of(index), *self.table.ranking.rank(index))
            for index in self.table.ranking.in_order(fit)
            if index not in away
        )
        return (entry[-1] for entry in heapq.merge(touched, untouched))

    def _touched_in_order(self, fit: TaskFit) -> list[tuple[int, Rank, int]]:
        besides = None if fit.plain else self.table.besides(fit)
        costs = _Costs(self.table, fit)
        return sorted(
            (costs.of(index), *self.table.ranking.rank_of(state))
            for index, state in self._touched.items()
            if index not in self._excluded
            and self.table.has_room(fit, state)
            and (besides is None or besides[index])
        )

    def _in_order_under_caps(self, fit: TaskFit) -> list[int]:
        """Where caps are not what the table knows, every node that matches may have room."""
        costs = _Costs(self.table, fit)
        found = []
        for index in np.flatnonzero(fit.mask.flags).tolist():
            state = self._touched.get(index) or self.table.states[index]
            outside = self._confined and index not in self._touched
            if index not in self._excluded and not outside:
                found.append((costs.of(index), *self.table.ranking.rank_of(state)))
        return [entry[-1] for entry in sorted(found)]

    def _touch(self, index: int) -> NodeState:
        state = self._touched.get(index)
        if state is None:
            original = self.table.states[index]
            state = original.copy(tuple(self._cap(cap) for cap in original.caps))
            self._touched[index] = state
        return state

    def _cap(self, cap: CapState) -> CapState:
        mine = self._caps.get(cap.index)
        if mine is None:
            mine = self._caps[cap.index] = cap.copy()
        return mine


class _Costs:
    """What each node costs that one kind of task would rather avoid; smaller goes first."""

    def __init__(self, table: NodeTable, fit: TaskFit) -> None:
        costs = table.costs(fit)
        self._costs: list[int] | None = None if costs is None else costs.tolist()

    def of(self, index: int) -> int:
        """Of this node."""
        return 0 if self._costs is None else self._costs[index]
