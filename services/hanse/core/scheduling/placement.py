"""The capacity of this region: what is free where, who holds what, and where a job fits best.

Placement never oversells: what `take` books was free, device by device. What an earlier life of the daemon booked on a
node that has since become smaller, or has gone, stays booked; the node is named by `overcommitted` and takes nothing
more until it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hanse.core.model.jobs import Allocation, GroupShape, Job, Shape, TaskPlacement
from hanse.core.model.regions import CapacityClass, Node, Topology
from hanse.core.model.resources import Resources, resources
from hanse.core.model.rules import TaintEffect, Within
from hanse.core.replies import Blocker, NodeView
from hanse.core.scheduling.neighbours import Owner, OwnerOf, nobody
from hanse.core.scheduling.nodes import Devices, NodeState, TaskNeed
from hanse.core.scheduling.shortfall import blockers, never_fits
from hanse.core.scheduling.table import NodeTable, TaskFit, placeless
from hanse.core.scheduling.trial import Trial

AsideOf = Callable[[str], tuple[Shape, Allocation]]

# The twin of a larger region is made when it is made, because it takes long.
SMALL_NODES_MAX = 64
# Verdicts on shapes, kept because every submission asks; a shape is asked again after this many others.
NEVER_FITS_MEMO_MAX = 16_384


class Capacity:
    """The nodes of a region with their allocations. Raises NodeError for nodes that cannot be.

    `version` grows whenever something is released: what had no room before may have some now.
    """

    def __init__(
        self, nodes: tuple[Node, ...], topology: Topology | None = None, owner_of: OwnerOf = nobody
    ) -> None:
        self.version = 0
        self._table = NodeTable(nodes, topology)
        # Nothing is held yet; replaced by a twin at the first take, or now where that takes long.
        self._empty = NodeTable(nodes, topology) if len(nodes) > SMALL_NODES_MAX else self._table
        self._nodes = nodes
        self._topology = topology
        self._owner_of = owner_of
        # Known of those that neighbours count.
        self._owners: dict[str, Owner] = {}
        self._table.neighbours.seated = self._seated
        self._held: dict[str, tuple[Shape, Allocation]] = {}
        # What is set aside (windows.py), by the id of its reservation.
        self.aside: AsideOf = _nothing_aside
        # Allocations on nodes that are not configured any more: node -> job -> tasks.
        self._gone: dict[str, dict[str, int]] = {}
        self._overcommitted: dict[str, None] = {}
        self._cordoned: dict[str, str] = {}
        self._never_fits: dict[tuple[tuple[GroupShape, ...], Within | None], str | None] = {}
        self._capacity_total = _total(nodes)
        self._totals_seen = -1
        self._free_total: Resources = ()
        self._class_of = [_Alike(self._table, indices) for indices in self._table.alike]
        self._classes_seen = -1
        self._classes: tuple[CapacityClass, ...] = ()

    # -- placing

    def place(self, shape: Shape) -> Allocation | None:
        """Where a job with this shape would run if it started now: all its groups at once, each with as many tasks as
        fit from `count` down to `count_min`. Changes nothing; the same nodes and holders give the same answer."""
        if not is_single(shape):
            return Trial(self._table).place(shape)
        group = shape.body.groups[0]
        fit = self._table.fits_of(shape)[0]
        state = self._table.best(fit)
        alternative = 0
        if state is None and group.rules is not None:
            for alternative in range(1, group.wish_count):
                fit = self._table.fit_of(group, alternative)
                state = self._table.best(fit)
                if state is not None:
                    break
        if state is None:
            return None
        return Allocation((TaskPlacement(0, state.node.name, state.choose(fit.need), alternative),))

    def admits(self, shape: Shape, allocation: Allocation) -> bool:
        """Whether what was foreseen for a job with this shape can be taken as things are now."""
        for task in allocation.tasks:
            besides = self._table.besides(self._table.fit_of_task(shape, task))
            state = self._table.by_name.get(task.node)
            if state is None or (besides is not None and not besides[state.index]):
                return False
        return Trial(self._table).book(shape, allocation)

    def fitting(self, shape: Shape, limit: int) -> int:
        """How many jobs with this shape could be started together now, counted up to `limit`."""
        if is_single(shape) and _counts_exactly(shape, self._table.fits_of(shape)[0]):
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
        self._part_from_empty()
        if self._table.neighbours.counts:
            self._owners[job_id] = self._owner_of(job_id)
        overfull: dict[str, None] = {}
        for task in allocation.tasks:
            if not self._seat(job_id, task, self._table.fit_of_task(shape, task).need):
                overfull[task.node] = None
        assert recovering or not overfull, f"{job_id} does not fit on {', '.join(overfull)}"
        self._overcommitted.update(overfull)
        return tuple(sorted(overfull))

    def _part_from_empty(self) -> None:
        """From now on something is on the nodes."""
        if self._empty is self._table:
            self._empty = NodeTable(self._nodes, self._topology)

    def take_alike(
        self, fit: TaskFit, jobs: Sequence[tuple[Job, str]], allocations: dict[str, Allocation]
    ) -> None:
        """Place and book jobs of one task each, all of this kind, as if they came one after another; so much room must
        be there for sure (NodeTable.open_for_sure). Each comes with its flavour; `allocations`, by job, are added."""
        self._part_from_empty()
        held, counts = self._held, self._table.neighbours.counts
        booked = self._table.fill(fit, len(jobs))
        assert len(booked) == len(jobs), "room that was sure has gone"
        for (job, flavour), (state, devices) in zip(jobs, booked, strict=True):
            job_id = job.id
            assert job_id not in held, f"{job_id} holds capacity already"
            allocation = Allocation((TaskPlacement(0, state.node.name, devices),), flavour)
            held[job_id] = (job.shape, allocation)
            allocations[job_id] = allocation
            state.jobs[job_id] = 1
            if counts:
                self._owners[job_id] = owner = self._owner_of(job_id)
                self._table.neighbours.count(owner, state.index, 1)
        self._table.workload.observe(fit.need, len(booked))

    def _seat(self, job_id: str, task: TaskPlacement, need: TaskNeed) -> bool:
        state = self._table.by_name.get(task.node)
        if state is None:
            jobs = self._gone.setdefault(task.node, {})
            jobs[job_id] = jobs.get(job_id, 0) + 1
            return False
        seated = state.seat(job_id, need, task.devices)
        if job_id in self._owners:
            self._table.neighbours.count(self._owners[job_id], state.index, 1)
        self._table.workload.observe(need, 1)
        self._table.note_change(state)
        return seated

    def _seated(self) -> Iterator[tuple[Owner, int]]:
        """Whose tasks are on which nodes."""
        for job_id, (_, allocation) in self._held.items():
            self._owners[job_id] = owner = self._owner_of(job_id)
            for task in allocation.tasks:
                state = self._table.by_name.get(task.node)
                if state is not None:
                    yield owner, state.index

    def release(self, job_id: str) -> None:
        """Free everything that the job holds."""
        shape, allocation = self._held.pop(job_id)
        owner = self._owners.pop(job_id, None)
        for task in allocation.tasks:
            state = self._table.by_name.get(task.node)
            if state is None:
                self._release_gone(job_id, task.node)
                continue
            need = self._table.fit_of_task(shape, task).need
            state.unseat(job_id, need, task.devices)
            if owner is not None:
                self._table.neighbours.count(owner, state.index, -1)
            self._table.workload.observe(need, -1)
            self._settle(state)
        if self._overcommitted and self._table.caps():
            self._seat_stranded()
        self.version += 1

    def _settle(self, state: NodeState) -> None:
        self._table.note_change(state)
        if not state.stranded:
            self._overcommitted.pop(state.node.name, None)

    def _seat_stranded(self) -> None:
        """What a cap kept out on one node may have room since something ended on another."""
        for name in list(self._overcommitted):
            state = self._table.by_name.get(name)
            if state is not None:
                state.seat_stranded()
                self._settle(state)

    def _release_gone(self, job_id: str, node: str) -> None:
        jobs = self._gone[node]
        jobs[job_id] -= 1
        if not jobs[job_id]:
            del jobs[job_id]
        if not jobs:
            del self._gone[node]
            self._overcommitted.pop(node, None)

    def cordon(self, node: str, why: str | None) -> None:
        """Start nothing on this node, and why; None: it takes jobs again. (A node that is gone is left alone.)"""
        state = self._table.by_name.get(node)
        if state is None:
            return
        self._part_from_empty()
        if why is None:
            self._cordoned.pop(node, None)
        else:
            self._cordoned[node] = why
        state.cordoned = why is not None
        self._table.note_change(state)
        self.version += 1

    def cordoned(self) -> dict[str, str]:
        """Nodes on which nothing is started, and why; by name."""
        return dict(sorted(self._cordoned.items()))

    def holders(self) -> tuple[str, ...]:
        """Every job that holds something."""
        return tuple(self._held)

    def holds(self, job_id: str) -> bool:
        """Whether the job holds capacity."""
        return job_id in self._held

    def held(self, job_id: str) -> tuple[Shape, Allocation]:
        """What the job holds, or what is set aside under this id. KeyError if it is nothing."""
        known = self._held.get(job_id)
        return self.aside(job_id) if known is None else known

    # -- setting aside

    def hold(self, node: str, group: GroupShape) -> Devices | None:
        """Set aside what one task of this group takes on this node, on whatever devices; None: it has no room."""
        state, need = self._table.by_name.get(node), self._table.fit_of(group).need
        if state is None or not state.fits(need):
            return None
        self._part_from_empty()
        devices = state.choose(need)
        state.take(need, devices)
        self._table.note_change(state)
        return devices

    def let_go(self, node: str, group: GroupShape, devices: Devices) -> None:
        """What was set aside like this is free again."""
        state = self._table.by_name[node]
        state.give_back(self._table.fit_of(group).need, devices)
        self._table.note_change(state)

    @property
    def empty(self) -> NodeTable:
        """The nodes with nothing on them."""
        return self._empty

    def overcommitted(self) -> tuple[str, ...]:
        """Nodes that have, since they were configured anew, less than is held on them (or are gone), sorted."""
        return tuple(sorted(self._overcommitted))

    # -- explaining

    def never_fits(self, shape: Shape) -> str | None:
        """Why a job with this shape could not run even if every node were empty; None: it could."""
        key = (shape.body.groups, shape.body.within)
        if key not in self._never_fits:
            if len(self._never_fits) >= NEVER_FITS_MEMO_MAX:
                del self._never_fits[next(iter(self._never_fits))]
            self._never_fits[key] = never_fits(self._empty, shape)
        return self._never_fits[key]

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
            columns = np.add.reduce(np.maximum(self._table.matrix()[: len(kinds)], 0), axis=1)
            self._free_total = resources(zip(kinds, columns.tolist(), strict=True))
        return self._free_total

    def classes(self) -> tuple[CapacityClass, ...]:
        """The nodes that are alike, summed up, sorted."""
        if self._classes_seen != self._table.changes:
            table = self._table
            changed = table.changed_since(self._classes_seen) if self._classes else None
            if changed is None:
                self._classes = tuple(map(self._class_view, range(len(table.alike))))
            else:
                views = list(self._classes)
                for number in dict.fromkeys(table.alike_of[index] for index in changed):
                    views[number] = self._class_view(number)
                self._classes = tuple(views)
            self._classes_seen = table.changes
        return self._classes

    def _class_view(self, number: int) -> CapacityClass:
        layout, alike = self._table.layout, self._class_of[number]
        columns = np.maximum(self._table.matrix().take(alike.indices, axis=1), 0)
        # (Not by their methods, which take three times as long for the few nodes that there often are.)
        free, most = np.add.reduce(columns, axis=1).tolist(), np.maximum.reduce(columns, axis=1).tolist()
        # Of devices, what one task can get counts, not the sum of scraps.
        for kind, whole in layout.whole_column.items():
            most[layout.column[kind]] = max(most[whole], most[layout.share_column[kind]])
        return CapacityClass(
            node_class=alike.node_class,
            nodes=len(alike.indices),
            node_capacity=alike.capacity,
            labels=alike.labels,
            free=resources(zip(layout.kinds, free, strict=False)),
            free_max=resources(zip(layout.kinds, most, strict=False)),
            taints=alike.taints,
        )

    def nodes(self) -> tuple[NodeView, ...]:
        """Every node with what is free and who is on it, sorted by name; nodes that are gone but still held last."""
        views = [
            NodeView(
                node=state.node,
                free=state.free(),
                jobs=tuple(sorted(state.jobs)),
                cordoned=self._cordoned.get(state.node.name),
            )
            for state in self._table.states
        ]
        for name in sorted(self._gone):
            gone = Node(name=name, node_class="", capacity=())
            views.append(NodeView(node=gone, free=(), jobs=tuple(sorted(self._gone[name]))))
        return tuple(views)


class _Alike:
    """Nodes that are alike: which, and what they are."""

    __slots__ = ("capacity", "indices", "labels", "node_class", "taints")

    def __init__(self, table: NodeTable, indices: list[int]) -> None:
        node = table.states[indices[0]].node
        self.indices = np.array(indices, dtype=np.intp)
        self.node_class = node.node_class
        self.capacity = node.capacity
        self.labels = placeless(node, table.topology.levels)
        self.taints = tuple(taint for taint in node.taints if taint.effect is TaintEffect.NO_START)


def _nothing_aside(reservation_id: str) -> tuple[Shape, Allocation]:
    raise KeyError(reservation_id)


def is_single(shape: Shape) -> bool:
    """Whether one task is all that is wanted, wherever it is: then there is nothing to try."""
    groups = shape.body.groups
    if len(groups) != 1 or groups[0].count != 1 or shape.body.within is not None:
        return False
    rules = groups[0].rules
    return rules is None or (rules.within is None and rules.spread is None)


def _counts_exactly(shape: Shape, fit: TaskFit) -> bool:
    """Whether jobs that come one after another are as many as the room that is counted now."""
    rules = shape.body.groups[0].rules
    return not fit.need.capped and (rules is None or not (rules.alternatives or rules.affinities))


def _total(nodes: tuple[Node, ...]) -> Resources:
    total: dict[str, int] = {}
    for node in nodes:
        for kind, quantity in node.capacity:
            total[kind] = total.get(kind, 0) + quantity
    return resources(total)
