"""Which parked classes are worth another look after something ended.

A job that had no room before can only have some now if one more of its tasks fits on a node on which something ended:
nothing has changed anywhere else. Asking that of a few nodes is far cheaper than looking for room on all of them, so a
region with thousands of classes that wait looks, after each end, at those few that may have gained from it.
"""

from __future__ import annotations

from collections.abc import Iterable

from hanse.core.model.jobs import GroupShape, Shape
from hanse.core.scheduling.table import NodeTable, TaskFit

# Beyond this many nodes at once everything is looked at again.
NODES_MAX = 16


def may_have_room(table: NodeTable, shape: Shape, nodes: Iterable[str]) -> bool:
    """Whether a shape that was blocked may have room since something ended on these nodes. Shapes whose tasks depend
    on what runs elsewhere always may."""
    groups = shape.body.groups
    if not all(_stands_alone(group) for group in groups):
        return True
    fits = table.fits_of(shape)
    return any(_fits_on(table, fit, node) for node in nodes for fit in fits)


def _fits_on(table: NodeTable, fit: TaskFit, node: str) -> bool:
    state = table.by_name.get(node)
    return state is not None and bool(fit.mask.allowed[state.index]) and state.fits(fit.need)


def _stands_alone(group: GroupShape) -> bool:
    """Whether a node's own free capacity decides about it."""
    return getattr(group, "rules", None) is None


def counts_by_node(shape: Shape) -> bool:
    """Whether how many tasks each node takes tells whether the whole shape has room."""
    groups = shape.body.groups
    return len(groups) == 1 and _stands_alone(groups[0]) and not getattr(shape.body, "within", "")
