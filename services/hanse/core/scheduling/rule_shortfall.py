"""Which placement rule keeps a group out, where quantities and constraints do not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hanse.core.model.jobs import GroupShape
from hanse.core.model.rules import NODE_LEVEL, Affinity, Spread, Within
from hanse.core.scheduling.table import NodeTable, TaskFit
from hanse.core.scheduling.topology import Domains
from hanse.core.scheduling.trial import Trial

TOPOLOGY = "TOPOLOGY"
AFFINITY = "AFFINITY"
CAP = "CAP"

# A blocker's code, and what to say.
Lack = tuple[str, str]


def variants(group: GroupShape) -> Iterator[GroupShape]:
    """The group as it would be with its own wish alone, then with each of its alternatives alone."""
    return (group.settled_on(number) for number in range(group.wish_count))


def rule_shortfall(table: NodeTable, group: GroupShape) -> Lack | None:
    """The first rule that leaves this group no room although there is some; None: none does by itself."""
    fit = table.fit_of(group)
    rules = group.rules
    if rules is not None:
        for affinity in rules.affinities:
            if not affinity.weight and (lack := _affinity_lack(table, fit, affinity)) is not None:
                return lack
        if rules.within is not None and rules.within.required:
            lack = _within_lack(table, fit, group, rules.within)
            if lack is not None:
                return lack
        if rules.spread is not None and rules.spread.tasks_max:
            lack = _spread_lack(table, fit, group, rules.spread)
            if lack is not None:
                return lack
    return _cap_lack(table, fit) if fit.need.capped else None


def _affinity_lack(table: NodeTable, fit: TaskFit, affinity: Affinity) -> Lack | None:
    satisfied = table.neighbours.satisfied(affinity) & fit.mask.flags
    if table.open_nodes(fit).any():
        return None
    jobs = f"jobs {affinity.name!r}" if affinity.name else "jobs"
    where = "apart from" if affinity.apart else "near"
    place = "" if affinity.level == NODE_LEVEL else f", by {affinity.level}"
    count = int(np.count_nonzero(satisfied))
    return AFFINITY, f"{count} of {fit.mask.count} nodes are {where} {jobs} of {affinity.tenant}{place}"


def _within_lack(table: NodeTable, fit: TaskFit, group: GroupShape, within: Within) -> Lack | None:
    domains = table.topology.domains(within.level)
    if domains is None:
        return TOPOLOGY, f"this region has no level {within.level!r}"
    most, name = _roomiest(table, fit, domains)
    if most >= group.count_min:
        return None
    return TOPOLOGY, (
        f"no {within.level} has room for {group.count_min} tasks"
        + (f": the most is {most} in {name}" if most else "")
    )


def _spread_lack(table: NodeTable, fit: TaskFit, group: GroupShape, spread: Spread) -> Lack | None:
    domains = table.topology.domains(spread.level)
    if domains is None:
        return TOPOLOGY, f"this region has no level {spread.level!r}"
    rooms = Trial(table).rooms(fit, domains.of_node, len(domains.names), None)
    room = int(np.minimum(rooms, spread.tasks_max).sum())
    if room >= group.count_min:
        return None
    return TOPOLOGY, (
        f"with at most {spread.tasks_max} in each {spread.level} there is room for {room} of {group.count_min} tasks"
    )


def _roomiest(table: NodeTable, fit: TaskFit, domains: Domains) -> tuple[int, str]:
    rooms = Trial(table).rooms(fit, domains.of_node, len(domains.names), None)
    if not rooms.size:
        return 0, ""
    best = int(rooms.argmax())
    return int(rooms[best]), domains.names[best]


def _cap_lack(table: NodeTable, fit: TaskFit) -> Lack | None:
    """The first cap that has less free than one task takes."""
    for cap in table.caps():
        for kind, quantity in fit.need.capped:
            if cap.free.get(kind, quantity) < quantity:
                return CAP, f"{cap.level} {cap.domain} has {cap.free[kind]} {kind} left for all its nodes"
    return None
