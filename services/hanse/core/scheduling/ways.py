"""In how many ways a job's wish can be met.

A job may make do with alternatives (other resources, model/rules.py), and a queue's quota comes in flavours (other
nodes, policy/model.py). Each combination is a *way*: a shape to be placed, and what its queue is charged for it. Ways
are tried in order of preference, the job's own before the policy's: its first wish in every flavour, then its second.
A way is open if there is quota for it and nodes have room for it, so a job is not held up by the quota of an
alternative that it does not need. Where no quota limits a job there is one way only: placement chooses among
alternatives by itself.
"""

from __future__ import annotations

from itertools import islice, product
from typing import Protocol

import msgspec

from hanse.core.model.jobs import Allocation, GroupShape, Shape, make_shape
from hanse.core.model.limits import WAYS_MAX, WAYS_MEMO_MAX
from hanse.core.model.resources import Resources
from hanse.core.policy.model import ANY_NODE, Policy
from hanse.core.scheduling.cohorts import Bound, Usage
from hanse.core.scheduling.quota import Cells, Charge, QuotaQueue


class Nodes(Protocol):
    """Where a job may be placed: the region's capacity, or a trial."""

    def place(self, shape: Shape) -> Allocation | None:
        """Room for all groups of one job; None: there is none."""


class Way(msgspec.Struct, frozen=True):
    """One way to meet a job's wish. `queue` None: no quota limits it. `placed`: the job's shape as it is placed, on the
    flavour's nodes only; `wanted`: what its tasks take then; `charged`: what of that counts. `chosen`: which of its
    group's alternatives each group of `placed` stands for (as TaskPlacement.alternative); empty: placement chooses."""

    queue: QuotaQueue | None
    flavour: str
    placed: Shape
    wanted: Resources
    charged: Charge | None = None
    chosen: tuple[int, ...] = ()

    def place(self, nodes: Nodes) -> Allocation | None:
        """Room for it, said in terms of the job's own shape."""
        found = nodes.place(self.placed)
        if found is None or not (self.flavour or any(self.chosen)):
            return found
        tasks = found.tasks
        if any(self.chosen):
            tasks = tuple(
                msgspec.structs.replace(task, alternative=self.chosen[task.group]) for task in found.tasks
            )
        return Allocation(tasks, self.flavour)

    @property
    def cells(self) -> Cells:
        """What it takes of its queue's quotas."""
        return () if self.charged is None else self.charged.cells

    def has_quota(self) -> bool:
        """Whether its queue may start it now."""
        return self.charged is None or self.charged.fits(self.charged.queue.root.usage)

    def bound(self, usage: Usage) -> Bound | None:
        """What keeps its queue from starting it when this is used; None: nothing does."""
        return None if self.queue is None else self.queue.bound(self.cells, usage)

    def charge(self, sign: int, usage: Usage) -> None:
        """Count what it takes (1), or gives back (-1)."""
        if self.charged is not None:
            self.charged.count(sign, usage)

    def shares_quota(self, other: QuotaQueue | None) -> bool:
        """Whether what it takes may be missing in another queue."""
        return self.queue is not None and other is not None and self.queue.root is other.root


class Ways:
    """The ways of all shapes under one policy; remembered, because every look at a job asks."""

    def __init__(self, policy: Policy) -> None:
        self._selectors = {flavour.name: flavour.constraints for flavour in policy.flavours}
        self._known: dict[tuple[str, bytes], tuple[Way, ...]] = {}

    def of(self, queue: QuotaQueue | None, shape: Shape) -> tuple[Way, ...]:
        """In order of preference; at least one."""
        key = ("" if queue is None else queue.name, shape.key)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= WAYS_MEMO_MAX:
                del self._known[next(iter(self._known))]
            known = self._known[key] = self._made(queue, shape)
        return known

    def _made(self, queue: QuotaQueue | None, shape: Shape) -> tuple[Way, ...]:
        if queue is None:
            return (Way(None, ANY_NODE, shape, shape.total),)
        choices = islice(product(*(range(group.wish_count) for group in shape.body.groups)), WAYS_MAX)
        combined = islice(product(choices, queue.flavours), WAYS_MAX)
        return tuple(self._way(queue, flavour, shape, chosen) for chosen, flavour in combined)

    def _way(self, queue: QuotaQueue, flavour: str, shape: Shape, chosen: tuple[int, ...]) -> Way:
        selectors = self._selectors.get(flavour, ())
        groups = tuple(
            _on_nodes(group.settled_on(number), selectors)
            for group, number in zip(shape.body.groups, chosen, strict=True)
        )
        if groups == shape.body.groups:
            return Way(queue, flavour, shape, shape.total, queue.charged(flavour, shape.total))
        placed = make_shape(msgspec.structs.replace(shape.body, groups=groups))
        return Way(queue, flavour, placed, placed.total, queue.charged(flavour, placed.total), chosen)


def _on_nodes(group: GroupShape, selectors: tuple[str, ...]) -> GroupShape:
    """The group, on nodes that satisfy these selectors besides its own."""
    if not selectors:
        return group
    return msgspec.structs.replace(group, constraints=group.constraints + selectors)
