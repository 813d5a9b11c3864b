"""All nodes of a region as arrays, and for each kind of task where it fits best.

Asking 30,000 nodes takes numpy a fraction of a millisecond; asking again after a few nodes changed takes
microseconds, because the answer for each kind of task (TaskFit) is kept and only what changed since is asked again.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hanse.core.model.jobs import GroupShape, Shape
from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.model.regions import Node
from hanse.core.model.selectors import parse_selector
from hanse.core.scheduling.nodes import (
    BLOCKED,
    DEVICES_PENALTY,
    EMPTY_TASKS_PER_NODE_MAX,
    Layout,
    NodeError,
    NodeState,
    TaskNeed,
    compile_need,
)

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

# Scores kept for all kinds of tasks together, 8 bytes each: 32 MiB, or 139 kinds of tasks on 30,000 nodes.
SCORE_CELLS_MAX = 1 << 22
# Of a small region; each takes a few KiB.
FITS_MAX = 4096
# Masks take a byte a node: 120 MiB on 30,000 nodes if every constraint differs.
MASKS_MAX = 4096
# What changed is remembered this far back; older scores are computed anew, which costs about as much.
CHANGES_MAX = 1024


class Mask:
    """The nodes whose labels satisfy some constraints."""

    __slots__ = ("allowed", "count", "flags")

    def __init__(self, flags: Bools) -> None:
        self.flags = flags
        # The same, for asking one node: indexing bytes is several times as fast as indexing an array.
        self.allowed = flags.tobytes()
        self.count = int(np.count_nonzero(flags))


class TaskFit:
    """A kind of task, and the score of every node for it as of change number `seen`."""

    __slots__ = ("mask", "need", "scores", "seen", "total", "total_seen")

    def __init__(self, need: TaskNeed, mask: Mask) -> None:
        self.need = need
        self.mask = mask
        self.scores: Int64s | None = None
        self.seen = 0
        self.total = 0
        self.total_seen = -1


class NodeTable:
    """The nodes, sorted by name, so that the order of a configuration file decides nothing."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        ordered = sorted(nodes, key=lambda node: node.name)
        self.layout = Layout(nodes)
        self.states = [NodeState(self.layout, index, node) for index, node in enumerate(ordered)]
        self.by_name = {state.node.name: state for state in self.states}
        if len(self.by_name) != len(self.states):
            raise NodeError("two nodes have the same name")
        # Grows with every change of any node.
        self.changes = 0
        self._changed: list[int] = []
        # Columns by node, then slack (BLOCKED while something is stranded); rows of `_stale` are behind.
        self._matrix = np.zeros((self.layout.width + 1, len(ordered)), dtype=np.int64)
        self._stale: dict[int, None] = dict.fromkeys(range(len(ordered)))
        self._penalty = np.array([DEVICES_PENALTY if s.shares else 0 for s in self.states], dtype=np.int64)
        self._label_sets, self._label_set_of = _label_sets(ordered)
        self._masks: dict[tuple[str, ...], Mask] = {}
        self._fits: dict[tuple[object, ...], TaskFit] = {}
        self._fits_max = max(8, min(FITS_MAX, SCORE_CELLS_MAX // max(1, len(ordered))))
        self._shape_fits: dict[bytes, tuple[TaskFit, ...]] = {}

    def note_change(self, state: NodeState) -> None:
        """This node's state has changed."""
        self.changes += 1
        self._changed.append(state.index)
        self._stale[state.index] = None
        if len(self._changed) > 2 * CHANGES_MAX:
            del self._changed[:CHANGES_MAX]

    def fits_of(self, shape: Shape) -> tuple[TaskFit, ...]:
        """The kind of task of each group. Raises SelectorError for a constraint that cannot be parsed."""
        known = self._shape_fits.get(shape.key)
        if known is None:
            known = tuple(self.fit_of(group) for group in shape.body.groups)
            _remember(self._shape_fits, shape.key, known, self._fits_max)
        return known

    def fit_of(self, group: GroupShape) -> TaskFit:
        """The kind of task of this group."""
        key = (group.resources, group.constraints)
        fit = self._fits.get(key)
        if fit is None:
            fit = TaskFit(compile_need(self.layout, group), self.mask(group.constraints))
            _remember(self._fits, key, fit, self._fits_max)
        return fit

    def mask(self, constraints: tuple[str, ...]) -> Mask:
        """The nodes that satisfy all of these selectors. Asks each distinct set of labels once."""
        mask = self._masks.get(constraints)
        if mask is None:
            selectors = [parse_selector(text) for text in constraints]
            verdicts = [all(s.matches(labels) for s in selectors) for labels in self._label_sets]
            mask = Mask(np.array(verdicts, dtype=np.bool_)[self._label_set_of])
            _remember(self._masks, constraints, mask, MASKS_MAX)
        return mask

    def scores(self, fit: TaskFit) -> Int64s:
        """Every node's score for this kind of task, smallest best, BLOCKED: not there. Not to be written to."""
        behind = self.changes - fit.seen
        if fit.scores is None or behind > len(self._changed):
            fit.scores = self._score_all(fit)
        elif behind:
            scores, need, allowed = fit.scores, fit.need, fit.mask.allowed
            recent = self._changed[-1:] if behind == 1 else dict.fromkeys(self._changed[-behind:])
            for index in recent:
                if allowed[index]:
                    scores[index] = self.states[index].score(need)
        fit.seen = self.changes
        return fit.scores

    def best(self, fit: TaskFit) -> NodeState | None:
        """The node that one task goes to, the first by name among equals."""
        if not self.states:
            return None
        scores = self.scores(fit)
        index = int(scores.argmin())
        return self.states[index] if scores[index] < BLOCKED else None

    def tasks_fitting(self, fit: TaskFit) -> int:
        """How many tasks of this kind have room together."""
        if fit.total_seen != self.changes:
            fit.total = self._count_tasks(fit)
            fit.total_seen = self.changes
        return fit.total

    def most_free(self, fit: TaskFit, kind: str, share: bool) -> tuple[int, str]:
        """The most of this kind that one task could get on one node that matches, and that node's name ("": none)."""
        indices = np.flatnonzero(fit.mask.flags)
        column = self.layout.column.get(kind)
        if column is None or not indices.size:
            return 0, ""
        if kind in self.layout.whole_column:
            column = self.layout.share_column[kind] if share else self.layout.whole_column[kind]
        row = self.matrix()[column, indices]
        best = int(row.argmax())
        return max(0, int(row[best])), self.states[int(indices[best])].node.name

    def matrix(self) -> Int64s:
        """Columns by node, up to date; see nodes.py for what they hold. Rows of nodes with stranded tasks hold -1."""
        if len(self._stale) == len(self.states):
            self._matrix[:, :] = (
                np.array([self._row(s) for s in self.states], dtype=np.int64)
                .reshape(len(self.states), self.layout.width + 1)
                .T
            )
        else:
            for index in self._stale:
                self._matrix[:, index] = self._row(self.states[index])
        self._stale.clear()
        return self._matrix

    def _row(self, state: NodeState) -> list[int]:
        if state.stranded:
            return [-1] * self.layout.width + [BLOCKED]
        return [*state.columns, state.slack]

    def _score_all(self, fit: TaskFit) -> Int64s:
        need = fit.need
        if need.impossible:
            return np.full(len(self.states), BLOCKED, dtype=np.int64)
        matrix = self.matrix()
        feasible = fit.mask.flags
        for column, quantity in need.checks:
            feasible = feasible & (matrix[column] >= quantity)
        slack = matrix[-1] if need.devices else matrix[-1] + self._penalty
        return np.where(feasible, slack, BLOCKED)

    def _count_tasks(self, fit: TaskFit) -> int:
        indices = np.flatnonzero(self.scores(fit) < BLOCKED)
        if not indices.size:
            return 0
        matrix = self.matrix()
        counts = np.full(indices.size, EMPTY_TASKS_PER_NODE_MAX, dtype=np.int64)
        for column, quantity in fit.need.charges:
            np.minimum(counts, matrix[column, indices] // quantity, out=counts)
        for kind, quantity, _ in fit.need.devices:
            np.minimum(counts, self._device_tasks(matrix, indices, kind, quantity), out=counts)
        return int(counts.sum())

    def _device_tasks(
        self, matrix: Int64s, indices: npt.NDArray[np.intp], kind: str, quantity: int
    ) -> Int64s:
        """For each of these nodes, how many tasks its devices of this kind can hold."""
        whole = matrix[self.layout.whole_column[kind], indices]
        if quantity >= DEVICE_UNIT:
            tasks: Int64s = whole // quantity
            return tasks
        counts: Int64s = whole // DEVICE_UNIT * (DEVICE_UNIT // quantity)
        # Devices that are partly taken are few, and only their own table knows them.
        for position in np.flatnonzero(matrix[self.layout.column[kind], indices] != whole):
            shares = self.states[int(indices[position])].shares[kind]
            counts[position] += sum(share // quantity for share in shares if share < DEVICE_UNIT)
        return counts


def best_first(scores: Int64s, nodes_max: int) -> list[int]:
    """The nodes that are not BLOCKED in order of score, then name; at most `nodes_max`."""
    feasible = np.flatnonzero(scores < BLOCKED)
    if feasible.size > 4 * nodes_max:
        # With its index behind it every score differs, so that the choice is the same on every machine.
        keys = scores[feasible] * len(scores) + feasible
        feasible = np.sort(feasible[np.argpartition(keys, nodes_max)[:nodes_max]])
    order = np.argsort(scores[feasible], kind="stable")[:nodes_max]
    return [int(index) for index in feasible[order]]


def _label_sets(nodes: list[Node]) -> tuple[list[dict[str, str]], npt.NDArray[np.intp]]:
    """The distinct sets of labels, and for each node the number of its own."""
    numbers: dict[tuple[tuple[str, str], ...], int] = {}
    of_node = [numbers.setdefault(node.labels, len(numbers)) for node in nodes]
    return [dict(labels) for labels in numbers], np.array(of_node, dtype=np.intp)


def _remember(memo: dict[_Key, _Value], key: _Key, value: _Value, entries_max: int) -> None:
    """Keep `value`, at the cost of the oldest if there are too many."""
    if len(memo) >= entries_max:
        del memo[next(iter(memo))]
    memo[key] = value
