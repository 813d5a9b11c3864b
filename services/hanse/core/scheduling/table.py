"""All nodes of a region, and for each kind of task where it goes.

The choice (forms.py): of the first nodes in order that take the task, the one whose usable capacity loses least
(fragmentation.py); without devices in play, the first. Tasks that need no device go to nodes without devices while
there is room. Among nodes that differ in what the task would rather have (preferences, taints that only ask,
neighbours), only the best liked are candidates.

What is asked again and again is kept: for each kind of task (TaskFit) which forms of nodes take it and what it costs
there, the order of all nodes, and of each form its usable capacity. When a node changes, only that node's place is
looked for anew.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hanse.core.model.jobs import GroupShape, Shape, TaskPlacement
from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.model.regions import Node, Topology
from hanse.core.model.resources import Resources
from hanse.core.model.rules import Rules, Taint, TaintEffect
from hanse.core.model.selectors import parse_selector
from hanse.core.scheduling.filling import fill
from hanse.core.scheduling.form_facts import Rank
from hanse.core.scheduling.forms import FormRanking
from hanse.core.scheduling.fragmentation import Workload
from hanse.core.scheduling.neighbours import Neighbours
from hanse.core.scheduling.nodes import (
    EMPTY_TASKS_PER_NODE_MAX,
    CapState,
    Devices,
    Layout,
    NodeError,
    NodeState,
    TaskNeed,
    compile_need,
)
from hanse.core.scheduling.topology import TopologyIndex

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

# Kinds of tasks that are remembered; each takes up to 100 KB (forms.py), most of them some KB.
FITS_MAX = 1024
# Masks take a byte a node: 120 MiB on 30,000 nodes if every constraint differs.
MASKS_MAX = 4096
# What changed is remembered this far back; older flags are computed anew, which costs about as much.
CHANGES_MAX = 1024
# Counting the nodes that have room for one kind of task takes some 30 us for 30,000: as long as placing a few.
NODES_COUNTED_EVERY = 16
# So many times as many as are wanted, so that they last for a while.
OPEN_NODES_COUNTED = 4
# What it costs to go to a node whose taint only asks to stay away: as much as the heaviest preference.
TAINT_COST = 100


class Mask:
    """The nodes whose labels satisfy some constraints and whose taints are tolerated. `by_alike`: of the nodes that are
    alike, whether any are among them; `any_alike` and `all_alike` the same, and whether all are, to be asked of one.
    `everywhere`: all nodes; `by_class`: of those that are alike always all or none."""

    __slots__ = ("all_alike", "allowed", "any_alike", "by_alike", "by_class", "count", "everywhere", "flags")

    def __init__(
        self, flags: Bools, alike_of: npt.NDArray[np.intp], alike_count: npt.NDArray[np.intp]
    ) -> None:
        self.flags = flags
        counts = np.bincount(alike_of[flags], minlength=len(alike_count))
        self.by_alike: Bools = counts > 0
        self.any_alike = self.by_alike.tobytes()
        self.all_alike = (counts == alike_count).tobytes()
        # The same, for asking one node: indexing bytes is several times as fast as indexing an array.
        self.allowed = flags.tobytes()
        self.count = int(np.count_nonzero(flags))
        self.everywhere = self.count == len(flags)
        self.by_class = self.any_alike == self.all_alike


class TaskFit:
    """A kind of task, and what is known of it. `costs`: what each node costs that the task would rather avoid; None:
    all cost alike. `verdicts`: by number of a form, what the task costs there; None: it has room, NO_ROOM: none.
    `after`: which form a node has once it has taken the task, where that is known (by numbers)."""

    __slots__ = (
        "after",
        "best",
        "best_seen",
        "costs",
        "mask",
        "need",
        "open_from",
        "open_nodes",
        "open_seen",
        "plain",
        "rules",
        "seen",
        "total",
        "total_seen",
        "verdicts",
        "version",
    )

    def __init__(self, need: TaskNeed, mask: Mask, rules: Rules | None, costs: Int64s | None) -> None:
        self.need = need
        self.mask = mask
        self.rules = rules
        self.costs = costs
        self.verdicts: dict[int, int | None] = {}
        self.after: dict[int, int] = {}
        # No form before this one has room, as of so many arrivals of forms, and this version of the workload.
        self.open_from: Rank = ()
        self.seen = 0
        self.version = -1
        self.best: int | None = None
        self.best_seen = -1
        self.total = 0
        self.total_seen = -1
        # Whether forms and the mask say all that there is to say.
        self.plain = costs is None and not need.capped and not (rules and rules.affinities)
        # So many nodes had room for it after so many changes of nodes.
        self.open_nodes = 0
        self.open_seen = -NODES_COUNTED_EVERY


class NodeTable:
    """The nodes, sorted by name, so that the order of a configuration file decides nothing."""

    def __init__(self, nodes: tuple[Node, ...], topology: Topology | None = None) -> None:
        ordered = sorted(nodes, key=lambda node: node.name)
        self.layout = Layout(nodes)
        self.topology = TopologyIndex(topology or Topology(), ordered)
        caps = self.topology.caps_of
        self.states = [NodeState(self.layout, at, node, caps[at]) for at, node in enumerate(ordered)]
        self.by_name = {state.node.name: state for state in self.states}
        if len(self.by_name) != len(self.states):
            raise NodeError("two nodes have the same name")
        self.workload = Workload(self.layout, nodes)
        self.neighbours = Neighbours(self.topology, len(ordered))
        # Grows with every change of any node.
        self.changes = 0
        self.changed: list[int] = []
        # Columns by node; rows of `_stale` are behind.
        self._matrix = np.zeros((self.layout.width, len(ordered)), dtype=np.int64)
        self._stale: dict[int, None] = dict.fromkeys(range(len(ordered)))
        self._label_sets, self._label_set_of = _numbered([node.labels for node in ordered])
        self._taint_sets, self._taint_set_of = _numbered([node.taints for node in ordered])
        self._masks: dict[tuple[object, ...], Mask] = {}
        self._fits: dict[tuple[object, ...], TaskFit] = {}
        self._shape_fits: dict[bytes, tuple[TaskFit, ...]] = {}
        self.alike = _alike(ordered, self.topology.levels)
        self.alike_of = [0] * len(ordered)
        for number, indices in enumerate(self.alike):
            for index in indices:
                self.alike_of[index] = number
        self._alike_ids = np.array(self.alike_of, dtype=np.intp)
        self._alike_counts = np.array([len(indices) for indices in self.alike], dtype=np.intp)
        self.ranking = FormRanking(self)

    def note_change(self, state: NodeState) -> None:
        """This node's state has changed."""
        self.changes += 1
        self.changed.append(state.index)
        self._stale[state.index] = None
        if len(self.changed) > 2 * CHANGES_MAX:
            del self.changed[:CHANGES_MAX]

    def changed_since(self, seen: int) -> list[int] | None:
        """The nodes that changed since that change; None: that is too long ago."""
        behind = self.changes - seen
        if behind > len(self.changed):
            return None
        return self.changed[-behind:] if behind else []

    # -- kinds of tasks

    def fits_of(self, shape: Shape) -> tuple[TaskFit, ...]:
        """The kind of task of each group, of its first choice. Raises SelectorError for a constraint that cannot be
        parsed."""
        known = self._shape_fits.get(shape.key)
        if known is None:
            known = tuple(self.fit_of(group) for group in shape.body.groups)
            _remember(self._shape_fits, shape.key, known, FITS_MAX)
        return known

    def fit_of_task(self, shape: Shape, task: TaskPlacement) -> TaskFit:
        """The kind of task that was placed like this."""
        if not task.alternative:
            return self.fits_of(shape)[task.group]
        return self.fit_of(shape.body.groups[task.group], task.alternative)

    def fit_of(self, group: GroupShape, alternative: int = 0) -> TaskFit:
        """The kind of task of this group; `alternative` as in GroupShape.resources_of."""
        rules = group.rules
        resources, constraints = group.resources, group.constraints
        if alternative:
            assert rules is not None, "an alternative of a group that has none"
            chosen = rules.alternatives[alternative - 1]
            resources, constraints = chosen.resources, constraints + chosen.constraints
        key = (resources, constraints, rules)
        fit = self._fits.get(key)
        if fit is None:
            island = rules.island if rules is not None else None
            need = compile_need(self.layout, resources, constraints, island, self.topology.capped_kinds)
            tolerations = rules.tolerations if rules is not None else ()
            fit = TaskFit(need, self.mask(constraints, tolerations), rules, self._costs(rules))
            _remember(self._fits, key, fit, FITS_MAX)
        return fit

    def mask(self, constraints: tuple[str, ...], tolerations: tuple[str, ...] = ()) -> Mask:
        """The nodes that satisfy all of these selectors, and whose taints don't forbid a start to tasks with these
        tolerations. Asks each distinct set of labels, and of taints, once."""
        mask = self._masks.get((constraints, tolerations))
        if mask is None:
            flags = self._labelled(constraints)
            closed = [
                any(t.effect is TaintEffect.NO_START and not t.tolerated(tolerations) for t in taints)
                for taints in self._taint_sets
            ]
            if any(closed):
                flags = flags & ~np.array(closed, dtype=np.bool_)[self._taint_set_of]
            mask = Mask(flags, self._alike_ids, self._alike_counts)
            _remember(self._masks, (constraints, tolerations), mask, MASKS_MAX)
        return mask

    def _labelled(self, constraints: tuple[str, ...]) -> Bools:
        selectors = [parse_selector(text) for text in constraints]
        labelled = [dict(labels) for labels in self._label_sets]
        verdicts = [all(selector.matches(labels) for selector in selectors) for labels in labelled]
        flags: Bools = np.array(verdicts, dtype=np.bool_)[self._label_set_of]
        return flags

    def _costs(self, rules: Rules | None) -> Int64s | None:
        """What labels and taints make a node cost; None: nothing, anywhere."""
        tolerations = rules.tolerations if rules is not None else ()
        asking = [
            sum(t.effect is TaintEffect.PREFER_NO_START and not t.tolerated(tolerations) for t in taints)
            for taints in self._taint_sets
        ]
        preferences = rules.preferences if rules is not None else ()
        weighed = rules is not None and any(each.weight for each in rules.affinities)
        if not any(asking) and not preferences and not weighed:
            return None
        costs: Int64s = np.array(asking, dtype=np.int64)[self._taint_set_of] * TAINT_COST
        for preference in preferences:
            costs = costs + preference.weight * ~self._labelled((preference.selector,))
        return costs

    # -- where there is room

    def best(self, fit: TaskFit) -> NodeState | None:
        """The node that one task goes to; None: nowhere is room."""
        if not self.states:
            return None
        if fit.best_seen != self.changes:
            fit.best = self.ranking.best(fit)
            fit.best_seen = self.changes
        return None if fit.best is None else self.states[fit.best]

    def open_for_sure(self, fit: TaskFit, wanted: int) -> int:
        """A number of nodes that have room for one task each: never too large, mostly large enough where `wanted` have
        room. None of a kind of which forms and labels don't say all. A change of a node closes one node at most, so
        that nodes are counted seldom."""
        if not fit.plain or not fit.mask.by_class:
            return 0
        since = self.changes - fit.open_seen
        if fit.open_nodes - since < wanted and since >= NODES_COUNTED_EVERY:
            fit.open_nodes = self.ranking.count_open(fit, OPEN_NODES_COUNTED * wanted)
            fit.open_seen, since = self.changes, 0
        return max(0, fit.open_nodes - since)

    def fill(self, fit: TaskFit, count: int) -> list[tuple[NodeState, Devices]]:
        """Book up to `count` tasks of such a kind one after another, each where `best` has it by then. The nodes do not
        know whose they are."""
        return fill(self.ranking, fit, count)

    def has_room(self, fit: TaskFit, state: NodeState) -> bool:
        """Whether this state of a node, which may be a trial's, takes one more task; neighbours are not looked at."""
        return bool(fit.mask.allowed[state.index]) and state.fits(fit.need)

    def open_nodes(self, fit: TaskFit) -> Bools:
        """Which nodes have room for one more task, all told."""
        flags = fit.mask.flags.copy()
        if fit.need.impossible:
            flags[:] = False
        matrix = self.matrix()
        # A task that needs nothing still stays away from nodes with stranded tasks, whose columns are -1.
        for column, quantity in fit.need.checks or ((0, 0),):
            flags &= matrix[column] >= quantity
        besides = None if fit.plain else self.besides(fit)
        return flags if besides is None else flags & besides

    def besides(self, fit: TaskFit) -> Bools | None:
        """The nodes that caps and neighbours leave; None: all."""
        flags: Bools | None = None
        if fit.need.capped:
            flags = self._under_caps(fit.need)
        if fit.rules is not None:
            for affinity in fit.rules.affinities:
                if not affinity.weight:
                    satisfied = self.neighbours.satisfied(affinity)
                    flags = satisfied if flags is None else flags & satisfied
        return flags

    def costs(self, fit: TaskFit) -> Int64s | None:
        """What each node costs now that the task would rather avoid; None: all cost alike."""
        costs = fit.costs
        if costs is None or fit.rules is None:
            return costs
        for affinity in fit.rules.affinities:
            if affinity.weight:
                costs = costs + affinity.weight * ~self.neighbours.satisfied(affinity)
        return costs

    def _under_caps(self, need: TaskNeed) -> Bools:
        flags = np.ones(len(self.states), dtype=np.bool_)
        for cap in self.topology.caps:
            if any(cap.free.get(kind, quantity) < quantity for kind, quantity in need.capped):
                domains = self.topology.domains(cap.level)
                assert domains is not None, "a cap on a level that the topology lacks"
                flags[domains.of_node == domains.names.index(cap.domain)] = False
        return flags

    def caps(self) -> list[CapState]:
        """What the domains may use together, and what is free of it."""
        return self.topology.caps

    # -- counting

    def tasks_fitting(self, fit: TaskFit) -> int:
        """How many tasks of this kind have room together; with caps, an estimate from above."""
        if fit.total_seen != self.changes:
            fit.total = int(self.tasks_by_node(fit)[1].sum())
            fit.total_seen = self.changes
        return fit.total

    def tasks_by_node(self, fit: TaskFit) -> tuple[npt.NDArray[np.intp], Int64s]:
        """The nodes that have room for this kind of task, and for how many each, as if it were alone."""
        indices = np.flatnonzero(self.open_nodes(fit))
        counts = np.full(indices.size, EMPTY_TASKS_PER_NODE_MAX, dtype=np.int64)
        need = fit.need
        if need.capped or need.island is not None:
            for position, index in enumerate(indices.tolist()):
                counts[position] = self.states[index].times(need)
        elif indices.size:
            matrix = self.matrix()
            for column, quantity in need.charges:
                np.minimum(counts, matrix[column, indices] // quantity, out=counts)
            for kind, quantity, _ in need.devices:
                np.minimum(counts, self._device_tasks(matrix, indices, kind, quantity), out=counts)
        return indices, counts

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
        if not self._stale:
            return self._matrix
        if len(self._stale) == len(self.states):
            rows = np.array([self._row(state) for state in self.states], dtype=np.int64)
            self._matrix[:, :] = rows.reshape(len(self.states), self.layout.width).T
        else:
            for index in self._stale:
                self._matrix[:, index] = self._row(self.states[index])
        self._stale.clear()
        return self._matrix

    def _row(self, state: NodeState) -> list[int]:
        return [-1] * self.layout.width if state.closed else state.columns


_Alike = tuple[str, Resources, tuple[tuple[str, str], ...], tuple[Taint, ...], tuple[tuple[str, int], ...]]


def _alike(nodes: list[Node], levels: tuple[str, ...]) -> list[list[int]]:
    """Indices of nodes that are alike, wherever they are, sorted by what they are."""
    found: dict[_Alike, list[int]] = {}
    for index, node in enumerate(nodes):
        key = (node.node_class, node.capacity, placeless(node, levels), node.taints, node.islands)
        found.setdefault(key, []).append(index)
    return [found[key] for key in sorted(found, key=_alike_order)]


def placeless(node: Node, levels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """A node's labels without those that say where it is: they would make each rack a class of its own."""
    return tuple(label for label in node.labels if label[0] not in levels)


def _alike_order(key: _Alike) -> tuple[object, ...]:
    return (*key[:3], tuple(str(taint) for taint in key[3]), key[4])


def _numbered(values: list[_Key]) -> tuple[list[_Key], npt.NDArray[np.intp]]:
    """The distinct values, and for each node the number of its own."""
    numbers: dict[_Key, int] = {}
    of_node = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), np.array(of_node, dtype=np.intp)


def _remember(memo: dict[_Key, _Value], key: _Key, value: _Value, entries_max: int) -> None:
    """Keep `value`, at the cost of the oldest if there are too many."""
    if len(memo) >= entries_max:
        del memo[next(iter(memo))]
    memo[key] = value
