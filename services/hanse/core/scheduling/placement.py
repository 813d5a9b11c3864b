"""The capacity of this region: what is free where, who holds what, and where a job fits best.

Placement never oversells: what `take` books was free, device by device. What an earlier life of the daemon booked on a
node that has since become smaller, or has gone, stays booked; the node is named by `overcommitted` and takes nothing
more until it fits.
"""

from __future__ import annotations

import numpy as np

from hanse.core.effects import Blocker, NodeView
from hanse.core.model.jobs import Allocation, GroupShape, Shape, TaskPlacement
from hanse.core.model.regions import CapacityClass, Node
from hanse.core.model.resources import Resources, resources
from hanse.core.scheduling.nodes import NodeState
from hanse.core.scheduling.shortfall import blockers, never_fits
from hanse.core.scheduling.table import NodeTable, TaskFit
from hanse.core.scheduling.trial import Trial

# Verdicts on shapes, kept because every submission asks; a shape is asked again after this many others.
NEVER_FITS_MEMO_MAX = 4096


class Capacity:
    """The nodes of a region with their allocations. Raises NodeError for nodes that cannot be.

    `version` grows whenever something is released: what had no room before may have some now.
    """

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.version = 0
        self._table = NodeTable(nodes)
        self._empty = self._table  # Nothing is held yet; replaced by a twin at the first take.
        self._nodes = nodes
        self._held: dict[str, tuple[Shape, Allocation]] = {}
        # Allocations on nodes that are not configured any more: node -> job -> tasks.
        self._gone: dict[str, dict[str, int]] = {}
        self._overcommitted: dict[str, None] = {}
        self._never_fits: dict[tuple[GroupShape, ...], str | None] = {}
        self._class_nodes = _group_nodes(self._table.states)
        self._capacity_total = _total(nodes)
        self._totals_seen = -1
        self._free_total: Resources = ()
        self._classes_seen = -1
        self._classes: tuple[CapacityClass, ...] = ()

    # -- placing

    def place(self, shape: Shape) -> Allocation | None:
        """Where a job with this shape would run if it started now: all its groups at once, each with as many tasks as
        fit from `count` down to `count_min`. Changes nothing; the same nodes and holders give the same answer."""
        groups = shape.body.groups
        if len(groups) == 1 and groups[0].count == 1 and groups[0].count_min == 1:
            return self._place_one(self._table.fits_of(shape)[0])
        return Trial(self._table).place(shape)

    def _place_one(self, fit: TaskFit) -> Allocation | None:
        state = self._table.best(fit)
        if state is None:
            return None
        return Allocation((TaskPlacement(0, state.node.name, state.choose(fit.need)),))

    def fitting(self, shape: Shape, limit: int) -> int:
        """How many jobs with this shape could be started together now, counted up to `limit`."""
        groups = shape.body.groups
        if len(groups) == 1 and groups[0].count == 1 and groups[0].count_min == 1:
            return min(limit, self._table.tasks_fitting(self._table.fits_of(shape)[0]))
        trial = Trial(self._table)
        for started in range(limit):
            if trial.place(shape) is None:
                return started
        return max(0, limit)

    # -- holding

    def take(
        self, job_id: str, shape: Shape, allocation: Allocation, *, recovering: bool = False
    ) -> tuple[str, ...]:
        """Book this allocation for the job until `release`. The names of nodes that are overcommitted by it.

        Only allocations read back from disk may be that (`recovering`), since nodes may have been configured anew
        meanwhile; anything else must be what `place` answered, with nothing booked in between.
        """
        assert job_id not in self._held, f"{job_id} holds capacity already"
        self._held[job_id] = (shape, allocation)
        if self._empty is self._table:
            self._empty = NodeTable(self._nodes)
        fits = self._table.fits_of(shape)
        overfull: dict[str, None] = {}
        for task in allocation.tasks:
            if not self._seat(job_id, task, fits):
                overfull[task.node] = None
        assert recovering or not overfull, f"{job_id} does not fit on {', '.join(overfull)}"
        self._overcommitted.update(overfull)
        return tuple(sorted(overfull))

    def _seat(self, job_id: str, task: TaskPlacement, fits: tuple[TaskFit, ...]) -> bool:
        state = self._table.by_name.get(task.node)
        if state is None:
            jobs = self._gone.setdefault(task.node, {})
            jobs[job_id] = jobs.get(job_id, 0) + 1
            return False
        seated = state.seat(job_id, fits[task.group].need, task.devices)
        self._table.note_change(state)
        return seated

    def release(self, job_id: str) -> None:
        """Free everything that the job holds."""
        shape, allocation = self._held.pop(job_id)
        fits = self._table.fits_of(shape)
        for task in allocation.tasks:
            state = self._table.by_name.get(task.node)
            if state is None:
                self._release_gone(job_id, task.node)
            else:
                state.unseat(job_id, fits[task.group].need, task.devices)
                self._table.note_change(state)
                if not state.stranded:
                    self._overcommitted.pop(task.node, None)
        self.version += 1

    def _release_gone(self, job_id: str, node: str) -> None:
        jobs = self._gone[node]
        jobs[job_id] -= 1
        if not jobs[job_id]:
            del jobs[job_id]
        if not jobs:
            del self._gone[node]
            self._overcommitted.pop(node, None)

    def holds(self, job_id: str) -> bool:
        """Whether the job holds capacity."""
        return job_id in self._held

    def held(self, job_id: str) -> tuple[Shape, Allocation]:
        """What the job holds. KeyError if it holds nothing."""
        return self._held[job_id]

    def overcommitted(self) -> tuple[str, ...]:
        """Nodes that have, since they were configured anew, less than is held on them (or are gone), sorted."""
        return tuple(sorted(self._overcommitted))

    # -- explaining

    def never_fits(self, shape: Shape) -> str | None:
        """Why a job with this shape could not run even if every node were empty; None: it could."""
        groups = shape.body.groups
        if groups not in self._never_fits:
            if len(self._never_fits) >= NEVER_FITS_MEMO_MAX:
                del self._never_fits[next(iter(self._never_fits))]
            self._never_fits[groups] = never_fits(self._empty, shape)
        return self._never_fits[groups]

    def blockers(self, shape: Shape) -> tuple[Blocker, ...]:
        """What keeps a job with this shape from starting now; empty: nothing does. If every job on the nodes that a
        CAPACITY blocker names ended, it could start (of more than ten nodes, ten are named)."""
        if self.place(shape) is not None:
            return ()
        return blockers(self._table, shape, self.never_fits(shape))

    @property
    def table(self) -> NodeTable:
        """The nodes, for those that explain; not to be changed."""
        return self._table

    # -- views

    def capacity_total(self) -> Resources:
        """What all nodes have."""
        return self._capacity_total

    def free_total(self) -> Resources:
        """What is free on all nodes that take jobs."""
        if self._totals_seen != self._table.changes:
            self._totals_seen = self._table.changes
            kinds = self._table.layout.kinds
            columns = np.maximum(self._table.matrix()[: len(kinds)], 0).sum(axis=1)
            self._free_total = resources(zip(kinds, columns.tolist(), strict=True))
        return self._free_total

    def classes(self) -> tuple[CapacityClass, ...]:
        """The nodes that are alike, summed up, sorted."""
        if self._classes_seen != self._table.changes:
            self._classes_seen = self._table.changes
            self._classes = tuple(self._class_view(indices) for indices in self._class_nodes)
        return self._classes

    def _class_view(self, indices: list[int]) -> CapacityClass:
        layout = self._table.layout
        columns = np.maximum(self._table.matrix()[:-1, indices], 0)
        free, most = columns.sum(axis=1).tolist(), columns.max(axis=1).tolist()
        # Of devices, what one task can get counts, not the sum of scraps.
        for kind, whole in layout.whole_column.items():
            most[layout.column[kind]] = max(most[whole], most[layout.share_column[kind]])
        node = self._table.states[indices[0]].node
        return CapacityClass(
            node_class=node.node_class,
            nodes=len(indices),
            node_capacity=node.capacity,
            labels=node.labels,
            free=resources(zip(layout.kinds, free, strict=False)),
            free_max=resources(zip(layout.kinds, most, strict=False)),
        )

    def nodes(self) -> tuple[NodeView, ...]:
        """Every node with what is free and who is on it, sorted by name; nodes that are gone but still held last."""
        views = [NodeView(node=s.node, free=s.free(), jobs=tuple(sorted(s.jobs))) for s in self._table.states]
        for name in sorted(self._gone):
            gone = Node(name=name, node_class="", capacity=())
            views.append(NodeView(node=gone, free=(), jobs=tuple(sorted(self._gone[name]))))
        return tuple(views)


def _group_nodes(states: list[NodeState]) -> list[list[int]]:
    """Indices of nodes that are alike, sorted by what they are."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for state in states:
        node = state.node
        alike.setdefault((node.node_class, node.capacity, node.labels), []).append(state.index)
    return [alike[key] for key in sorted(alike)]


def _total(nodes: tuple[Node, ...]) -> Resources:
    total: dict[str, int] = {}
    for node in nodes:
        for kind, quantity in node.capacity:
            total[kind] = total.get(kind, 0) + quantity
    return resources(total)
