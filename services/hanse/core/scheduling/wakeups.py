"""Which parked classes are worth another look after something ended.

A job that had no room before can only have some now if one more of its tasks fits on a node on which something ended:
nothing has changed anywhere else. Asking that of a few nodes is far cheaper than looking for room on all of them, so a
region with thousands of classes that wait looks, after each end, at those few that may have gained from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hanse.core.model.jobs import GroupShape, Shape
from hanse.core.scheduling.table import NodeTable, TaskFit

# Beyond this many nodes at once everything is looked at again.
NODES_MAX = 16


def may_have_room(table: NodeTable, shape: Shape, nodes: Iterable[str]) -> bool:
    """Whether a shape that was blocked may have room since something ended on these nodes. Shapes whose tasks depend
    on what runs elsewhere always may."""
    fits = list(_fits_of(table, shape))
    if not all(_stands_alone(fit) for fit in fits):
        return True
    states = [table.by_name[node] for node in nodes if node in table.by_name]
    return any(table.has_room(fit, state) for state in states for fit in fits)


def _fits_of(table: NodeTable, shape: Shape) -> Iterator[TaskFit]:
    """Every kind of task that the shape can be made of."""
    yield from table.fits_of(shape)
    for group in shape.body.groups:
        for alternative in range(1, group.wish_count):
            yield table.fit_of(group, alternative)


def _stands_alone(fit: TaskFit) -> bool:
    """Whether a node's own free capacity decides about it: no neighbours, and no cap that other nodes share."""
    return not fit.need.capped and (fit.rules is None or not fit.rules.affinities)


def counts_by_node(table: NodeTable, shape: Shape) -> bool:
    """Whether how many tasks each node takes tells whether the whole shape has room."""
    groups = shape.body.groups
    if len(groups) != 1 or shape.body.within is not None:
        return False
    return _goes_anywhere(groups[0]) and _stands_alone(table.fits_of(shape)[0])


def _goes_anywhere(group: GroupShape) -> bool:
    """Whether where one of its tasks runs is nothing to the others."""
    rules = group.rules
    return rules is None or not (rules.alternatives or rules.within or rules.spread)
