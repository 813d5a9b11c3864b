"""Placing without consequences: tasks are booked on copies of the few nodes that they touch.

The method, for any number of groups: first every group's least number of tasks, then as many more as are wanted, each
group on its best-fitting nodes. Groups with the fewest nodes to choose from go first, then those with the largest
tasks, since what is hardest to place must not find its places taken. For one group this finds a placement whenever
there is one; for several it may miss one, as every method does that must answer within milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from hanse.core.model.jobs import Allocation, Shape, TaskPlacement
from hanse.core.scheduling.nodes import BLOCKED, SLACK_UNIT, NodeState, TaskNeed
from hanse.core.scheduling.table import Int64s, NodeTable, TaskFit, best_first


class Trial:
    """A region's nodes with what was placed here on top. Must not outlive the next change of the table."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._touched: dict[int, NodeState] = {}
        self._excluded: dict[int, None] = {}

    def copy(self) -> Trial:
        """The same, to go on differently."""
        twin = Trial(self._table)
        twin._touched = {index: state.copy() for index, state in self._touched.items()}
        twin._excluded = dict(self._excluded)
        return twin

    def exclude(self, node: str) -> None:
        """Place nothing on this node."""
        state = self._table.by_name.get(node)
        if state is not None:
            self._excluded[state.index] = None

    def release(self, job_id: str, shape: Shape, allocation: Allocation) -> None:
        """Suppose that this job has ended. What is stranded, or on nodes that are gone, gives nothing back."""
        fits = self._table.fits_of(shape)
        for task in allocation.tasks:
            state = self._table.by_name.get(task.node)
            if state is not None and job_id not in state.stranded:
                self._touch(state.index).give_back(fits[task.group].need, task.devices)

    def book(self, shape: Shape, allocation: Allocation) -> bool:
        """Book exactly this allocation. False, and nothing is booked: there is no room for it."""
        fits = self._table.fits_of(shape)
        booked: list[tuple[NodeState, TaskPlacement]] = []
        for task in allocation.tasks:
            known = self._table.by_name.get(task.node)
            state = None if known is None else self._touch(known.index)
            need = fits[task.group].need
            if state is None or state.stranded or not state.accepts(need, task.devices):
                for other, former in booked:
                    other.give_back(fits[former.group].need, former.devices)
                return False
            state.take(need, task.devices)
            booked.append((state, task))
        return True

    def room_on(self, fit: TaskFit, nodes: Iterable[str]) -> int:
        """How many tasks of this kind these nodes take together."""
        room = 0
        for node in nodes:
            known = self._table.by_name.get(node)
            if known is not None and fit.mask.allowed[known.index]:
                room += self._touched.get(known.index, known).times(fit.need)
        return room

    def empty(self, index: int) -> None:
        """Suppose that nothing runs on this node."""
        self._touched[index] = self._table.states[index].emptied()

    def place(self, shape: Shape) -> Allocation | None:
        """Book one job with this shape. After None the trial is spoilt."""
        fits = self._table.fits_of(shape)
        groups = shape.body.groups
        tasks: list[list[TaskPlacement]] = [[] for _ in groups]
        order = sorted(range(len(groups)), key=lambda number: (*self._hardness(fits[number]), number))
        for number in order:
            tasks[number] = self._place_tasks(number, fits[number], groups[number].count_min)
            if len(tasks[number]) < groups[number].count_min:
                return None
        for number in order:
            more = groups[number].count - groups[number].count_min
            if more > 0:
                tasks[number] += self._place_tasks(number, fits[number], more)
        return Allocation(tuple(placement for placed in tasks for placement in placed))

    def place_some(self, group: int, fit: TaskFit, count: int) -> int:
        """Book up to `count` tasks of one kind; how many had room."""
        return len(self._place_tasks(group, fit, count))

    def _hardness(self, fit: TaskFit) -> tuple[int, int]:
        return fit.mask.count, -largest_share(self._table, fit.need)

    def _place_tasks(self, group: int, fit: TaskFit, count: int) -> list[TaskPlacement]:
        placed: list[TaskPlacement] = []
        if count <= 0:
            return placed
        for index in best_first(self._scores(fit), count):
            state = self._touch(index)
            while len(placed) < count and state.fits(fit.need):
                devices = state.choose(fit.need)
                state.take(fit.need, devices)
                placed.append(TaskPlacement(group, state.node.name, devices))
            if len(placed) == count:
                break
        return placed

    def _scores(self, fit: TaskFit) -> Int64s:
        scores = self._table.scores(fit)
        if not self._touched and not self._excluded:
            return scores
        scores = scores.copy()
        for index, state in self._touched.items():
            if fit.mask.allowed[index]:
                scores[index] = state.score(fit.need)
        for index in self._excluded:
            scores[index] = BLOCKED
        return scores

    def _touch(self, index: int) -> NodeState:
        state = self._touched.get(index)
        if state is None:
            state = self._table.states[index].copy()
            self._touched[index] = state
        return state


def largest_share(table: NodeTable, need: TaskNeed) -> int:
    """The task's dominant share of the region's largest node, in 2^-20."""
    layout = table.layout
    shares = [
        quantity * SLACK_UNIT // layout.peaks[layout.column[kind]]
        for kind, quantity in need.resources
        if kind in layout.column and layout.peaks[layout.column[kind]]
    ]
    return max(shares, default=0)
